"""Seeds x test images: how far a mean over both is off, when other seeds and other test images might have been drawn.

Each run answers every test image, so both are crossed factors, and a mean over the table varies by

    V = V(means over the seeds) + V(means over the images) - V(residual)

since both of the first two contain the residual (Owen 2007, "The pigeonhole bootstrap", Ann. Appl. Stat. 1; Cameron, Gelbach and
Miller 2011, "Robust inference with multiway clustering", J. Bus. Econ. Stat. 29). More seeds shrink the first part only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reglab.experiments.stats.late import special

CERTAIN = 0.6  # simulated: intervals of 3 seeds and more then hold in 93 to 97 %, whichever part counts for more


@dataclass(frozen=True)
class Parts:
    """What the test images add: two variances of the mean, and what they come from."""

    of_images: float  # of the means over the images, the residual included
    residual: float
    seeds: int
    images: int

    @property
    def beyond(self) -> float:
        """What no number of seeds takes away: that other images might have been drawn."""
        return max(self.of_images - self.residual, 0.0)


def parts(table: np.ndarray, scale: float = 1.0) -> Parts:
    """From a value for each seed (at least two) and image; bool, or the difference of two bools."""
    x = np.asarray(table, dtype=np.float64)
    seeds, images = x.shape
    by_seed, by_image, mean = x.mean(1), x.mean(0), x.mean()
    of_images = ((by_image - mean) ** 2).sum() / (images - 1) / images
    left = ((x - by_seed[:, None] - by_image[None] + mean) ** 2).sum() / ((seeds - 1) * (images - 1))
    return Parts(float(of_images) * scale**2, float(left) / (seeds * images) * scale**2, seeds, images)


def parts_unpaired(a: np.ndarray, b: np.ndarray, scale: float = 1.0) -> Parts:
    """Of b minus a where their seeds are not the same; the images are."""
    one, other = parts(a, scale), parts(b, scale)
    apart = b.mean(0, dtype=np.float64) - a.mean(0, dtype=np.float64)
    of_images = float(apart.var(ddof=1)) / len(apart) * scale**2
    return Parts(of_images, one.residual + other.residual, min(one.seeds, other.seeds), one.images)


def total(of_seeds: float, df: float, parts: Parts) -> tuple[float, float]:
    """V, and degrees of freedom with which Student's distribution fits it.

    `of_seeds` is the variance of the mean as the seeds alone show it, with `df`. Few seeds tell it badly, while thousands of images
    tell theirs well: so V is at least that of the images, and the seeds add what they show beyond `CERTAIN` of the residual. The
    95 % interval weighs the quantiles of both parts by their variances, as Cochran (1964, Biometrics 20) does: Satterthwaite's
    degrees of freedom come out far too large wherever a few seeds happen to agree.
    """
    images = max(parts.of_images, parts.residual)
    seeds = max(of_seeds - df / (df + CERTAIN) * parts.residual, 0.0)
    if not (v := seeds + images):
        return 0.0, df
    t, z = special().stdtrit(df, 0.975), special().ndtri(0.975)
    quantile = ((seeds * t**2 + images * z**2) / v) ** 0.5
    most = parts.images - 1.0
    return v, min(float(special().stdtridf(0.975, quantile)), most) if quantile > z * (1 + 1e-6) else most
