"""Train, watch, Results, Predict: with the keyboard alone, on a phone, and at 200 % zoom. Screenshots lie in `build/screens`."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browser import Lab, expect
from servers import ROOT, Server, wait_until

from reglab.config import RunConfig
from reglab.teaching.links import Beside, encode

SCREENS = ROOT / "build" / "screens"
VIEWS = {  # as they are opened by address
    "train": "", "sees": "?view=sees", "share": "?view=share", "results": "?tab=results",
    "results-errors": "?tab=results&view=errors", "results-inside": "?tab=results&view=inside",
    "results-fork": "?tab=results&view=fork", "results-report": "?tab=results&view=report", "predict": "?tab=predict",
    "experiments": "?tab=experiments", "experiments-published": "?tab=experiments&view=published", "learn": "?tab=learn",
    "learn-dropout": "?tab=learn&entry=dropout",
}  # fmt: skip
SCREEN = {
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    "small phone": {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True},
    "200 % zoom": {"viewport": {"width": 720, "height": 450}, "device_scale_factor": 2},
    "desk": {},
}
SMALL = RunConfig.parse({"dataset": "digits", "train_size": 60, "epochs": 40, "regularizers": {"dropout": {}}})
LINK = f"?cfg={encode(SMALL, Beside(True, False))}"
LONG = f"?cfg={encode(SMALL.override({'epochs': 1000}), Beside(True, False))}"  # trains until it is stopped

# What has the focus, and whether it can be seen: of five points of the part that is on the screen at least the middle one or
# most of the others are its own, and something around it says that it has the focus.
FOCUSED = """() => {
  const e = document.activeElement
  if (!e || e === document.body) return null
  const box = e.getBoundingClientRect(), within = (low, high, most) => [Math.max(low, 1), Math.min(high, most - 1)]
  const shown = e.matches("input[type=checkbox], input[type=radio], input[type=file]") && (e.closest("label") || e.parentElement) || e
  const area = box.width < 2 || box.height < 2 ? shown.getBoundingClientRect() : box
  const [left, right] = within(area.left, area.right, innerWidth), [top, bottom] = within(area.top, area.bottom, innerHeight)
  const at = [[0.5, 0.5], [0.1, 0.2], [0.9, 0.2], [0.1, 0.8], [0.9, 0.8]].map(([x, y]) =>
    document.elementFromPoint(left + (right - left) * x, top + (bottom - top) * y))
  const own = at.filter(seen => seen && (e.contains(seen) || seen.contains(e) || shown.contains(seen)))
  const bar = at.find(seen => seen && !e.contains(seen) && !seen.contains(e) && !shown.contains(seen))
  return {
    place: (e.closest("[id]") || e).id,
    name: (e.getAttribute("aria-label") || e.innerText || e.value || e.title || "").trim().slice(0, 50),
    role: e.getAttribute("role") || e.tagName.toLowerCase() + (e.type ? ` ${e.type}` : ""),
    off: right <= left || bottom <= top,
    covered: own.length < 3 ? bar?.closest("[id]")?.id || bar?.className || bar?.localName || "nothing shown" : "",
  }
}"""


def focused(lab: Lab) -> Any:
    """What has the focus, told of a page that has come to rest where it cannot be seen."""
    here = lab.page.evaluate(FOCUSED)
    if here and (here["covered"] or here["off"]):
        lab.at_rest()
        here = lab.page.evaluate(FOCUSED)
    return here


def photograph(lab: Lab, name: str, screen: str) -> None:
    """Kept for people who look at the run's artefacts; nothing compares them."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    lab.page.screenshot(path=SCREENS / f"{screen.replace(' ', '-').replace('%', 'percent')}-{name}.png")


def turn_to(lab: Lab, server: Server, query: str) -> None:
    lab.visitor.may_fail = "AbortError|Connection errored out"  # whoever leaves a page breaks off what it asked for
    lab.page.goto(server.url + query)
    expect(lab.page.locator("#tabs > .tab-wrapper").get_by_role("tab", selected=True)).to_be_visible()
    lab.at_rest()


