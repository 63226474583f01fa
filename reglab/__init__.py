"""reglab, the CNN Regularization Lab: see what regularization does to a convolutional network.

Read `training/train.py` first; `regularizers/` holds one technique a file. CONTRIBUTING.md has a map of the rest.
"""

from pathlib import Path

from reglab.compat.python import settle_user
from reglab.compat.torch import let_waiting_threads_sleep

__version__ = "0.1.0"
ROOT = Path(__file__).parent.parent  # where `checkpoints/` and `benchmarks/` lie, unless the package is installed alone

# Both have to stand here, since torch and the Hub's client read them once.
let_waiting_threads_sleep()
settle_user()
