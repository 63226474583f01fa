"""Where the runs of a job are trained. The queue decides who is next and does not know which place it is.

Read first: `place.py` (what every place does), then `process.py` (a process of this machine), `zero_gpu.py` (slices of a GPU that
is lent) and `here.py`, the one that chooses. Beside them: `pulse.py` (whether a process still answers), `quota.py` (the minutes
that ZeroGPU gives a visitor).
Each does the same `work(runs, ...)` of `jobs/worker.py`, and whoever wants to know how it goes reads the folders of the runs.
May import: `worker`, `processes`, `runs` and the floors below.
"""
