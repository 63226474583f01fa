"""What a drawing shows, as a table with a row for each point along its axis; the template is `points.html`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """A point of the axis: how many pixels across it lies, what the axis says there, and what each column has there."""

    x: float
    where: str
    values: Sequence[str]  # empty where a column has nothing


class Points(NamedTuple):
    """What the drawing shows in a few words, the axis and the columns, and the points from left to right."""

    title: str
    head: Sequence[str]
    rows: Sequence[Row]
