"""Templates: what people typed stays text, what is missing is an error, and layout does not reach the page."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import jinja2
import pytest

import reglab
from reglab.templates import environment
from reglab.ui.views.head import header_html
from reglab.ui.views.templates import FOLDER, TEMPLATES, render
from reglab.ui.views.terms import TERMS

HOSTILE = "<img src=x onerror=alert(1)>"
ROOT = Path(reglab.__file__).parent


def filled(source: str, **values: object) -> str:
    return TEMPLATES.from_string(source).render(values)


def test_what_people_typed_stays_text_in_and_between_tags():
    assert HOSTILE not in render("warning.html", sentence=HOSTILE)
    assert filled('<i title="{{ name }}">', name="\" onclick='x'") == '<i title="&#34; onclick=&#39;x&#39;">'
    assert filled("{% macro bold(x) %}<b>{{ x }}</b>{% endmacro %}{{ bold(x) }}", x="<") == "<b>&lt;</b>"


def test_a_value_that_nobody_gave_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="sentence"):
        render("warning.html")


def test_a_line_break_is_nothing_beside_a_tag_and_a_space_between_words():
    assert filled("<p>\n  one\n  two <b>three</b>\n</p>\n") == "<p>one two <b>three</b></p>"
    assert filled("<rect\n  x='1'\n  y='2'/>\n") == "<rect x='1' y='2'/>"
    assert filled("{% for x in [1, 2] %}\n  {{ x }}\n{% endfor %}\n") == "12"
    assert filled("{{ 1 }}\n{{ 2 }} {{ 3 }}\n") == "12 3"


def test_numbers_are_written_as_everywhere_on_the_page():
    told = filled(
        "{{ x|percent }}, {{ x|points }}, {{ n|count }}, {{ x|fixed(3) }}, {{ 1e-9|sure }}", x=0.1234, n=12345
    )
    assert told == "12.3 %, 12.3 points, 12,345, 0.123, &lt; 0.1 %"


def test_a_template_is_read_once(tmp_path):
    (tmp_path / "one.html").write_text("before")
    made = environment(tmp_path)
    first = made.get_template("one.html")
    (tmp_path / "one.html").write_text("after")
    assert made.get_template("one.html") is first


def test_every_template_compiles_and_is_in_the_package():
    packages = tomllib.loads((ROOT.parent / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    shipped = {
        path for package, globs in packages.items() for glob in globs
        for path in (ROOT.parent / package.replace(".", "/")).glob(glob)
    }  # fmt: skip
    assert set(ROOT.rglob("templates/*")) - {*ROOT.rglob("__pycache__")} <= shipped
    for path in FOLDER.glob("*.html"):
        TEMPLATES.get_template(path.name)


def test_nobody_escapes_by_hand():
    """Escaping that is done by hand is forgotten by hand. Two places have to: Gradio takes the text of an error for HTML, and a
    filter writes the button around a term."""
    by_hand = re.compile(r"\bhtml\.escape\(|\bfrom html import|\bmarkupsafe\b")
    found = {
        path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py") if by_hand.search(path.read_text("utf-8"))
    }
    assert found <= {"ui/components/events.py", "ui/views/terms.py"}


def test_no_style_sheet_of_ours_names_what_the_code_on_cards_is_coloured_by():
    """Prism calls the parts of code `number`, `string`, ...: a rule for a field of that name breaks the lines of a card."""
    parts = "number|string|keyword|comment|operator|function|punctuation|boolean|builtin"
    for sheet in (ROOT / "ui/static").glob("*.css"):
        assert not re.search(rf"(?m)^\s*\.({parts})(?![-\w])", sheet.read_text(encoding="utf-8")), sheet.name


def test_a_term_is_a_button_where_it_first_stands_and_its_meaning_is_on_the_page_once():
    text = filled("{{ text|explained }}", text="Logits, the temperature and <logits>; intervals")
    assert text.count("<button") == 2 and 'popovertarget="term-logits">Logits</button>' in text
    assert "&lt;logits&gt;; intervals" in text, "no part of another word, and what was typed stays text"
    head = header_html()
    targets = set(re.findall(r'popovertarget="([\w-]+)"', filled("{{ text|explained }}", text=" ".join(TERMS))))
    assert len(targets) == len(TERMS) and set(re.findall(r'popover id="([\w-]+)"', head)) == targets
