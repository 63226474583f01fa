"""Many runs that answer a question: what is trained (`Experiment`), who trains it, and what came of it.

Read first: `experiment.py`, then `compare.py`. Experiments are built in `sweep.py` (`axes.py`, `price.py`), `factorial.py` and
`publications/`, and trained by `executors/`: here, by the queue of a server, or on a Ray cluster (`executors/ray/address.py`).
What came of one: `compare.py` with `labels.py`, `curves.py`, `tables.py` and `stats/`; `grid.py` for sweeps; `reproduce.py`
for published results; `figures.py` and `report.py` to look at and to take along.
May import: `publishing`, `jobs`, `analysis`, `runs`, `training`, `config` and the floors below.
"""
