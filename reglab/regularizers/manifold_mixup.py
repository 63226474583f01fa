"""Manifold mixup: blend two images inside the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from torch import Generator, Tensor


class ManifoldMixup(Regularizer):
    """Blends what the network has made of two images at a layer drawn anew for every batch, and blends their labels.

    What you will see: as with mixup, the loss during training stays high, the gap narrows and wrong labels are hardly
    learned by heart; the pictures stay as they are, since most batches are blended inside the network.

    When it helps: long trainings of networks that would fit everything: in its paper a WRN-28-10 reaches 97.45 % on
    CIFAR-10.

    When it does not: for accuracy in short trainings with right labels. Like mixup it makes a network modest, and too
    modest where it was not overconfident.

    Layer 0 is the picture itself, so that at 0 for the deepest layer it is mixup. One layer and one lambda are drawn for
    a batch. Where only a head is trained, on features of a frozen backbone, it is the features that are blended.
    """

    title = "Manifold mixup"
    group = "Data"
    hint = "Blend two images inside the network"
    synonyms = ("data augmentation", "overfitting", "interpolation", "hidden")
    paper = "Verma et al. 2019, Manifold mixup: better representations by interpolating hidden states, arXiv:1806.05236"
    formula = (
        r"\tilde{h}_k = \lambda\, g_k(x_i) + (1 - \lambda)\, g_k(x_j),\quad \tilde{y} = \lambda y_i + (1 - \lambda) y_j,"
        r"\quad k \sim U(\{0, \dots, K\}),\ \lambda \sim \mathrm{Beta}(\alpha, \alpha)"
    )
    pytorch = """
        lam, other = torch.distributions.Beta(2.0, 2.0).sample(), torch.randperm(len(images))
        block = blocks[torch.randint(3, ())]  # before the first one it is mixup
        hook = block.register_forward_pre_hook(lambda _, h: lam * h[0] + (1 - lam) * h[0][other])
        loss = F.cross_entropy(model(images), lam * targets + (1 - lam) * targets[other])
        hook.remove()
    """
    keras = "# not in Keras: override train_step, and blend what comes out of a block that is drawn at random"
    advice = {
        "mixup": "Manifold mixup has mixup as its layer 0: with both on a batch is blended twice, and one is enough.",
        "cutmix": "With CutMix and manifold mixup on, a batch may be mixed by both of them: one is enough.",
        "label_smoothing": "Manifold mixup already softens the labels: smooth little on top of it.",
    }
    off = {"alpha": 0}

    alpha: float = Field(
        2.0,
        ge=0,
        le=32,
        title="alpha",
        description="larger: more even blends",
        json_schema_extra={"slider": [0, 8, 0.1]},
    )
    deepest: int = Field(
        2,
        ge=0,
        le=16,
        title="deepest layer",
        description="0 is the picture itself; 2 in the paper",
        json_schema_extra={"slider": [0, 5, 1], "try": "0,1,2,4"},
    )

    def hidden(
        self, activations: Tensor, targets: Tensor, layer: int, layers: int, rng: Generator
    ) -> tuple[Tensor, Tensor]:
        """Activations (N, ...) and targets (N, classes), each blended with another's of the batch at the drawn layer."""
        import numpy as np
        import torch

        host = np.random.default_rng(rng.initial_seed())  # see mixup.py; the same draws at every layer of a batch
        if layer != host.integers(min(self.deepest, layers) + 1) or not self.alpha:
            return activations, targets
        weight = float(host.beta(self.alpha, self.alpha))
        other = torch.randperm(len(activations), generator=rng, device=activations.device)
        return activations[other].lerp(activations, weight), targets[other].lerp(targets, weight)
