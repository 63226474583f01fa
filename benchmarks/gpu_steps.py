"""Parts of `gpu.py` about single steps: what is measured on, whether its numbers are the same twice, and how fast it is in what."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.profiler import ProfilerActivity, profile

from reglab import __version__, data, machine
from reglab.config import RunConfig
from reglab.data import Split
from reglab.teaching.presets import PRESETS
from reglab.training.events import Best, Snapshot
from reglab.training.train import Trainer, train

if TYPE_CHECKING:
    from gpu import Asked, Told

ROOT = Path(__file__).resolve().parent.parent
GRAPHS = "REGLAB_GRAPHS"  # 0 keeps steps from being recorded, see `machine.replays`
WARM_UP = 12  # steps that do not count: kernels are chosen, and a step is recorded
DEPTHWISE = "timm/tf_efficientnet_lite0"


# ---- where -------------------------------------------------------------------------------------------------------
def environment(asked: Asked, told: Told) -> None:
    """What all of this is measured on."""
    device = asked.device
    told.row("reglab", value=__version__)
    told.row("Python", value=platform.python_version())
    told.row("torch", value=torch.__version__)
    told.row("device", value=machine.device_name(device))
    told.row("processor", value=f"{platform.machine()}, {machine.cpu_count()} cores")
    told.row("precision of auto", value=machine.choose_precision("auto", device))
    if device.type != "cuda":
        return
    free, whole = torch.cuda.mem_get_info(device)
    told.row("memory, MiB", value=whole >> 20)
    told.row("of it free, MiB", value=free >> 20)
    told.row("compute capability", value=".".join(map(str, torch.cuda.get_device_capability(device))))
    told.row("CUDA", value=torch.version.cuda or "")
    told.row("cuDNN", value=torch.backends.cudnn.version() or 0)
    query = ["nvidia-smi", "--query-gpu=driver_version,clocks.max.sm,power.limit", "--format=csv,noheader"]
    try:
        told.row(
            "driver, clock, power",
            value=subprocess.run(query, capture_output=True, text=True, timeout=10).stdout.strip(),
        )
    except (OSError, subprocess.TimeoutExpired):
        told.row("driver, clock, power", value="unknown")


def cuda_tests(asked: Asked, told: Told) -> None:
    """The tests that are skipped where there is no GPU, by pytest."""
    needs = re.compile(r"skipif\(\s*not torch\.cuda\.is_available\(\)")
    files = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if needs.search(path.read_text("utf-8"))]
    files = files[:1] if asked.small else files
    report = Path("tests.xml").resolve()
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-k", "cuda or gpu", "--junitxml", str(report)]
    if importlib.util.find_spec("xdist"):
        command += ["-n", str(min(8, machine.cpu_count()))]
    done = subprocess.run([*command, *map(str, files)], cwd=ROOT, capture_output=True, text=True)
    if not report.is_file():
        raise RuntimeError((done.stdout + done.stderr).strip()[-800:])
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    for case in cases:
        for failure in (*case.iter("failure"), *case.iter("error")):
            told.row(
                f"{case.get('classname')}::{case.get('name')}",
                failed=(failure.get("message") or failure.text or "")[:600],
            )
    skipped = sum(case.find("skipped") is not None for case in cases)
    failed = len(told.found["rows"])
    told.row("all", tests=len(cases), passed=len(cases) - skipped - failed, skipped=skipped)
    told.target("tests on the GPU that fail", failed, most=0)


# ---- a run under way ---------------------------------------------------------------------------------------------
def split_of(asked: Asked, images: int) -> Split:
    """Of the part's data set, with so many training images."""
    return data.split(data.load(asked.dataset), images, 100 if asked.small else 2_000, 0.0, 0)


def config_of(asked: Asked, **changes: Any) -> RunConfig:
    """Of a run that is stepped through for as long as somebody likes."""
    small = {"width": 0.125, "batch_size": 16} if asked.small else {}
    return RunConfig.parse({"dataset": asked.dataset, "epochs": 1_000, **small, **changes})


class Steps:
    """A run under way, whose steps are taken when somebody asks for them."""

    def __init__(self, config: RunConfig, split: Split) -> None:
        self.trainer = Trainer(config, split)
        self.trainer.epoch = 1
        self.trainer.begin_epoch()

    def take(self, steps: int) -> None:
        """So many steps."""
        for _ in range(steps):
            if self.trainer.batch == self.trainer.batches:
                self.trainer.end_epoch()
                self.trainer.begin_epoch()
            self.trainer.step()

    def images_per_second(self, steps: int) -> float:
        """Over so many steps."""
        began = now(self.trainer.device)
        self.take(steps)
        return steps * self.trainer.batch_size / (now(self.trainer.device) - began)


