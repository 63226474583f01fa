"""A moment as HTML: in UTC, which it says, until `static/times.js` writes the visitor's own time into it."""

from __future__ import annotations

from reglab.runs.times import instant, utc
from reglab.ui.views.templates import render


def time_html(told: object) -> str:
    """The moment that an ISO text says; empty where it says none."""
    moment = instant(told)
    return render("time.html", iso=moment.isoformat(timespec="seconds"), utc=utc(moment)) if moment else ""
