"""The colours of runs, for the page and for pictures that are taken along: the plain curve is orange, the regularized one blue.

Colour says which run, everywhere: warm is plain, cool is regularized. Vermillion and blue of the palette of Okabe and Ito,
told apart with every kind of colour blindness; darkened (on light) and lightened (on dark) until a name written in them
reads well, at least 4.5 to 1. c to e were searched for so that any two of the five from a to e stay apart with every kind
of colour blindness, by lightness where hue fails. A test holds them to it.
"""

from __future__ import annotations

from typing import NamedTuple


class Colour(NamedTuple):
    """One colour on a light ground and on a dark one."""

    light: str
    dark: str


PLAIN = Colour("#c24e00", "#ff9d5c")
REGULARIZED = Colour("#0072b2", "#5cb8f0")

# What a run is -> its colour. a to e stand side by side; a is the baseline.
COLOURS = {
    "plain": PLAIN,
    "regularized": REGULARIZED,
    "run": Colour("#00795a", "#35c79c"),
    "a": PLAIN,
    "b": REGULARIZED,
    "c": Colour("#2f4a0c", "#43907d"),
    "d": Colour("#6e0080", "#af58f5"),
    "e": Colour("#020d34", "#fafafa"),
}
ROLES = ("a", "b", "c", "d", "e")


# Dark is little, light is much, in steps that look alike (viridis, by van der Walt and Smith 2015, CC0): seventeen of its colours,
# between which others lie on straight lines. It can be read in grey and with every kind of colour blindness.
VIRIDIS = tuple(
    [
        "#440154",
        "#48186a",
        "#472d7b",
        "#424086",
        "#3b528b",
        "#33638d",
        "#2c728e",
        "#26828e",
        "#21918c",
        "#1fa088",
        "#28ae80",
        "#3fbc73",
        "#5ec962",
        "#84d44b",
        "#addc30",
        "#d8e219",
        "#fde725",
    ]
)


def role(place: int) -> str:
    """The role of the run at this place among several; they come again after five."""
    return ROLES[place % len(ROLES)]


def is_dashed(place: int) -> bool:
    """Whether its line is dashed: those are that have the colour of one before them."""
    return place // len(ROLES) % 2 == 1


def css() -> str:
    """The style sheet: `--reglab-plain` and the like, the scale of maps, and `--run` inside whatever says `data-role="plain"`."""
    light = "".join(f"--reglab-{name}: {colour.light}; " for name, colour in COLOURS.items())
    dark = "".join(f"--reglab-{name}: {colour.dark}; " for name, colour in COLOURS.items())
    roles = "\n".join(f'[data-role="{name}"] {{ --run: var(--reglab-{name}); }}' for name in COLOURS)
    scale = f"--reglab-viridis: linear-gradient(to right, {', '.join(VIRIDIS)}); "
    return f":root {{ {light}{scale}}}\n.dark {{ {dark}}}\n{roles}\n"
