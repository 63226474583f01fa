"""Networks of timm: the table agrees with timm, weights come from a cache laid out as the Hub lays it out, features are
computed once, and backbones thaw stage by stage. The smallest network of timm stands in for the large ones.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from conftest import make_split, tiny_config
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import save_file
from timm.models import get_pretrained_cfg

from reglab import compat, data, models
from reglab.analysis import networks
from reglab.analysis.networks import logits_of, network_of
from reglab.analysis.predict import imagenet_file
from reglab.cli import main as cli
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError
from reglab.jobs.worker import work
from reglab.models import ModelSpec, pretrained
from reglab.models.pretrained import OFFERED
from reglab.models.transfer import SLOWER, STAGES, Thaw, learning
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training import features
from reglab.training.batches import ImageSet, Normalize
from reglab.training.evaluation import evaluation_batches
from reglab.training.features import BATCH, Shelf, featured, features_of
from reglab.training.optimizers import make_optimizer
from reglab.training.train import train

TINY = "timm/test_resnet"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def put_on_hub(cache: Path, name: str, tensors: dict[str, torch.Tensor]) -> Path:
    """Weights in a cache folder exactly as the Hub's client leaves them: a blob named by its SHA-256, and links."""
    repo = cache / f"models--{str(pretrained.known(name).repo).replace('/', '--')}"
    snapshot = repo / "snapshots" / COMMIT
    for folder in (snapshot, repo / "blobs", repo / "refs"):
        folder.mkdir(parents=True)
    save_file(tensors, repo / "blobs" / "new")
    blob = repo / "blobs" / hashlib.sha256((repo / "blobs" / "new").read_bytes()).hexdigest()
    (repo / "blobs" / "new").rename(blob)
    (snapshot / "model.safetensors").symlink_to(f"../../blobs/{blob.name}")
    (repo / "refs" / "main").write_text(COMMIT)
    return blob


def random_network(name: str) -> torch.nn.Module:
    """timm's whole network in a state that nothing else has; variances of batch norm included."""
    torch.manual_seed(0)
    network = timm.create_model(name.removeprefix("timm/")).eval()
    for key, value in network.state_dict().items():
        if "running_var" in key:
            value.uniform_(0.5, 1.5)
    return network


@pytest.fixture(scope="session")
def hub(tmp_path_factory) -> Path:
    cache = tmp_path_factory.mktemp("hub")
    put_on_hub(cache, TINY, random_network(TINY).state_dict())
    return cache


@pytest.fixture(autouse=True)
def offline(hub, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    monkeypatch.setenv("REGLAB_CACHE", str(tmp_path / "cache"))


def on_tiny(**changes) -> RunConfig:
    return tiny_config(**{"model": TINY, "pretrained": True, "side": 32, **changes})


# ---- what is known before a network is built
@pytest.mark.parametrize("name", OFFERED)
def test_the_table_says_what_timm_says(name):
    known, cfg = OFFERED[name], get_pretrained_cfg(OFFERED[name].timm)
    assert (known.repo, known.mean, known.std) == (cfg.hf_hub_id, cfg.mean, cfg.std)
    with torch.device("meta"):
        network = timm.create_model(known.timm)
        bytes_ = sum(t.numel() for t in network.state_dict().values()) * 4
        for side in {known.least, known.side}:
            maps = network.eval().forward_features(torch.zeros(1, 3, side, side))
            assert maps.shape[:2] == (1, known.features)
        if known.least > 32:
            with pytest.raises(RuntimeError):
                network.forward_features(torch.zeros(1, 3, known.least - 1, known.least - 1))
    assert abs(known.megabytes - bytes_ / 1e6) < 1
    assert known.branches == compat.timm.accepts_drop_path(known.timm)


def test_any_other_convolutional_classifier_of_timm_is_known_by_name():
    known = pretrained.known(TINY)
    assert (known.repo, known.features, known.branches) == ("timm/test_resnet.r160_in1k", 96, True)
    assert models.family(TINY).title == TINY


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"model": "timm/resnet181"}, "did you mean timm/resnet18?"),
        ({"model": "timm/test_vit"}, "choose a convolutional network"),
        ({"model": "timm/resnet18.nosuch"}, "timm has no weights for resnet18.nosuch"),
        ({"model": "timm/inception_v3", "side": 64}, "below 75"),
        ({"regularizers": {"batch_norm": True}}, "switch batch_norm off"),
        ({"regularizers": {"flip_crop": True}}, "computed once"),
        ({"regularizers": {"cutmix": True}}, "computed once"),
        ({"regularizers": {"l2_sp": True}}, "frozen already"),
        ({"regularizers": {"layer_freezing": True}}, "frozen already"),
        ({"regularizers": {"stochastic_depth": True}}, "branches of a frozen backbone"),
        ({"regularizers": {"spectral_norm": True}, "finetune": "all"}, "would undo"),
        ({"regularizers": {"spatial_dropout": True}, "finetune": "all"}, "no feature maps for spatial_dropout"),
        (
            {"model": "timm/vgg11", "finetune": "all", "regularizers": {"stochastic_depth": True}},
            "no residual branches",
        ),
        ({"pretrained": False, "regularizers": {"l2_sp": True}}, "trained from scratch"),
        ({"width": 0.5}, "leave the width out"),
    ],
)
def test_what_a_family_cannot_do_is_refused_with_the_reason(values, why):
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse({"dataset": "digits", "model": TINY, "pretrained": True, **values})
    assert why in str(refused.value) and str(refused.value).endswith((".", "?")) and len(str(refused.value)) < 300


