"""What is drawn of a comparison: said once, for the page and for the report."""

from __future__ import annotations

import re

import pytest
from test_compare import compared, trained_runs_fixture  # noqa: F401

from reglab.colours import COLOURS, is_dashed, role
from reglab.errors import ConfigError
from reglab.experiments import report
from reglab.experiments.curves import band
from reglab.experiments.figures import across_axis, curves_of, differences_of, shares, up_axis
from reglab.ui.views import comparison as page
from reglab.ui.views import plane


def test_a_curve_is_the_band_of_its_group_in_percent(compared):  # noqa: F811
    drawn = curves_of(compared, "test_accuracy", "step")
    assert [(c.label, c.role, c.n) for c in drawn.curves] == [
        (group.label, "abc"[place], 3) for place, group in enumerate(compared.groups)
    ]
    for curve, group in zip(drawn.curves, compared.groups, strict=True):
        told = band(group, "val_accuracy", "step")
        assert list(curve.x) == told.x and curve.mean == pytest.approx([y * 100 for y in told.mean])
        assert all(low <= mean <= high for low, mean, high in zip(curve.low, curve.mean, curve.high, strict=True))
    assert drawn.up.title == "validation accuracy" and drawn.up.marks[0][1].endswith(" %")
    assert (drawn.up.low, drawn.up.high) == (drawn.up.marks[0][0], drawn.up.marks[-1][0])
    assert curves_of(compared, "test_loss").curves[0].mean == pytest.approx(band(compared.baseline, "val_loss").mean)


def test_a_gap_is_told_in_points_and_an_accuracy_in_percent(compared):  # noqa: F811
    gap, accuracy = curves_of(compared, "gap"), curves_of(compared, "test_accuracy")
    assert gap.up.title == "gap (points)" and not any("%" in mark for _, mark in gap.up.marks)
    assert (gap.unit, accuracy.unit) == ("points", "%") and "points at the end" in gap.words and "%" not in gap.words
    shown = page.page(compared, "gap")
    assert " points</text>" in shown and " %</text>" not in shown


def test_differences_are_those_of_the_comparison(compared):  # noqa: F811
    drawn = differences_of(compared, "gap")
    assert [row.label for row in drawn.rows] == [group.label for group in compared.groups[1:]]
    for row, group in zip(drawn.rows, compared.groups[1:], strict=True):
        d = compared.difference(group, "gap")
        assert (row.mean, row.low, row.high, row.is_real) == (d.mean, d.low, d.high, d.is_real)
        assert row.verdict == compared.verdict(group, "gap")
        assert max(abs(row.mean), abs(row.low), abs(row.high)) < drawn.far


def test_the_page_and_the_picture_draw_the_same_curves(compared, monkeypatch):  # noqa: F811
    seen = []
    monkeypatch.setattr(report, "_draw_curves", lambda axes, curves: seen.append(curves))
    report.png(compared, "ece")
    assert seen == [curves_of(compared, "ece")]
    shown = page.page(compared, "ece")
    for line in plane.drawing(seen[0], page.ROOM, digits=3).lines:
        assert f'<path class="line" d="{line.path}"/>' in shown and line.band in shown


def test_there_is_no_figure_of_what_there_is_not(compared):  # noqa: F811
    for wrong in (("beauty",), ("gap", "parsec")):
        with pytest.raises(ConfigError, match="choose from"):
            curves_of(compared, *wrong)
    with pytest.raises(ConfigError, match="no metric 'beauty'"):
        differences_of(compared, "beauty")


def test_a_line_is_dashed_where_its_colour_comes_again():
    assert [role(n) for n in range(6)] == ["a", "b", "c", "d", "e", "a"] and set("abcde") <= set(COLOURS)
    assert [is_dashed(n) for n in (0, 4, 5, 9, 10)] == [False, False, True, True, False]


@pytest.mark.parametrize("values", [[0.1, 0.2], [5.0], [-3.2, 45.8], [0.0, 0.0], [99.98, 100.0]])
def test_an_axis_holds_its_values_between_two_of_its_lines_and_zero_is_called_zero(values):
    axis = up_axis(values, unit=" %")
    assert axis.low <= min(values) and max(values) <= axis.high and axis.low < axis.high
    assert 2 <= len(axis.marks) <= 12 and not [told for _, told in axis.marks if re.search(r"e-\d", told)]


def test_marks_of_an_axis_are_round_and_in_their_places():
    axis = across_axis(20, "epoch")
    assert [told for _, told in axis.marks] == ["0", "5", "10", "15", "20"]
    assert shares(axis, [value for value, _ in axis.marks]) == [0, 0.25, 0.5, 0.75, 1]
    assert across_axis(0, "epoch").high == 1
