"""When a run was made, in words. Folders keep it in UTC, as ISO 8601 with its offset, and so do JSON and `/status`.

A page shows the visitor's own time (`ui/static/times.js`), a terminal that of its machine; both say which it is.
"""

from __future__ import annotations

from datetime import UTC, datetime

YEARS = 2000, 9000  # before and after, time zones are whole clocks of their own, and some machines cannot tell them


def instant(told: object) -> datetime | None:
    """The moment that a text says, with its offset (without one it is UTC); None where it says none that a run can have."""
    try:
        moment = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    if moment is None or not YEARS[0] <= moment.year <= YEARS[1]:
        return None
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)


def utc(moment: datetime) -> str:
    """`2026-01-02 03:04 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def local(moment: datetime) -> str:
    """`2026-01-02 04:04 +01:00`, in the time of this machine."""
    here = moment.astimezone()
    return f"{here:%Y-%m-%d %H:%M} {here.isoformat()[-6:]}"
