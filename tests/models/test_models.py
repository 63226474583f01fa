"""The lab's own networks: counts from the papers, every regularizer's place in each, and what is refused."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from reglab import models
from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.models import MODELS, Family, ModelSpec
from reglab.models.layers import DropBlock2d, StochasticDepth
from reglab.training.train import train

COUNTS = {  # parameters with 10 classes
    ("basic_cnn", "none"): 550_570,
    ("resnet20", "batch"): 269_722,  # as in other implementations of the paper's option A
    ("resnet18", "batch"): 11_173_962,  # as in other implementations with a CIFAR stem
    ("vgg11", "batch"): 9_228_362,  # torchvision's vgg11_bn, with biases less and one dense layer of 512
    ("vgg16", "batch"): 14_724_042,
    ("inception_small", "none"): 1_649_402,  # Zhang et al. 2017, table 1
    ("alexnet_small", "none"): 1_387_786,  # Zhang et al. 2017, table 1
    ("speed_cnn", "batch"): 1_972_792,
}


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("name", "norm"), COUNTS)
def test_a_network_has_as_many_parameters_as_its_paper_or_its_docstring_says(name, norm):
    assert parameters(models.build(ModelSpec(name, norm=norm))) == COUNTS[name, norm]


def test_resnet18_differs_from_torchvisions_in_its_first_layer_alone():
    from torchvision.models import resnet18

    theirs = sum(p.numel() for k, p in resnet18(num_classes=10).named_parameters() if k != "conv1.weight")
    ours = models.build(ModelSpec("resnet18", norm="batch"))
    assert parameters(ours) - next(ours.parameters()).numel() == theirs


@pytest.mark.parametrize("norm", ["none", "batch", "group"])
@pytest.mark.parametrize("name", MODELS)
def test_every_network_answers_and_learns_with_every_layer_that_fits(name, norm):
    places = MODELS[name].places
    spec = ModelSpec(
        name,
        classes=7,
        width=0.25,
        norm=norm,
        dropout=0.1,
        spatial_dropout=0.1,
        dropblock=0.1,
        stochastic_depth=0.1 if "stochastic_depth" in places else 0.0,
    )
    torch.manual_seed(0)
    network, images = models.build(spec), torch.randn(3, 3, 32, 32)
    models.prepare(network, images)
    logits = network(images)
    assert logits.shape == (3, 7) and torch.isfinite(logits).all()
    logits.square().sum().backward()
    still = {n for n, p in network.named_parameters() if p.requires_grad and p.grad is None}
    assert not still
    kinds = {type(m) for m in network.modules()}
    assert {nn.Dropout, nn.Dropout2d, DropBlock2d} <= kinds
    assert (StochasticDepth in kinds) == ("stochastic_depth" in places)


@pytest.mark.parametrize("name", MODELS)
def test_a_network_twice_as_wide_has_about_four_times_the_weights_and_the_usual_width_is_exact(name):
    narrow, usual = (parameters(models.build(ModelSpec(name, width=w))) for w in (0.5, 1.0))
    assert 2 < usual / narrow < 5
    spec = ModelSpec(name)
    assert spec.width == 1.0 and parameters(models.build(spec)) == usual


def test_speed_cnn_begins_by_whitening_the_patches_of_its_images():
    torch.manual_seed(0)
    mixing = 5 * torch.randn(3, 3)  # so that the smallest eigenvalue is far above the constant added to it
    images = torch.einsum("cd,ndhw->nchw", mixing, torch.rand(64, 3, 32, 32)) - 0.5
    network = models.build(ModelSpec("speed_cnn"))
    models.prepare(network, images)
    with torch.no_grad():
        network.whiten.bias.zero_()
        responses = network.whiten(images)[:, :12].permute(1, 0, 2, 3).flatten(1)
    assert torch.allclose(torch.cov(responses), torch.eye(12), atol=0.02)
    assert not network.whiten.weight.requires_grad
    assert torch.equal(network.whiten.weight[:12], -network.whiten.weight[12:])


def test_spectral_normalization_leaves_layers_alone_that_do_not_learn():
    torch.manual_seed(0)
    images = torch.rand(64, 3, 32, 32) - 0.5
    plain, spectral = (models.build(ModelSpec("speed_cnn", spectral_norm=n)) for n in (0, 1))
    for network in (plain, spectral):
        models.prepare(network, images)
    assert torch.equal(spectral.whiten.weight, plain.whiten.weight)


@pytest.mark.parametrize("name", [n for n in MODELS if n not in ("basic_cnn", "resnet20")])
def test_a_network_learns_its_few_images_by_heart(name, tiny_split):
    config = RunConfig.parse(
        {
            "dataset": "digits",
            "train_size": 60,
            "val_size": 30,
            "model": name,
            "width": 0.25,
            "epochs": 12,
            "batch_size": 15,
            "lr": 3e-3,
            "precision": "fp32",
            "regularizers": {"batch_norm": True},
        }
    )
    epochs = [e for e in train(config, tiny_split) if e.name == "epoch"]
    assert epochs[-1].train_loss < 0.5 * epochs[0].train_loss and epochs[-1].train_accuracy > 0.6


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"model": "vgg11", "regularizers": {"stochastic_depth": True}}, "vgg11 has no residual branches"),
        ({"model": "resnet18", "pretrained": True}, "choose timm/resnet18"),
        ({"model": "vgg11", "pretrained": True}, "choose timm/vgg11"),
        ({"model": "basic_cnn", "side": 64}, "leave the side out"),
        ({"model": "inception_v3"}, "did you mean timm/inception_v3?"),
        ({"model": "vgg12"}, "did you mean vgg1"),
        ({"model": "basic_cnn", "finetune": "all"}, "without pretrained weights"),
    ],
)
def test_what_a_network_cannot_do_is_refused_with_the_way_out(values, why):
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse(values)
    assert why in str(refused.value) and str(refused.value).endswith((".", "?"))


TOY = """
from torch import nn

from reglab.models.layers import conv, dropout, scaled
from reglab.models.spec import ModelSpec


def build(spec: ModelSpec) -> nn.Module:
    width = scaled(spec, 16)
    pooled = [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*conv(spec, 3, width, stride=2), *pooled, *dropout(spec), nn.Linear(width, spec.classes))
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A family that the project does not have: one file in the folder of networks, and one line in the table."""
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    monkeypatch.setitem(MODELS, "toy", Family("toy", "one convolution", "toy", frozenset({"norm", "dropout"})))
    yield "toy"
    sys.modules.pop("reglab.models.toy", None)


def test_a_new_family_is_one_file_and_one_line(toy, tiny_split):
    techniques = {"batch_norm": True, "dropout": {"rate": 0.2}, "weight_decay": True}
    values = {"dataset": "digits", "train_size": 60, "val_size": 30, "model": toy, "epochs": 1, "precision": "fp32"}
    config = RunConfig.parse({**values, "regularizers": techniques})
    best = [e for e in train(config, tiny_split) if e.name == "best"][-1]
    restored = models.restored(config.spec(10), best.weights)
    assert restored(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    with pytest.raises(ConfigError, match="toy has no residual branches"):
        RunConfig.parse({**values, "regularizers": {"stochastic_depth": True}})
