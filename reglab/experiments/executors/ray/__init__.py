"""Past one machine: each run of an experiment is a task on a Ray cluster; what happens in it flows back and is recorded here.

Read first: `executor.py`; then `address.py` (where the cluster is), `places.py` (what fits there), `relay.py` (on its head),
`node.py` (on its nodes) and `packing.py` (what travels).
The nodes compute and this machine keeps the run folders. So the nodes need neither a shared disk nor the data set, and
with a node nothing is lost but what was trained since its last snapshot came back. Ray decides what runs where, and when.
May import: `experiment`, `jobs`, `runs` and the floors below.
"""
