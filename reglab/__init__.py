"""reglab, the CNN Regularization Lab: see what regularization does to a convolutional network.

Read `train.py` first; `regularizers/` holds one technique a file.
"""

import os

__version__ = "0.1.0"

# Threads that wait for each other should sleep, not spin. On a machine where anything else runs (a browser showing the
# curves), spinning threads starve the one they wait for: 2 to 3 times slower with one other busy process on two cores.
# libgomp reads this when torch is imported, so it has to stand here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
