"""Who asks, and the lab as they see it; what their browser remembers, which may be anything; what is wrong, in a sentence."""

from __future__ import annotations

from typing import Any, cast

from reglab import compat
from reglab.config import on_screen
from reglab.runs.owner import HERE, Visitor
from reglab.teaching.assignments import MOST_RUNS
from reglab.ui.services.access import ADMIN, KEY
from reglab.ui.services.lab import Lab
from reglab.ui.views.templates import render


def who() -> Visitor:
    """Whoever sent the request that is being answered; `HERE` where there is none.

    A program that sends no key is known by its session, which one `gradio_client.Client` keeps; nobody else is told of it.
    """
    request = compat.gradio.request()
    if request is None:
        return HERE
    key = request.headers.get(KEY, "") or request.session_hash or ""
    address = request.client.host if request.client else ""
    return Visitor(key, address, request.headers.get(ADMIN, ""))


class _Asked:
    """Every attribute is that of the lab as whoever asks at this moment sees it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lab.seen_by(who()), name)


def as_asked(lab: Lab) -> Lab:
    """The lab for the handlers of a page, none of which can then forget who is asking."""
    return cast(Lab, _Asked(lab))


def ids_of(visitor: Any) -> list[str]:
    """The runs this browser has on its screen."""
    ids = visitor.get("ids") if isinstance(visitor, dict) else None
    return [i for i in ids if isinstance(i, str)][:8] if isinstance(ids, list) else []


def tries_of(visitor: Any) -> list[dict[str, Any]]:
    """The last runs that were started under assignments: `run`, `link`, and `prediction`, which may be None."""
    tries = visitor.get("tries") if isinstance(visitor, dict) else None
    kept = [t for t in tries if isinstance(t, dict)] if isinstance(tries, list) else []
    return [{key: t.get(key) for key in ("run", "link", "prediction")} for t in kept][-MOST_RUNS:]


def warning(said: str | Exception) -> str:
    """What is wrong, in a sentence in the words of the page; nothing where nothing is."""
    return render("warning.html", sentence=on_screen(said) if isinstance(said, Exception) else said)
