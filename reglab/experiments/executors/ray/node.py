"""What a node of the cluster does: train one run, and tell of it in plain values."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reglab.config import RunConfig
from reglab.experiments.executors.ray.packing import packed, unpacked_resume
from reglab.experiments.executors.ray.places import CPUS
from reglab.jobs.failures import in_words
from reglab.jobs.worker import trained
from reglab.training.events import Event, Failed, Finished, Preparing, Snapshot, Step, Stopped

TELL_SECONDS = 0.5  # between two steps that are told of, and between two looks whether to stop


def told(
    relay: Any, number: int, config: dict[str, Any], dataset: dict[str, Any], resume: dict[str, Any], snapshots: float
) -> Iterator[dict[str, Any]]:
    """The task: train, and tell of it in plain values. What goes wrong in the training is told as its last event."""
    import ray

    looked, asked = time.monotonic(), False

    def stop() -> bool:
        nonlocal looked, asked
        if not asked and time.monotonic() - looked > TELL_SECONDS:
            asked, looked = ray.get(relay.is_asked_to_stop.remote(number)), time.monotonic()
        return asked

    try:
        import torch

        import reglab.training.features
        import reglab.training.train  # noqa: F401  loading them is no part of the training's time
        from reglab import data
        from reglab.models import pretrained

        torch.set_num_threads(CPUS)
        c = RunConfig.parse(config, is_kept=True)  # the run's, which is not refused halfway
        if not ray.get_gpu_ids():
            c = c.model_copy(update={"device": "cpu"})  # a GPU that is there belongs to others
        if c.pretrained:
            pretrained.fetch(c.model)
        whole = data.Dataset(source=data.source(c.dataset, len(dataset["test_labels"])), **dataset)
        split = data.split(whole, c.train_size, c.val_size, c.label_noise, c.seed)
        yield from thinned(trained(c, split, unpacked_resume(resume), stop), snapshots)
    except ImportError as error:
        why = f"The node that was to train it cannot load {error.name or error}: `pip install reglab` on every node."
        yield packed(Failed(reason=why), 0.0)
    except Exception as error:
        yield packed(Failed(reason=in_words(error)), 0.0)
        sys.excepthook(type(error), error, error.__traceback__)  # into the node's log


def thinned(events: Iterator[Event], snapshots: float) -> Iterator[dict[str, Any]]:
    """Events with the seconds each took. Of steps and snapshots only as many as are of use; their time is in the next."""
    told = saved = time.monotonic()
    seconds, images = 0.0, 0
    kept: Snapshot | None = None
    while True:
        began = time.perf_counter()
        event = next(events, None)
        seconds += time.perf_counter() - began
        if event is None:
            return
        now = time.monotonic()
        if isinstance(event, Step):
            images += event.images
            event = replace(event, images=images)
            if event.batch < event.batches and now - told < TELL_SECONDS:
                continue
            told, images = now, 0
        elif isinstance(event, Preparing):
            if event.done < event.total and now - told < TELL_SECONDS:
                continue
            told = now
        elif isinstance(event, Snapshot):
            if now - saved < snapshots:
                kept = event
                continue
            saved, kept = now, None
        elif isinstance(event, (Stopped, Finished)) and kept:
            yield packed(kept, 0.0)  # still live: nothing was trained since
        yield packed(event, seconds)
        seconds = 0.0
