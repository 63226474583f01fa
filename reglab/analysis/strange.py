"""Whether a picture is unlike those that a network learned from, and how much of what is strange that notices.

Two signs: simple statistics of the pixels outside the range of nearly all training pictures, which needs no network, and an
energy below that of nearly all validation images (Liu et al. 2020, arXiv:2010.03759). Energy alone misses digits, noise and
flat colours, on which many networks are as sure as on anything; the pixels alone know nothing of what a picture shows.

    ranges.json              the ranges by data set, made by `python benchmarks/strange.py --ranges DATASET`
    benchmarks/strange.json  how much of what each network that ships notices, measured by `python benchmarks/strange.py`
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reglab import ROOT
from reglab.config import listed
from reglab.numbers import percent
from reglab.runs.files import read_json

if TYPE_CHECKING:
    import numpy as np

RANGES = Path(__file__).with_name("ranges.json")
MEASURED = ROOT / "benchmarks/strange.json"  # not there where the package is installed alone
OUTSIDE = 0.0015  # of the training pictures, at either end of a range
LIMITS = {
    "0.15%": "99.85 %",
    "1%": "99 %",
}  # quantile of the energy -> the share above it; evaluations of old have only 1%
WORDS = {  # below and above the range
    "contrast": ("less contrast", "more contrast"),
    "saturation": ("less color", "more color"),
    "detail": ("less fine detail", "more fine detail"),
    "sharpness": ("softer edges for its contrast", "harsher edges for its contrast"),
    "levels": ("fewer gray levels", "more gray levels"),
}
GREY = (0.299, 0.587, 0.114)


# ---- pixels ------------------------------------------------------------------------------------------------------
def statistics(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Five numbers of each picture, (N,) each, of uint8 pictures (N, 32, 32, 3) as networks see them.

    contrast: standard deviation of the grey picture. saturation: mean distance of the largest channel from the smallest.
    detail: mean size of the Laplacian, which is what the finest scale holds. sharpness: detail over contrast, small for
    what was enlarged. levels: how many of the 256 values of grey there are.
    """
    import numpy as np

    colour = pixels.astype(np.float32)
    grey = colour @ np.array(GREY, dtype=np.float32)
    contrast = grey.std((1, 2))
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    detail = np.abs(4 * grey[:, 1:-1, 1:-1] - around).mean((1, 2))
    rows = np.sort(grey.round().reshape(len(grey), -1), axis=1)
    return {
        "contrast": contrast,
        "saturation": (colour.max(3) - colour.min(3)).mean((1, 2)),
        "detail": detail,
        "sharpness": detail / (contrast + 1),  # 1 of 255, so that a flat picture is flat and not infinitely sharp
        "levels": 1.0 + (np.diff(rows, axis=1) > 0).sum(1),
    }


def ranges_of(pixels: np.ndarray) -> dict[str, list[float]]:
    """From where to where nearly all of these pictures lie, by statistic."""
    import numpy as np

    ends = (OUTSIDE, 1 - OUTSIDE)
    return {name: np.quantile(values, ends).tolist() for name, values in statistics(pixels).items()}


@lru_cache(maxsize=1)
def _ranges() -> dict[str, Any]:
    return read_json(RANGES)


def ranges(dataset: str) -> dict[str, list[float]]:
    """The ranges of a data set's training pictures; empty where they were not measured."""
    found: dict[str, list[float]] = _ranges().get(dataset, {}).get("ranges", {})
    return found


def outside(pixels: np.ndarray, dataset: str) -> dict[str, np.ndarray]:
    """Where the statistics lie outside the ranges: -1 below, 1 above, else 0; (N,) each."""
    told, known = statistics(pixels), ranges(dataset)
    return {
        name: (told[name] > high).astype(int) - (told[name] < low).astype(int) for name, (low, high) in known.items()
    }


# ---- in words ----------------------------------------------------------------------------------------------------
def limit(energy: Mapping[str, float]) -> tuple[str, float] | None:
    """The share of validation images, and the energy that so many have more of; None for a run not evaluated."""
    return next(((share, energy[name]) for name, share in LIMITS.items() if name in energy), None)


def warning(seen: np.ndarray, dataset: str, title: str, energy: float, usual: Mapping[str, float]) -> str:
    """What is strange about a picture (32, 32, 3) in a sentence or two; empty where nothing is noticed.

    `energy` is what the network makes of it, `usual` are quantiles of the validation images' energy.
    """
    signs = []
    beyond = [WORDS[name][int(sign[0] > 0)] for name, sign in outside(seen[None], dataset).items() if sign[0]]
    if beyond:
        signs.append(f"{listed(beyond)} than {percent(1 - OUTSIDE, 2)} of its training pictures")
    told = limit(usual)
    if told and energy < told[1]:
        signs.append(f"the network's energy score, {energy:.1f}, is below that of {told[0]} of validation images")
    if not signs:
        return ""
    return f"Unlike {title}: {'; '.join(signs)}. How often the network is right on such pictures was never measured."


def worth(dataset: str, title: str, weights: str, usual: Mapping[str, float]) -> str:
    """What a picture without a warning means: how much the network with these weights notices, as far as it is known."""
    if network := measured(weights):
        alarms = percent(network["false_alarms"])
        return f"No warning means nothing: it catches {_caught(network['caught'])}; {alarms} false alarms on test pictures."
    looked = [f"pixels are outside the range of the training pictures of {title}"] if ranges(dataset) else []
    if told := limit(usual):
        looked.append(f"its energy is below that of {told[0]} of the run's own validation images")
    if not looked:
        return "No warning means nothing: nothing is known yet of what is usual here."
    return f"No warning means nothing: it comes where {' or '.join(looked)}; how much that catches was not measured."


def _caught(shares: Mapping[str, float]) -> str:
    """`100 % of noise and solid colors, 99 % of digits`: kinds by their share, most first; rounded down, for 100 is all."""
    by_share: dict[int, list[str]] = {}
    for kind, share in sorted(shares.items(), key=lambda each: -each[1]):
        by_share.setdefault(int(100 * share + 1e-9), []).append(kind)
    return ", ".join(f"{share} % of {listed(kinds)}" for share, kinds in by_share.items())


def measured(weights: str) -> dict[str, Any] | None:
    """What `benchmarks/strange.py` measured of the network with these weights (their SHA-256), if it did."""
    networks = read_json(MEASURED).get("networks", {})
    return next((told for told in networks.values() if told.get("weights") == weights), None)
