"""A worker dies at any moment, by `kill -9`: its run goes on to the bytes of one that was left alone."""

from __future__ import annotations

import json
import random

from harm import Figures, How, syscalls
from harm.training import config, differences, golden, started, trained
from reglab.errors import RunError
from reglab.runs.run import LAST, Run
from reglab.runs.store import Store


def at_random(how: How) -> Figures:
    """Killed at 200 random moments, now once and now three times in a run."""
    whole, seconds = golden(how.folder)
    store, rng, wanted = Store(how.folder / "runs"), random.Random(how.seed), how.times(200, 4)
    killed, runs, wrong, lost = 0, 0, [], []
    while killed < wanted:
        run = store.create(config())
        times = min(rng.choice((1, 3)), wanted - killed)
        for _ in range(times):
            if killed_at(run, rng.uniform(0, seconds)):
                killed += 1
                lost.append(epochs_lost(run))
        trained(run)
        runs += 1
        wrong += [f"{run.id}: {found}" for found in differences(run, whole)]
        run.delete()
    told = {"n": killed, "runs": runs, "seconds_of_a_run": round(seconds, 2)}
    return {**told, "most_epochs_lost": max(lost), "wrong": wrong, "met": not wrong and max(lost) <= 1}


def killed_at(run: Run, seconds: float) -> bool:
    """Whether it was killed before it had ended."""
    process = started(run)
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode != 0


def epochs_lost(run: Run) -> int:
    """How many epochs a reader has seen that must be trained again; an interval between snapshots is one epoch here."""
    try:
        known = json.loads(run.tensors(LAST)[1]["state"])["epoch"]
    except RunError:
        known = 0
    return len(run.history()) - known


def at_every_change(how: How) -> Figures:
    """Killed before its n-th write, sync, rename, link and removal of a file, for n = 1, 2, ... until a run passes."""
    whole, _ = golden(how.folder)
    store = Store(how.folder / "runs")
    calls = {"write": "write", "fsync": "fsync", "rename": syscalls.RENAMES}
    calls |= {"link": syscalls.LINKS, "unlink": syscalls.UNLINKS, "truncate": "ftruncate"}
    places, wrong = {}, []
    for name, pattern in calls.items():
        n = 0
        while True:
            n += how.times(1, 7)
            run = store.create(config())
            if syscalls.struck(run, pattern, "signal=KILL", n) == 0:
                break
            most = epochs_lost(run)
            trained(run)
            found = differences(run, whole) + ([f"{most} epochs lost"] if most > 1 else [])
            wrong += [f"{name} {n}: {what}" for what in found]
            run.delete()
            places[name] = places.get(name, 0) + 1
        wrong += [f"{name} {n}, which never came: {what}" for what in differences(run, whole)]
    return {"n": sum(places.values()), "places": places, "wrong": wrong, "met": not wrong and bool(places)}
