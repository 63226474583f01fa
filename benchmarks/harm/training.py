"""Small runs of the digits whose end is known to the byte, in processes that can be harmed as the app's workers can."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from reglab.config import RunConfig
from reglab.jobs.bounds import UNBOUNDED
from reglab.jobs.processes import PRELOADED, process_context
from reglab.jobs.worker import worker
from reglab.runs import clock
from reglab.runs.run import BEST, Run
from reglab.runs.store import Store

COMPARED = ("metrics.jsonl", BEST)
PATIENCE = 120.0  # seconds until a worker counts as hanging
# Half a second long. Better at most epochs, so that the best weights change while a snapshot vouches for others.
CONFIG = {
    **{"dataset": "digits", "train_size": 60, "val_size": 60, "batch_size": 16, "epochs": 4, "width": 0.25},
    **{"device": "cpu", "precision": "fp32", "label_noise": 0.2, "seed": 0},
    "regularizers": {"batch_norm": {}, "dropout": {}, "flip_crop": {}, "weight_decay": {}},
}


def config(**changes: Any) -> RunConfig:
    return RunConfig.parse({**CONFIG, **changes})


def started(run: Run, harm: Callable[..., None] | None = None, *harms: Any, every: float = 0.0) -> BaseProcess:
    """A worker process that trains the run, as the app's do, with a snapshot `every` so many seconds.

    `harm(*harms)` is called there before anything is trained.
    """
    process: BaseProcess = context().Process(target=_train, args=(str(run.path), every, harm, harms))
    process.start()
    return process


def context() -> Any:
    """How processes are started; what each of them would load on its own takes longer than the training."""
    found = process_context()
    if found.get_start_method() == "forkserver":
        found.set_forkserver_preload([*PRELOADED, "sklearn.datasets", "torch._dynamo", "harm.training"])
    return found


def _train(path: str, every: float, harm: Callable[..., None] | None, harms: tuple[Any, ...]) -> None:
    clock.SNAPSHOT_SECONDS = every
    if harm:
        harm(*harms)
    folder = Path(path)
    worker(str(folder.parent), "cpu", UNBOUNDED, OneJob([folder.name]), idle=0.0)


class OneJob:
    """What a worker hears from a server that has one job for it. No pipe: what is written into that would be counted as well."""

    def __init__(self, ids: list[str]) -> None:
        self.left = [(ids, False)]

    def poll(self, timeout: float) -> bool:
        return True

    def recv(self) -> tuple[list[str], bool]:
        if not self.left:
            raise EOFError
        return self.left.pop()

    def send(self, told: None) -> None:
        """It has trained: nobody has to hear of that."""


def trained(run: Run, harm: Callable[..., None] | None = None, *harms: Any) -> int:
    """Train the run in such a process to its end; its exit code, negative for a signal."""
    return ended(started(run, harm, *harms))


def ended(process: BaseProcess) -> int:
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        raise SystemExit(f"A worker has not ended within {PATIENCE:g} s.")
    return process.exitcode


def golden(folder: Path, **changes: Any) -> tuple[Run, float]:
    """The run that was left alone, and the seconds that it took once its process was warm."""
    store = Store(folder / "golden")
    trained(store.create(config(epochs=1)))  # starts the fork server
    run = store.create(config(**changes))
    began = time.perf_counter()
    code = trained(run)
    if code or run.status() != "finished":
        raise SystemExit(f"The run that was left alone has ended with {code}, {run.status()}.")
    return run, time.perf_counter() - began


def differences(run: Run, whole: Run) -> list[str]:
    """In what a run is unlike the one that was left alone: nothing, where no harm was done."""
    found = [f for f in COMPARED if (run.path / f).read_bytes() != (whole.path / f).read_bytes()]
    status = Run(run.path).status()
    return [*found, *([] if status == "finished" else [status]), *leftovers(run)]


def leftovers(run: Run) -> list[str]:
    return sorted(name for name in os.listdir(run.path) if name.endswith(".tmp"))
