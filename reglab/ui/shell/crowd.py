"""How many at once: of everybody, and of each address.

A laptop's own programs may ask as often as they like; elsewhere an address has so many requests a second, and so many more
for a start. A class behind one router is one address, so a class may have more of everything.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address

from reglab.deployment import Deployment, Kind
from reglab.jobs.turns import network_of
from reglab.ui.shell.asgi import Receive, Refusal, Scope, Send, refuse

SESSIONS = 300  # of Gradio, which are remembered; the page of a visitor is one
MOST_CONNECTIONS = 1_000
KNOWN = 4_096  # addresses that are remembered, and sessions that are not new

FULL = "The lab is busy: try again in a few seconds."
TOO_OFTEN = "That is too often: wait a moment, and ask once a second or less."


@dataclass(frozen=True)
class Pace:
    """So many a second, and so many at once after a pause."""

    second: float
    burst: float


@dataclass(frozen=True)
class Room:
    """What there is room for. A `Pace` is of one address; None is no limit."""

    streams: int = 600
    """Answers that go on while somebody listens: two for each page."""
    streams_each: int = 600
    uploads: int = 8
    uploads_each: int = 8
    """Fewer than there is room for, where nobody is to hold all of it by sending slowly."""
    waiting: int = 200
    """Requests of programs that are being answered, or wait for it."""
    waiting_each: int = 200
    sessions: Pace | None = None
    """New sessions of Gradio; a program that keeps none begins one with every call."""
    calls: Pace | None = None
    """Requests of programs on the light routes."""
    events: Pace | None = None
    """What a page sends: its looks at runs, clicks and what is typed."""
    pages: Pace | None = None
    """Pages for a name that the lab has not been asked by lately."""


ROOMS: dict[Kind, Room] = {
    "laptop": Room(),
    "class": Room(sessions=Pace(10, 200), calls=Pace(200, 1_000), events=Pace(300, 2_000), pages=Pace(1, 40)),
    "public": Room(
        streams_each=64,
        uploads_each=2,
        waiting_each=50,
        sessions=Pace(2, 60),
        calls=Pace(20, 100),
        events=Pace(30, 300),
        pages=Pace(0.2, 20),
    ),
}


def connections() -> int:
    """How many may be open: half of what the system lets this process have, which needs files as well."""
    if sys.platform == "win32":
        return MOST_CONNECTIONS
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MOST_CONNECTIONS, max(32, soft // 2)) if soft > 0 else MOST_CONNECTIONS


async def full(scope: Scope, receive: Receive, send: Send) -> None:
    """What one connection too many is answered."""
    if scope["type"] == "http":
        await refuse(Refusal(503, FULL, again=5), scope, receive, send)


class Crowd:
    """Everybody who is being answered now, and how often each address has asked lately."""

    def __init__(self, deployment: Deployment) -> None:
        self.room, self._is_public = ROOMS[deployment.kind], deployment.kind == "public"
        self._open: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._sessions: OrderedDict[str, None] = OrderedDict()
        self._spent: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    @contextmanager
    def stream(self, address: str, session: str) -> Iterator[None]:
        """While an answer goes on. Raises `Refusal`."""
        who = self._who(address)
        is_too_many = bool(who) and self._streams[who] >= self.room.streams_each
        if is_too_many or self._streams.total() >= self.room.streams:
            raise Refusal(503, FULL, again=5)
        with _counted(self._streams, who), _counted(self._open, session):
            yield

    def is_open(self, session: str) -> bool:
        """Whether a page keeps this session of Gradio alive."""
        return session in self._open

    @contextmanager
    def uploading(self, address: str) -> Iterator[None]:
        """While a file arrives. Raises `Refusal`."""
        with self._one_of("uploads", address, self.room.uploads, self.room.uploads_each):
            yield

    @contextmanager
    def calling(self, address: str) -> Iterator[None]:
        """While a program is answered. Raises `Refusal`."""
        with self._one_of("calls", address, self.room.waiting, self.room.waiting_each):
            yield

    @contextmanager
    def _one_of(self, what: str, address: str, most: int, each: int) -> Iterator[None]:
        """While something is done that only so many may do at once, and so many of one address."""
        who = self._who(address)
        theirs = f"{what} {who}" if who else ""
        if self._counts[what] >= most or (theirs and self._counts[theirs] >= each):
            raise Refusal(503, FULL, again=2)
        with _counted(self._counts, what), _counted(self._counts, theirs):
            yield

    def check_session(self, address: str, session: str) -> None:
        """Raises `Refusal` for an address that begins new sessions too often; an empty one is always new."""
        if session in self._sessions:
            self._sessions.move_to_end(session)
            return
        self.check_pace("sessions", address, self.room.sessions)
        if session:
            self._sessions[session] = None
            if len(self._sessions) > KNOWN:
                self._sessions.popitem(last=False)

    def check_pace(self, what: str, address: str, pace: Pace | None) -> None:
        """Raises `Refusal` for an address that asks too often."""
        who = self._who(address)
        if pace is None or not who:
            return
        key, now = (what, who), time.monotonic()
        spent, then = self._spent.pop(key, (0.0, now))
        spent = max(0.0, spent - (now - then) * pace.second)
        if spent + 1 > pace.burst:
            self._spent[key] = (spent, now)
            raise Refusal(429, TOO_OFTEN, again=max(1, round(1 / pace.second)))
        self._spent[key] = (spent + 1, now)
        if len(self._spent) > KNOWN:
            self._spent.popitem(last=False)

    def _who(self, address: str) -> str:
        """Whose address it is; nobody's where it must be that of a proxy.

        In public no stranger has an address of a private network. A proxy that the host did not name (`REGLAB_PROXIES`) has,
        and all visitors behind it would share what one of them may have.
        """
        try:
            if self._is_public and not ip_address(address).is_global:
                return ""
        except ValueError:
            return ""
        return network_of(address)


@contextmanager
def _counted(counter: Counter[str], key: str) -> Iterator[None]:
    counter[key] += 1
    try:
        yield
    finally:
        counter[key] -= 1
        if counter[key] <= 0:
            del counter[key]
