"""What a browser remembers of its visitor, which may be anything; and the sentence that tells them what is wrong."""

from __future__ import annotations

from typing import Any

from reglab.config import on_screen
from reglab.teaching.assignments import MOST_RUNS
from reglab.ui.views.templates import render


def name_of(visitor: Any) -> str:
    """Whoever this browser is; what it stores may be anything."""
    return str(visitor.get("name", ""))[:32] if isinstance(visitor, dict) else ""


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
