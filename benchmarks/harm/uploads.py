"""Malformed pictures, as `benchmarks/pictures.py` makes them: each is answered, and nothing grows."""

from __future__ import annotations

import pictures

from harm import Figures, How


def malformed(how: How) -> Figures:
    """10,000 of them."""
    told = pictures.measure(how.times(pictures.COUNT, 200), how.seed)
    figures = {"n": told.count, **told.answers, "restarts": told.restarts, "MiB_more": round(told.memory, 1)}
    figures |= {"p99": round(told.quantile(0.99), 3), "slowest": round(max(told.seconds), 2), "files_more": told.files}
    return {**figures, "met": told.is_met or (how.short and told.files <= 0)}