def in_sight(lab: Lab, what: str, among: str = "") -> bool:
    """Whether the middle of it is on the screen and nothing lies over it, but for what belongs to `among` as well."""
    return bool(
        lab.page.locator(what).first.evaluate(
            """(e, among) => { const b = e.getBoundingClientRect(), x = b.left + b.width / 2, y = b.top + b.height / 2
                      const seen = document.elementFromPoint(x, y)
                      return Boolean(seen) && (e.contains(seen) || seen.contains(e) || Boolean(among && seen.closest(among))) }""",
            among,
        )
    )


# ---- every view on every screen ------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("screen", [name for name in SCREEN if name != "desk"])
def test_nothing_runs_off_the_side_on_any_tab_and_view(visitors, server, a_run, screen):
    a_run("20250101-000009-aaaaaa")
    lab = visitors(**SCREEN[screen]).open(server)
    wide = []
    for name, query in VIEWS.items():
        turn_to(lab, server, query)
        photograph(lab, name, screen)
        if (more := lab.sideways()) > 0:
            wide.append(f"{name}: {more} px")
    assert not wide


# ---- on a phone ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("screen", ["phone", "small phone"])
def test_on_a_phone_one_trains_watches_stops_and_asks_the_network(visitors, server, screen):
    lab = visitors(**SCREEN[screen]).open(server, LINK)
    height = SCREEN[screen]["viewport"]["height"]
    wait_until(lambda: in_sight(lab, "#train"), "Train is out of reach")
    lab.train.tap()
    wait_until(lambda: 0 <= lab.box("#chart .charts")["y"] < height * 0.6, "the chart is not what one sees")
    lab.expect_points(1, runs=2)
    lab.at_rest()
    assert in_sight(lab, "#chart [data-chart=accuracy] .dots circle", ".plot"), "the first point"
    photograph(lab, "trains", screen)
    assert in_sight(lab, "#stop"), "Stop is out of reach"
    lab.stop.tap()
    lab.expect_statuses("stopped", "stopped")
    expect(lab.stop).to_have_text("Resume")
    assert in_sight(lab, "#stop") and lab.sideways() <= 0

    lab.tab("Predict")
    lab.page.locator("#examples button").first.tap()
    wait_until(lambda: 0 <= lab.box("#answers header")["y"] < height - 60, "the answer is not in sight")
    wait_until(lambda: in_sight(lab, "#answers header"), "something lies over the answer")
    photograph(lab, "answer", screen)
    assert lab.sideways() <= 0


