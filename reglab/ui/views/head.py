"""What the page says of itself, and what is seen of it first: both stand in the page itself, before Gradio has loaded anything."""

from __future__ import annotations

from collections.abc import Sequence

from reglab.ui.views.assets import address
from reglab.ui.views.templates import render
from reglab.ui.views.terms import TERMS, key_of

TITLE = "CNN Regularization Lab"
DESCRIPTION = "Watch the same network with and without regularization, side by side."
GROUNDS = ("#ffffff", "#0d1321")  # of a light page and of a dark one, as `static/tokens.css` has them


def head_html(root: str) -> str:
    """For a page that is asked for at `root`, which is written without a stroke at its end."""
    light, dark = GROUNDS
    return render(
        "head.html",
        title=TITLE,
        description=f"{DESCRIPTION} Toggle dropout, weight decay or batch normalization and see the gap close.",
        root=root.rstrip("/"),
        light=light,
        dark=dark,
        icon=address("favicon.svg"),
        picture=address("picture.png"),
        sheet=address("page.css"),
        script=address("page.js"),
    )


def header_html() -> str:
    """The head of the page, of which nothing changes: its name, the tour and the theme; and what terms mean."""
    return render("header.html", title=TITLE, terms=[(key_of(term), term, meaning) for term, meaning in TERMS.items()])


def first_html(tabs: Sequence[str]) -> str:
    """The name of the lab and of its tabs, until they are there."""
    return render("first.html", title=TITLE, description=DESCRIPTION, tabs=tabs)
