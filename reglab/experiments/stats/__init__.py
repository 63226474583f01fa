"""Whether a difference is real: intervals, many groups against one, seeds and test images, and the words for it all.

    differences(plain, [dropout, mixup]) -> [Difference, Difference] -> verdict(d)

Two runs that share their seed share their split, their first weights and their batches, so much of what differs between
seeds cancels in the difference of the pair. That is why differences are paired wherever the seeds allow it, and why few
seeds tell more than one would think. Everything here takes plain numbers; what they are (accuracies, gaps) the caller knows.

`intervals.py` has the mean of one group, `differences.py` two groups and many against one, with `many.py` (Dunnett's
distribution, Holm's steps) and `crossed.py` (seeds x test images). `verdicts.py` says it in words, and how many seeds would
decide. `factorials.py` is about what each technique bought. `benchmarks/verdicts.py` simulates how often all this is wrong.
"""

from reglab.experiments.stats.differences import FEW, Difference, difference, differences
from reglab.experiments.stats.factorials import Effect, design, effects
from reglab.experiments.stats.intervals import CONFIDENCE, Interval, interval
from reglab.experiments.stats.many import holm
from reglab.experiments.stats.verdicts import POWER, ROPE, covers, seeds_in_all, verdict, within, word

__all__ = [
    "CONFIDENCE",
    "FEW",
    "POWER",
    "ROPE",
    "Difference",
    "Effect",
    "Interval",
    "covers",
    "design",
    "difference",
    "differences",
    "effects",
    "holm",
    "interval",
    "seeds_in_all",
    "verdict",
    "within",
    "word",
]
