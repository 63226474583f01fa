"""The training loop, and everything that is a function of one run: batches, events, metrics, the diagnosis.

Read first: `train.py`, the loop; then `events.py`, what it says.
Knows neither disk nor screen. May import: `config` and the floors below it.
"""
