"""When a run was made: read from anything, and said with what it is told in."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reglab.runs.times import instant, local, utc


def test_a_moment_says_what_it_is_told_in():
    for told in (
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05+00:00",
        "2026-01-02T08:34:05+05:30",
        "2026-01-01T22:04:05-05:00",
    ):
        assert utc(instant(told)) == "2026-01-02 03:04 UTC"


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows cannot change the time zone of a process")
def test_a_terminal_says_the_time_of_its_machine_with_its_offset(monkeypatch):
    zones = {"Asia/Kolkata": "08:34 +05:30", "America/St_Johns": "2026-01-01 23:34 -03:30", "UTC": "03:04 +00:00"}
    for zone, said in zones.items():
        with monkeypatch.context() as there:
            there.setenv("TZ", zone)
            time.tzset()
            assert local(instant("2026-01-02T03:04:05+00:00")).endswith(said)
    time.tzset()


@pytest.mark.parametrize(
    "told", [None, 7, "", "yesterday", "<b>now</b>", "0001-01-01T00:00:00", "9999-12-31T23:59:59-12:00"]
)
def test_what_is_no_moment_is_left_out(told):
    assert instant(told) is None


@given(st.one_of(st.text(), st.datetimes().map(str), st.datetimes(timezones=st.timezones()).map(str)))
def test_nothing_that_a_folder_says_breaks_a_list(told):
    moment = instant(told)
    assert moment is None or (utc(moment) and local(moment))
