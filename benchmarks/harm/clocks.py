"""The clock is set back an hour under a run: order and durations stay right, and nothing that lives is taken for dead."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from harm import Figures, How, NotHere
from harm.training import COMPARED, PATIENCE, config
from reglab.deployment import Deployment
from reglab.experiments.experiment import Experiment
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.ui.services.lab import Lab

HOUR = timedelta(hours=1)
LIBRARIES = ("/usr/lib", "/usr/local/lib", "/opt")


def set_back(how: How) -> Figures:
    """In the server while it trains, and in a worker's own process where libfaketime is here (or where FAKETIME_LIB says)."""
    wrong = in_the_server(how.folder)
    library = os.environ.get("FAKETIME_LIB") or found()
    if library:
        wrong += in_the_worker(how.folder, library)
    where = {"server": 1, "worker": int(bool(library))}
    return {"n": sum(where.values()), "in": where, "wrong": wrong, "met": not wrong}


def in_the_server(folder: Path) -> list[str]:
    """What is wrong with three runs: of before, under way, and of after."""
    try:
        import time_machine
    except ImportError:
        raise NotHere("needs time-machine") from None
    wrong, lab = [], Lab(Store(folder / "runs"), deployment=Deployment())

    def start(**changes: int) -> Run:
        return lab.training.start(Experiment.run(config(**changes)))[0]

    def wait(run: Run) -> str:
        end = time.monotonic() + PATIENCE
        while lab.training.is_live([run]) and time.monotonic() < end:
            time.sleep(0.01)
        return lab.training.views([run])[0].status

    try:
        before = start()
        wait(before)
        running = start(epochs=40)
        while len(running.history()) < 3:
            time.sleep(0.01)
        with time_machine.travel(datetime.now().astimezone() - HOUR, tick=True):
            if (status := lab.training.views([running])[0].status) != "running":
                wrong.append(f"a run under way is {status}")
            after = start(seed=1)
            statuses = [wait(run) for run in (before, running, after)]
            if statuses != ["finished"] * 3:
                wrong.append(f"they end as {statuses}")
            order = [
                told["run"] for told in lab.results.summaries() if told["run"] in (before.id, running.id, after.id)
            ]
            if order != [after.id, running.id, before.id]:
                wrong.append("the newest run is not listed first")
    finally:
        lab.close()
    return wrong + [what for run in (before, running, after) for what in strange_times(run)]


def in_the_worker(folder: Path, library: str) -> list[str]:
    """What is wrong with a run whose own process lives through it."""
    (folder / "clock").write_text("+0")
    store = Store(folder / "worker")
    faked = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(folder / "clock")}
    faked |= {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    path = os.pathsep.join(filter(None, sys.path))
    whole, run = store.create(config(epochs=40)), store.create(config(epochs=40))
    for each, environment in ((whole, {}), (run, faked)):
        command = [sys.executable, "-m", "reglab", "train", "--resume", each.id, "--runs", str(store.root)]
        process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": path, **environment}, stdout=subprocess.DEVNULL
        )
        while process.poll() is None and len(each.history()) < 3:
            time.sleep(0.01)
        if environment:
            (folder / "clock").write_text("-3600")
        process.wait(PATIENCE)
    told = [sys.executable, "-c", "import time; print(time.time())"]
    now = float(subprocess.run(told, env={**os.environ, **faked}, capture_output=True, text=True, check=True).stdout)
    wrong = [f for f in COMPARED if (run.path / f).read_bytes() != (whole.path / f).read_bytes()]
    wrong += [] if now < time.time() - 3_000 else ["the clock was not set back"]
    return wrong + strange_times(run)


def strange_times(run: Run) -> list[str]:
    """Seconds that go backwards, or that are left below none."""
    lines = run.lines(file="timing.jsonl")[0]
    seconds = [line["seconds"] for line in lines]
    wrong = [] if seconds == sorted(seconds) and seconds[0] >= 0 else [f"seconds go backwards: {seconds}"]
    return wrong + [f"{line['seconds_left']} seconds are left" for line in lines if line.get("seconds_left", 0) < 0]


def found() -> str:
    """The library that fakes the time, where it is installed."""
    return next((str(path) for base in LIBRARIES for path in Path(base).rglob("libfaketime.so.1")), "")
