"""A run is a folder, the only state there is: how it is written, read, locked, summed up and found again.

Read first: `run.py` (a run and its files), then `store.py` (a folder of runs) and `recording.py` (who writes it, and seals it
with `manifest.json` at the end).
Reading: `view.py` (once, then what has come since), `summary.py`, `index.py` (all runs at once), `lines.py`, `tensors.py`,
`times.py`, `right.py` (which test images it got right), `cost.py` (what its start, its epochs and its images took).
Writing: `clock.py` (`timing.jsonl`), `files.py` (never half a file), `lock.py` (one owner), `names.py` (what a run may be called),
`owner.py` (whose it is), `trash.py` (deleted for a day), `room.py` (quotas of the disk), `timed.py` (what finished runs cost),
`parent.py` (a fork that begins at a snapshot).
May import: `training`, `config` and the floors below.
"""
