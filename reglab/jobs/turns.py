"""Whose turn it is: visitors take turns on a device, whoever was served longest ago first.

A visitor's *seat* is a text, written like a path: `ADDRESS/KEY` in public, where anybody can make up a thousand keys, so that
those of one address share its turns; `KEY` in a class, whose pupils share an address. The host's is empty.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol, TypeVar

from reglab.deployment import Deployment
from reglab.runs.owner import Visitor, hashed

REMEMBERED = 10_000  # seats whose last turn is known


class Waiting(Protocol):
    """What waits for its turn."""

    @property
    def owner(self) -> str:
        """Whose it is: a seat."""

    @property
    def number(self) -> int:
        """Rises from one that was asked for to the next."""


W = TypeVar("W", bound=Waiting)


def seat_of(visitor: Visitor, deployment: Deployment, is_host: bool = False) -> str:
    """Where a visitor stands in the queue, and what their limits are counted by; nothing for the host, who has none.

    On a laptop, where all are the host, those who have a key take turns all the same.
    """
    key = hashed(visitor.key)
    if deployment.is_everybody_host:
        return key or visitor.address
    if is_host:
        return ""
    if deployment.kind == "public":
        return f"{network_of(visitor.address)}/{key}"
    return key or network_of(visitor.address)


def network_of(address: str) -> str:
    """The address, or where it is one of 2^64 that a single machine may have (IPv6), what they have in common."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped or ip_network((known, 64), strict=False).network_address)
    return str(known)


def address_of(seat: str) -> str:
    """What all seats of one address have in common: the part that limits are counted by."""
    return seat.partition("/")[0]


def key_of(seat: str) -> str:
    """The hash of the key, as it stands in the folders of this visitor's runs; empty where they have none."""
    key = seat.rpartition("/")[2]
    return key if len(key) == 64 else ""


def in_turn(waiting: Sequence[W], served: Mapping[str, int]) -> list[W]:
    """What waits, as it is started: by turns of addresses, in these by turns of visitors, then first come, first served.

    `waiting` is in the order in which it came; `served` says at which turn a seat, or an address, was served last.
    """
    visitors = {
        address: _in_rounds(_by(waiting_there, lambda job: job.owner), served)
        for address, waiting_there in _by(waiting, lambda job: address_of(job.owner)).items()
    }
    return _in_rounds(visitors, served)


def serve(served: dict[str, int], seat: str) -> None:
    """Note that it was this seat's turn, and its address's."""
    turn = max(served.values(), default=0) + 1
    for who in (address_of(seat), seat):
        served.pop(who, None)
        served[who] = turn  # the last one served comes last
    while len(served) > REMEMBERED:
        del served[next(iter(served))]


def _by(waiting: Iterable[W], what: Callable[[W], str]) -> dict[str, list[W]]:
    of: dict[str, list[W]] = {}
    for job in waiting:
        of.setdefault(what(job), []).append(job)
    return of


def _in_rounds(of: Mapping[str, Sequence[W]], served: Mapping[str, int]) -> list[W]:
    """One of each in turn, as if each were served when its turn comes."""
    left = {who: deque(jobs) for who, jobs in of.items()}
    turn = max(served.values(), default=0)
    first = [(served.get(who, -1), jobs[0].number, who) for who, jobs in left.items()]
    heapify(first)
    ordered = []
    while first:
        _, _, who = heappop(first)
        ordered.append(left[who].popleft())
        turn += 1
        if left[who]:
            heappush(first, (turn, left[who][0].number, who))
    return ordered
