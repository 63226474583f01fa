"""Which test images a run got right, read off `right.json` in its folder; old runs have none.

What is read must fit what `metrics.jsonl` says: as many images, and as many of them right as the accuracy tells. So bits of
another training, or damaged ones, never count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reglab.runs.files import read_json
from reglab.training.right import unpacked

if TYPE_CHECKING:
    import numpy as np

    from reglab.runs.run import Run

FILE = "right.json"


@dataclass(frozen=True, eq=False)
class Right:
    """A bit for each test image, bool (test_images,), in the order of the set, and by what that set is known again."""

    bits: np.ndarray
    test_set: str


def right_of(run: Run, summary: Mapping[str, Any], epoch: str = "") -> Right | None:
    """Of the epoch that the run stands by, or of its `best` or `last`; None where nothing was kept, or nothing that fits."""
    kept, epoch = read_json(run.path / FILE), epoch or str(summary.get("reported"))
    try:
        images, share = kept["test_images"], summary[epoch]["test_accuracy"]
        bits = unpacked(kept[epoch], images)
        fits = images == summary["test_images"] and int(bits.sum()) == round(share * images)
        return Right(bits, str(kept["test_set"])[:64]) if fits else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
