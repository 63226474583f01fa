"""ZeroGPU, with the `spaces` package itself and a scheduler that stands in for the platform's (`emulated.py`)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
import threading
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from conftest import ROOT, environment, tiny_config
from emulated import Scheduler, queue_timeout, quota, scheduler
from PIL import Image
from servers import Server, wait_until

from reglab.errors import RunError
from reglab.jobs.job import Job
from reglab.jobs.places import zero_gpu
from reglab.jobs.worker import work
from reglab.runs.run import Run
from reglab.runs.store import Store

needs_spaces = pytest.mark.skipif(
    find_spec("spaces") is None, reason="spaces is not installed: pip install -e .[zerogpu]"
)

BEGIN = """
import json, os, sys, threading, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from emulated import begin
begin()
"""
# What a visitor's press of Train does: jobs are handed over in the thread of a request, whose token says who it is.
TRAIN = """
import gradio as gr
from gradio.context import LocalContext
from reglab.jobs.places import zero_gpu
from reglab.jobs.queue import Jobs
from reglab.runs.store import Store
from starlette.requests import Request

zero_gpu.LONGEST, zero_gpu.SHORTEST = {longest}, 1
zero_gpu.SPARE = {spare}
store = Store({root!r})
jobs = Jobs(store)

def in_request(token, function):
    def call():
        headers = [(b"x-ip-token", token.encode())] if token else []
        LocalContext.request.set(gr.Request(Request(dict(type="http", headers=headers, method="GET", path="/"))))
        function()
    each = threading.Thread(target=call)
    each.start()
    each.join()

def epochs(run):  # read as bytes: a lock that Python 3.11 has around what is cached would be held in a process forked off meanwhile
    metrics = run.path / "metrics.jsonl"
    return metrics.read_bytes().count(b'"event": "epoch"') if metrics.exists() else 0

def wait(until=lambda: False):
    end = time.monotonic() + 60
    while any(jobs.counts()) and time.monotonic() < end and not until():
        time.sleep(0.05)

"""
PRESS = (
    TRAIN
    + """
for token, ids in {pressed!r}:
    in_request(token, lambda: jobs.submit([store.open(i) for i in ids], owner=token))
    if {in_turn}:
        wait()
if {stop_when}:
    runs = store.runs()
    wait(lambda: all(map(epochs, runs)) and jobs.counts()[0] == {stop_when})
    jobs.stop_all(runs)
wait()
print(json.dumps(jobs.machine()))
"""
)


@pytest.fixture
def platform():
    with scheduler() as server:
        yield server


def emulated(platform: Scheduler, folder: Path, code: str, **values) -> str:
    """The last line that a program prints, which believes to be a ZeroGPU Space."""
    program = textwrap.dedent(BEGIN + code).format(tests=str(ROOT / "tests"), **values)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(**platform.environment(folder)),
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1] if done.stdout else ""


def config(**changes):
    return tiny_config(**{"train_size": 200, "val_size": 60, "epochs": 8, "device": "auto", **changes})


def press(platform, store, tmp_path, pressed, longest=40, spare=5, in_turn=False, stop_when=0):
    pressed = [(token, [run.id for run in runs]) for token, runs in pressed]
    values = {
        "root": str(store.root),
        "pressed": pressed,
        "longest": longest,
        "spare": spare,
        "in_turn": in_turn,
        "stop_when": stop_when,
    }
    return json.loads(emulated(platform, tmp_path, PRESS, **values))


def token(name: str) -> str:
    """A JWT that says nothing; spaces looks only whether it holds an error."""
    return f"{name}.e30.x"


def as_in_one_go(runs: list[Run], folder: Path) -> None:
    for run in runs:
        whole = Store(folder).create(run.config)
        work([whole])
        for file in ("metrics.jsonl", "model.safetensors"):
            assert (whole.path / file).read_bytes() == (run.path / file).read_bytes()


@needs_spaces
def test_a_pair_is_trained_in_slices_that_its_visitor_pays_for(platform, store, tmp_path):
    pair = [store.create(config(train_size=64, epochs=1, seed=seed)) for seed in (0, 1)]
    told = press(platform, store, tmp_path, [(token("ann"), pair)], longest=3, spare=3)  # a step a slice
    assert [run.status() for run in pair] == ["finished", "finished"]
    assert told["name"] == "ZeroGPU" and told["device"] == "cuda"
    slices = platform.scheduled()
    assert len(slices) > 1 and {asked["token"] for asked in slices} == {token("ann")}
    assert all(0 < int(asked["durationSeconds"]) <= 1.5 * 3 for asked in slices)
    released = [asked for path, asked in platform.asked if path == "/release"]
    assert len(released) == len(slices) and all(asked["fail"] == "false" for asked in released)
    as_in_one_go(pair, tmp_path / "whole")


@pytest.mark.slow
@needs_spaces
def test_jobs_of_several_visitors_go_on_at_once_each_at_its_own_expense(platform, store, tmp_path):
    runs = [store.create(config(epochs=1_000, seed=seed)) for seed in range(3)]
    visitors = [token("ann"), token("bob"), ""]
    press(platform, store, tmp_path, zip(visitors, ([run] for run in runs), strict=True), stop_when=3)
    assert [run.status() for run in runs] == 3 * ["stopped"] and all(run.history() for run in runs)
    assert sorted(asked.get("token", "") for asked in platform.scheduled()) == ["", token("ann"), token("bob")]


REFUSALS = [
    (
        quota(left=20, wait=3 * 3600),
        r"Your minutes of ZeroGPU are used up for today.* Resume it after \d?\d:\d\d UTC on",
    ),
    (quota(left=60, wait=-1), "allows you no slice of this length"),
    (quota(left=0, wait=0), "as many slices as ZeroGPU allows"),
    (queue_timeout(), "No GPU was free on ZeroGPU within a minute"),
    ((503, {}, ""), "No GPU was free"),
    ((401, {}, ""), "ZeroGPU no longer knows whose minutes these are"),
    ((500, {}, ""), "ZeroGPU gave no GPU"),
]


@needs_spaces
def test_a_slice_that_is_refused_leaves_the_run_stopped_with_the_sentence(platform, store, tmp_path):
    runs = [store.create(config(seed=seed)) for seed in range(len(REFUSALS))]
    platform.answers += [answer for answer, _ in REFUSALS]
    press(platform, store, tmp_path, [(token("ann"), [run]) for run in runs], in_turn=True)
    for run, (_, why) in zip(runs, REFUSALS, strict=True):
        reason = run.summary()["reason"]
        assert re.search(why, reason) and reason.endswith("Resume goes on from there."), reason
        assert run.status() == "stopped" and not run.was_pruned


KILLED = (
    TRAIN
    + """
