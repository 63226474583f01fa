"""The tokens of the page: what is written can be read, and style sheets use what the design has."""

from __future__ import annotations

import re
import runpy

import pytest
from conftest import ROOT

from reglab import colours
from reglab.ui.views.head import GROUNDS

TOKENS = runpy.run_path(str(ROOT / "docs" / "tokens.py"))
STATIC = ROOT / "reglab" / "ui" / "static"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("mark", TOKENS["MARKS"])
def test_what_is_written_can_be_read_on_every_ground_it_stands_on(mark, theme):
    values = TOKENS["tokens"]()[theme]
    _, grounds, least = TOKENS["MARKS"][mark]
    for ground in grounds:
        assert TOKENS["contrast"](values[mark], values[ground]) >= least, ground


def test_contrast_is_that_of_wcag():
    assert TOKENS["contrast"]("#ffffff", "#000000") == pytest.approx(21)
    assert TOKENS["contrast"]("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_the_page_has_its_ground_before_its_style_sheet_is_there():
    assert tuple(values["page"] for values in TOKENS["tokens"]().values()) == GROUNDS


def test_every_token_that_is_used_is_there():
    sheets = [sheet.read_text("utf-8") for sheet in STATIC.glob("*.css")]
    made = set(re.findall(r"--reglab-([\w-]+):", "\n".join([*sheets, colours.css()])))
    for sheet in sorted([*STATIC.glob("*.css"), *STATIC.glob("*.js")]):
        used = set(re.findall(r"var\(--reglab-([\w-]+)", sheet.read_text("utf-8")))
        assert used <= made, sheet.name
