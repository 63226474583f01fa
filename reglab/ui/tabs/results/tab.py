"""The Results tab: the runs that were trained here, and what there is to see of those that are chosen."""

from __future__ import annotations

from typing import ClassVar

from reglab.ui.page import Listener, Page, Views
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.results.compare import CompareTab
from reglab.ui.tabs.results.errors import ErrorsTab
from reglab.ui.tabs.results.inside import InsideTab
from reglab.ui.tabs.results.runs import RunsTab

VIEWS = (RunsTab, CompareTab, ErrorsTab, InsideTab)


class ResultsTab:
    """Its views lie in files of their own."""

    title: ClassVar = "Results"
    key: ClassVar = "results"

    def __init__(self, lab: Lab, page: Page) -> None:
        self.on_select: Listener = Views(lab, page, self.key, VIEWS).on_select
