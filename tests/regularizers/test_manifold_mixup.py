"""Manifold mixup: where in each network it blends, that it is mixup at layer 0, and that features are blended as well."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from conftest import make_split, tiny_config
from small import batch, rng, targets
from techniques import story

from reglab import models
from reglab.config import RunConfig
from reglab.models import MODELS, ModelSpec
from reglab.models.transfer import Head
from reglab.regularizers import CATALOGUE
from reglab.training.batches import Draws
from reglab.training.events import Epoch, Finished
from reglab.training.forward import forward
from reglab.training.train import train

CPU = torch.device("cpu")

ManifoldMixup = CATALOGUE["manifold_mixup"]
FEW = make_split(train=32, val=16, test=16)


def drawn(technique, layers: int, seed: int) -> tuple[int, float, torch.Tensor]:
    """The layer, lambda and partners of 16 images, literally."""
    host = np.random.default_rng(rng(seed).initial_seed())
    layer = int(host.integers(min(technique.deepest, layers) + 1))
    return layer, float(host.beta(technique.alpha, technique.alpha)), torch.randperm(16, generator=rng(seed))


def test_in_a_batch_one_layer_is_blended_and_the_labels_once():
    technique, activations, wanted = ManifoldMixup(), torch.randn(16, 8, 4, 4), targets()
    for seed in range(20):
        layer, weight, other = drawn(technique, 4, seed)
        for k in range(5):
            blended, labels = technique.hidden(activations, wanted, k, 4, rng(seed))
            if k == layer:
                torch.testing.assert_close(blended, weight * activations + (1 - weight) * activations[other])
                torch.testing.assert_close(labels, weight * wanted + (1 - weight) * wanted[other])
            else:
                assert blended is activations and labels is wanted


@pytest.mark.parametrize(
    ("deepest", "layers", "reached"), [(2, 5, {0, 1, 2}), (2, 1, {0, 1}), (0, 5, {0}), (9, 0, {0})]
)
def test_every_layer_up_to_the_deepest_is_drawn_equally_often(deepest, layers, reached):
    counts = Counter(drawn(ManifoldMixup(deepest=deepest), layers, seed)[0] for seed in range(600))
    assert counts.keys() == reached
    assert all(abs(n / 600 - 1 / len(reached)) < 0.08 for n in counts.values())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_every_network_has_hidden_layers_that_are_reached_in_their_order(name, norm):
    network = models.build(ModelSpec(name, width=0.125, norm=norm)).train()
    layers = models.hidden_layers(network)
    assert len(layers) >= 2 and len({id(layer) for layer in layers}) == len(layers)
    reached = []

    class Look(ManifoldMixup):
        def hidden(self, activations, targets, layer, layers, rng):
            reached.append((layer, layers, activations.shape[0]))
            return activations, targets

    torch.manual_seed(0)
    logits, same = forward(network, batch(4), targets(4), [Look()], Draws(CPU, (0, 1, 0)))
    assert reached == [(k, len(layers), 4) for k in range(len(layers) + 1)]
    torch.manual_seed(0)
    assert torch.equal(logits, network(batch(4))) and torch.equal(same, targets(4)), "and nothing of it stays"


@pytest.mark.parametrize("name", MODELS)
def test_what_is_blended_is_what_the_rest_of_the_network_sees(name):
    """Of images that are all alike every blend is that image, whatever is blended where; of others it is not."""
    network = models.build(ModelSpec(name, width=0.125)).train()
    technique = [ManifoldMixup(deepest=16)]
    alike, different = batch(1).expand(8, -1, -1, -1).contiguous(), batch(8)
    changed = 0
    with torch.no_grad():
        plain = network(different)
        for number in range(12):
            logits, _ = forward(network, alike, targets(8), technique, Draws(CPU, (0, 1, number)))
            torch.testing.assert_close(logits, network(alike), rtol=1e-3, atol=1e-3)
            blended, _ = forward(network, different, targets(8), technique, Draws(CPU, (0, 1, number)))
            changed += not torch.allclose(blended, plain)
    assert changed >= 10


@pytest.mark.parametrize("name", MODELS)
def test_it_trains_in_every_family(name):
    config = tiny_config(model=name, width=0.125, epochs=1, regularizers={"manifold_mixup": True, "batch_norm": True})
    *events, end = train(config, FEW)
    assert isinstance(end, Finished)
    trained = [e for e in events if isinstance(e, Epoch)][-1]
    assert np.isfinite(trained.running_loss) and trained.running_loss != trained.train_loss


def test_with_the_picture_alone_as_its_deepest_layer_it_learns_what_mixup_learns(tiny_split):
    """Not the same draws, but the same loss on average: lambda near a half, at a rate with which nothing changes."""
    losses = []
    for key, settings in (("manifold_mixup", {"alpha": 32, "deepest": 0}), ("mixup", {"alpha": 32})):
        config = tiny_config(epochs=1, batch_size=8, lr=1e-12, width=0.125, regularizers={key: settings})
        losses.append([e for e in train(config, tiny_split) if isinstance(e, Epoch)][-1].running_loss)
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_beside_sam_both_passes_blend_alike(tiny_split):
    """At rho = 0 the second pass is the first one again, so that the run is that without SAM."""
    blended = {"manifold_mixup": {"deepest": 3}}
    config = tiny_config(epochs=1, width=0.125, regularizers=blended | {"sam": {"rho": 0}})
    assert (
        story(config, tiny_split)[0] == story(tiny_config(epochs=1, width=0.125, regularizers=blended), tiny_split)[0]
    )


def test_a_head_alone_has_its_features_blended():
    head = Head(6, 10, dropout=0.0).train()
    features = torch.rand(16, 6, 1, 1, generator=rng())
    torch.nn.init.normal_(head.classifier.weight)
    assert models.hidden_layers(head) == []
    logits, soft = forward(head, features, targets(), [ManifoldMixup()], Draws(CPU, (0, 1, 0)))
    assert not torch.allclose(logits, head(features)) and not torch.equal(soft, targets())
    assert soft.sum(1).allclose(torch.ones(16))


@pytest.mark.parametrize("finetune", ["features", "head_then_all", "all"])
def test_it_is_taken_by_pretrained_networks_however_they_are_tuned(finetune):
    config = {"model": "timm/tf_efficientnet_lite0", "pretrained": True, "finetune": finetune}
    assert RunConfig.parse({**config, "regularizers": {"manifold_mixup": True}}).finetune == finetune


@pytest.mark.parametrize("name", ["timm/resnet18", "timm/vgg11_bn", "timm/tf_efficientnet_lite0"])
def test_networks_of_timm_are_blended_between_their_stages(name):
    network = models.build(ModelSpec(name, side=32)).train()
    layers = models.hidden_layers(network)
    assert len(layers) >= 5
    seen = []

    class Look(ManifoldMixup):
        def hidden(self, activations, targets, layer, layers, rng):
            seen.append(tuple(activations.shape[2:]))
            return super().hidden(activations, targets, layer, layers, rng)

    logits, soft = forward(network, batch(4), targets(4), [Look(deepest=16)], Draws(CPU, (0, 1, 1)))
    logits.sum().backward()
    assert len(seen) == len(layers) + 1 and seen == sorted(seen, reverse=True), "the maps never grow"
    assert logits.shape == (4, 10) and soft.sum(1).allclose(torch.ones(4))
