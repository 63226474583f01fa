"""What `mistakes.look` found, as a page: the table of confusions, the surest mistakes, accuracy by class, reliability.

Text in, text out; knows nothing of Gradio. The colours are those of the runs in the chart.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from math import ceil

from reglab.analysis.mistakes import OF_A_CELL, Answered, Mistakes, in_table
from reglab.analysis.preview import Picture
from reglab.runs.run import Run
from reglab.ui.views.answers import bar, sure
from reglab.ui.views.inside import Shown, card, named, percent, reliability
from reglab.ui.views.preview import figures

EVALUATING = "evaluating: it answers all validation and test images, which takes seconds to minutes"


def not_yet(run: Run, is_evaluating: bool) -> str:
    """What stands there before a run has been evaluated."""
    name = html.escape(run.name)
    if is_evaluating:
        return f'<div class="reglab-errors"><p class="yet">{name} is being evaluated: choose it again in a minute.</p></div>'
    button = f'<button type="button" data-run="{html.escape(run.id, quote=True)}" data-meanwhile="{EVALUATING}">Evaluate</button>'
    told = f"{name} has not been evaluated on all test images yet."
    return f'<div class="reglab-errors"><p class="yet">{told} {button}</p></div>'


def table(m: Mistakes, role: str, pressed: tuple[int, int]) -> str:
    """What is taken for what: a row for each true class, a column for what it was taken for. A press shows the pictures.

    `pressed`: the cell whose pictures are shown already.
    """
    classes = in_table(m.counts)
    most = _darkest(m, classes)
    head = "".join(f'<th scope="col"><span>{html.escape(m.classes[c])}</span></th>' for c in classes)
    rows = "".join(_row(m, true, classes, most, pressed) for true in classes)
    left_out = (
        f" Of {len(m.classes)} classes these {len(classes)} have the most frequent confusions."
        if len(classes) < len(m.classes)
        else ""
    )
    return (
        f'<div class="reglab-errors" data-role="{role}"><section><h4>What is taken for what</h4>'
        f"<p>{m.images:,} test images of {html.escape(m.dataset)}, {percent(m.accuracy)} right. Each row is a true class:"
        " how many of its images are taken for which. Press a number to see the pictures.</p>"
        f'<div class="wide"><table class="confusion"><caption>Rows: the true class. Columns: what it is taken for.'
        f" Mistakes are shaded by their share of the row, the darkest at {percent(most)}; blue: right.{left_out}</caption>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div></section></div>"
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


def _row(m: Mistakes, true: int, classes: Sequence[int], most: float, pressed: tuple[int, int]) -> str:
    total = sum(m.counts[true]) or 1
    cells = []
    for taken in classes:
        count = m.counts[true][taken]
        if not count:
            cells.append("<td>0</td>")
            continue
        share = count / total
        strength = share if true == taken else share / (most or 1)
        words = html.escape(f"{count:,} of {total:,} {_words(m.classes[true], m.classes[taken])}, {percent(share)}")
        is_pressed = str((true, taken) == pressed).lower()
        data = f'data-true="{true}" data-predicted="{taken}"'
        cells.append(
            f'<td class="{"right" if true == taken else "wrong"}" style="--share:{ceil(strength * 100)}%">'
            f'<button type="button" {data} aria-pressed="{is_pressed}" aria-label="{words}" title="{words}">{count}</button>'
            "</td>"
        )
    return f'<tr><th scope="row">{html.escape(m.classes[true])}</th>{"".join(cells)}</tr>'


def _words(true: str, taken: str) -> str:
    return f"{true} recognised" if true == taken else f"{true} taken for {taken}"


def cell(m: Mistakes, true: int, predicted: int, shown: Sequence[Answered]) -> str:
    """The pictures of a cell of the table."""
    title, count = _words(m.classes[true], m.classes[predicted]), m.counts[true][predicted]
    some = f"The {len(shown)} surest of {count:,}" if count > OF_A_CELL else f"All {count}, the surest first"
    return (
        f'<div class="reglab-errors"><section class="sees"><h4>{html.escape(title[0].upper() + title[1:])}</h4>'
        f'<p>{some}.</p><div class="batch">{_answered(shown)}</div></section></div>'
    )


def _answered(shown: Sequence[Answered]) -> str:
    def words(each: Answered) -> tuple[str, str]:
        said = each.true if each.true == each.predicted else f"{each.true}, taken for {each.predicted}"
        return said, f"{sure(each.confidence)} sure; calibrated {sure(each.calibrated)}"

    return figures([Picture(each.pixels, *words(each)) for each in shown])


def commonest(m: Mistakes) -> tuple[int, int]:
    """The most frequent confusion: true class, what it is taken for. The first class alone where there are none."""
    pairs = [(true, taken) for true in range(len(m.counts)) for taken in range(len(m.counts)) if true != taken]
    best = max(pairs, key=lambda pair: m.counts[pair[0]][pair[1]], default=(0, 0))
    return best if m.counts[best[0]][best[1]] else (0, 0)


def page(m: Mistakes, role: str, name: str) -> str:
    """Everything below the table."""
    left = [
        card(
            "The surest mistakes",
            "Test images it is wrong about and most confident. Some of them are hard, a few are labelled wrongly.",
            f'<div class="sees"><div class="batch">{_answered(m.surest)}</div></div>'
            if m.surest
            else "<p>There are none.</p>",
        ),
    ]
    right = [
        card(
            "Accuracy by class",
            "Of the test images of each class, how many are recognised.",
            f'<ul class="bars" data-role="{role}">{_classes(m)}</ul>',
        ),
        card(
            "Does it know what it knows?",
            "Of the images it is so sure of, how many are right? Below the diagonal it is too sure. On the right its logits are"
            f" divided by the temperature {m.temperature:.2f}, which was fitted on validation images, not on these.",
            _reliability(m, role, name),
        ),
    ]
    columns = "".join(f"<div>{''.join(cards)}</div>" for cards in (left, right))
    return f'<div class="reglab-inside reglab-errors"><div class="cards">{columns}</div></div>'


def _classes(m: Mistakes) -> str:
    return "".join(
        bar(name, share or 0.0, "no images" if share is None else percent(share))
        for name, share in zip(m.classes, m.per_class, strict=True)
    )


def _reliability(m: Mistakes, role: str, name: str) -> str:
    shown = [Shown(role, f"{name}, as it comes", m.raw), Shown(role, f"{name}, calibrated", m.calibrated)]
    drawn = "".join(f"<figure><figcaption>{named(each)}</figcaption>{reliability(each)}</figure>" for each in shown)
    return f'<div class="pair">{drawn}</div>'
