"""Whether a published result came out again: what the runs of a recipe have shown of it, and a verdict that says no more.

    runs of the recipe -> findings (row by row, published beside measured) -> claims judged by their intervals -> a verdict

"reproduced" is earned by the full recipe alone: every claim holds, and every published number lies within TOLERANCE of
our mean or within our 95 % interval, from at least LEAST seeds. "same direction" means that every claim holds; a budget
recipe cannot earn more. Anything else is "not reproduced", and the sentence names the claim that failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf, isinf
from typing import Any

from reglab import ROOT
from reglab.config import RunConfig
from reglab.errors import RunError
from reglab.experiments import stats
from reglab.experiments.outcome import Outcome
from reglab.experiments.publications import MEASURES, PUBLICATIONS, Claim, Publication, Row
from reglab.experiments.stats import Difference, Interval
from reglab.numbers import between, counted, number, written
from reglab.runs.files import read_json
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.runs.view import RunView

TOLERANCE = 1.0  # points between a published number and our mean, which another split or schedule may well make
LEAST = 3  # seeds; the interval of two is too wide to contradict anything
REPRODUCED, SAME, NOT, UNFINISHED, NOT_RUN = (
    "reproduced",
    "same direction",
    "not reproduced",
    "unfinished",
    "not run yet",
)
RECORDED = ROOT / "benchmarks/reproduce.json"  # not there where the package is installed alone

Outcomes = Mapping[str, Mapping[int, Outcome]]  # row -> seed -> what came of it


# ---- what the runs say -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Judged:
    """A claim, the published number, ours, and whether it holds ("holds", "fails") or cannot be told yet ("open")."""

    claim: Claim
    published: float | None
    found: Interval | Difference | None
    state: str

    def __str__(self) -> str:
        return f"{self.claim.sentence}: {self.numbers}{f': {ENDS[self.state]}' if self.found else ''}."

    @property
    def numbers(self) -> str:
        """Ours, the published one, the interval and the seeds, in words."""
        if self.found is None:
            return "not measured yet"
        is_difference, unit = bool(self.claim.against), "points" if self.claim.against else "%"
        told = f"{MEASURES[self.claim.measure].title} {number(self.found.mean, signed=is_difference)} {unit}"
        if self.published is not None:
            told += f" ({'+' if is_difference and self.published > 0 else ''}{written(self.published)} published)"
        if self.found.low is not None and self.found.high is not None:
            told += f", 95 % interval {between(self.found.low, self.found.high)}"
        return f"{told}, {counted(self.found.n, 'seed')}"


ENDS = {"holds": "holds", "fails": "does not hold", "open": "cannot be told from these runs"}


@dataclass(frozen=True)
class Finding:
    """A number of the table beside ours, if there is one."""

    row: str
    measure: str
    published: float | None
    found: Interval | None

    @property
    def agrees(self) -> bool:
        """Whether the published number lies within TOLERANCE of our mean, or within our interval."""
        if self.published is None:
            return True
        if self.found is None or self.found.n < LEAST or self.found.high is None:
            return False
        return abs(self.published - self.found.mean) <= max(TOLERANCE, self.found.high - self.found.mean)


@dataclass(frozen=True)
class Findings:
    """What the finished runs of one recipe say of a publication."""

    publication: Publication
    recipe: str
    rows: tuple[Finding, ...]
    claims: tuple[Judged, ...]
    runs: int  # finished
    seeds: int  # that every row has
    failed: tuple[str, ...] = ()  # why runs ended early

    @property
    def word(self) -> str:
        """*reproduced*, *same direction*, *not reproduced*, *unfinished* or *not run yet*."""
        return verdict(self)[0]

    @property
    def sentence(self) -> str:
        """Why."""
        return verdict(self)[1]


def findings(publication: Publication, recipe: str, outcomes: Outcomes, failed: Sequence[str] = ()) -> Findings:
    """The table and the claims, from what came of each row by seed; rows may be missing."""
    told = {row.name: dict(outcomes.get(row.name, {})) for row in publication.rows}
    values = {(name, m): _values(told, publication.rows[0], name, m) for name in told for m in publication.measures}
    rows = [
        Finding(row.name, m, row.published.get(m), stats.interval(list(found.values())) if found else None)
        for row in publication.rows
        for m in publication.measures
        if m in row.published or _is_claimed(publication, row, m)
        for found in [values[row.name, m]]
    ]
    return Findings(
        publication,
        recipe,
        tuple(rows),
        tuple(_judged(claim, publication, values) for claim in publication.claims),
        sum(map(len, told.values())),
        min(map(len, told.values())),
        tuple(failed),
    )


def _values(told: Outcomes, first: Row, name: str, measure: str) -> dict[int, float]:
    """Seed -> the number; of a relative one, where the first row's run with that seed is there too."""
    m, firsts = MEASURES[measure], told[first.name]
    return {s: m.of(own, firsts.get(s, own)) for s, own in told[name].items() if s in firsts or not m.relative}


