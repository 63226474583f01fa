"""A list to choose a page from, searched and walked through without asking the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import gradio as gr

from reglab.ui.components.drawings import drawing, without_code
from reglab.ui.views.assets import called


class Entry(NamedTuple):
    """A page that can be opened, as it stands in the list."""

    key: str
    title: str
    words: str = ""  # all that it is found by, in small letters
    more: str = ""  # what stands smaller beside the title


def entry_list(
    elem_id: str, name: str, groups: Mapping[str, Sequence[Entry]], *, search: bool = False, address: str = ""
) -> gr.HTML:
    """Its value is the key of the page that is open; the event `select` tells which `entry` was chosen.

    `address`: what the entry is called in the address of the page; without it the address says nothing of it.
    """
    first = next(entry.key for entries in groups.values() for entry in entries)
    return drawing(
        elem_id,
        first,
        html_template=without_code("entries.html", name=name, groups=groups, search=search),
        js_on_load=called("entries"),
        address=address,
    )
