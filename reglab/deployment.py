"""Where the lab stands and what its visitors may ask for: on a laptop, in a class, or open to the public.

It is read from the environment once, when the app starts, and is a value from then on:

    REGLAB_DEPLOYMENT   laptop, class or public; otherwise public on a Space, class where other machines can reach it
    REGLAB_SHARED=1     visitors see one another's runs, read-only
    REGLAB_ADMIN_KEY    whoever knows it may do everything; one is made up for a laptop or a class that has none
    REGLAB_PROXIES      how many proxies in front of the app can be trusted to say where a request comes from
    REGLAB_HOSTS        the names that the app is known by, with commas between them, and no others
    REGLAB_MIRROR       where runs are kept: a folder, hf://buckets/USER/NAME, or hf://datasets/USER/NAME
    REGLAB_MCP=1        the endpoints are tools for language models as well

Of the limits of a class and of the public a host may set these otherwise; 0 is no limit:

    REGLAB_RUN_MINUTES    of one run                REGLAB_DISK_GIB        of all runs together
    REGLAB_HOUR_MINUTES   of a visitor in an hour   REGLAB_DISK_EACH_GIB   of the runs of a visitor
"""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from reglab.errors import ConfigError

Kind = Literal["laptop", "class", "public"]
GIB = 2**30


@dataclass(frozen=True)
class Limits:
    """What visitors may ask for; None is no limit."""

    run_minutes: float | None = None
    """Estimated minutes of one run, and the minutes of training after which it is ended."""
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

    def told(self) -> list[str]:
        """What is limited, a sentence each, for whoever starts the app."""
        told = []
        if self.run_minutes:
            hour = f", {self.hour_minutes:g} an hour for each visitor" if self.hour_minutes else ""
            told.append(f"At most {self.run_minutes:g} minutes a run{hour}.")
        sizes = [f"{self.parameters / 1e6:g} M weights"] if self.parameters else []
        sizes += [f"batches of {self.batch_size:,}"] if self.batch_size else []
        sizes += [f"{self.memory / GIB:g} GiB of memory"] if self.memory else []
        if sizes:
            told.append(f"A run may have up to {', '.join(sizes)}.")
        if self.disk or self.disk_each:
            parts = [f"{self.disk / GIB:g} GiB of the disk in all"] if self.disk else []
            parts += [f"{self.disk_each / GIB:g} GiB for each visitor"] if self.disk_each else []
            told.append(f"Runs may take {' and '.join(parts)}; the oldest make room for new ones.")
        return told


LIMITS: Mapping[Kind, Limits] = {
    "laptop": Limits(),
    "class": Limits(
        run_minutes=60,
        batch_size=1_024,
        waiting=100,  # thirty pupils, each with a run and one to come
        disk=50 * GIB,
        disk_each=4 * GIB,
        disk_floor=2 * GIB,
    ),
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


SETTABLE = {
    "REGLAB_RUN_MINUTES": ("run_minutes", 1.0),
    "REGLAB_HOUR_MINUTES": ("hour_minutes", 1.0),
    "REGLAB_DISK_GIB": ("disk", GIB),
    "REGLAB_DISK_EACH_GIB": ("disk_each", GIB),
}
"""Variable -> the limit that it sets, and what one of it is."""


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
    has_tools: bool = False
    """Whether language models may call the endpoints."""
    space: str = ""
    """The id of the Space; empty elsewhere."""
    has_zero_gpu: bool = False
    changes: tuple[tuple[str, float | None], ...] = ()
    """Limits that the host has set, by name; on a laptop there are none to be set."""

    @property
    def limits(self) -> Limits:
        """What visitors may ask for here."""
        changes: dict[str, Any] = {} if self.is_everybody_host else dict(self.changes)
        return replace(LIMITS[self.kind], **changes)

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
        if len(key) > 200 or not (key.isascii() and key.isprintable() and key == key.strip()):
            why = "REGLAB_ADMIN_KEY cannot travel with a request"
            raise ConfigError(f"{why}: take at most 200 letters, digits and signs of ASCII, with no space at its ends.")
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
            has_tools=environment.get("REGLAB_MCP", "") not in ("", "0"),
            space=space,
            has_zero_gpu=environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true"),
            changes=tuple(_changes(environment)),
        )


def _changes(environment: Mapping[str, str]) -> Iterator[tuple[str, float | None]]:
    """The limits that the environment sets. Raises `ConfigError` for what is no number."""
    for variable, (name, unit) in SETTABLE.items():
        if said := environment.get(variable, "").strip():
            try:
                value = float(said)
            except ValueError:
                value = math.nan
            if not 0 <= value <= 1e6:  # which NaN is not either
                raise ConfigError(f"{variable} is {said[:40]!r}: set it to a number, 0 for no limit, or leave it out.")
            yield name, (int(value * unit) if unit > 1 else value) or None
