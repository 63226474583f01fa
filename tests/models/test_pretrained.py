"""Networks of timm: the table agrees with timm, and weights come from a cache laid out as the Hub lays it out."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import constants
from PIL import Image
from timm.models import get_pretrained_cfg
from weights import (  # noqa: F401  (fixtures among them)
    TINY,
    flipped,
    hub_fixture,
    offline_fixture,
    on_tiny,
    put_on_hub,
    random_network,
)

from reglab import compat, models
from reglab.analysis.pictures import seen
from reglab.analysis.predict import imagenet, imagenet_view
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError
from reglab.models import ModelSpec, pretrained
from reglab.models.pretrained import OFFERED


# ---- what is known before a network is built ---------------------------------------------------------------------
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
    assert known.batch_norm == bool(compat.torch.batch_norms(network))


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
        ({"batch_size": 1, "finetune": "all"}, "one image has no statistics"),
        ({"batch_size": 1, "finetune": "head_then_all"}, "one image has no statistics"),
        (
            {"batch_size": 1, "model": "timm/resnet18", "side": 32, "pretrained": False},
            "batch normalization of its own",
        ),
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


def test_one_image_at_a_time_trains_a_head_and_networks_without_batch_normalization():
    head = on_tiny(batch_size=1)
    with pytest.raises(ConfigError, match="one image has no statistics"):
        head.from_scratch()  # all of it is trained
    RunConfig.parse({"dataset": "digits", "model": "timm/vgg11", "batch_size": 1})
    earlier = {"dataset": "digits", "model": "timm/resnet18", "batch_size": 1}
    assert RunConfig.parse(earlier, is_kept=True).batch_size == 1, "a run of before stays readable"
    for name in models.MODELS:
        RunConfig.parse({"dataset": "digits", "model": name, "batch_size": 1})
        assert not compat.torch.batch_norms(models.build(ModelSpec(name, width=0.125)))


# ---- weights -----------------------------------------------------------------------------------------------------
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
    pixels = timm.data.create_transform(**timm.data.resolve_model_data_config(theirs))(picture)
    with torch.inference_mode():
        likeliest = theirs(pixels[None])[0].softmax(0).topk(5)
    named = imagenet(TINY, seen(tmp_path / "slopes.png", imagenet_view(TINY)))
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
