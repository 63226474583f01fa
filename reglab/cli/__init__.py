"""python -m reglab COMMAND: one file a command in `commands/`, what they share in `options.py`.

Read first: `main.py`. Starts without torch; a command imports what it needs when it runs.
May import: everything but `ui`.
"""