import multiprocessing
run = store.open({run!r})
in_request({token!r}, lambda: jobs.submit([run]))
wait(lambda: epochs(run) > 2)
multiprocessing.active_children()[0].kill()
wait()
told = dict(status=run.status(), reason=run.summary().get("reason"), can_go_on=run.resume() is not None)
if told["status"] == "stopped":
    in_request({token!r}, lambda: jobs.resume([run]))
    wait()
print(json.dumps(told))
"""
)


@needs_spaces
def test_who_has_fewer_seconds_left_than_a_slice_takes_gets_a_slice_of_these(platform, store, tmp_path):
    run = store.create(config(train_size=64, epochs=1))
    platform.answers += [quota(left=4, wait=3600)]
    press(platform, store, tmp_path, [(token("ann"), [run])], spare=1)
    assert run.status() == "finished", run.summary()
    first, second, *_ = (int(asked["durationSeconds"]) for asked in platform.scheduled())
    assert first > second and 2 <= second <= 4


@pytest.mark.slow
@needs_spaces
def test_a_gpu_that_is_taken_back_in_the_middle_costs_no_more_than_the_last_snapshot(platform, store, tmp_path):
    run = store.create(config(epochs=12))
    values = {"root": str(store.root), "run": run.id, "token": token("ann"), "longest": 40, "spare": 5}
    told = json.loads(emulated(platform, tmp_path, KILLED, **values))
    assert told["status"] == "stopped" and "took its GPU back" in told["reason"]
    assert run.status() == "finished"
    as_in_one_go([run], tmp_path / "whole")


OUTSIDE = """
import torch
from reglab import machine
from reglab.jobs.isolation import IsolatedProcess

def here():
    return str(machine.choose_device("auto"))

def in_a_thread():
    found.append(here())

if __name__ == "__main__":
    found = []
    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    other = IsolatedProcess()
    try:
        machine.choose_device("cuda")
    except Exception as error:
        refused = type(error).__name__
    print(json.dumps([torch.cuda.is_available(), here(), *found, other.call(machine.has_cuda), refused]))
    other.close()
