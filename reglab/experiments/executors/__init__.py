"""Who trains an experiment: this process, the queue of a server, or a Ray cluster. All take an `Experiment` and give its runs.

Read first: `local.py`, then `queue.py`; `ray/` is for machines beyond this one.
May import: `experiment`, `jobs`, `runs` and the floors below.
"""
