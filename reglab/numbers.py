"""How a number is written wherever somebody reads it: 57.9 %, +14.6 points, −0.4, 5,000 images.

percent(0.5789)                  # 57.9 %
points(-0.004, signed=True)      # −0.4 points
number(-1.5)                     # −1.5, with the minus sign, not a hyphen
counted(5000, "image")           # 5,000 images
"""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"  # where there is no number


def number(value: float, digits: int = 1, signed: bool = False) -> str:
    """With so many digits after the point and a true minus; `signed` writes the plus as well. Nothing is "−0.0"."""
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''},.{digits}f}".replace("-", MINUS)


def written(value: float, digits: int = 4) -> str:
    """With so many digits that count, for marks of an axis."""
    return f"{value:.{digits}g}".replace("-", MINUS)


def percent(share: float, digits: int = 1) -> str:
    """A share as `57.9 %`."""
    return f"{number(share * 100, digits)} %"


def points(share: float, signed: bool = False) -> str:
    """A difference of two shares as `14.6 points`."""
    return f"{number(share * 100, 1, signed)} points"


def sure(p: float) -> str:
    """A probability as `12.3 %`, and neither 0 nor 100 where it is neither."""
    if 0 < p < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if 0.999 < p < 1 else percent(p)


def between(low: float, high: float, digits: int = 1) -> str:
    """An interval as `1.9 to 4.3`."""
    return f"{number(low, digits)} to {number(high, digits)}"


def count(n: int) -> str:
    """A number of things as `12,345`."""
    return f"{n:,}"


def counted(n: int, thing: str, things: str = "") -> str:
    """The things as well: `1 image`, `5,000 images`."""
    return f"{n:,} {thing if n == 1 else things or thing + 's'}"


def fixed(value: float, digits: int = 1) -> str:
    """For machines: a coordinate, a length in a style. With a hyphen for a minus, and nothing between thousands."""
    return f"{value:.{digits}f}"
