"""Runs on a Ray cluster: two nodes of a real one, one of them killed in the middle; what cannot be reached; what travels."""

from __future__ import annotations

import contextlib
import json
import socket
import threading

import pytest
import torch
from conftest import tiny_config
from servers import free_port, wait_until

from reglab import data
from reglab.cli.main import main
from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.experiments.axes import axis
from reglab.experiments.executors.ray import address as addresses
from reglab.experiments.executors.ray import executor, node, packing, places
from reglab.experiments.sweep import sweep
from reglab.jobs.worker import trained
from reglab.runs import clock
from reglab.runs.recording import record
from reglab.runs.run import Run
from reglab.training.events import Epoch, Preparing, Snapshot, Step, Stopped
from reglab.training.train import train

pytest.importorskip("ray")
pytest.importorskip("grpc")

SMALL = {"dataset": "digits", "train_size": 100, "val_size": 40, "epochs": 8, "batch_size": 20, "width": 0.125}
BASE = RunConfig.parse({**SMALL, "lr": 0.01, "precision": "fp32", "device": "cpu"})
OPTIONS = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items() if name != "epochs"]


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.fixture(scope="module", autouse=True)
def environment():
    """What Ray reads when a node starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # or Ray would put a token into the home of whoever tests
        patch.setenv("RAY_worker_niceness", "0")  # by default 15, which leaves nothing to it beside the other tests
        yield


@pytest.fixture(scope="module")
def nodes(environment):
    """A cluster of two nodes with one core each, serving clients; its address, and what kills the second node."""
    from ray.cluster_utils import Cluster

    port = free_port()
    ours = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "ray_client_server_port": port, "include_dashboard": False},
    )
    second = ours.add_node(num_cpus=1)
    # Ray starts what serves clients last, and does not wait for it.
    wait_until(lambda: is_open(port), "Ray's head node serves no clients")
    yield f"ray://127.0.0.1:{port}", lambda: ours.remove_node(second, allow_graceful=False)
    ours.shutdown()


def train_here(run: Run) -> None:
    """As a worker process of one thread would."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    c = run.config
    split = data.split(data.load(c.dataset), c.train_size, c.val_size, c.label_noise, c.seed)
    with run.locked():
        for _ in record(run, trained(c, split, run.resume(), lambda: False)):
            pass
    torch.set_num_threads(threads)


# ---- a cluster ---------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_run_whose_node_dies_goes_on_elsewhere_and_comes_to_the_same_bytes(nodes, store, monkeypatch):
    address, kill = nodes
    monkeypatch.setattr(clock, "SNAPSHOT_SECONDS", 0.0)
    told = sweep(BASE, [axis("dropout.rate=0.1")], seeds=3)
    (done,) = told.folders(store, told.configs[:1])
    train_here(done)
    written = (done.path / "model.safetensors").stat().st_mtime_ns

    both_at_epoch_two, met = threading.Barrier(2, action=kill), set()
    begun: list[tuple[int, int]] = []  # seed, and the epoch it began with

    def watched(run, events, clock):
        for event in record(run, events, clock):
            if isinstance(event, Epoch) and event.epoch == 2 and run.id not in met and len(met) < 2:
                met.add(run.id)
                both_at_epoch_two.wait(timeout=120)
            yield event

    def noted(run):
        resume = packed_resume(run)
        begun.append((run.config.seed, resume["state"]["epoch"] if resume else 0))
        return resume

    packed_resume = executor.packed_resume
    monkeypatch.setattr(executor, "record", watched)
    monkeypatch.setattr(executor, "packed_resume", noted)
    heard: list[Run] = []
    runs = executor.train(told, store, address, ended=heard.append)

    assert [run.config for run in runs] == told.configs and [run.status() for run in runs] == ["finished"] * 3
    assert {run.id for run in heard} == {run.id for run in runs} and len(store.runs()) == 3
    assert (done.path / "model.safetensors").stat().st_mtime_ns == written
    # One was lost in its third epoch or later, and went on from a snapshot; none began a second time from the start.
    assert len(begun) == 3 and sorted(begun)[0] == (1, 0) and sum(epoch == 0 for _, epoch in begun) == 2
    assert max(epoch for _, epoch in begun) >= 2
    for run in runs[1:]:
        twin = store.create(run.config)
        train_here(twin)
        for file in ("metrics.jsonl", "model.safetensors"):
            assert (run.path / file).read_bytes() == (twin.path / file).read_bytes()
        summary = run.summary()
        assert summary["threads"] == 1 and summary["seconds"] > 0 and summary["images_per_second"] > 0


@pytest.mark.slow
def test_a_sweep_that_is_stopped_on_a_cluster_goes_on_here(nodes, store):
    address, _ = nodes
    asked = sweep(BASE.override({"epochs": 500}), [axis("lr=0.01,0.02,0.03")])
    told: list[Epoch] = []

    def listen(run, event):
        told.extend([event] if isinstance(event, Epoch) else [])
        if isinstance(event, Epoch) and len(told) == 4:
            # Nothing else is told meanwhile, so that the run that waits cannot get the place of one that stops.
            wait_until(
                lambda: any((each.path / "summary.json").exists() for each in store.runs()), "a run goes on waiting"
            )

    runs = executor.train(asked, store, address, listen=listen, stop=lambda: len(told) > 3)
    assert {run.status() for run in runs} == {"stopped"} and len(runs) > 1
    trained, *_, waiting = sorted(runs, key=lambda run: -len(run.history()))
    assert not waiting.history() and len(trained.history()) > 1, "there are fewer nodes than runs"
    resume = trained.resume()
    assert resume is not None and resume.state["epoch"] == len(resume.history)


