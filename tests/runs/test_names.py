"""What a run may be called: names as people type them in any script, and nothing that means more than itself."""

from __future__ import annotations

import re
import unicodedata

import pytest
from conftest import tiny_config
from hypothesis import example, given
from hypothesis import strategies as st

from reglab.errors import ConfigError
from reglab.runs.names import checked, fitted, in_a_file
from reglab.runs.store import find

TYPED = [
    "lr=0.01",
    "O'Brien",
    "O\u2019Brien",
    "my run (2), 50 %",
    "+dropout -l2",
    "caf\u00e9",
    "परीक्षण",
    "தமிழ்",
    "ทดสอบครั้งที่หนึ่ง",
    "عربي ١٢٣",
    "فارسی می\u200cشود",  # spelled with an invisible character that keeps two letters apart
    "क्\u200dष",
    "עִבְרִית",
    "运行 一",
    "テスト",
    "한국어",
    "Đặng Thị",
    "Ηλεκτρόνιο",
    "Проверка №1".replace("№", "N"),
    "བོད་ཡིག".replace("\u0f0b", " "),
]
REFUSED = [
    "",
    " ",
    "a/b",
    "a\\b",
    "<b>",
    "a&b",
    'a"b',
    "a;b",
    "a`b",
    "$HOME",
    "a|b",
    "a*b",
    "a:b",
    "=1",
    "a\nb",
    "a\tb",
    "a\0b",
    "a\x1b[31mb",
    "a\u202eb",
    "a\u2066b",
    "a\u200eb",
    "a\u200bb",
    "\u200da",
    "a\u200c",
    "\u0301a",
    "- \u0301",
    "e" + "\u0301\u0300" * 8,
    "a\u2028b",
    "a\ud800b",
    "a\ue000b",
    "x" * 61,
]


@pytest.mark.parametrize("name", TYPED)
def test_a_name_is_kept_as_it_was_typed(name):
    composed = unicodedata.normalize("NFC", name)
    assert checked(name) == checked(f" {unicodedata.normalize('NFD', name)} ") == composed


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_mean_something_else_is_refused_in_a_sentence(name):
    with pytest.raises(ConfigError, match=r"The name must be 1 to 60 letters of any script") as refused:
        checked(name)
    sentence = str(refused.value)
    assert sentence.isprintable() and sentence.count(": ") == 1 and len(sentence) < 160


def test_the_sentence_names_what_to_leave_out():
    for name, said in {
        "a/b": '"/"',
        "a\u202eb": "U+202E",
        "\u0301a": "U+0301",
        "": "type one",
        "x" * 61: "shorter",
    }.items():
        with pytest.raises(ConfigError, match=f"{re.escape(said)}.*\\.$"):
            checked(name)


@given(st.text(max_size=80))
@example("e" + "\u0301\u0300" * 40)
@example("\u0301" * 80)
@example("क्\u200d" * 30)
def test_whatever_comes_is_either_plain_or_refused(text):
    try:
        name = checked(text)
    except ConfigError as error:
        assert str(error).isprintable()
    else:
        assert checked(name) == name == unicodedata.normalize("NFC", name) and 1 <= len(name) <= 60
        assert not set(name) & set('<>&"\\/`$;|*?:#{}[]\x7f')
        assert all(unicodedata.category(c)[0] in "LMN" or c in " .,+-()%_='\u2019\u200c\u200d" for c in name)
    fits = fitted(text)
    assert not fits or checked(fits) == fits


@given(st.text())
@example("../../etc/passwd")
@example("CON")
@example("ẛ̣" * 100)
def test_a_piece_of_a_file_name_is_one_on_every_disk(text):
    piece = in_a_file(text)
    assert len(piece) <= 40 and len(piece.encode()) <= 120 and piece == unicodedata.normalize("NFC", piece)
    assert all(unicodedata.category(c)[0] in "LMN" or c in "-\u200c\u200d" for c in piece)
    assert not piece.startswith("-") and not piece.endswith("-")


def test_a_run_is_found_by_its_name_however_the_terminal_spells_it(store):
    run = store.create(tiny_config(), name="cafe\u0301")
    assert run.name == "caf\u00e9"
    assert find("cafe\u0301", store).id == find("caf\u00e9", store).id == run.id