"""


@needs_spaces
def test_outside_of_a_slice_nothing_takes_the_emulation_for_a_gpu(platform, tmp_path):
    assert json.loads(emulated(platform, tmp_path, OUTSIDE)) == [True, "cpu", "cpu", False, "ConfigError"]


@needs_spaces
def test_the_app_starts_as_zero_gpu_wants_it_and_trains_at_the_expense_of_whoever_calls(platform, tmp_path):
    from gradio_client import Client

    server = Server(tmp_path / "space", cifar10=False, **platform.environment(tmp_path), REGLAB_DEPLOYMENT="laptop")
    try:
        server.start(("tests/emulated.py",))
        assert [path for path, _ in platform.asked] == ["/startup-report"]
        headers = {"x-ip-token": token("ann"), "X-Reglab-Key": "k" * 32}
        client = Client(server.url, headers=headers, verbose=False)
        asked = config(epochs=2).model_dump(mode="json")
        slow = server.store.open(client.predict(asked, api_name="/train"))
        body = json.dumps({**asked, "seed": 1}).encode()
        headers |= {"x-ip-token": token("bob"), "Content-Type": "application/json"}
        with urlopen(Request(f"{server.url}/api/train", body, headers)) as answer:
            light = server.store.open(json.load(answer)["run"])
        for run in (slow, light):
            wait_until(lambda run=run: run.status() not in ("interrupted", "running"), "no end", more=server.log)
            assert run.status() == "finished", run.summary()
        assert {asked.get("token") for asked in platform.scheduled()} == {token("ann"), token("bob")}
        picture = BytesIO()
        Image.new("RGB", (40, 40), "red").save(picture, "PNG")
        shown = Request(f"{server.url}/api/predict?run=basic_cnn-plain", picture.getvalue(), headers)
        with urlopen(shown) as answer:  # by a process of its own, which sees no GPU
            assert answer.status == 200 and json.load(answer)

        long = server.store.open(client.predict({**asked, "epochs": 1_000}, api_name="/train"))
        wait_until(long.history, "it does not begin", more=server.log)
        server.process.terminate()
        server.process.wait(30)
        assert long.status() == "stopped" and long.resume() is not None
    finally:
        server.close()


# ---- without the package: a slice is then a call like any other
def job(*runs: Run) -> Job:
    return Job(list(runs), "cuda", "ann", number=0, batch=0)


def test_a_run_that_cannot_get_on_is_given_up_in_words(store, monkeypatch):
    slices = []
    monkeypatch.setattr(zero_gpu, "train_slice", lambda *asked: slices.append(asked))
    run = store.create(config())
    zero_gpu.Slices(job(run)).see_through()
    assert len(slices) == 1 and run.status() == "stopped"
    assert run.summary()["reason"].startswith("A slice of the GPU was too short")


def test_runs_that_were_asked_to_stop_between_two_slices_ask_for_no_other(store, monkeypatch):
    stays, goes = store.create(config()), store.create(config(seed=1))

    def one_slice(paths, prune, bounds, seconds):
        work([Run(Path(path)) for path in paths], deadline=0.0)
        goes.ask_to_stop()

    monkeypatch.setattr(zero_gpu, "train_slice", one_slice)
    at_work = zero_gpu.Slices(job(goes))
    at_work.see_through()
    assert goes.status() == "stopped" and "reason" not in goes.summary() and at_work.ended.is_set()
    at_work = zero_gpu.Slices(job(stays))
    at_work.halt()
    at_work.see_through()
    assert stays.status() == "stopped" and not stays.should_stop()


def test_the_seconds_asked_for_are_those_that_are_left(store):
    run = store.create(config())
    assert zero_gpu.seconds_for([run], 0.0) == zero_gpu.LONGEST and zero_gpu.seconds_for([run], 18.4) == 24
    (run.path / "timing.jsonl").write_text(
        '{"epoch": 3, "batch": 1, "batches": 9, "seconds": 30, "seconds_left": 18.2}\n'
    )
    assert zero_gpu.seconds_for([run], 0.0) == 24
    (run.path / "timing.jsonl").write_text(
        '{"epoch": 3, "batch": 1, "batches": 9, "seconds": 30, "seconds_left": 1.0}\n'
    )
    assert zero_gpu.seconds_for([run], 0.0) == zero_gpu.SHORTEST


class Between:
    """A place in which a job is between two slices until it is `over`: nobody holds the locks of its runs."""

    at_once, is_stalled = 1, False

    def __init__(self) -> None:
        self.over = self.ended = threading.Event()

    def worker(self, _):
        return self

    def see_through(self):
        self.over.wait(30)

    def asked_to_stop(self):
        pass

    halt = close = asked_to_stop


def test_between_two_slices_a_run_is_not_deleted(here, monkeypatch):
    jobs, place = here.training.jobs, Between()
    monkeypatch.setattr(jobs, "_places", {"cpu": place})
    run = here.stores.own.create(config(device="cpu"))
    jobs.submit([run])
    assert not run.is_locked()
    with pytest.raises(RunError, match="is being trained: stop it"):
        here.runs.delete(run)
    place.over.set()
    wait_until(lambda: jobs.counts() == (0, 0), "the job does not end")
    here.runs.delete(run)
    assert not run.path.exists()
