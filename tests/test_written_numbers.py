"""How numbers are written: one space before the percent sign, a minus that is one, commas between thousands."""

from __future__ import annotations

import pytest

from reglab.numbers import between, count, counted, fixed, number, percent, points, sure, written


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (percent(0.5789), "57.9 %"),
        (percent(0.3, 0), "30 %"),
        (points(0.146, signed=True), "+14.6 points"),
        (points(-0.004), "\u22120.4 points"),
        (number(-0.0001), "0.0"),
        (number(0, signed=True), "0.0"),
        (number(12345.678, 0), "12,346"),
        (between(-1.25, 4.3), "\u22121.2 to 4.3"),
        (sure(1e-9), "< 0.1 %"),
        (sure(0.99999), "> 99.9 %"),
        (sure(1.0), "100.0 %"),
        (count(5000), "5,000"),
        (counted(1, "image"), "1 image"),
        (counted(5000, "image"), "5,000 images"),
        (counted(2, "class", "classes"), "2 classes"),
        (written(-0.05), "\u22120.05"),
        (fixed(-1234.5), "-1234.5"),  # for machines
    ],
)
def test_a_number_is_written_one_way(made, text):
    assert made == text
