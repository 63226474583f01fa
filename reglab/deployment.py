"""Where the lab stands and what its visitors may ask for: on a laptop, in a class, or open to the public.

It is read from the environment once, when the app starts, and is a value from then on:

    REGLAB_DEPLOYMENT   laptop, class or public; otherwise public on a Space, class where other machines can reach it
    REGLAB_SHARED=1     visitors see one another's runs, read-only
    REGLAB_ADMIN_KEY    whoever knows it may do everything; one is made up for a laptop or a class that has none
    REGLAB_PROXIES      how many proxies in front of the app can be trusted to say where a request comes from
    REGLAB_HOSTS        the names that the app is known by, with commas between them, and no others
    REGLAB_MIRROR       where finished runs are kept: hf://datasets/NAME, or a folder
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from reglab.errors import ConfigError

Kind = Literal["laptop", "class", "public"]
GIB = 2**30


@dataclass(frozen=True)
class Limits:
    """What visitors may ask for; None is no limit."""

    run_minutes: float | None = None
    """Estimated minutes of one run, and the minutes on the clock after which it is ended."""
    hour_minutes: float | None = None
    """Estimated minutes that a visitor may ask for within an hour."""
    parameters: int | None = None
    """Of a network."""
    batch_size: int | None = None
    memory: int | None = None
    """Bytes that the process of a run may take."""
    waiting: int = 20
    """Jobs in the queue, all visitors together."""
    waiting_each: int = 3
    """Jobs of one visitor in the queue."""
    disk: int | None = None
    """Bytes of all runs together."""
    disk_each: int | None = None
    """Bytes of the runs of one visitor."""
    disk_floor: int = 0
    """Bytes that stay free on the disk, whatever is asked for."""


LIMITS: Mapping[Kind, Limits] = {
    "laptop": Limits(),
    "class": Limits(run_minutes=60, batch_size=1_024, disk=50 * GIB, disk_each=4 * GIB, disk_floor=2 * GIB),
    "public": Limits(
        run_minutes=10,
        hour_minutes=30,
        parameters=15_000_000,
        batch_size=512,
        memory=8 * GIB,
        disk=10 * GIB,
        disk_each=GIB,
        disk_floor=2 * GIB,
    ),
}


@dataclass(frozen=True)
class Deployment:
    """What the environment says."""

    kind: Kind = "laptop"
    is_shared: bool = False
    admin_key: str = field(default="", repr=False)
    is_key_given: bool = False
    """Whether the host chose the key, who then knows it; one that was made up is printed at the start."""
    proxies: int = 0
    hosts: tuple[str, ...] = ()
    """Names that the app is known by, written small; where there are none, which those are follows from the kind."""
    space_host: str = ""
    """The name that a Space is reached by; empty elsewhere."""
    mirror: str = ""
    space: str = ""
    """The id of the Space; empty elsewhere."""
    has_zero_gpu: bool = False

    @property
    def limits(self) -> Limits:
        """What visitors may ask for here."""
        return LIMITS[self.kind]

    @property
    def is_everybody_host(self) -> bool:
        """Whether nobody is asked for a key, because only the host can reach the app."""
        return self.kind == "laptop"

    @classmethod
    def here(cls, environment: Mapping[str, str] = os.environ, *, is_reachable: bool = False) -> Deployment:
        """What this environment says. `is_reachable`: other machines can open the page.

        Raises:
            ConfigError: A variable has a value that means nothing.
        """
        space = environment.get("SPACE_ID", "")
        usual: Kind = "public" if space else "class" if is_reachable else "laptop"
        kind = environment.get("REGLAB_DEPLOYMENT") or usual
        if kind not in get_args(Kind):
            raise ConfigError(f"REGLAB_DEPLOYMENT is {kind!r}: set it to {', '.join(get_args(Kind))}, or leave it out.")
        proxies = environment.get("REGLAB_PROXIES") or ("1" if space else "0")
        if not proxies.isdecimal() or int(proxies) > 8:
            raise ConfigError(f"REGLAB_PROXIES is {proxies!r}: set it to the number of proxies before the app, 0 to 8.")
        key = environment.get("REGLAB_ADMIN_KEY", "")
        if key and len(key) < 16:
            raise ConfigError("REGLAB_ADMIN_KEY is too short to be a secret: take at least 16 characters.")
        return cls(
            kind=kind,  # type: ignore[arg-type]  # which get_args has just checked
            is_shared=environment.get("REGLAB_SHARED", "") not in ("", "0"),
            admin_key=key or ("" if kind == "public" else secrets.token_urlsafe(24)),
            is_key_given=bool(key),
            proxies=int(proxies),
            hosts=tuple(
                name.strip().lower() for name in environment.get("REGLAB_HOSTS", "").split(",") if name.strip()
            ),
            space_host=environment.get("SPACE_HOST", "").lower(),
            mirror=environment.get("REGLAB_MIRROR", ""),
            space=space,
            has_zero_gpu=environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true"),
        )
