"""Who asks, behind none, one or two proxies, whatever is written into the header that says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reglab.deployment import Deployment
from reglab.ui.app import is_reachable
from reglab.ui.services.lab import Lab
from reglab.ui.shell.client import trusted_address
from reglab.ui.shell.shell import Shell


def asked_by(peer: str, forwarded: list[str], proxies: int) -> str:
    return trusted_address(peer, [(b"x-forwarded-for", told.encode()) for told in forwarded], proxies)


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "expected"),
    [
        ("1.2.3.4", [], 0, "1.2.3.4"),
        ("1.2.3.4", ["9.9.9.9"], 0, "1.2.3.4"),
        ("10.0.0.1", ["5.6.7.8"], 1, "5.6.7.8"),
        ("10.0.0.1", ["9.9.9.9, 5.6.7.8"], 1, "5.6.7.8"),
        ("10.0.0.1", ["9.9.9.9", "5.6.7.8"], 1, "5.6.7.8"),
        ("10.0.0.1", ["9.9.9.9, 5.6.7.8, 10.0.0.2"], 2, "5.6.7.8"),
        ("10.0.0.1", ["5.6.7.8"], 2, "5.6.7.8"),
        ("10.0.0.1", [], 1, "10.0.0.1"),
        ("10.0.0.1", ["somebody"], 1, "10.0.0.1"),
        ("10.0.0.1", ["9.9.9.9, "], 1, "9.9.9.9"),
        ("10.0.0.1", ["5.6.7.8:4711"], 1, "5.6.7.8"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], 1, "2001:db8::1"),
        ("::ffff:1.2.3.4", [], 0, "1.2.3.4"),
        ("", [], 0, ""),
    ],
)
def test_who_asks_is_what_the_outermost_trusted_proxy_says(peer, forwarded, proxies, expected):
    assert asked_by(peer, forwarded, proxies) == expected


def test_what_is_inside_the_shell_is_told_who_asks():
    told: list[Any] = []

    async def inside(scope, receive, send):
        told.append(scope["client"])

    headers = [(b"x-forwarded-for", b"9.9.9.9, 5.6.7.8")]
    asked = {"type": "http", "method": "GET", "path": "/theme.css", "scheme": "http", "headers": headers}
    asyncio.run(
        Shell(inside, Lab(deployment=Deployment(proxies=1)))({**asked, "client": ("10.0.0.1", 4711)}, None, None)
    )
    assert told == [("5.6.7.8", 4711)]


@pytest.mark.parametrize("name", [None, "", "127.0.0.1", "localhost", "[::1]"])
def test_a_page_of_this_machine_alone_is_not_reachable(name):
    assert not is_reachable(name)


@pytest.mark.parametrize("name", ["0.0.0.0", "192.168.1.7", "lab.example.org", "::"])
def test_a_page_that_other_machines_can_open_is_reachable(name):
    assert is_reachable(name)