def _is_claimed(publication: Publication, row: Row, measure: str) -> bool:
    return any(measure == c.measure and row.name in (c.row, c.against) for c in publication.claims)


def _judged(claim: Claim, publication: Publication, values: Mapping[tuple[str, str], dict[int, float]]) -> Judged:
    published = {row.name: row.published.get(claim.measure) for row in publication.rows}
    told, against = published[claim.row], published.get(claim.against)
    expected = told if not claim.against else None if told is None or against is None else told - against
    own, others = values[claim.row, claim.measure], values.get((claim.against, claim.measure), {})
    if not own or (claim.against and not others):
        return Judged(claim, expected, None, "open")
    found = stats.difference(others, own) if claim.against else stats.interval(list(own.values()))
    return Judged(claim, expected, found, _state(claim, found))


def _state(claim: Claim, found: Interval | Difference) -> str:
    """Whether the whole interval keeps to the claim's bounds, or lies outside of them; one number alone tells nothing.

    Every claim has to hold, so each may be judged by an interval of its own (an intersection-union test: Berger 1982, Technometrics 24).
    """
    if found.low is None or found.high is None:
        return "open"
    if isinstance(found, Difference) and not found.sd and found.n < stats.FEW:
        return "open"  # the same difference each time, as so few seeds can have by chance
    if claim.low < found.low and found.high < claim.high:
        return "holds"
    return "fails" if found.high <= claim.low or found.low >= claim.high else "open"


# ---- the verdict -------------------------------------------------------------------------------------------------
def verdict(told: Findings) -> tuple[str, str]:
    """One word, and one sentence that says why."""
    if not told.runs:
        return NOT_RUN, _and_failed("No run of this recipe is finished here.", told)
    if told.seeds < 2:
        return UNFINISHED, _and_failed(f"{_finished(told)}; a verdict needs every row with at least two seeds.", told)
    word, sentence = _decided(told)
    wanted = told.publication.recipe(told.recipe).seeds
    return word, f"{sentence} So far with {told.seeds} of {wanted} seeds." if told.seeds < wanted else sentence


def _decided(told: Findings) -> tuple[str, str]:
    fails, opens = ([judged for judged in told.claims if judged.state == state] for state in ("fails", "open"))
    if fails:
        return NOT, f"{len(fails)} of {len(told.claims)} claims did not hold. {fails[0]}"
    if opens:
        return NOT, f"{len(opens)} of {len(told.claims)} claims cannot be told from these runs. {opens[0]}"
    held = "Every claim held" if len(told.claims) > 1 else "The claim held"
    if told.recipe == "budget":
        return SAME, f"{held} at this scale, which is all that a budget can show: {_gave_up(told.publication)}"
    if told.publication.elsewhere:
        return SAME, f"{held}; the published numbers themselves cannot be compared, for {told.publication.elsewhere}."
    numbers = [row for row in told.rows if row.published is not None]
    if off := [row for row in numbers if not row.agrees]:
        return (
            SAME,
            f"{held}, but {len(off)} of {len(numbers)} published numbers did not come out, first {_apart(off[0])}.",
        )
    return (
        REPRODUCED,
        f"{held}, and every published number lies within {TOLERANCE:g} point or within our 95 % interval.",
    )


def _finished(told: Findings) -> str:
    return f"{counted(told.runs, 'run is', 'runs are')} finished"


def _and_failed(sentence: str, told: Findings) -> str:
    return f"{sentence} {len(told.failed)} failed: {told.failed[0]}" if told.failed else sentence


def _gave_up(publication: Publication) -> str:
    gives_up = publication.budget.gives_up
    return gives_up[0].lower() + gives_up[1:]


def _apart(row: Finding) -> str:
    assert row.found is not None
    return (
        f"“{row.row}”: {row.published:g} % published, {number(row.found.mean)} % here ({counted(row.found.n, 'seed')})"
    )


# ---- runs -> findings --------------------------------------------------------------------------------------------
@cache
def cells(key: str, recipe: str) -> Mapping[str, str]:
    """Config with seed 0, as JSON -> row; made once, since a page that follows runs asks at every look."""
    return {cell.model_dump_json(): row for row, cell in PUBLICATIONS[key].cells(recipe).items()}


