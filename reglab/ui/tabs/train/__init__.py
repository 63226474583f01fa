"""The Train tab: the set-up on the left, the live curves on the right.

Read `tab.py` first: what starts, follows and stops a training, and a page that opens. `set_up.py` is the left column, and what
its controls decide over one another.
"""

from reglab.ui.tabs.train.tab import TrainTab

__all__ = ["TrainTab"]