# ---- with the keyboard alone ---------------------------------------------------------------------------------------
class Keyboard:
    """Somebody without a mouse, who notes what they could not see."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.keys, self.unseen = lab, lab.page.keyboard, []  # type: ignore[var-annotated]

    def tab_to(self, place: str, most: int = 120, back: bool = False) -> dict[str, Any]:
        """Press Tab until the focus is in this place of the page; every stop on the way has to be seen."""
        passed = []
        for _ in range(most):
            self.keys.press("Shift+Tab" if back else "Tab")
            here = focused(self.lab)
            if here is None:
                continue
            passed.append(f"{here['place']} {here['name']}")
            if here["covered"] or here["off"]:
                self.unseen.append(
                    f"{here['role']} {here['name']!r} in #{here['place']} lies under {here['covered'] or 'the edge'}"
                )
            if self.lab.page.evaluate("place => Boolean(document.activeElement.closest(place))", place):
                return here
        raise AssertionError(f"{place} is not reached by Tab: {passed}")

    def turn_to(self, tab: str) -> None:
        """The tabs are one stop, with the arrow keys within."""
        self.tab_to("#tabs > .tab-wrapper [role=tab]", back=True)
        for _ in range(5):
            if self.lab.page.evaluate("document.activeElement.innerText").strip() == tab:
                break
            self.keys.press("ArrowRight")
        self.keys.press("Enter")
        chosen = self.lab.page.locator("#tabs > .tab-wrapper").get_by_role("tab", selected=True)
        expect(chosen).to_have_text(tab)


@pytest.mark.parametrize("screen", ["desk", "200 % zoom"])
def test_the_whole_way_with_the_keyboard_alone(visitors, server, screen):
    lab = visitors(**SCREEN[screen]).open(server, LINK)
    person = Keyboard(lab)
    lab.page.evaluate("() => document.activeElement.blur()")

    person.tab_to("#train")
    person.keys.press("Enter")
    expect(lab.stop).to_be_enabled()
    lab.expect_statuses("running", "running")
    lab.expect_points(2, runs=2)
    person.tab_to("#stop")
    photograph(lab, "keyboard-trains", screen)

    chart = person.tab_to("#chart [data-chart=accuracy] .plot")
    assert chart["role"] == "slider"
    person.keys.press("ArrowLeft")
    plot = lab.page.locator("#chart [data-chart=accuracy] .plot")
    expect(plot).to_have_attribute("aria-valuetext", re.compile(r"^epoch \d+: plain"))
    person.tab_to("#stop", back=True)
    person.keys.press("Enter")
    lab.expect_statuses("stopped", "stopped")

    person.turn_to("Results")
    summary, runs = lab.page.locator("#runs summary"), lab.page.locator("#runs-table button.name")
    expect(summary.or_(runs).filter(visible=True).first).to_be_visible()
    if summary.is_visible():  # on a narrow page the list is folded
        person.tab_to("#runs summary")
        person.keys.press("Enter")
    name = person.tab_to("#runs-table button.name")
    person.keys.press("Enter")
    expect(lab.page.locator("#chosen .reglab-chosen")).to_contain_text(re.sub(r"…$", "", name["name"]).split(",")[0])
    photograph(lab, "keyboard-results", screen)

    person.turn_to("Predict")
    person.tab_to("#examples button")
    person.keys.press("Enter")
    expect(lab.page.locator("#answers section").first).to_be_visible()
    photograph(lab, "keyboard-answer", screen)
    assert not person.unseen, "\n".join(dict.fromkeys(person.unseen))


def unseen_stops(lab: Lab, name: str) -> list[str]:
    """Go through a view by Tab; the stops that are covered or off the screen."""
    unseen: list[str] = []
    seen: set[str] = set()
    for _ in range(150):
        lab.page.keyboard.press("Tab")
        here = focused(lab)
        if here is None:
            break
        if here["covered"] or here["off"]:
            unseen.append(
                f"{name}: {here['role']} {here['name']!r} in #{here['place']} under {here['covered'] or 'the edge'}"
            )
        seen.add(f"{here['place']} {here['role']} {here['name']}")
    assert len(seen) > 5, name
    return unseen


@pytest.mark.slow
@pytest.mark.parametrize("screen", ["desk", "phone"])
def test_no_stop_of_the_keyboard_is_covered_on_any_tab(visitors, server, a_run, screen):
    a_run("20250101-000009-aaaaaa")
    lab = visitors(**SCREEN[screen]).open(server)
    unseen: list[str] = []
    for name in ("train", "share", "results", "results-fork", "results-report", "predict", "experiments", "learn"):
        turn_to(lab, server, VIEWS[name])
        unseen += unseen_stops(lab, name)
    assert not unseen, "\n".join(dict.fromkeys(unseen))


@pytest.mark.slow
@pytest.mark.parametrize("screen", ["phone", "small phone"])
def test_while_a_run_trains_the_taller_bar_covers_no_stop_and_nothing_runs_off_the_side(visitors, server, screen):
    """On a first visit, whose line with the tour stands above."""
    lab = visitors(**SCREEN[screen]).open(server, LONG)
    rest = lab.box("#bar")["height"]
    lab.train.tap()
    lab.expect_points(1, runs=2)
    lab.toggle("weight_decay").check()
    expect(lab.page.locator("#bar #change")).to_be_visible()  # what was changed may be gone on with
    expect(lab.page.locator("#tour-offer")).to_be_visible()
    photograph(lab, "taller-bar", screen)
    assert lab.box("#bar")["height"] > rest + 40 and lab.sideways() <= 0
    lab.page.locator("#tour-offer button").first.focus()
    unseen = unseen_stops(lab, "train")
    assert not unseen, "\n".join(dict.fromkeys(unseen))
    wide = []
    for name, query in VIEWS.items():
        turn_to(lab, server, query)
        if (more := lab.sideways()) > 0:
            wide.append(f"{name}: {more} px")
    assert not wide
    assert "running" in [run.status() for run in server.runs()]
