"""axe-core on every tab and view, light and dark, wide and on a phone; and what stands there is written as docs/design.md says."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from browser import REQUIRED, Lab, expect

from reglab.analysis.evaluate import evaluate
from reglab.config import RunConfig
from reglab.data import SOURCES
from reglab.regularizers import CATALOGUE

FOUND = importlib.util.find_spec("axe_playwright_python")
if FOUND is None and not REQUIRED:
    pytest.skip('no axe-core: get it with `pip install -e ".[dev]"`', allow_module_level=True)

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOK = """async rules => (await axe.run(document, {runOnly: rules, resultTypes: ['violations']})).violations
  .map(found => `${found.id}: ${found.help}: ${found.nodes.map(node => node.target.join(' ')).join(', ')}`)"""
SAID = (
    "[document.body.innerText, [...document.querySelectorAll('code, pre')].map(each => each.innerText).filter(Boolean)]"
)
VIEWS = {"Train": "#stage-tabs", "Results": "#results-views", "Experiments": "#experiments-views"}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
TABS = ("Train", "Results", "Predict", "Experiments", "Learn")

# What nobody should read: a percent sign without its space, a hyphen for a minus, British forms, names from the code.
KEYS = {name for name in (*CATALOGUE, *RunConfig.model_fields, *SOURCES) if "_" in name or name == "cifar10"}
BRITISH = r"\w*(?:colour|grey\b|memoris|generalis|normalis|recognis|labelled|behaviour|neighbour|optimis|regularis|penalis)\w*"
UNWRITTEN = {
    "a percent sign without its space": re.compile(r"\d%"),
    "a hyphen for a minus": re.compile(r"(?:^|[\s(\[])-\d"),
    "a British form": re.compile(BRITISH, re.IGNORECASE),
    "a name from the code": re.compile(rf"(?<![\w.`-])(?:{'|'.join(KEYS)})(?![\w`])"),
}


def expect_rest(lab: Lab) -> None:
    """Returns when no answer is on its way, which Gradio shows by paler words, and nothing moves."""
    lab.at_rest()
    lab.page.wait_for_function(
        "![...document.querySelectorAll('.progress-text, .pending')].some(each => each.offsetParent)"
    )
    lab.at_rest()


def views(lab: Lab) -> Iterator[str]:
    """Turns to every tab and every view of it, and says which."""
    for tab in TABS:
        lab.page.get_by_role("tab", name=tab, exact=True).first.click()
        inside = lab.page.locator(f"{VIEWS[tab]} [role=tab]") if tab in VIEWS else None
        names = inside.all_inner_texts() if inside else []
        for name in names or [""]:
            if name:
                lab.page.locator(VIEWS[tab]).get_by_role("tab", name=name, exact=True).click()
            expect_rest(lab)
            yield f"{tab} {name}".strip()
    lab.page.locator("#contents summary").evaluate("list => { list.parentElement.open = true }")
    lab.page.locator("#contents [data-entry=dropout]").click()
    expect(lab.page.locator("#card-measured table")).to_be_visible()
    expect_rest(lab)
    yield "Learn, a card"


def views_of_a_run(lab: Lab, run_id: str) -> Iterator[str]:
    """The views of Results that show more of a run whose test images were answered, with their tables open."""
    lab.choose_run(run_id)
    for name in ("Errors", "Inside"):
        lab.tab(name)
        expect(lab.page.locator(f"#{name.lower()}-page .reglab-plot").first).to_be_visible()
        lab.page.evaluate("document.querySelectorAll('.reglab-points').forEach(table => { table.open = true })")
        lab.page.locator(".reglab-plot:visible").first.press("ArrowLeft")
        expect_rest(lab)
        yield f"{name}, of one that was evaluated"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("theme", "screen"), [("light", {}), ("dark", {}), ("light", PHONE)], ids=["light", "dark", "phone"]
)
def test_axe_finds_nothing_and_everything_is_written_one_way(server, visitors, a_run, theme, screen):
    run = a_run("20250101-000009-aaaaaa")
    evaluate(run)
    lab = visitors(color_scheme=theme, **screen).open(server, f"?__theme={theme}")
    assert FOUND and FOUND.origin
    lab.page.evaluate((Path(FOUND.origin).parent / "axe.min.js").read_text("utf-8"))
    wrong = []
    for view in chain(views(lab), views_of_a_run(lab, run.id)):
        wrong += [f"{view}: {found}" for found in lab.page.evaluate(LOOK, RULES)]
        said, code = lab.page.evaluate(SAID)
        for command in code:
            said = said.replace(command, "")
        for what, pattern in UNWRITTEN.items():
            wrong += [
                f"{view}: {what}: {said[max(0, m.start() - 30) : m.end() + 20]!r}" for m in pattern.finditer(said)
            ]
    assert not wrong, "\n".join(dict.fromkeys(wrong))
