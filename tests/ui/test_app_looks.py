"""How the app looks on a phone, in the dark, and to those who cannot see it."""

from __future__ import annotations

from typing import Any

from browser import expect
from pages import TABS
from servers import wait_until


def test_on_a_phone_nothing_runs_off_the_side_and_one_can_train(visitors, server, a_run):
    a_run("20250101-000005-ffffff")
    phone = visitors(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    lab = phone.open(server)
    lab.digits(train_size=60, epochs=1)
    lab.train.tap()
    lab.expect_statuses("finished", "finished")
    lab.at_rest()  # once nothing can be stopped, the curves go back below the controls
    accuracy, loss = lab.box("#chart [data-chart=accuracy]"), lab.box("#chart [data-chart=loss]")
    assert accuracy["y"] + accuracy["height"] <= loss["y"] and accuracy["x"] == loss["x"], "not one above the other"
    for tab in TABS:
        lab.tab(tab)
        expect(lab.page.locator("#tabs > .tab-wrapper").get_by_role("tab", selected=True)).to_have_text(tab)
        lab.at_rest()
        assert lab.sideways() <= 0, tab
        assert lab.page.evaluate(COVERED) == [], tab


COVERED = """() => [...document.querySelectorAll(".number-control")].filter(field => field.checkVisibility()).filter(field => {
    const [label, box] = [field.querySelector("label"), field.querySelector("input[type=text]")].map(e => e.getBoundingClientRect());
    return label.left < box.right && box.left < label.right && label.top < box.bottom - 1 && box.top < label.bottom - 1;
}).map(field => field.innerText)"""
"""The fields whose number lies over their label."""

NAMED = {
    "button",
    "checkbox",
    "combobox",
    "link",
    "listbox",
    "option",
    "radio",
    "searchbox",
    "slider",
    "spinbutton",
    "switch",
    "tab",
    "textbox",
}


def test_the_dark_page_is_dark_and_says_to_everybody_what_is_on_it(visitor, server, a_run):
    run = a_run("20250101-000007-fedcba")
    lab = visitor.open(server, "?__theme=dark")
    page = lab.page
    lab.open_run(run.id)
    lab.expect_statuses("finished")
    # "rgb(1, 2, 3)", or "color(srgb 0.1 0.2 0.3)" of what is mixed
    light = """e => { const said = getComputedStyle(e).%s, [r, g, b] = said.match(/[\\d.]+/g).map(Number);
                      return (r + g + b) / 3 * (said.startsWith("color(srgb") ? 255 : 1) }"""
    assert page.locator("gradio-app").evaluate(light % "backgroundColor") < 60
    for words in ("h1", "#chart [data-part=title]", "#chart [data-part=diagnosis] p"):
        assert page.locator(words).first.evaluate(light % "color") > 140, words

    page.get_by_role("button", name="More settings").click()
    devtools = page.context.new_cdp_session(page)
    for tab in TABS:
        # Inside and Errors have a choice or two, all else there is drawn.
        least = 7 if tab in ("Inside", "Errors") else 10
        lab.tab(tab)
        wait_until(lambda least=least: len(controls_of(devtools)) > least, f"no controls on {tab}")
        # The page names what Gradio leaves without a name, as soon as a tab is drawn.
        wait_until(lambda: not nameless_on(devtools), f"without a name on {tab}", 20, lambda: nameless_on(devtools))
        assert page.locator("h1").count() == 1
    lab.tab("Train")
    for title in ("Accuracy", "Loss"):
        chart = page.locator("#chart").get_by_role("slider", name=f"{title}, epoch by epoch")
        said = chart.get_attribute("aria-valuetext") or ""
        assert said.startswith("latest, epoch ") and "validation" in said, said


def nameless_on(devtools: Any) -> list[tuple[str, Any]]:
    """Tag and attributes of what can be operated and has no name."""
    nameless = [n for n in controls_of(devtools) if not n.get("name", {}).get("value", "").strip()]
    where = [devtools.send("DOM.describeNode", {"backendNodeId": n["backendDOMNodeId"]})["node"] for n in nameless]
    return [(node["nodeName"], node.get("attributes")) for node in where]


def controls_of(devtools: Any) -> list[dict[str, Any]]:
    """What can be operated on the page, as those hear of it who cannot see it."""
    nodes = devtools.send("Accessibility.getFullAXTree")["nodes"]
    return [n for n in nodes if not n.get("ignored") and n["role"]["value"] in NAMED]
