"""The Results tab, as views: the runs, their comparison, their errors, what they are like inside. `tab.py` puts them together."""

from reglab.ui.tabs.results.tab import ResultsTab

__all__ = ["ResultsTab"]