@pytest.mark.slow
def test_a_sweep_on_this_machine_is_a_cluster_of_one(tmp_path, capfd):
    command = ["sweep", *OPTIONS, "--epochs=1", "--over", "lr=0.01,1e6", "--optimizer=sgd", "--on", "ray"]
    assert main([*command, "--json", "--runs", str(tmp_path)]) == 1  # one of the two cannot be trained
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert sorted(line["status"] for line in lines[:-1]) == ["failed", "finished"]
    assert "learning rate" in next(line["reason"] for line in lines if line.get("status") == "failed")
    assert lines[-1]["groups"][0]["n"] == 1


# ---- what cannot be ----------------------------------------------------------------------------------------------
@pytest.mark.timeout(60)
def test_a_cluster_that_cannot_be_reached_is_refused_in_time_and_nothing_is_made(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call and says nothing
        for port, words in ((free_port(), "refused"), (silent.getsockname()[1], "it is not Ray")):
            command = ["sweep", *OPTIONS, "--over", "lr=0.01,0.02", "--on", f"ray://127.0.0.1:{port}"]
            assert main([*command, "--runs", str(tmp_path / "runs")]) == 2
            said = capsys.readouterr().err
            assert f"127.0.0.1:{port} cannot be reached" in said and words in said and len(said.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--on", "moon"], "'moon' is no place to train: choose local, ray"),
        (["--on", "ray://nowhere"], "is no place to train"),
        (["--on", "ray://nowhere:port"], "is no place to train"),
        (["--gpus-per-run", "1"], "--gpus-per-run"),
        (["--on", "ray", "--gpus-per-run", "2"], "a share from 0 to 1"),
        (["--on", "ray", "--gpus-per-run", "nan"], "a share from 0 to 1"),
        (["--on", "ray", "--gpus-per-run", "0", "--device", "cuda"], "no GPU for each run"),
    ],
)
def test_what_cannot_be_asked_of_a_cluster_is_one_sentence(arguments, words, tmp_path, capsys):
    assert main(["sweep", *OPTIONS, "--over", "lr=0.1", *arguments, "--runs", str(tmp_path / "runs")]) == 2
    said = capsys.readouterr().err
    assert words in said and len(said.splitlines()) == 1 and not (tmp_path / "runs").exists()


def test_without_ray_the_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(addresses, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "reglab\[ray\]"'):
        addresses.check("")


def test_a_run_asks_for_what_its_device_needs():
    auto, gpu = BASE.override({"device": "auto"}), BASE.override({"device": "cuda"})
    assert places.needed(BASE, 1.0, 4.0) == {"num_cpus": 1, "num_gpus": 0}
    assert [places.needed(auto, None, there)["num_gpus"] for there in (0, 4)] == [0, 1]
    assert [places.needed(gpu, share, 0)["num_gpus"] for share in (None, 0.25)] == [1, 0.25]
    nodes = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 2.0}]
    assert [places.places_for({"num_cpus": 1, "num_gpus": g}, nodes) for g in (0, 0.5, 1)] == [10, 4, 2]
    with pytest.raises(ConfigError, match="no node of the cluster has that: choose --device"):
        places.places_for({"num_cpus": 1, "num_gpus": 1}, nodes[1:])


# ---- what travels ------------------------------------------------------------------------------------------------
def test_events_come_out_as_they_went_in_and_no_image_is_lost(tiny_split, monkeypatch):
    monkeypatch.setattr(node, "TELL_SECONDS", 1e9)
    config = tiny_config(width=0.125)
    events, sent = [], []
    for event in train(config, tiny_split):
        copy = packing.unpacked(packing.packed(event, 0.0))
        told = (copy.state, event.state) if isinstance(event, Snapshot) else (copy.to_json(), event.to_json())
        assert json.dumps(told[0]) == json.dumps(told[1])
        events.append(event)
    for item in node.thinned(train(config, tiny_split), 1e9):
        sent.append(packing.unpacked(item))
        assert item["seconds"] >= 0
    steps = [event for event in events if isinstance(event, Step)]
    told = [event for event in sent if isinstance(event, Step)]
    assert len(told) == config.epochs < len(steps) and sum(e.images for e in told) == sum(e.images for e in steps)
    assert sum(isinstance(event, Snapshot) for event in sent) == 1 and isinstance(sent[-2], Snapshot)  # the last state
    lines = [[e.to_json() for e in all_ if not isinstance(e, (Step, Snapshot))] for all_ in (events, sent)]
    assert json.dumps(lines[0]) == json.dumps(lines[1])


def test_of_what_is_prepared_the_end_is_told(tiny_split):
    events = [Preparing(what="features", done=n, total=9) for n in range(1, 10)] + [Stopped(epoch=0, step=0)]
    assert [item.get("done") for item in node.thinned(iter(events), 0.0)] == [9, None]
