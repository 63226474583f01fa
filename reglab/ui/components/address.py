"""What the address of the page that asks says: which tab and view are open, and of what. Anybody can type anything there.

The browser keeps it (`static/address.js`), and every event of the page brings it along.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from reglab import compat

WORD = re.compile(r"[\w.:-]{1,80}")


class Address(NamedTuple):
    """`?tab=results&view=errors&run=ID,ID&entry=dropout`; empty where it says nothing of the kind."""

    view: str = ""
    runs: tuple[str, ...] = ()
    entry: str = ""


def address_of(tab: str) -> Address:
    """What it says of this tab; nothing where another one is open, or where no page asks."""
    request = compat.gradio.request()
    said = dict(request.query_params) if request is not None else {}
    if said.get("tab", "train") != tab:
        return Address()
    runs = [run for run in str(said.get("run", "")).split(",") if WORD.fullmatch(run)]
    view, entry = (word if WORD.fullmatch(word := str(said.get(name, ""))) else "" for name in ("view", "entry"))
    return Address(view, tuple(runs[:8]), entry)