def now(device: torch.device) -> float:
    """The time when all work given to the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def busy(steps: Steps, n: int) -> float | None:
    """The share of the time in which the GPU computes; None on the CPU."""
    if steps.trainer.device.type != "cuda":
        return None
    now(steps.trainer.device)
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        steps.take(n)
        now(steps.trainer.device)
    spans = sorted(
        (event.time_range.start, event.time_range.end) for event in seen.events() if event.device_type.name == "CUDA"
    )
    return covered(spans) / (spans[-1][1] - spans[0][0]) if spans else None


def covered(spans: list[tuple[float, float]]) -> float:
    """How much of a line these spans cover, sorted by their beginnings, of which some may overlap."""
    total, reached = 0.0, float("-inf")
    for start, end in spans:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


# ---- the parts ---------------------------------------------------------------------------------------------------
def determinism(asked: Asked, told: Told) -> None:
    """Every preset twice, and once with ordinary steps: events and weights to the byte."""
    split = split_of(asked, 64 if asked.small else 2_000)
    for preset in PRESETS[:2] if asked.small else PRESETS:
        config = config_of(asked, epochs=2, regularizers=preset.regularizers)
        first, second = (story(config, split) for _ in range(2))
        with ordinary_steps():
            ordinary = story(config, split)
        told.row(preset.title, **{"the same twice": first == second, "the same with ordinary steps": first == ordinary})
    rows = told.found["rows"].values()
    told.target("presets whose bytes differ", sum(not all(row.values()) for row in rows), most=0)


def story(config: RunConfig, split: Split) -> str:
    """A digest of all that a training tells, and of its best and last weights."""
    digest = hashlib.sha256()
    for event in train(config, split):
        digest.update(json.dumps(event.to_json(), sort_keys=True, default=str).encode())
        if isinstance(event, (Best, Snapshot)):
            for name, tensor in sorted((event.weights if isinstance(event, Best) else event.tensors).items()):
                digest.update(name.encode() + tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


class ordinary_steps:
    """Within, no step of a new run is recorded."""

    def __enter__(self) -> None:
        self._before = os.environ.get(GRAPHS)
        os.environ[GRAPHS] = "0"

    def __exit__(self, *_: object) -> None:
        os.environ.pop(GRAPHS)
        if self._before is not None:
            os.environ[GRAPHS] = self._before


def graphs(asked: Asked, told: Told) -> None:
    """Images a second of every preset, with ordinary steps and with recorded ones in turn, and how busy they keep the GPU."""
    split = split_of(asked, 64 if asked.small else 10_000)
    rounds, n = (1, 2) if asked.small else (3, 150)
    for preset in PRESETS[:2] if asked.small else PRESETS:
        config = config_of(asked, regularizers=preset.regularizers)
        with ordinary_steps():
            ordinary = Steps(config, split)
            ordinary.take(2 if asked.small else WARM_UP)
        recorded = Steps(config, split)
        recorded.take(2 if asked.small else WARM_UP)
        speeds = [(ordinary.images_per_second(n), recorded.images_per_second(n)) for _ in range(rounds)]
        slow, fast = (statistics.median(each) for each in zip(*speeds, strict=True))
        ratio = statistics.median(fast / slow for slow, fast in speeds)
        shares = {"busy ordinary": busy(ordinary, 40), "busy recorded": busy(recorded, 40)}
        why = recorded.trainer.replay.why_not
        told.row(
            preset.title,
            **{"ordinary, images/s": slow, "recorded, images/s": fast, "ratio": ratio, **shares, "why not": why},
        )
        if preset.title == "None":
            told.target("recorded steps of basic_cnn, times as fast", ratio, least=5)
            told.target("of which the GPU is busy", shares["busy recorded"] or 0.0, least=0.9)


def precisions(asked: Asked, told: Told) -> None:
    """Images a second of four networks with batch normalization in fp32, with TF32, in bf16 and in fp16."""
    split = split_of(asked, 64 if asked.small else 10_000)
    n = 2 if asked.small else 40
    for network in ("basic_cnn",) if asked.small else ("basic_cnn", "resnet18", "vgg11", DEPTHWISE):
        for precision in ("fp32", "TF32", "bf16", "fp16"):
            try:
                asked_for = "fp32" if precision == "TF32" else precision
                norm = {} if network == DEPTHWISE else {"batch_norm": {}}  # it brings its own
                steps = Steps(config_of(asked, model=network, precision=asked_for, regularizers=norm), split)
                tf32(precision == "TF32")
                steps.take(1 if asked.small else WARM_UP)
                told.row(network, **{f"{precision}, images/s": steps.images_per_second(n)})
            except Exception as error:  # of one precision, which must not end the others
                told.row(network, **{f"{precision}, images/s": str(error)[:80]})
            finally:
                tf32(False)
                machine.give_memory_back()


def tf32(allowed: bool) -> None:
    """Whether products of float32 may be rounded to TF32, on GPUs that have it."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
