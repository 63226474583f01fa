"""What `mistakes.look` found, as a page: the table of confusions, the surest mistakes, accuracy by class, reliability.

The templates are `confusion.html`, `confusion_cell.html` and `errors.html`. The colours are those of the runs in the chart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from reglab.analysis.mistakes import OF_A_CELL, Answered, Mistakes, in_table
from reglab.analysis.preview import Picture
from reglab.numbers import percent, sure
from reglab.runs.run import Run
from reglab.ui.views.histograms import Shown, reliability
from reglab.ui.views.preview import Figure, figures
from reglab.ui.views.templates import render

EVALUATING = "evaluating: the network classifies all validation and test images, which takes seconds to minutes"


def not_yet(run: Run, is_evaluating: bool) -> str:
    """What stands there before a run has been evaluated."""
    return render("not_evaluated.html", run=run, is_evaluating=is_evaluating, evaluating=EVALUATING)


def switch(runs: Sequence[tuple[str, str]], shown: str) -> str:
    """Turns to the errors of another run, (id, name) each; nothing where there is no other."""
    return render("errors_of.html", runs=runs, shown=shown)


# ---- the table ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Cell:
    """A number of the table that can be pressed, shaded by so many percent."""

    true: int
    predicted: int
    count: int
    shade: int
    words: str
    is_right: bool
    is_pressed: bool


def table(m: Mistakes, role: str, pressed: tuple[int, int]) -> str:
    """What is taken for what: a row for each true class, a column for what it was taken for. A press shows the pictures.

    `pressed`: the cell whose pictures are shown already.
    """
    classes = in_table(m.counts)
    most = _darkest(m, classes)
    return render(
        "confusion.html",
        role=role,
        images=m.images,
        dataset=m.dataset,
        accuracy=m.accuracy,
        most=most,
        classes=len(m.classes),
        rows=[(m.classes[true], [_cell(m, true, taken, most, pressed) for taken in classes]) for true in classes],
    )


def _darkest(m: Mistakes, classes: Sequence[int]) -> float:
    """The largest share of a row that is a mistake, in the table."""
    shares = [
        m.counts[true][taken] / sum(m.counts[true])
        for true in classes
        for taken in classes
        if true != taken and m.counts[true][taken]
    ]
    return max(shares, default=0.0)


def _cell(m: Mistakes, true: int, taken: int, most: float, pressed: tuple[int, int]) -> _Cell | None:
    """None where there are no pictures to show."""
    if not (count := m.counts[true][taken]):
        return None
    total = sum(m.counts[true])
    share = count / total
    strength = share if true == taken else share / (most or 1)
    words = f"{count:,} of {total:,} {_words(m.classes[true], m.classes[taken])}, {percent(share)}"
    return _Cell(true, taken, count, ceil(strength * 100), words, true == taken, (true, taken) == pressed)


def _words(true: str, taken: str) -> str:
    return f"{true} recognized" if true == taken else f"{true} taken for {taken}"


def cell(m: Mistakes, true: int, predicted: int, shown: Sequence[Answered]) -> str:
    """The pictures of a cell of the table."""
    title, count = _words(m.classes[true], m.classes[predicted]), m.counts[true][predicted]
    return render(
        "confusion_cell.html",
        title=title[0].upper() + title[1:],
        count=count,
        is_whole=count <= OF_A_CELL,
        shown=_answered(shown),
    )


def _answered(shown: Sequence[Answered]) -> list[Figure]:
    def words(each: Answered) -> tuple[str, str]:
        said = each.true if each.true == each.predicted else f"{each.true}, taken for {each.predicted}"
        return said, f"{sure(each.confidence)} sure; calibrated {sure(each.calibrated)}"

    return figures([Picture(each.pixels, *words(each)) for each in shown])


def commonest(m: Mistakes) -> tuple[int, int]:
    """The most frequent confusion: true class, what it is taken for. The first class alone where there are none."""
    pairs = [(true, taken) for true in range(len(m.counts)) for taken in range(len(m.counts)) if true != taken]
    best = max(pairs, key=lambda pair: m.counts[pair[0]][pair[1]], default=(0, 0))
    return best if m.counts[best[0]][best[1]] else (0, 0)


# ---- below the table ---------------------------------------------------------------------------------------------
def page(m: Mistakes, role: str, name: str) -> str:
    """Everything below the table."""
    shown = [Shown(role, f"{name}, uncalibrated", m.raw), Shown(role, f"{name}, calibrated", m.calibrated)]
    return render(
        "errors.html",
        role=role,
        surest=_answered(m.surest),
        classes=list(zip(m.classes, m.per_class, strict=True)),
        temperature=m.temperature,
        reliability=[(each, reliability(each)) for each in shown],
    )
