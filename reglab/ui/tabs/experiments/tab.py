"""The Experiments tab: many runs that answer one question, of your own or a published one."""

from __future__ import annotations

from typing import ClassVar

from reglab.ui.page import Listener, Page, Views
from reglab.ui.services.lab import Lab
from reglab.ui.tabs.experiments.published import PublishedTab
from reglab.ui.tabs.experiments.sweep import SweepTab

VIEWS = (SweepTab, PublishedTab)


class ExperimentsTab:
    """Its views lie in files of their own."""

    title: ClassVar = "Experiments"
    key: ClassVar = "experiments"

    def __init__(self, lab: Lab, page: Page) -> None:
        self.on_select: Listener = Views(lab, page, self.key, VIEWS).on_select
