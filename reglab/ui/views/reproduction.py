"""A publication as a page: its numbers beside ours, what it claims, and what each recipe has shown so far.

Text in, text out; knows nothing of Gradio. What came of a recipe is told as `reproduce.to_json` tells it, so that what was
recorded with this project and what was trained here look the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reglab.experiments.publications import MEASURES, RECIPES, STATUS, Publication
from reglab.experiments.reproduce import NOT, NOT_RUN, REPRODUCED, SAME, UNFINISHED
from reglab.ui.views.inside import card, safe

KINDS = {REPRODUCED: "good", SAME: "fair", NOT: "bad", UNFINISHED: "open", NOT_RUN: "open"}
MEANS = {
    REPRODUCED: "every claim held, and every published number came out",
    SAME: "every claim held, but not every number was or could be compared",
    NOT: "at least one claim did not hold, or could not be told from these runs",
    UNFINISHED: "runs are missing",
    NOT_RUN: "nothing was trained",
}
STATES = {"holds": ("✓", "holds"), "fails": ("✗", "does not hold"), "open": ("?", "not known")}


@dataclass(frozen=True)
class Shown:
    """What came of one recipe: as `reproduce.to_json` tells it, where it comes from, its price and its progress."""

    told: Mapping[str, Any]
    source: str = ""
    price: str = ""
    progress: str = ""
    live: bool = False  # whether its runs are being trained
    done: bool = False  # whether none is left to train


def page(publication: Publication, shown: Mapping[str, Shown]) -> str:
    """The head, the table and the claims; `shown` has both recipes by name."""
    status = f'<b class="badge" title="{safe(STATUS[publication.status])}">{publication.status}</b>'
    words = " ".join(f"<span>{RECIPES[name].capitalize()}: {_badge(each)}</span>" for name, each in shown.items())
    head = (
        f'<header><h3>{safe(publication.title)}</h3><p>{_linked(publication.paper)}</p><p class="words">{words}</p>'
        f"<p>{status} {safe(STATUS[publication.status])} Read in {safe(publication.read)}.</p>"
        f"<dl><div><dt>They</dt><dd>{safe(publication.setting)}</dd></div>"
        f"<div><dt>Here</dt><dd>{safe(publication.here)}</dd></div></dl></header>"
    )
    numbers = card("Published, and measured here", "Means over seeds with their 95 % intervals.", _table(shown))
    claims = card("What it claims", "Judged by the whole interval, never by the mean alone.", _claims(shown))
    return f'<div class="reglab-inside reglab-reproduce">{head}<div class="cards">{numbers}{claims}</div></div>'


def recipe(publication: Publication, name: str, shown: Shown) -> str:
    """One of the two recipes: what it gives up, its verdict, and the commands of its rows."""
    told = shown.told
    word = str(told["verdict"])
    verdict = f'<p class="verdict"><b class="badge {KINDS[word]}" title="{MEANS[word]}">{word}</b> {safe(told["sentence"])}</p>'
    gives_up = publication.recipe(name).gives_up
    parts = [
        f"<p><b>Gives up:</b> {safe(gives_up)}</p>"
        if gives_up
        else "<p>As near to the authors' as this lab can come.</p>",
        verdict,
        f'<p class="caption">{safe(shown.source)}</p>' if shown.source else "",
        f'<p class="price">{safe(shown.price)}</p>' if shown.price else "",
        f'<p class="progress" role="status">{safe(shown.progress)}</p>' if shown.progress else "",
        _commands(publication, name),
    ]
    body = card(RECIPES[name].capitalize(), "", "".join(parts))
    return f'<div class="reglab-inside reglab-reproduce recipe">{body}</div>'


def _badge(shown: Shown) -> str:
    word = str(shown.told["verdict"])
    return f'<b class="badge {KINDS[word]}" title="{MEANS[word]}">{word}</b>'


# ---- the numbers -------------------------------------------------------------------------------------------------
def _table(shown: Mapping[str, Shown]) -> str:
    columns = "".join(f'<th scope="col">{RECIPES[name]}</th>' for name in shown)
    rows = []
    for lines in zip(*(each.told["rows"] for each in shown.values()), strict=True):
        first = lines[0]
        measure = MEASURES[first["measure"]].title
        published = "–" if first["published"] is None else f"{first['published']:g} %"
        own = "".join(f"<td>{_number(line['here'])}</td>" for line in lines)
        name = f'<th scope="row">{safe(first["row"])} <small>{safe(measure)}</small></th>'
        rows.append(f"<tr>{name}<td>{published}</td>{own}</tr>")
    head = f'<thead><tr><td></td><th scope="col">published</th>{columns}</tr></thead>'
    return f'<div class="scroller"><table>{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _number(here: Mapping[str, Any] | None) -> str:
    if here is None:
        return "–"
    if here["low"] is None:
        return f"{here['mean']:.1f} % <small>one seed</small>"
    return f"{here['mean']:.1f} ± {here['high'] - here['mean']:.1f} % <small>{here['n']} seeds</small>"


def _claims(shown: Mapping[str, Shown]) -> str:
    items = []
    for lines in zip(*(each.told["claims"] for each in shown.values()), strict=True):
        found = []
        for name, line in zip(shown, lines, strict=True):
            mark, words = STATES[line["state"]]
            if line["here"] is not None:
                found.append(
                    f'<li class="{line["state"]}"><i aria-hidden="true">{mark}</i><b>{RECIPES[name]}: {words}.</b>'
                    f" {safe(line['told'].capitalize())}</li>"
                )
        told = f"<ul>{''.join(found)}</ul>" if found else "<p>Nothing trained yet.</p>"
        items.append(f"<li><span>{safe(lines[0]['claim'])}</span>{told}</li>")
    return f'<ul class="claims">{"".join(items)}</ul>'


def _commands(publication: Publication, name: str) -> str:
    lines = "".join(
        f"<dt>{safe(row)}</dt><dd><code>{safe(command)}</code></dd>"
        for row, command in publication.commands(name).items()
    )
    seeds = publication.recipe(name).seeds
    return f"<details><summary>Every row, each with {seeds} seeds</summary><dl>{lines}</dl></details>"


def _linked(paper: str) -> str:
    return re.sub(
        r"arXiv:(\d{4}\.\d{4,5})",
        r'<a href="https://arxiv.org/abs/\1" target="_blank" rel="noopener">arXiv:\1</a>',
        safe(paper),
    )
