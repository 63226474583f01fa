"""A server that is told to end, as a container is: every run has its snapshot within five seconds, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack

import psutil
import pytest
from servers import Server, is_gone, wait_until

from reglab.runs.run import Run
from reglab.training.events import Started

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to be polite with")
SECONDS = 5.0
# As many and as large pictures as CIFAR-10 has, batches of 512, and 10,000 that are judged after every epoch.
LARGE = {"dataset": "cifar10", "model": "basic_cnn", "width": 1, "batch_size": 512, "epochs": 100}
LARGE |= {"train_size": 1_024, "val_size": 10_000, "regularizers": {"flip_crop": {}, "batch_norm": {}}}


def asked(server: Server, endpoint: str, value: object) -> object:
    """The answer of one of Gradio's endpoints."""
    url = f"{server.url}/gradio_api/call/{endpoint}"
    request = urllib.request.Request(url, json.dumps({"data": [value]}).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{url}/{event}", timeout=60) as told:
        return json.loads(told.read().decode().partition("data: ")[2])[0]


def step_seconds(run: Run) -> float:
    """Of one step, which comes to its end first. Only a machine that has much else to do takes seconds for it."""
    speed = run.last_timing().get("images_per_second", 0.0)
    return float(LARGE["batch_size"]) / speed if speed else 0.0


MOMENTS = {
    "while its process loads": lambda run: run.is_locked(),
    "in an evaluation": lambda run: Started.name in run.view().events,
    "in a step": lambda run: run.last_timing().get("batch", 0) > 0,  # not the first: before it there is nothing to save
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_server_that_is_told_to_end_has_saved_its_runs_within_five_seconds_and_leaves_no_process(
    another_server, moment
):
    server = another_server(cifar10=True, OMP_NUM_THREADS="1").start()
    with ExitStack() as pages:
        pages.enter_context(urllib.request.urlopen(f"{server.url}/gradio_api/heartbeat/a-page-that-stays-open"))
        run = Run(server.store.root / str(asked(server, "train", LARGE)))
        waiting = Run(server.store.root / str(asked(server, "train", {**LARGE, "seed": 1})))
        wait_until(lambda: MOMENTS[moment](run), "it does not train", more=server.log)
        family = psutil.Process(server.process.pid).children(recursive=True)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        patience = max(SECONDS, 2 * step_seconds(run))
        wait_until(lambda: (run.path / "manifest.json").exists(), "it is not sealed", patience, server.log)
        assert server.process.wait(2 * patience) == 0
    print(f"{moment}: {time.monotonic() - began:.1f} s")
    assert run.status() == "stopped" and waiting.status() == "interrupted"
    assert moment != "in a step" or run.resume() is not None
    assert [p for p in psutil.wait_procs(family, timeout=SECONDS)[1] if not is_gone(p.pid)] == []
    assert "Traceback" not in server.log()


def test_ctrl_c_tells_the_workers_before_gradio_waits_for_open_pages(tmp_path):
    """What is closed, and in which order: trainings come first."""
    code = """
import os, signal, time
from reglab.ui.app import end_on_signals
class Lab:
    def close(self): print("closed", flush=True)
end_on_signals(Lab())
os.kill(os.getpid(), signal.SIGINT)
time.sleep(10)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("closed\n", 130) and "Traceback" not in done.stderr
