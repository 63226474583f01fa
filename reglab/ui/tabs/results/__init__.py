"""The Results tab: a list of runs, and views of those that are chosen in it.

Read `tab.py` first, which puts them together: `choice.py` is what is chosen, `acts.py` what can be done with it. The views are
`curves.py`, `errors.py`, `inside.py`, `fork.py` and `report.py`; `view.py` says what every one of them has.
"""

from reglab.ui.tabs.results.tab import ResultsTab

__all__ = ["ResultsTab"]
