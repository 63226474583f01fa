"""A run is a folder, the only state there is: how it is written, read, locked, summed up and found again.

Read first: `store.py`.
May import: `training`, `config` and the floors below.
"""
