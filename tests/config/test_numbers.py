"""Numbers as people type them: understood as they are meant, or refused; never another one silently."""

from __future__ import annotations

import pytest

from reglab.config import RunConfig, on_screen
from reglab.config.numbers import Unread, read, understood
from reglab.errors import ConfigError

UNDERSTOOD = {
    "0,01": 0.01,
    "0.01": 0.01,
    ",5": 0.5,
    ".5": 0.5,
    "0,001": 0.001,
    "1,5": 1.5,
    "1.000": 1.0,
    "12,3456": 12.3456,
    "1e-3": 1e-3,
    "1,5E-3": 1.5e-3,
    "1.234,5": 1234.5,
    "1,234.5": 1234.5,
    "1,000,000": 1e6,
    "5 000": 5000,
    "5'000,5": 5000.5,
    "\u22120.5": -0.5,
    "  3 ": 3,
    "": None,
    "   ": None,
}
WHOLE = {
    "5,000": 5000,
    "50,000": 50_000,
    "1.234.567": 1234567,
    "5e3": 5000,
    "20.0": 20,
    "2147483647": 2**31 - 1,
    "1,5": 1.5,
}
REFUSED = (
    "abc",
    "1.2.3",
    "1,2,3",
    "12.34,567.8",
    ".",
    ",",
    "1e",
    "e5",
    "0x10",
    "1e999",
    "nan",
    "inf",
    "30 %",
    "1 2",
    "--1",
)


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_a_number_is_understood_as_it_is_meant(text):
    assert understood(text, whole=False) == UNDERSTOOD[text]


@pytest.mark.parametrize("text", WHOLE)
def test_where_a_whole_number_is_asked_for_commas_group(text):
    value = understood(text, whole=True)
    assert value == WHOLE[text] and isinstance(value, int) == (text != "1,5")


@pytest.mark.parametrize(
    ("text", "whole", "both"),
    [
        ("1,000", False, "1 or 1000"),
        ("12,345", False, "12.345 or 12345"),
        ("5.000", True, "5 or 5000"),
        ("-1,500", False, "-1.5 or -1500"),
    ],
)
def test_what_could_be_two_numbers_is_refused_with_both(text, whole, both):
    value = understood(text, whole)
    assert isinstance(value, Unread) and both in value.why


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("whole", [True, False])
def test_what_is_no_number_is_refused_in_a_sentence_that_shows_one(text, whole):
    value = understood(text, whole)
    assert isinstance(value, Unread)
    with pytest.raises(ConfigError, match=r"^Target must be .*number.*, not '.*'\.$") as refused:
        read(text, "Target", whole, field="target")
    assert refused.value.fields == ("target",)


@pytest.mark.parametrize("given", [None, True, 3, 0.5, [], {}, float("nan")])
def test_what_is_no_text_is_left_alone(given):
    assert understood(given, whole=True) is given


@pytest.mark.parametrize("given", [True, [], {}, [1, 2]])
def test_what_a_program_sends_instead_of_a_number_is_refused_in_a_sentence(given):
    with pytest.raises(ConfigError, match=r"^The target must be a number, not .*\.$"):
        read(given, "The target")


def test_a_config_refuses_it_in_the_words_of_the_page():
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse({"lr": understood("1,000", whole=False)})
    assert on_screen(refused.value) == "Learning rate could be 1 or 1000, written as '1,000': write 1 or 1000."
    assert refused.value.fields == ("lr",)
