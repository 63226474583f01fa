"""The head of the page: the theme, remembered, and the tour, by the keyboard alone."""

from __future__ import annotations

from browser import expect

IS_DARK = "() => document.body.classList.contains('dark')"


def test_the_theme_is_chosen_in_the_head_and_remembered(visitor, server):
    visitor.may_fail = "AbortError|Connection errored out"
    lab = visitor.open(server)
    page, theme = lab.page, lab.page.get_by_role("combobox", name="Theme")
    expect(theme).to_have_value("system")
    assert not page.evaluate(IS_DARK)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(IS_DARK)
    page.emulate_media(color_scheme="light")
    theme.select_option("dark")
    assert page.evaluate(IS_DARK)
    page.reload()
    expect(theme).to_have_value("dark")
    assert page.evaluate(IS_DARK)

    # What somebody chose comes before what the address says, as that of a Space's frame does at every load.
    page.goto(f"{server.url}/?__theme=light")
    expect(theme).to_have_value("dark")
    assert page.url.endswith("?__theme=dark") and page.evaluate(IS_DARK)
    theme.select_option("light")
    assert page.url.endswith("?__theme=light") and not page.evaluate(IS_DARK)
    page.goto(server.url)
    theme.select_option("system")
    assert not page.evaluate(IS_DARK)


def test_who_has_chosen_no_theme_gets_that_of_the_address(visitor, server):
    page = visitor.open(server, "?__theme=dark").page
    expect(page.get_by_role("combobox", name="Theme")).to_have_value("dark")
    assert page.evaluate(IS_DARK)


def test_the_tour_is_offered_once_and_walked_through_by_the_keyboard(visitor, server):
    visitor.may_fail = "AbortError|Connection errored out"
    lab = visitor.open(server)
    page, focused = lab.page, lab.page.locator(":focus")
    dialog, offer = page.get_by_role("dialog"), page.locator("#tour-offer")
    again = page.get_by_role("button", name="Tour of the page")
    expect(offer).to_be_visible()
    expect(dialog).to_have_count(0)  # it never opens by itself

    again.focus()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    titles = []
    for step in range(1, 6):
        expect(dialog.locator(".step")).to_have_text(f"{step} of 5")
        expect(focused).to_have_text(dialog.locator("h2").inner_text())
        titles.append(dialog.locator("h2").inner_text())
        assert page.locator(".tour-here:visible").count(), titles
        for _ in range(4):  # however often, it stays within
            page.keyboard.press("Tab")
            if "next" in (focused.get_attribute("class") or ""):
                break
        page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(again).to_be_focused()
    expect(offer).to_be_hidden()
    expect(page.locator(".tour-here")).to_have_count(0)
    assert len(set(titles)) == 5

    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(again).to_be_focused()
    page.reload()
    expect(again).to_be_visible()
    expect(offer).to_be_hidden()


def test_the_tour_fits_a_phone_and_can_be_declined(visitors, server):
    phone = visitors(viewport={"width": 320, "height": 640}, is_mobile=True, has_touch=True, reduced_motion="reduce")
    lab = phone.open(server)
    page = lab.page
    page.locator("#tour-offer").get_by_role("button", name="Take the tour").tap()
    box = lab.box("#tour")
    assert box["x"] >= 0 and box["x"] + box["width"] <= 320 and box["y"] + box["height"] <= 640
    page.get_by_role("button", name="Skip the tour").tap()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#tour-offer")).to_be_hidden()
    assert lab.sideways() <= 0
    for button in ("#tour-again", "#theme"):
        assert min(lab.box(button)["width"], lab.box(button)["height"]) >= 24
