"""What to try once a training has ended, as the buttons under its curves: what the diagnosis names, more seeds, a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.experiments.experiment import Experiment
from reglab.experiments.price import Price
from reglab.numbers import count, counted
from reglab.regularizers import CATALOGUE, lowered
from reglab.runs.cost import clock
from reglab.runs.view import RunView
from reglab.training import diagnosis

RECIPE, SEEDS, PICTURE = "recipe", "seeds", "picture"
HOW_MANY = 5  # seeds, with that of the run itself; as many curves as there are colors
FEW = 100  # images: half of fewer says little


def subject(views: Sequence[RunView]) -> RunView | None:
    """Of the runs on the screen, the finished one that the others are there to be compared with."""
    finished = [view for view in views if view.status == "finished"]
    return max(finished, key=lambda view: len(view.run.config.regularizers), default=None)


def remedy(view: RunView) -> tuple[RunConfig, dict[str, Any]] | None:
    """The config that the diagnosis of a finished run names, and what is changed; half the images where nothing is amiss."""
    config = view.run.config
    said = diagnosis.diagnose(view.history, config, done=True, last=view.last)
    changes: dict[str, Any] = dict(said.changes)
    if said.kind == "fine" and not changes and (config.train_size or 0) >= 2 * FEW:
        changes = {"train_size": (config.train_size or 0) // 2}
    if not changes or config.fork is not None:
        return None
    try:
        return config.override(changes), changes
    except ConfigError:  # more images than there are, or a technique that this network cannot use
        return None


def more_seeds(view: RunView) -> Experiment | None:
    """The same network with the seeds that are missing to five; None for a fork, which belongs to its parent's seed."""
    config = view.run.config
    if config.fork is not None:
        return None
    return Experiment.planned("sweep", [config], range(config.seed + 1, config.seed + HOW_MANY))


def steps(view: RunView, price: Price | None) -> list[dict[str, str]]:
    """The buttons, for the run of `subject`; `price` is that of `more_seeds`."""
    told = []
    if found := remedy(view):
        config, changes = found
        told.append({"what": RECIPE, "label": label(config, changes), "hint": _why(view, changes)})
    if price:
        of_seeds = {"label": "Compare five seeds", "hint": "all are finished: see them side by side"}
        if price.runs:
            hint = f"{counted(price.runs, 'more run')}, {_takes(price)}: one seed is an anecdote"
            of_seeds = {"label": "Train five seeds", "hint": hint}
        told.append({"what": SEEDS, **of_seeds})
    told.append({"what": PICTURE, "label": "Try your own picture", "hint": "what this network takes it for"})
    return told


def label(config: RunConfig, changes: Mapping[str, Any]) -> str:
    """The first change, as a button says it."""
    name, value = next(iter(changes.items()))
    if name in CATALOGUE:
        return f"{'Add' if value else 'Leave out'} {lowered(CATALOGUE[name].title)}"
    return {
        "lr": f"Learning rate {config.lr:g}",
        "epochs": f"{count(config.epochs)} epochs",
        "train_size": f"{count(config.train_size or 0)} images",
        "width": f"A network of width {config.width:g}",
    }[name]


def sentence(config: RunConfig, changes: Mapping[str, Any]) -> str:
    """What was set, and what is left to do."""
    return f"{label(config, changes)}: that is set now, and everything else is as in the last run. Press Train."


def _why(view: RunView, changes: Mapping[str, Any]) -> str:
    if (
        view.run.config.train_size
        and changes.get("train_size", view.run.config.train_size) < view.run.config.train_size
    ):
        return "half of them: does it still hold?"
    return "what the diagnosis suggests"


def _takes(price: Price) -> str:
    return "about " + clock(price.seconds) if price.seconds is not None else "time not known yet"
