"""The same events for an experiment tracker: the curves of a run in Trackio, beside those of other projects.

Trackio keeps them in a folder of this machine, and sends them on only where its user has set it up so (TRACKIO_SPACE_ID,
TRACKIO_SERVER_URL). The run's own folder stays the truth: a tracker that fails is dropped, and the training goes on.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from reglab import compat
from reglab.errors import ConfigError
from reglab.experiments.labels import settings
from reglab.runs.run import Run
from reglab.training.events import Epoch, Event, Failed, Finished, Started, Stopped


def tracker(name: str | None) -> Callable[[Run, Event], None]:
    """Who listens to what happens, under that name; nobody under none. Raises `ConfigError`."""
    if not name:
        return lambda run, event: None
    if name != "trackio":
        raise ConfigError(f"There is no tracker {name[:60]!r}: give --track trackio, or leave it away.")
    if not find_spec("trackio"):
        raise ConfigError(
            'Trackio was asked for, but is not installed here: `pip install "reglab[track]"`, or leave --track away.'
        )
    return Tracked()


class Tracked:
    """Tells Trackio of every epoch, and of the test numbers at the end; called by one thread at a time."""

    def __init__(self) -> None:
        self.runs: dict[str, Any] = {}
        self.dropped = False

    def __call__(self, run: Run, event: Event) -> None:
        """Tell of an event; whatever goes wrong drops the tracker with one sentence."""
        if self.dropped or not isinstance(event, (Started, Epoch, Finished, Stopped, Failed)):
            return
        said = io.StringIO()  # Trackio greets on standard output, where our own lines are read by programs
        try:
            with contextlib.redirect_stdout(said):
                self.tell(run, event)
        except Exception as error:  # whatever it is, it is not worth a training
            self.dropped = True
            why = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
            print(
                f"Trackio failed ({why}): training goes on without it, and the run folder has it all.", file=sys.stderr
            )

    def tell(self, run: Run, event: Event) -> None:
        """Tell Trackio of one event. Raises whatever Trackio does."""
        if isinstance(event, (Started, Epoch)) and run.id not in self.runs:
            self.runs[run.id] = opened(run, "never" if isinstance(event, Started) else "allow")
        if isinstance(event, Epoch):
            numbers = {k: v for k, v in event.to_json().items() if k not in ("event", "epoch", "step")}
            self.runs[run.id].log(numbers, step=event.epoch)
        elif isinstance(event, Finished) and run.id in self.runs:
            at = event.best if event.reported == "best" else event.last
            self.runs[run.id].log({k: v for k, v in at.items() if k.startswith("test_")}, step=event.epochs)
        if isinstance(event, (Finished, Stopped, Failed)) and run.id in self.runs:
            self.runs.pop(run.id).finish()


def opened(run: Run, resume: str) -> Any:
    """The run in Trackio: its project is the group, its name and settings are the run's. Ours go side by side."""
    told: dict[str, Any] = {
        "project": str(run.described.get("group") or "reglab"),
        "name": run.name,
        "config": {"run": run.id, **settings(run.config), "seed": run.config.seed},
        "resume": resume,
        "embed": False,
        "auto_log_gpu": False,  # the machine that trains may be another one
        "auto_log_cpu": False,
    }
    return compat.trackio.begin(**told)