def row_of(publication: Publication, recipe: str, config: RunConfig) -> str:
    """The row that a run with this config belongs to; empty where it is none of them."""
    return cells(publication.key, recipe).get(config.model_copy(update={"seed": 0}).model_dump_json(), "")


def runs_of(publication: Publication, recipe: str, store: Store) -> list[Run]:
    """The runs of this recipe in the store, oldest first. Those of the same name but another recipe are none of them."""
    return [run for run in store.group(publication.group(recipe)) if _row(publication, recipe, run)]


def _row(publication: Publication, recipe: str, run: Run) -> str:
    try:
        return row_of(publication, recipe, run.config)
    except RunError:
        return ""


def look(
    publication: Publication, recipe: str, runs: Iterable[Run], view: Callable[[Run], RunView] = Run.view
) -> Findings:
    """What these runs say; every seed counts, however many were asked for, and runs of anything else do not.

    Whoever looks again and again gives `Store.view`, which reads on from its last look.
    """
    outcomes: dict[str, dict[int, Outcome]] = {}
    failed = []
    for run in runs:
        if row := _row(publication, recipe, run):
            seen = view(run)
            summary = seen.summary()
            if summary["status"] == "finished":
                outcomes.setdefault(row, {})[run.config.seed] = Outcome(summary, seen.history)
            elif summary["status"] == "failed":
                failed.append(str(summary.get("reason", "")))
    return findings(publication, recipe, outcomes, failed)


@dataclass(frozen=True)
class Standing:
    """How far a recipe is: what it has shown, as `to_json` tells it, and in words where that comes from, its price, its progress."""

    told: Mapping[str, Any]
    source: str = ""
    price: str = ""
    progress: str = ""
    live: bool = False  # whether its runs are being trained
    done: bool = False  # whether none is left to train


# ---- told --------------------------------------------------------------------------------------------------------
def to_json(told: Findings) -> dict[str, Any]:
    """Everything that is shown, as plain values; all numbers in percent or points."""
    return {
        "publication": told.publication.key,
        "paper": told.publication.paper,
        "read": told.publication.read,
        "status": told.publication.status,
        "recipe": told.recipe,
        "gives_up": told.publication.recipe(told.recipe).gives_up,
        "commands": told.publication.commands(told.recipe),
        "runs": told.runs,
        "seeds": told.seeds,
        "rows": [
            {"row": r.row, "measure": r.measure, "published": r.published, "here": vars(r.found) if r.found else None}
            for r in told.rows
        ],
        "claims": [
            {
                "claim": j.claim.sentence,
                "measure": j.claim.measure,
                "row": j.claim.row,
                "against": j.claim.against,
                "low": None if isinf(j.claim.low) else j.claim.low,
                "high": None if j.claim.high == inf else j.claim.high,
                "published": j.published,
                "here": vars(j.found) if j.found else None,
                "state": j.state,
                "told": j.numbers,
            }
            for j in told.claims
        ],
        "verdict": told.word,
        "sentence": told.sentence,
    }


def table(told: Mapping[str, Any]) -> str:
    """What `to_json` tells as Markdown: published beside measured, the claims, the verdict."""
    lines = ["|  | measured | published | here | 95 % | seeds |", "|---|---|---|---|---|---|"]
    for row in told["rows"]:
        published, own = "" if row["published"] is None else f"{row['published']:g} %", ["", "", ""]
        if here := row["here"]:
            bounds = "" if here["low"] is None else between(here["low"], here["high"])
            own = [f"{number(here['mean'])} %", bounds, str(here["n"])]
        lines.append(f"| {' | '.join([row['row'], MEASURES[row['measure']].title, published, *own])} |")
    claims = []
    for each in told["claims"]:
        end = f": **{ENDS[each['state']]}**" if each["here"] else ""
        claims.append(f"- {each['claim']}: {each['told']}{end}.")
    return "\n".join([*lines, "", *claims, "", f"Verdict: **{told['verdict']}**. {told['sentence']}"])


def recorded(key: str, recipe: str) -> dict[str, Any]:
    """What `benchmarks/reproduce.py` kept of this recipe; empty where it kept nothing, or something else was asked then."""
    told: dict[str, Any] = read_json(RECORDED).get(f"{key}, {recipe}", {})
    return told if told and _asked(told) == _asked(to_json(findings(PUBLICATIONS[key], recipe, {}))) else {}


def _asked(told: Mapping[str, Any]) -> list[Any]:
    """What was trained, and what was asked of it."""
    rows = [[row[name] for name in ("row", "measure", "published")] for row in told["rows"]]
    claims = [[each[name] for name in ("claim", "measure", "row", "against", "low", "high")] for each in told["claims"]]
    return [told["commands"], rows, claims]
