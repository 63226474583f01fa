"""Who computes when: the queue, the worker processes, calls in a process of their own, downloads in the background.

Read first: `queue.py` (who is next) and `job.py` (what waits), then `worker.py` (what a worker does) and `places/` (where).
What may be asked for: `admission.py` (yes or no, before anything is queued), `capacity.py` (what this machine can train), `pace.py`
(how long a run will take here), `lookout.py` (finds both out), `turns.py` (whose turn it is), `packing.py` (what is trained at
once), `bounds.py` (what a run may take while it trains).
Beside them: `isolation.py` (calls in other processes), `decoder.py` (strangers' pictures, opened in a `sandbox.py`),
`fetch.py` (downloads), `pruning.py` (runs that cannot win), `failures.py` (what goes wrong, in words), `processes.py` (how
one is started).
May import: `runs`, `training`, `config` and the floors below.
"""
