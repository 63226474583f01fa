"""A fork: a run that goes on from an epoch of another with other regularizers.

Nothing of the other run is needed: as everything random is a function of (seed, epoch, batch), its first epochs are
simply trained again, and the fork has them as its own. So any run can be forked at any epoch, wherever it was trained. Where
the other one's snapshot is of that epoch, `runs/parent.py` spares that: the fork is then resumed like one that was stopped there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reglab import models
from reglab.training.events import Best, Epoch, Event, Failed, Finished, Snapshot, Started, Switched
from reglab.training.train import Resume, train

if TYPE_CHECKING:
    from torch import Tensor

    from reglab.config import RunConfig
    from reglab.data import Split


def train_fork(
    config: RunConfig, data: Split, *, resume: Resume | None = None, stop: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """As `train`, for any config: first the epochs of the run it was forked from, then its own."""
    if config.fork is None or (resume is not None and resume.state["epoch"] > config.fork.epoch):
        yield from train(config, data, resume=resume, stop=stop)
        return
    parent, last = config.parent(), config.fork.epoch
    ours = names(parent, config, len(data.classes))
    history: list[Epoch] = list(resume.history) if resume else []
    precision = resume.precision if resume else ""
    best: dict[str, Tensor] = dict(resume.best_weights) if resume else {}
    if resume is not None:
        theirs = {own: name for name, own in ours.items()}
        resume = replace(resume, tensors=renamed(resume.tensors, theirs), best_weights=_by(best, theirs))
    for event in train_fork(parent, data, resume=resume, stop=stop):
        if isinstance(event, Finished):
            ended = f"The run this is a fork of ends after epoch {event.epochs}: fork it at an earlier epoch."
            yield Failed(reason=ended, epoch=event.epochs)
            return
        if isinstance(event, (Started, Switched)):
            precision = event.precision
        elif isinstance(event, Epoch):
            history.append(event)
        elif isinstance(event, Best):
            best = _by(event.weights, ours)
            event = replace(event, weights=best)  # which the network of this run has to take
        elif isinstance(event, Snapshot):
            event = replace(event, tensors=renamed(event.tensors, ours))
            if event.state == {"epoch": last + 1, "batch": 0}:
                break
        yield event
    else:
        return  # stopped, or failed
    yield event
    here = Resume(event.state, dict(event.tensors), tuple(history), best, precision)
    yield from train(config, data, resume=here, stop=stop)


def names(parent: RunConfig, config: RunConfig, classes: int) -> dict[str, str]:
    """What a weight of the parent's network is called in ours: layers without weights, such as dropout, shift the names."""
    if models.pretrained.is_timm(config.model):
        return {}  # there the names stay
    theirs, own = (list(models.build(c.spec(classes)).state_dict()) for c in (parent, config))
    return dict(zip(theirs, own, strict=True))


def renamed(tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """The tensors of a snapshot (`model/NAME`, `optimizer/NAME/VALUE`, `memory/TECHNIQUE/NAME`) for the other network."""

    def rename(key: str) -> str:
        part, _, rest = key.partition("/")
        if part == "optimizer":
            name, _, value = rest.rpartition("/")
            return f"{part}/{names.get(name, name)}/{value}"
        if part == "memory":
            technique, _, rest = rest.partition("/")
            part = f"{part}/{technique}"
        return f"{part}/{names.get(rest, rest)}" if rest else key

    return {rename(key): value for key, value in tensors.items()}


def _by(weights: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    return {names.get(name, name): value for name, value in weights.items()}
