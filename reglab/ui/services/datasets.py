"""What has to be fetched before somebody can train: data sets, and the weights of networks of timm."""

from __future__ import annotations

from reglab import data
from reglab.config import RunConfig
from reglab.errors import DataError
from reglab.jobs import fetch
from reglab.jobs.fetch import Fetch
from reglab.models import pretrained


class Datasets:
    """The downloads of one server, one for each data set or network, however many visitors wait for it."""

    def __init__(self, floor: int = 0) -> None:
        """`floor`: bytes of the disk that stay free."""
        self._floor = floor
        self.fetches = {
            key: Fetch(key, floor=floor) for key in (*data.SOURCES, *pretrained.OFFERED) if fetch.remote(key).repo
        }

    def warm(self) -> None:
        """CIFAR-10 in the background, if it is not here yet."""
        if data.open_decoded(data.source("cifar10")) is None:
            self.fetches["cifar10"].start()

    def close(self) -> None:
        """End the downloads."""
        for going in self.fetches.values():
            going.close()

    def first(self) -> str:
        """CIFAR-10 where it is at hand, else the digits, which always are."""
        return "cifar10" if data.is_local("cifar10") else "digits"

    def fetch(self, key: str) -> None:
        """Begin to fetch a data set, or a network's weights, that are not here yet, or try again."""
        if key in self.fetches and not fetch.is_local(key):
            self.fetches[key].start()

    def retry(self, dataset: str, model: str) -> None:
        """Fetch again what could not be fetched: the network, the data set, or else CIFAR-10."""
        failed = [k for k in (model, dataset, "cifar10") if k in self.fetches and self.fetches[k].state == "failed"]
        self.fetch(failed[0] if failed else "cifar10")

    def notice(self, dataset: str, model: str = "") -> tuple[str, bool]:
        """A sentence on what is fetched, when there is something to say, and whether trying again is an offer.

        With the digits chosen it speaks of CIFAR-10, which is what most people came for.
        """
        if model in self.fetches and self.fetches[model].state != "idle" and not fetch.is_local(model):
            return self.fetches[model].sentence, self.fetches[model].state == "failed"
        key = "cifar10" if dataset == "digits" else dataset
        going = self.fetches[key]
        if fetch.is_local(key) or going.state == "idle":
            return "", False
        if going.state == "failed" and dataset == "digits":
            return f"{going.sentence.partition(': ')[0]}: the built-in digits are selected.", True
        return going.sentence, going.state == "failed"

    def is_fetching(self) -> bool:
        """Whether anything is being downloaded."""
        return any(going.state == "running" for going in self.fetches.values())

    def ready(self, config: RunConfig) -> None:
        """Raises `DataError` where something has to be fetched first, and begins to fetch it."""
        for key, instead in ((config.dataset, data.INSTEAD), (config.model if config.pretrained else "", "")):
            if not key or fetch.is_local(key):
                continue
            going = self.fetches.setdefault(key, Fetch(key, floor=self._floor))
            if going.state == "failed":
                raise DataError(going.sentence)
            going.start()
            if going.state == "failed":
                raise DataError(going.sentence)
            raise DataError(f"{going.sentence} Wait until it is here, or {instead or pretrained.instead()}.")

    def ready_to_look(self, config: RunConfig) -> None:
        """The same, where the data set is enough: weights are not needed to see pictures. Raises `DataError`."""
        self.ready(config.model_copy(update={"pretrained": False}))