def test_what_helps_in_transfer_learning_is_accepted():
    techniques = ("dropout", "weight_decay", "label_smoothing", "mixup")
    on_tiny(regularizers=dict.fromkeys(techniques, True))
    more = ("stochastic_depth", "l2_sp", "layer_freezing", "flip_crop", "cutmix")
    on_tiny(finetune="all", regularizers=dict.fromkeys((*techniques, *more), True))


def test_flags_and_the_same_network_from_random_weights():
    config = on_tiny(finetune="head_then_all", regularizers={"l2_sp": True, "dropout": True})
    assert "--pretrained" in config.flags() and "head_then_all" in config.flags()
    scratch = config.from_scratch()
    assert not scratch.pretrained and set(scratch.regularizers) == {"dropout"}
    assert RunConfig.parse(scratch.model_dump()) == scratch


# ---- weights
@pytest.mark.parametrize("name", ["timm/resnet18", "timm/vgg11", "timm/inception_v3"])
def test_weights_are_found_where_the_hubs_client_leaves_them_and_read_as_timm_reads_them(name, tmp_path, monkeypatch):
    known, theirs = OFFERED[name], random_network(name)
    extra = {"AuxLogits.fc.weight": torch.zeros(10, 8)} if "inception" in name else {}  # as in the file on the Hub
    kept = {k: v for k, v in theirs.state_dict().items() if not k.startswith("pre_logits")}  # 400 MB that we do not use
    put_on_hub(tmp_path, name, kept | extra)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert pretrained.local() == [name]
    spec = ModelSpec(name, pretrained=True, side=known.least)
    ours = models.build(spec).eval()
    images = torch.randn(2, 3, known.least, known.least)
    with torch.inference_mode():
        expected = theirs.forward_features(images.contiguous(memory_format=torch.channels_last)).mean((2, 3))
        assert torch.equal(ours.features(images), expected)


def test_timm_itself_loads_the_same_weights_from_the_same_cache(hub):
    theirs = timm.create_model("test_resnet", pretrained=True, cache_dir=str(hub)).eval()
    images = torch.randn(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    ours = models.build(ModelSpec(TINY, pretrained=True, side=64)).eval()
    with torch.inference_mode():
        assert torch.equal(theirs.forward_features(images).mean((2, 3)), ours.features(images))
        assert torch.equal(theirs(images), pretrained.imagenet(TINY)(images))


def test_a_picture_file_gets_the_names_and_probabilities_that_timm_gives_it(tmp_path):
    side = np.linspace(0, 255, 240)
    pixels = np.stack(np.broadcast_arrays(side[:, None], side[None, ::-1], side[:, None] / 2 + 60), 2)
    picture = Image.fromarray(pixels.astype(np.uint8))
    picture.save(tmp_path / "slopes.png")
    theirs = random_network(TINY)
    seen = timm.data.create_transform(**timm.data.resolve_model_data_config(theirs))(picture)
    with torch.inference_mode():
        likeliest = theirs(seen[None])[0].softmax(0).topk(5)
    named = imagenet_file(TINY, str(tmp_path / "slopes.png"))
    assert [name for name, _ in named] == [pretrained.imagenet_classes()[i] for i in likeliest.indices.tolist()]
    assert [p for _, p in named] == pytest.approx(likeliest.values.tolist(), rel=0.02)


def test_imagenet_has_a_thousand_named_classes():
    classes = pretrained.imagenet_classes()
    assert len(classes) == 1_000 and classes[0] == "tench"


def test_weights_that_are_not_here_are_refused_in_a_sentence_that_names_those_that_are(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"timm/resnet18 \(47 MB\).*no weights are on this machine"):
        pretrained.fetch("timm/resnet18")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    put_on_hub(tmp_path, "timm/tf_efficientnet_lite0", {"nothing": torch.zeros(1)})
    with pytest.raises(DataError, match=r"on this machine are timm/tf_efficientnet_lite0"):
        pretrained.cached_file("timm/resnet18")


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: data[: len(data) // 2], "checksum"),
        (flipped, "checksum"),
        (lambda data: b"", "checksum"),
    ],
)
def test_damaged_weights_are_refused(damage, why, tmp_path, monkeypatch):
    blob = put_on_hub(tmp_path, TINY, random_network(TINY).state_dict())
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    blob.write_bytes(damage(blob.read_bytes()))
    with pytest.raises(DataError, match=f"damaged.*{why}"):
        models.build(ModelSpec(TINY, pretrained=True))


