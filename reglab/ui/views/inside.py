"""What `analysis.inside` found in one run or in two, as a page: numbers, how sure each is, and its weights by layer.

The template is `inside.html`; its drawings of confidence are measured out by `histograms.py`. The colours are those of the
chart, so that they hold in the dark as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from reglab.analysis.inside import NEAR_ZERO, RELATIVELY_ZERO
from reglab.numbers import percent
from reglab.ui.views.histograms import Drawing, Reliability, Shown, confidences, logits, reliability
from reglab.ui.views.templates import render


def page(runs: Sequence[Shown]) -> str:
    """The whole page. A run without answers (its images are not here) is left out where they would be drawn."""
    answered = [run for run in runs if "ece" in run.look]
    images = {run.look["images"] for run in runs if "images" in run.look}
    return render(
        "inside.html",
        runs=runs,
        problems=[run.look["problem"] for run in runs if "problem" in run.look],
        rows=_numbers(runs),
        images=" and ".join(f"{n:,}" for n in sorted(images)),
        answered=[
            _Answered(run.role, run.name, confidences(run, answered), reliability(run), logits(run, answered))
            for run in answered
        ],
        norms=_layers(runs, _norm),
        zeros=_layers(runs, _zeros),
        near_zero=f"{NEAR_ZERO:g}",
        relatively_zero=RELATIVELY_ZERO,
    )


@dataclass(frozen=True)
class _Answered:
    """The drawings of a run that has answered."""

    role: str
    name: str
    confidences: Drawing
    reliability: Reliability
    logits: Drawing


# ---- numbers -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Row:
    """A line of the table: what it is, a few words about that, and a cell for each run."""

    title: str
    about: str
    cells: Sequence[str]


def _numbers(runs: Sequence[Shown]) -> list[_Row]:
    def row(title: str, about: str, tell: Callable[[dict[str, Any]], str]) -> _Row:
        return _Row(title, about, [tell(run.look) for run in runs])

    def share(key: str) -> Callable[[dict[str, Any]], str]:
        return lambda look: percent(look[key]) if key in look else "–"

    return [
        row("Validation accuracy", "", share("accuracy")),
        row("Mean confidence", "what it expects to get right", share("confidence")),
        row("Wrong, yet more than 90 % sure", "of all images", share("sure_and_wrong")),
        row("Calibration error (ECE)", "0 is perfect", lambda look: f"{look['ece']:.3f}" if "ece" in look else "–"),
        row("Length of all weights", "L2 norm", _length),
        row("Near-zero weights", f"smaller than {NEAR_ZERO:g}", _share_near_zero),
    ]


def _length(look: dict[str, Any]) -> str:
    return _number(sum(layer["norm"] ** 2 for layer in look["layers"]) ** 0.5)


def _share_near_zero(look: dict[str, Any]) -> str:
    zeros = sum(layer["near_zero"] * layer["weights"] for layer in look["layers"])
    return percent(zeros / sum(layer["weights"] for layer in look["layers"]))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


# ---- layers ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Measure:
    """What is drawn of a layer: the bar, perhaps a tick on it, and the words beside it, the second ones smaller."""

    bar: float
    words: str
    tick: float | None = None
    more: str = ""


@dataclass(frozen=True)
class _List:
    """Layers, each with a measure of each run."""

    runs: Sequence[Shown]
    rows: Sequence[tuple[str, Sequence[tuple[Shown, Measure]]]]


@dataclass(frozen=True)
class _Layers:
    """One list for runs that have the same layers, else one for each run; `top` is the longest bar."""

    top: float
    lists: Sequence[_List]


def _norm(layer: dict[str, Any]) -> Measure:
    return Measure(layer["norm"], _number(layer["norm"]))


def _zeros(layer: dict[str, Any]) -> Measure:
    near, relatively = layer["near_zero"], layer["relatively_zero"]
    return Measure(near, percent(near), relatively, percent(relatively))


def _layers(runs: Sequence[Shown], measure: Callable[[dict[str, Any]], Measure]) -> _Layers:
    """Bars of both runs under each layer, where they have the same layers; else one list after the other."""
    names = [[layer["name"] for layer in run.look["layers"]] for run in runs]
    groups = [runs] if all(each == names[0] for each in names) else [[run] for run in runs]
    measures = {run.look["run"]: [measure(layer) for layer in run.look["layers"]] for run in runs}
    top = max((max(m.bar, m.tick or 0) for each in measures.values() for m in each), default=0) or 1
    return _Layers(top, [_list(group, measures) for group in groups])


def _list(runs: Sequence[Shown], measures: dict[str, list[Measure]]) -> _List:
    names = [layer["name"] for layer in runs[0].look["layers"]]
    columns = [measures[run.look["run"]] for run in runs]
    rows = [
        (name, list(zip(runs, each, strict=True))) for name, each in zip(names, zip(*columns, strict=True), strict=True)
    ]
    return _List(runs, rows)
