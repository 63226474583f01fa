"""A backbone of timm in training: a head on its features, the whole of it, and stage by stage as it thaws."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tape
import torch
from conftest import make_split
from huggingface_hub import constants
from techniques import story
from weights import (  # noqa: F401  (fixtures among them)
    TINY,
    hub_fixture,
    offline_fixture,
    on_tiny,
)

from reglab import data, models
from reglab.analysis import networks
from reglab.analysis.networks import logits_of, network_of
from reglab.cli import main as cli
from reglab.config import RunConfig
from reglab.jobs.worker import work
from reglab.models import ModelSpec
from reglab.models.transfer import SLOWER, STAGES, Thaw, learning
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.batches import ImageSet, Normalize
from reglab.training.evaluation import evaluation_batches
from reglab.training.optimizers import make_optimizer
from reglab.training.train import train


def finished(store: Store, config: RunConfig):
    run = store.create(config)
    work([run])
    assert run.status() == "finished", run.summary().get("reason")
    return run


def digits(**changes) -> RunConfig:
    return on_tiny(**{"train_size": 64, "val_size": 32, "epochs": 2, **changes})


def test_a_head_is_trained_on_features_and_predicts_with_its_backbone(tmp_path, monkeypatch):
    run = finished(Store(tmp_path / "runs"), digits(lr=0.05, epochs=30))
    weights = run.weights()
    assert set(weights) == {"classifier.weight", "classifier.bias"}
    network, mean, _ = network_of(run)
    assert mean.tolist() == [0.5] * 3 and torch.equal(network.head.classifier.weight, weights["classifier.weight"])
    pixels = make_split(test=20).test_images
    whole = network((torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5).detach()
    assert torch.allclose(logits_of(run, pixels), whole, atol=0.02)
    summary = json.loads((run.path / "summary.json").read_text())
    assert summary["parameters"] == 96 * 10 + 10 and summary["train_accuracy"] > 0.2


@pytest.mark.parametrize("finetune", ["head_then_all", "all"])
def test_a_whole_network_is_fine_tuned_with_the_techniques_of_transfer_learning(finetune, tmp_path):
    techniques = ("dropout", "stochastic_depth", "l2_sp", "layer_freezing", "mixup", "flip_crop", "label_smoothing")
    run = finished(Store(tmp_path / "runs"), digits(finetune=finetune, regularizers=dict.fromkeys(techniques, True)))
    assert Run(run.path).described["normalization"]["mean"] == [0.5] * 3
    start = models.build(ModelSpec(TINY, pretrained=True)).state_dict()
    last = {
        k.removeprefix("model/"): v for k, v in run.tensors("last.safetensors")[0].items() if k.startswith("model/")
    }
    assert set(last) == set(start)
    moved = {k for k, v in last.items() if "num_batches" not in k and not torch.equal(v, start[k])}
    assert any(k.startswith("backbone.layer4") for k in moved)
    assert not any(k.startswith(("backbone.conv1", "backbone.bn1", "backbone.layer1")) for k in moved)


def test_every_stage_of_the_thaw_has_a_recording_of_its_own(monkeypatch):
    """Also where nothing is told to: frozen layers have no gradients, and what is recorded would not know that they learn now."""
    techniques = {"l2_sp": {}, "layer_freezing": {}, "dropout": {}}
    config, split = on_tiny(finetune="head_then_all", epochs=8, regularizers=techniques), make_split()
    plain = story(config, split)
    [made] = [tape.replaying(monkeypatch)]
    assert story(config, split) == plain
    assert not made[0].why_not and sum(bool(steps.replay) for steps in made[0]._steps.values()) >= 4


@pytest.mark.parametrize("finetune", ["features", "all"])
def test_evaluating_needs_the_weights_from_the_hub_only_for_a_head_alone(finetune, tmp_path, monkeypatch, capsys):
    run = finished(Store(tmp_path / "runs"), digits(finetune=finetune, epochs=1))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("REGLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(networks, "LOADED", networks.Networks(0))
    status = cli.main(["evaluate", "--checkpoint", run.id, "--runs", str(tmp_path / "runs"), "--json"])
    told = capsys.readouterr()
    if finetune == "all":
        assert status == 0 and json.loads(told.out)["test_images"] == data.source("digits").test_images
    else:
        assert status == 2 and "could not be fetched" in told.err.splitlines()[-1]


def test_pictures_that_are_enlarged_are_judged_fewer_at_once():
    part = ImageSet.to_device(np.zeros((1000, 32, 32, 3), np.uint8), np.zeros(1000, np.int64), torch.device("cpu"))
    normalize = Normalize.to_device(np.zeros(3), np.ones(3), torch.device("cpu"))
    network = torch.nn.Identity()

    def at_once(side: int) -> list[int]:
        network.side = side
        return [len(batch) for batch in evaluation_batches(part, normalize, network)]

    assert at_once(1) == [500, 500] and max(at_once(128)) <= 64 and max(at_once(320)) <= 10
    assert sum(at_once(320)) == 1000 and min(at_once(2000)) == 2


def test_a_backbone_may_begin_with_random_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    finished(Store(tmp_path / "runs"), digits(pretrained=False, epochs=1))


def test_stages_thaw_from_the_head_down_and_the_lower_learn_slower():
    torch.manual_seed(0)
    network = models.build(ModelSpec(TINY, pretrained=True, side=32))
    thaw = Thaw(network)
    assert [learning(s) for s in (0, 0.32, 1 / 3, 0.42, 0.5, 0.59, 0.67, 1)] == [0, 0, 1, 2, 3, 4, 4, 4]
    assert thaw.stage_of["backbone.conv1.0.weight"] == 0 and thaw.stage_of["head.classifier.weight"] == STAGES
    order = [thaw.stage_of[name] for name, _ in network.named_parameters()]
    assert order == sorted(order) and set(order) == set(range(STAGES + 1))
    for share in (0.0, 0.4, 0.9):
        network.train()
        thaw.begin_step(share)
        for name, p in network.named_parameters():
            assert p.requires_grad == (thaw.stage_of[name] >= STAGES - learning(share))
        assert network.backbone.bn1.training == (learning(share) == STAGES)
    optimizer = make_optimizer(on_tiny(finetune="head_then_all"), network, [], thaw.scale)
    assert {g["scale"] for g in optimizer.param_groups} == {SLOWER ** (s - STAGES) for s in range(STAGES + 1)}


def test_the_head_learns_alone_at_first(tiny_split):
    config = on_tiny(finetune="head_then_all", epochs=3)
    start = models.build(ModelSpec(TINY, pretrained=True)).state_dict()
    for event in train(config, tiny_split):
        if event.name == "snapshot" and event.state["epoch"] == 2:  # a third of the run is over
            now = {k.removeprefix("model/"): v for k, v in event.tensors.items() if k.startswith("model/")}
            still = {k for k, v in now.items() if k in start and torch.equal(v, start[k])}
            assert {k for k in start if k.startswith("backbone.")} <= still
            assert not torch.equal(now["head.classifier.bias"], start["head.classifier.bias"])
            return
    raise AssertionError("no snapshot")


def test_what_else_is_frozen_stays_frozen_while_a_backbone_thaws(tiny_split):
    network = models.build(ModelSpec(TINY, pretrained=True, side=32))
    network.backbone.conv1[0].weight.requires_grad_(False)
    Thaw(network).begin_step(1.0)
    assert not network.backbone.conv1[0].weight.requires_grad and network.backbone.conv1[3].weight.requires_grad
