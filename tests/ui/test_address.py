"""Every tab and view has an address: it opens them, Back and Forward turn to them, a reload stays."""

from __future__ import annotations

import re
from typing import Any

from browser import LEFT, Lab, expect
from servers import Server

TABS = {"train": "Train", "results": "Results", "predict": "Predict", "experiments": "Experiments", "learn": "Learn"}


def opened(visitor: Any, server: Server, query: str) -> Lab:
    """The page at an address, which may be that of another tab than Train."""
    page = visitor.context.new_page()
    page.goto(server.url + query)
    return Lab(page, visitor)


def expect_open(lab: Lab, tab: str, view: str = "") -> None:
    expect(lab.page.locator("#tabs > .tab-wrapper").get_by_role("tab", selected=True)).to_have_text(tab)
    if view:
        views = lab.page.locator('[id$="-views"]:visible, #stage-tabs:visible').locator("> .tab-wrapper")
        expect(views.get_by_role("tab", selected=True)).to_have_text(view)


def views_of(lab: Lab) -> list[str]:
    """The titles of the views of the tab that is open."""
    views = lab.page.locator('[id$="-views"]:visible > .tab-wrapper [role=tab]')
    expect(views.first).to_be_visible()
    return views.all_inner_texts()


WATCH = """
window.turns = [];
new MutationObserver(() => {
  const open = document.querySelector("#tabs > .tab-wrapper [role=tab][aria-selected=true]")?.textContent.trim();
  if (open && open !== window.turns.at(-1)) window.turns.push(open);
}).observe(document, { subtree: true, childList: true, attributes: true });
"""


def test_each_tab_has_an_address_that_opens_it_without_a_jump_through_train(visitor, server):
    visitor.context.add_init_script(WATCH)
    for key, title in TABS.items():
        lab = opened(visitor, server, f"?tab={key}")
        expect_open(lab, title)
        assert lab.page.evaluate("window.turns") == [title]
        lab.page.close()


def test_back_forward_and_reload_find_the_tab_and_the_view(visitor, server):
    visitor.may_fail = LEFT
    lab = visitor.open(server)
    page = lab.page
    lab.tab("Results")
    expect(page).to_have_url(re.compile(r"\?tab=results(&run=[^&]*)?$"))
    first, *_, last = views_of(lab)
    page.get_by_role("tab", name=last, exact=True).click()
    expect(page).to_have_url(re.compile(r"\?tab=results&view=\w+(&run=[^&]*)?$"))
    lab.tab("Learn")
    expect(page).to_have_url(re.compile(r"\?tab=learn"))

    page.go_back()
    expect_open(lab, "Results", last)
    page.go_back()
    expect_open(lab, "Results", first)
    page.go_back()
    expect_open(lab, "Train", "Curves")
    assert page.url.rstrip("/") == server.url
    for _ in range(2):
        page.go_forward()
    expect_open(lab, "Results", last)
    page.reload()
    expect_open(lab, "Results", last)
    page.go_back()
    expect_open(lab, "Results", first)


def test_back_leads_from_an_entry_of_learn_to_the_one_before(visitor, server):
    visitor.may_fail = LEFT
    lab = visitor.open(server)
    page, title = lab.page, lab.page.locator("#learn-page h2:visible").first
    lab.tab("Learn")
    expect(title).to_be_visible()
    began = title.inner_text()  # the address does not name it yet
    for entry, name in (("dropout", "Dropout"), ("mixup", "Mixup")):
        page.locator(f"#contents [data-entry={entry}]").click()
        expect(title).to_have_text(name)
        expect(page).to_have_url(re.compile(f"tab=learn&entry={entry}$"))
    page.locator("#contents [data-entry=mixup]").click()  # which is open: no entry of the history

    page.go_back()
    expect(title).to_have_text("Dropout")
    page.go_back()
    expect(title).to_have_text(began)
    page.go_forward()
    expect(title).to_have_text("Dropout")
    expect(page.locator("#contents [aria-current=true]")).to_have_attribute("data-entry", "dropout")
    page.reload()
    expect(title).to_have_text("Dropout")
    for _ in range(2):
        page.go_back()
    expect_open(lab, "Train", "Curves")


