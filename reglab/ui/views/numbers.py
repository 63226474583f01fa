"""How numbers are written on the page; the templates have these as filters of the same names."""

from __future__ import annotations


def percent(share: float, digits: int = 1) -> str:
    """A share as `12.3 %`."""
    return f"{share * 100:.{digits}f} %"


def points(share: float) -> str:
    """A difference of two shares as `12.3 points`."""
    return f"{share * 100:.1f} points"


def sure(p: float) -> str:
    """A probability as `12.3 %`, and neither 0 nor 100 where it is neither."""
    if 0 < p < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if 0.999 < p < 1 else percent(p)


def fixed(value: float, digits: int = 1) -> str:
    """With so many digits after the point: pixels, and what is told of a table."""
    return f"{value:.{digits}f}"


def count(n: int) -> str:
    """A number of things as `12,345`."""
    return f"{n:,}"
