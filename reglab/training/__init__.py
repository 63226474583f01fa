"""The training loop, and everything that is a function of one run: batches, events, metrics, the diagnosis.

Read first: `train.py`, the loop; then `events.py`, what it says, and `regularizers/base.py`, who takes part in it.
Its parts: `batches.py`, `forward.py`, `optimizers.py`, `schedules.py`, `evaluation.py` and `metrics.py`, `divergence.py`,
`replay.py` (steps that a GPU does by itself), `right.py` (which test images it got right, as bits).
Beside it: `diagnosis.py` (what the curves say), `fork.py`, `features.py` (of a frozen backbone).
Knows neither disk nor screen, but for the features it keeps. May import: `config` and the floors below it.
"""
