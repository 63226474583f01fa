"""What the tests share: folders of their own, and a data set of 64 images in memory."""

from __future__ import annotations

import os
import tempfile

# Before torch is imported: one thread, so that numbers can be compared to the byte while other tests run.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Each test process keeps to one core, with all that it starts: trainings of two threads each, side by side on two cores, wait
# for each other most of the time.
if (worker := os.environ.get("PYTEST_XDIST_WORKER", "")) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("REGLAB_CACHE", os.path.join(tempfile.gettempdir(), "reglab-test-cache"))

import builtins
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xdist.scheduler import LoadScopeScheduling

from reglab.config import EVERYTHING, RunConfig
from reglab.data import SOURCES, Split
from reglab.regularizers import CATALOGUE, Regularizer
from reglab.runs.store import Store

ROOT = Path(__file__).parent.parent
CLASSES = SOURCES["digits"].classes
QUICK = [
    "--dataset",
    "digits",
    "--train-size",
    "60",
    "--val-size",
    "60",
    "--epochs",
    "2",
    "--batch-size",
    "16",
    "--precision",
    "fp32",
]
LONGEST = """
    faults a_file_dropped_in app app_training whole_way app_accidents zero_gpu sweep_tab benchmarks app_visitors learn_tab
    axe visitors app_looks share_tab shell_api crashes ray_cluster board app_runs app_ends predict_tab queue regularizers
    cli inside_view curves_view published_tab errors_view fetch checkpoints slices pulse minutes behind_a_proxy container
    chart_cost canaries in_any_order address frame page_budget
"""
"""The files that take longest, the longest first."""
APART = {
    "faults",
    "benchmarks",
    "zero_gpu",
    "whole_way",
    "app_accidents",
    "app_visitors",
    "app_ends",
    "axe",
    "visitors",
    "shell_api",
}
"""Those whose tests are long and share little, so that each of them may run in another process."""
WAS_HERE = pytest.StashKey[bool]()
"""Whether a test was run by this process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest goes first, so that at the end no process waits long for another."""
    place = {name: place for place, name in enumerate(LONGEST.split())}
    items.sort(key=lambda item: place.get(item.path.stem.removeprefix("test_"), len(place)))


class FilesInOneProcess(LoadScopeScheduling):
    """A file of tests stays in one process, which starts its server once, unless it is one of those apart."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if Path(file).stem.removeprefix("test_") in APART else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesInOneProcess:
    """Who runs what, where there are several processes."""
    return FilesInOneProcess(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Note which tests were here, and which fail, for fixtures that must not hand on what such a test has left."""
    report = yield
    item.stash[WAS_HERE] = True
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch) -> None:
    """No test reads or writes the runs of whoever runs it."""
    monkeypatch.setenv("REGLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("REGLAB_CHECKPOINTS", str(tmp_path / "checkpoints"))


def make_split(train: int = 64, val: int = 32, test: int = 32, label_noise: float = 0.0, seed: int = 0) -> Split:
    """Pictures that can be learned: each class has a pattern of its own, and every picture is that plus noise."""
    rng = np.random.default_rng(seed)
    patterns = rng.integers(40, 216, (len(CLASSES), 8, 8, 3)).repeat(4, 1).repeat(4, 2)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(n, dtype=np.int64) % len(CLASSES)
        pictures = patterns[labels] + rng.normal(0, 30, (n, 32, 32, 3))
        return pictures.clip(0, 255).astype(np.uint8), labels

    (train_images, true), (val_images, val_labels), (test_images, test_labels) = draw(train), draw(val), draw(test)
    corrupted = np.zeros(train, dtype=bool)
    corrupted[rng.permutation(train)[: round(label_noise * train)]] = True
    given = np.where(corrupted, (true + rng.integers(1, len(CLASSES), train)) % len(CLASSES), true)
    return Split(
        key="digits",
        classes=CLASSES,
        mirror=False,
        mean=train_images.mean((0, 1, 2)) / 255,
        std=train_images.std((0, 1, 2)) / 255,
        train_images=train_images,
        train_labels=given,
        true_labels=true,
        corrupted=corrupted,
        train_indices=np.arange(train),
        val_images=val_images,
        val_labels=val_labels,
        val_indices=np.arange(train, train + val),
        test_images=test_images,
        test_labels=test_labels,
    )


@pytest.fixture(scope="session")
def tiny_split() -> Split:
    return make_split()


@pytest.fixture(scope="session")
def noisy_split() -> Split:
    """A quarter of the 64 labels is wrong."""
    return make_split(label_noise=0.25)


def tiny_config(**overrides: Any) -> RunConfig:
    """A config that fits `tiny_split`: four steps an epoch, and so few images that all are judged."""
    usual = {"dataset": "digits", "epochs": 3, "batch_size": 16, "device": "cpu", "precision": "fp32"}
    usual |= {"judged_size": EVERYTHING}
    return RunConfig.parse({**usual, **overrides})


@pytest.fixture
def technique(monkeypatch) -> Callable[[type[Regularizer]], str]:
    """Puts a toy technique into the catalogue for the time of a test; its name is that of its class."""

    def register(toy: type[Regularizer]) -> str:
        key = toy.__name__.lower()
        monkeypatch.setattr(toy, "key", key)
        monkeypatch.setitem(CATALOGUE, key, toy)
        return key

    return register


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture(scope="session")
def workers_begin_sooner() -> None:
    """The server that workers are forked from loads torch for seconds: here once for all, and on no test's time."""
    from reglab.jobs.processes import process_context

    context = process_context()
    if context.get_start_method() == "forkserver":
        first = context.Process(target=abs, args=(1,))
        first.start()
        first.join()


# ---- the command line, as a process of its own -----------------------------------------------------------------
def environment(**changes: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **changes}


def reglab(*arguments: object, **changes: str) -> subprocess.CompletedProcess[str]:
    """`python -m reglab ...` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "reglab", *map(str, arguments)],
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Iterator[dict[str, Any]]:
    """One run, trained by the command line: what it printed (`lines`), its `summary`, its `path`. Do not change it."""
    folder = tmp_path_factory.mktemp("trained")
    done = reglab("train", *QUICK, "--label-noise", "0.2", "--batch-norm", "--json", "--runs", folder)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    yield {"lines": lines, "summary": lines[-1], "path": folder / lines[-1]["run"], "stderr": done.stderr}


@pytest.fixture
def finished(trained, tmp_path):
    """A copy of that run, to be damaged at will."""
    from reglab.runs.run import Run

    return Run(Path(shutil.copytree(trained["path"], tmp_path / "runs" / trained["path"].name)))


from browser import (  # noqa: E402, F401  (fixtures for all files)
    FAILED,
    chromium_fixture,
    lab_fixture,
    open_lab_fixture,
    opened_fixture,
    visitor_fixture,
    visitors_fixture,
)
from pages import here_fixture, laid_out_fixture  # noqa: E402, F401
from servers import a_run_fixture, another_server_fixture, server_fixture, session_server_fixture  # noqa: E402, F401


@pytest.fixture
def bytes_read(monkeypatch):
    """How many bytes each file has given, by name, to whoever opened it in this process since the last `clear()`."""
    counted: dict[str, int] = {}
    plain = builtins.open

    class Counting(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            name = Path(self.name).name
            counted[name] = counted.get(name, 0) + len(data)
            return data

    def counting(file, mode="r", *arguments, **named):
        opened = plain(file, mode, *arguments, **named)
        return Counting(opened.detach()) if mode == "rb" else opened

    monkeypatch.setattr(builtins, "open", counting)
    return counted
