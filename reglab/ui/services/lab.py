"""What the page does, in plain values: five services over one server's runs. Knows nothing of Gradio."""

from __future__ import annotations

from reglab.runs.store import Store, checkpoints_store, runs_store
from reglab.ui.services.datasets import Datasets
from reglab.ui.services.files import Files
from reglab.ui.services.predictions import Predictions
from reglab.ui.services.results import Results
from reglab.ui.services.stores import Stores
from reglab.ui.services.training import Training


class Lab:
    """One server's runs, queue and data sets."""

    def __init__(self, runs: Store | None = None, shipped: Store | None = None) -> None:
        self.stores = Stores(runs or runs_store(), shipped or checkpoints_store())
        self.datasets = Datasets()
        self.training = Training(self.stores, self.datasets)
        self.results = Results(self.stores, self.training)
        self.predictions = Predictions(self.stores, self.datasets)
        self.files = Files(self.stores, self.results, self.predictions)

    def warm(self) -> None:
        """In the background: the fork server with torch, and CIFAR-10 if it is not here yet."""
        self.training.warm()
        self.datasets.warm()

    def close(self) -> None:
        """Stop what is going on: downloads, processes, trainings with a snapshot."""
        self.datasets.close()
        self.predictions.close()
        self.training.close()
        self.files.close()
