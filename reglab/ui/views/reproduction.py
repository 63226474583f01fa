"""A publication as a page: its numbers beside ours, what it claims, and what each recipe has shown so far.

The templates are `reproduction.html` and, for each recipe in it, `recipe.html`. What came of a recipe is told as
`reproduce.to_json` tells it, so that what was recorded with this project and what was trained here look the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reglab.experiments.publications import MEASURES, RECIPES, STATUS, Publication
from reglab.experiments.reproduce import NOT, NOT_RUN, REPRODUCED, SAME, UNFINISHED, Standing
from reglab.ui.views.templates import render

KINDS = {REPRODUCED: "good", SAME: "fair", NOT: "bad", UNFINISHED: "open", NOT_RUN: "open"}
MEANS = {
    REPRODUCED: "every claim held, and every published number was reproduced",
    SAME: "every claim held, but not every number was or could be compared",
    NOT: "at least one claim did not hold, or could not be told from these runs",
    UNFINISHED: "runs are missing",
    NOT_RUN: "nothing was trained",
}
STATES = {"holds": ("✓", "holds"), "fails": ("✗", "does not hold"), "open": ("?", "not known")}


@dataclass(frozen=True)
class _Badge:
    """A verdict as it is shown."""

    verdict: str
    kind: str  # the class of its colour
    meaning: str


def _badge(standing: Standing) -> _Badge:
    verdict = str(standing.told["verdict"])
    return _Badge(verdict, KINDS[verdict], MEANS[verdict])


@dataclass(frozen=True)
class _Recipe:
    """One of the two recipes: what it gives up, its verdict, the command of all of it, and those of its rows."""

    key: str
    title: str
    words: str
    gives_up: str
    badge: _Badge
    standing: Standing
    seeds: int
    command: str
    commands: Mapping[str, str]


def page(publication: Publication, standings: Mapping[str, Standing], can_stop: bool = False) -> str:
    """The head, the recipes, the table and the claims; `standings` has both recipes by name."""
    return render(
        "reproduction.html",
        publication=publication,
        paper=linked(publication.paper),
        status=STATUS[publication.status],
        recipes=[_recipe(publication, name, each) for name, each in standings.items()],
        can_stop=can_stop,
        rows=_rows(standings),
        claims=_claims(standings),
    )


def _recipe(publication: Publication, name: str, standing: Standing) -> _Recipe:
    own = publication.recipe(name)
    return _Recipe(
        name,
        RECIPES[name].capitalize(),
        RECIPES[name],
        own.gives_up,
        _badge(standing),
        standing,
        own.seeds,
        f"python -m reglab reproduce {publication.key} --{name}",
        publication.commands(name),
    )


def linked(paper: str) -> list[tuple[str, str]]:
    """The text in parts, each with its address: those of arXiv have one."""
    parts = re.split(r"(arXiv:\d{4}\.\d{4,5})", paper)
    return [(part, f"https://arxiv.org/abs/{part[6:]}" if place % 2 else "") for place, part in enumerate(parts)]


# ---- the numbers -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Row:
    """A number of the publication, and what each recipe found (an interval as a dictionary, or None)."""

    label: str
    measure: str
    published: str
    here: Sequence[Mapping[str, Any] | None]


def _rows(standings: Mapping[str, Standing]) -> list[_Row]:
    rows = []
    for lines in zip(*(each.told["rows"] for each in standings.values()), strict=True):
        first = lines[0]
        published = "–" if first["published"] is None else f"{first['published']:g} %"
        rows.append(_Row(first["row"], MEASURES[first["measure"]].title, published, [line["here"] for line in lines]))
    return rows


# ---- the claims --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Found:
    """What a recipe says of a claim."""

    state: str
    mark: str
    verdict: str
    recipe: str
    told: str


@dataclass(frozen=True)
class _Claim:
    """A claim, and what the recipes that were trained say of it."""

    words: str
    found: Sequence[_Found]


def _claims(standings: Mapping[str, Standing]) -> list[_Claim]:
    claims = []
    for lines in zip(*(each.told["claims"] for each in standings.values()), strict=True):
        found = [
            _Found(line["state"], *STATES[line["state"]], RECIPES[name], line["told"].capitalize())
            for name, line in zip(standings, lines, strict=True)
            if line["here"] is not None
        ]
        claims.append(_Claim(lines[0]["claim"], found))
    return claims
