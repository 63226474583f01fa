"""One file or folder a tab, and one class with its name.

Read `results/inside.py` first, the smallest view; `page.py`, one floor up, says what a tab is.

A tab is laid out by short methods, `_wire` lists its events, and its handlers are methods that get what the page sends, which
may be anything, and return what the page is to show. A tab lays out components and calls services; it never imports another.
"""
