"""Many runs that answer a question: sweeps, factorials, published results; their statistics, tables and executors.

Read first: `sweep.py`, then `compare.py`.
May import: `jobs`, `runs`, `training`, `config` and the floors below.
"""
