"""reglab, the CNN Regularization Lab: see what regularization does to a convolutional network.

Read `train.py` first; `regularizers/` holds one technique a file.
"""

import os
from pathlib import Path

__version__ = "0.1.0"
ROOT = Path(__file__).parent.parent  # where `checkpoints/` and `benchmarks/` lie, unless the package is installed alone

# How long a thread that waits for the others spins before it sleeps. On a machine where anything else runs (a browser
# that shows the curves, say), spinning threads starve the one they wait for; sleeping at once costs time when nothing
# else runs. basic_cnn on two cores, images/s alone (median of 8 epochs) and beside one busy process (of 4), 2026-11-22:
# 100,000 turns 2,085 and 315; 10,000 turns 2,277 and 595; none 1,784 and 750. libgomp's own choice is 300,000.
# libgomp reads this when torch is imported, so it has to stand here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
