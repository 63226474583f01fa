"""The Learn tab: a card for every technique, and lessons that ask for a prediction before they run the experiment.

Read `tab.py` first: the list on the left and the page beside it. `contents.py` is the list, `card.py` the page of a
technique, `lesson.py` that of a lesson, `kept.py` what a browser remembers of lessons. Imports what every tab may import,
and no other tab.
"""

from reglab.ui.tabs.learn.tab import LearnTab

__all__ = ["LearnTab"]
