"""Who computes when: the queue, the worker processes, calls in a process of their own, downloads in the background.

Read first: `queue.py`.
May import: `runs`, `training`, `config` and the floors below.
"""
