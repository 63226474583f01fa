"""Nothing in a step mixes tensors of the host with those of a GPU: tried without one, on tensors that only say where they are.

The gradients are made up, since autograd asks a driver, and the optimizer is left out, whose fused kernels are the GPU's.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
import torch
from conftest import make_split, tiny_config
from techniques import TRAINABLE, config_with
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

from reglab import compat
from reglab.models import MODELS
from reglab.regularizers import Regularizer
from reglab.training import batches
from reglab.training.batches import Draws, ImageSet, Normalize
from reglab.training.replay import Watch
from reglab.training.train import Trainer

GPU, SPLIT = torch.device("cuda:0"), make_split()


class HostDraws(Draws):
    """There is no generator of a GPU without one; what is drawn has no values anyway."""

    def generator(self, *purpose):
        return batches.generator(torch.device("cpu"), *self.place, *purpose)


def there(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=GPU)


def move(trainer: Trainer) -> None:
    for module in trainer.model.modules():
        for name, p in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(there(p), requires_grad=p.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, there(buffer))
    trainer.images = ImageSet(there(trainer.images.pixels), there(trainer.images.labels))
    trainer.normalize = Normalize(there(trainer.normalize.mean), there(trainer.normalize.std))
    trainer.running, trainer.device = there(trainer.running), GPU


def take_steps(config, monkeypatch) -> set[str]:
    """What a `Watch` has seen a step ask the host for."""
    trainer = Trainer(config, SPLIT)

    def backward(loss, *args, **options) -> None:
        for p in trainer.model.parameters():
            p.grad = torch.empty_like(p) if p.requires_grad else None

    monkeypatch.setattr(torch.Tensor, "backward", backward)
    monkeypatch.setattr(trainer.scaler, "step", lambda optimizer: None)
    with FakeTensorMode(allow_non_fake_inputs=False):
        move(trainer)
        trainer.model.train()
        last = trainer.progress(config.epochs * trainer.steps_per_epoch - 1)
        for _ in range(2):  # an average begins with the first
            index, watch = torch.zeros(16, dtype=torch.long, device=GPU), Watch(GPU)
            with compat.torch.operations(watch.hear):
                trainer.learn(index, HostDraws(GPU, (0, 1, 0)), last)
            for r in trainer.regularizers:
                with suppress(DataDependentOutputException):  # SWA asks once an epoch how many networks there are
                    r.on_step_end(trainer.model, trainer.state[r.key], last)
    return watch.asked


@pytest.mark.parametrize("key", [key for key in TRAINABLE if key not in ("dropblock", "trivial_augment")])
def test_every_technique_keeps_to_the_device(key, monkeypatch):
    """What the host draws is brought once, when there is a generator that lasts; see `tests/training/test_replay.py`."""
    asked = take_steps(config_with(key), monkeypatch)
    assert not asked or key in ("mixup", "cutmix", "manifold_mixup")


@pytest.mark.parametrize("name", MODELS)
def test_every_network_does(name, monkeypatch):
    assert not take_steps(tiny_config(model=name, width=0.125), monkeypatch)


def test_two_techniques_are_beyond_that_as_their_shapes_go_by_what_is_drawn(monkeypatch):
    for key in ("dropblock", "trivial_augment"):
        with pytest.raises((DynamicOutputShapeException, DataDependentOutputException)):
            take_steps(config_with(key), monkeypatch)


class Late(Regularizer):
    """Draws on the host and does not wait until it is there, which two steps do alike."""

    def augment(self, images, rng):
        return images * torch.rand(len(images)).to(images.device, non_blocking=True).view(-1, 1, 1, 1)


def test_what_is_brought_from_the_host_is_noticed_also_where_every_step_does(monkeypatch, technique):
    config = tiny_config(width=0.125, regularizers={technique(Late): True})
    assert take_steps(config, monkeypatch) == {"brings numbers from the host"}


def test_a_tensor_of_the_host_in_the_middle_of_a_step_is_noticed(monkeypatch, technique):
    class Strays(Regularizer):
        def augment(self, images, rng):
            return images * torch.ones(3).view(1, 3, 1, 1)

    with pytest.raises(RuntimeError, match=r"device"):
        take_steps(tiny_config(width=0.125, regularizers={technique(Strays): True}), monkeypatch)