def test_weights_of_another_network_or_not_finite_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "other"))
    put_on_hub(tmp_path / "other", TINY, {"conv1.weight": torch.zeros(3)})
    with pytest.raises(DataError, match="damaged"):
        models.build(ModelSpec(TINY, pretrained=True))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "nan"))
    put_on_hub(
        tmp_path / "nan", TINY, {k: v.float() * float("nan") for k, v in random_network(TINY).state_dict().items()}
    )
    with pytest.raises(DataError, match="not all finite"):
        models.build(ModelSpec(TINY, pretrained=True))


# ---- features, computed once
def counted(monkeypatch) -> list[int]:
    """How many pictures went through the backbone, call by call."""
    seen, compute = [], Shelf.compute

    def count(self, pixels):
        seen.append(len(pixels))
        return compute(self, pixels)

    monkeypatch.setattr(Shelf, "compute", count)
    return seen


def another_process(monkeypatch) -> None:
    """Forget what this process knows, so that only what is on the disk counts."""
    monkeypatch.setattr(features, "KEPT", {})


def test_features_are_those_of_the_network_and_are_computed_once(monkeypatch):
    seen, config, pixels = counted(monkeypatch), on_tiny(), make_split(train=70).train_images
    first = features_of(config, pixels)
    assert first.shape == (70, 96) and first.dtype == np.float16 and sum(seen) == 70
    network = models.build(config.spec(10).replace(head_only=False)).eval()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in models.statistics(ModelSpec(TINY)))
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        expected = network.features((images - mean) / std).numpy()
    assert np.allclose(first, expected, rtol=2e-3, atol=2e-3)
    another_process(monkeypatch)
    again = features_of(config, pixels[::-1].copy())  # from the disk, by their pixels
    assert np.array_equal(again, first[::-1]) and sum(seen) == 70
    features_of(on_tiny(side=64), pixels[:5])
    assert sum(seen) == 75  # another size is another shelf


def test_a_pictures_features_do_not_depend_on_its_neighbours(monkeypatch, tmp_path):
    pixels = make_split(train=80).train_images
    together = features_of(on_tiny(), pixels)
    monkeypatch.setenv("REGLAB_CACHE", str(tmp_path / "another"))
    alone = features_of(on_tiny(), pixels[7:8])
    assert np.array_equal(alone[0], together[7])


def test_a_computation_that_was_cut_off_goes_on_and_a_damaged_file_is_computed_again(monkeypatch, tmp_path):
    seen, config, data = counted(monkeypatch), on_tiny(), make_split(train=3 * BATCH)
    asked = iter([False, False, True])
    events = list(featured(config, data, stop=lambda: next(asked)))
    assert [e.name for e in events] == ["preparing"] * 3 + ["stopped"] and sum(seen) == 2 * BATCH
    another_process(monkeypatch)
    total = len(data.train_images) + len(data.val_images) + len(data.test_images)
    events = list(featured(config, data))
    assert events[0].done == 2 * BATCH and (events[-1].done, events[-1].total) == (total, total)
    assert sum(seen) == total
    good = features_of(config, data.train_images)
    damaged = next((tmp_path / "cache" / "features").rglob("*.npz"))
    damaged.write_bytes(flipped(damaged.read_bytes()))
    another_process(monkeypatch)
    list(featured(config, data))
    assert total < sum(seen) <= total + 2 * BATCH and np.array_equal(features_of(config, data.train_images), good)


def test_runs_that_are_compared_share_the_work(monkeypatch):
    seen, config, data = counted(monkeypatch), on_tiny(), make_split(train=4 * BATCH)
    for one, other in zip(featured(config, data), featured(config, data), strict=True):
        assert one.total == other.total
    assert sum(seen) == len(data.train_images) + len(data.val_images) + len(data.test_images)


# ---- training
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
