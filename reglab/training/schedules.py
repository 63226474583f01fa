"""How the learning rate changes over a run."""

from __future__ import annotations

from math import cos, pi

WARM_UP = 0.3  # share of the steps of one_cycle in which the rate rises


def lr_at(step: int, total: int, peak: float, schedule: str) -> float:
    """The learning rate of a step, counted from 0, of `total` in all.

    one_cycle: from peak/25 up to the peak over the first 30 % of the steps, down to peak/250,000, both along half a
    cosine (Smith and Topin 2018, arXiv:1708.07120; the numbers are those of torch's OneCycleLR, without its momentum
    cycle). With fewer than four steps the rise has no step of its own, and the end, where nothing is learned any more,
    would be all there is: then it is cosine.
    cosine: from the peak to 0 (Loshchilov and Hutter 2017, arXiv:1608.03983). constant: the peak.
    """
    if schedule == "constant":
        return peak
    rise = WARM_UP * total - 1  # the last step of the rise
    if schedule == "cosine" or rise < 0:
        return half_cosine(peak, 0.0, step / total)
    if step <= rise:
        return half_cosine(peak / 25, peak, step / rise)
    return half_cosine(peak, peak / 250_000, min(1.0, (step - rise) / max(total - 1 - rise, 1e-9)))


def half_cosine(start: float, end: float, fraction: float) -> float:
    """From `start` to `end` as `fraction` goes from 0 to 1, slowly at both ends."""
    return end + (start - end) * (1 + cos(pi * fraction)) / 2
