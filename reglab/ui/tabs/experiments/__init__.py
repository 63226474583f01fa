"""The Experiments tab, as views: sweeps and published results. `tab.py` puts them together."""

from reglab.ui.tabs.experiments.tab import ExperimentsTab

__all__ = ["ExperimentsTab"]
