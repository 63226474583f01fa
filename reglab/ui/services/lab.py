"""What the page does, in plain values: six services over one server's runs. Knows nothing of Gradio.

lab.seen_by(visitor).training.start(experiment)     # whoever asks: other people's runs are not there, or stay as they are
"""

from __future__ import annotations

import copy

from reglab.deployment import Deployment
from reglab.runs.owner import HERE, Visitor
from reglab.runs.store import Store, checkpoints_store, runs_store
from reglab.ui.services.access import Access
from reglab.ui.services.datasets import Datasets
from reglab.ui.services.files import Files
from reglab.ui.services.keeping import Keeping
from reglab.ui.services.predictions import Predictions
from reglab.ui.services.results import Results
from reglab.ui.services.runs import Runs
from reglab.ui.services.sizes import Sizes
from reglab.ui.services.stores import Stores
from reglab.ui.services.training import Training


class Lab:
    """One server's runs, queue and data sets, as a visitor sees them; to begin with as somebody sees them who has no key."""

    def __init__(
        self, runs: Store | None = None, shipped: Store | None = None, deployment: Deployment | None = None
    ) -> None:
        self.deployment = deployment or Deployment.here()
        self.access = Access(self.deployment)
        self.visitor = HERE
        own = runs or runs_store()
        self.stores = Stores(own, shipped or checkpoints_store(), own).seen_by(HERE, self.access)
        self.keeping = Keeping(own, self.deployment)
        self.datasets = Datasets(self.deployment.limits.disk_floor)
        self.training = Training(self.stores, self.datasets, self.access)
        self.sizes = Sizes(self.training)
        self.runs = Runs(HERE, self.access, self.stores, self.training)
        self.results = Results(self.stores, self.training)
        self.predictions = Predictions(self.stores, self.datasets, self.runs)
        self.files = Files(self.runs, self.results, self.predictions)

    def seen_by(self, visitor: Visitor) -> Lab:
        """The same lab for somebody: the same queue, processes and memories, but only the runs that they may see."""
        seen = copy.copy(self)
        seen.visitor, seen.stores = visitor, self.stores.seen_by(visitor, self.access)
        seen.training = self.training.seen_by(visitor, seen.stores)
        seen.sizes = Sizes(seen.training)
        seen.runs = Runs(visitor, self.access, seen.stores, seen.training)
        seen.results = Results(seen.stores, seen.training)
        seen.predictions = self.predictions.over(seen.runs)
        seen.files = self.files.over(seen.runs, seen.results, seen.predictions)
        return seen

    def warm(self) -> None:
        """In the background: the fork server with torch, the runs that were kept, and CIFAR-10 if it is not here yet."""
        self.training.warm()
        self.keeping.start()
        self.datasets.warm()
        self.runs.trash.empty()

    def close(self) -> None:
        """Stop what is going on: trainings with a snapshot, which is what time may be short for, then all other processes."""
        self.training.close()
        self.keeping.close()
        self.datasets.close()
        self.predictions.close()
        self.files.close()
