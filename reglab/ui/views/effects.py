"""What a technique did here, drawn around zero and in numbers; the template is `effects.html`."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from reglab.teaching.effects import Effect, Figure, Measured
from reglab.ui.views.templates import render


@dataclass(frozen=True)
class _Row:
    """One number under one condition: where its dot is, and its 95 % interval, in percent of the width."""

    title: str
    under: str
    at: float
    low: float | None
    high: float | None
    said: str
    is_clear: bool


def effects_html(measured: Measured | None) -> str:
    """The figure, the table and the conditions; nothing where nothing was measured."""
    if measured is None:
        return ""
    found = [row for effect in measured.effects for row in _numbers(effect)]
    far = max(abs(end) for *_, ends in found for end in ends) * 1.1 or 1.0
    return render(
        "effects.html",
        rows=[_row(title, effect, figure, ends, far) for title, effect, figure, ends in found],
        far=far,
        effects=measured.effects,
        conditions=measured.conditions,
    )


def _numbers(effect: Effect) -> list[tuple[str, Effect, Figure, list[float]]]:
    """Test accuracy and gap: title, figure, and its mean and the ends of its interval in points."""
    told = [("Test accuracy", effect.test, effect.judged), ("Gap", effect.gap, effect.gap_judged)]
    return [
        (title, effect, figure, [100 * figure.mean, *(x for x in ends if x is not None and isfinite(x))])
        for title, figure, judged in told
        if figure is not None
        for ends in [(judged.low, judged.high) if judged is not None else ()]
    ]


def _row(title: str, effect: Effect, figure: Figure, ends: list[float], far: float) -> _Row:
    places = [50 + value / far * 50 for value in ends]
    low, high = places[1:] if len(places) == 3 else (None, None)
    is_clear = low is not None and high is not None and (low > 50 or high < 50)
    return _Row(title, effect.labels, places[0], low, high, f"{figure.text(100, 1)} points", is_clear)