def test_back_never_ends_on_results_whatever_was_chosen_and_deleted_there(visitor, server, a_run):
    """Runs that are chosen replace those in the address; one that is gone by then is no reason to stay."""
    runs = [a_run(f"2024010{n}-000000-abcdef") for n in (1, 2, 3)]
    lab = visitor.open(server)
    page = lab.page
    lab.tab("Results")
    chosen = page.locator("#chosen .reglab-chosen")
    for run, view in zip(runs, ("Errors", "Inside", "Curves and verdict"), strict=True):
        lab.row(run.id).locator("button.name").click()
        expect(chosen).to_have_attribute("data-runs", run.id)
        page.get_by_role("tab", name=view, exact=True).click()
        expect(page).to_have_url(re.compile(run.id))
    runs[1].delete()
    for view in ("Inside", "Errors", "Curves and verdict"):
        page.go_back()
        expect_open(lab, "Results", view)
        expect(chosen).to_be_visible()
    page.go_back()
    expect_open(lab, "Train", "Curves")


def test_what_the_address_says_besides_stays_and_words_of_a_tab_are_its_own(visitor, server):
    lab = opened(visitor, server, "?__theme=dark&tab=learn&entry=dropout")
    page = lab.page
    expect_open(lab, "Learn")
    lab.tab("Predict")
    expect(page).to_have_url(re.compile(r"\?__theme=dark&tab=predict$"))
    page.evaluate("reglabAddress({ run: 'a,b' })")
    expect(page).to_have_url(re.compile("tab=predict&run=a,b$"))
    lab.tab("Learn")
    expect(page).to_have_url(re.compile("tab=learn&entry=dropout$"))
    lab.tab("Predict")
    expect(page).to_have_url(re.compile("tab=predict&run=a,b$"))


def test_in_a_space_the_page_around_it_is_told_the_address(visitor, server):
    """As the Hub documents it: https://huggingface.co/docs/hub/spaces-handle-url-parameters."""
    page = visitor.context.new_page()
    page.goto(f"{server.url}/api/")  # a page of the same server, for the frame
    page.evaluate("""() => {
      window.told = [];
      window.postMessage = (message, to) => window.told.push([message, to]);
      document.body.innerHTML = '<iframe src="/?__theme=dark&tab=learn" width="1200" height="700"></iframe>';
    }""")
    frame = page.frame_locator("iframe")
    expect(frame.locator("#tab-learn-button")).to_have_attribute("aria-selected", "true")
    page.frames[1].evaluate("window.gradio_config.space_id = 'somebody/lab'")
    frame.locator("#tab-predict-button").click()
    page.wait_for_function("window.told.some(([message]) => message.queryString)")
    told = [told for told in page.evaluate("window.told") if "queryString" in told[0]]
    assert told == [[{"queryString": "?tab=predict", "hash": ""}, "https://huggingface.co"]]


def test_nonsense_in_the_address_opens_the_first_tab(visitor, server):
    lab = opened(visitor, server, "?tab=nowhere&view=<b>&run=../../x&entry=%00")
    expect_open(lab, "Train", "Curves")


def test_tabs_are_one_stop_of_the_keyboard_with_arrows_within(visitor, server):
    lab = visitor.open(server)
    page, tabs = lab.page, lab.page.locator("#tabs > .tab-wrapper").get_by_role("tab")
    tabs.first.focus()
    for key, title in (
        ("ArrowRight", "Results"),
        ("End", "Learn"),
        ("ArrowRight", "Train"),
        ("ArrowLeft", "Learn"),
        ("Home", "Train"),
    ):
        page.keyboard.press(key)
        expect(page.locator(":focus")).to_have_text(title)
    expect_open(lab, "Train")  # looked at, not turned to
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect_open(lab, "Learn")
    assert [tab.get_attribute("tabindex") for tab in tabs.all()] == ["-1", "-1", "-1", "-1", "0"]
