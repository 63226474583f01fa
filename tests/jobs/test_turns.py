"""Whose turn it is, compared with asking every time who was served longest ago."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reglab.deployment import Deployment
from reglab.jobs.job import Job
from reglab.jobs.turns import REMEMBERED, address_of, in_turn, key_of, seat_of, serve
from reglab.runs.owner import Visitor, hashed
from reglab.runs.run import Run

KEY, OTHER = "k" * 32, "l" * 32


def waits(owners: list[str]) -> list[Job]:
    return [Job([Run(Path(str(n)))], "cpu", owner, number=n, batch=n) for n, owner in enumerate(owners)]


SEATS = st.sampled_from(["a", "b", "c/1", "c/2", "c/3", "d/1", "d/2"])


@given(owners=st.lists(SEATS, max_size=12), before=st.lists(SEATS, max_size=6))
def test_turns_are_those_of_asking_every_time_who_was_served_longest_ago(owners, before):
    waiting, told, expected = waits(owners), {}, []
    for seat in before:
        serve(told, seat)
    served, left = dict(told), list(waiting)
    while left:
        of = {address_of(job.owner): [] for job in left}
        for job in left:
            of[address_of(job.owner)].append(job)
        firsts = [min(jobs, key=lambda job: (told.get(job.owner, -1), job.number)) for jobs in of.values()]
        job = min(firsts, key=lambda job: (told.get(address_of(job.owner), -1), job.number))
        left.remove(job)
        expected.append(job)
        serve(told, job.owner)
    assert in_turn(waiting, served) == expected


def test_a_thousand_keys_of_one_address_have_one_turn_of_it():
    flood = [f"10.0.0.1/{key}" for key in range(1_000)]
    order = in_turn(waits([*flood, "10.0.0.2/x"]), {})
    assert [job.owner for job in order].index("10.0.0.2/x") == 1
    served: dict[str, int] = {}
    serve(served, "10.0.0.1/0")
    assert in_turn(waits([*flood, "10.0.0.2/x"]), served)[0].owner == "10.0.0.2/x"


def test_served_places_are_forgotten_in_the_end():
    served: dict[str, int] = {}
    for n in range(REMEMBERED):
        serve(served, f"{n}/x")
    assert len(served) == REMEMBERED and "0/x" not in served and f"{REMEMBERED - 1}/x" in served


@pytest.mark.parametrize(
    ("kind", "visitor", "is_host", "seat"),
    [
        ("laptop", Visitor(), True, ""),
        ("laptop", Visitor(KEY, "10.0.0.1"), True, hashed(KEY)),
        ("public", Visitor(KEY, "10.0.0.1"), True, ""),
        ("public", Visitor(KEY, "10.0.0.1"), False, f"10.0.0.1/{hashed(KEY)}"),
        ("public", Visitor("", "10.0.0.1"), False, "10.0.0.1/"),
        ("public", Visitor("", "::ffff:10.0.0.1"), False, "10.0.0.1/"),
        ("public", Visitor("", "2001:db8:1:2:3:4:5:6"), False, "2001:db8:1:2::/"),
        ("public", Visitor("", "fe80::1%eth0"), False, "fe80::/"),
        ("public", Visitor(), False, "unknown/"),
        ("class", Visitor(KEY, "10.0.0.1"), False, hashed(KEY)),
        ("class", Visitor("", "10.0.0.1"), False, "10.0.0.1"),
        ("class", Visitor("", "not/an address"), False, "unknown"),
    ],
)
def test_where_a_visitor_stands(kind, visitor, is_host, seat):
    assert seat_of(visitor, Deployment(kind=kind), is_host) == seat
    assert key_of(seat) == (hashed(visitor.key) if hashed(visitor.key) in seat and seat else "")
