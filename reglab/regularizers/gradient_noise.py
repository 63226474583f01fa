"""Gradient noise: add fading noise to the gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import Field

from reglab import compat
from reglab.regularizers.base import Progress, Regularizer

if TYPE_CHECKING:
    from torch import Generator, nn


class GradientNoise(Regularizer):
    """Adds random noise to the gradients, a lot at first and less and less as training goes on.

    What you will see: the first epochs are slower, and the network stays behind: in a short run fewer wrong labels are
    learned by heart, and the gap is a little narrower. With the paper's eta of 0.01 and more the noise drowns the gradients
    of this small network.

    When it helps: very deep networks without normalization that would otherwise not begin to learn.

    When it does not: networks that train well anyway; the batches are noise enough.

    In step t, counted from 0, the noise has variance eta / (1 + t)^gamma. It is added after gradient clipping, so that
    it keeps that size.
    """

    title = "Gradient noise"
    group = "Penalties"
    hint = "Add fading noise to the gradients"
    synonyms = ("Langevin", "annealing")
    paper = "Neelakantan et al. 2015, Adding gradient noise improves learning for very deep networks, arXiv:1511.06807"
    formula = r"g_t \leftarrow g_t + \mathcal{N}(0, \sigma_t^2),\quad \sigma_t^2 = \frac{\eta}{(1 + t)^{\gamma}}"
    order = 2
    pytorch = """
        loss.backward()
        for p in model.parameters():
            p.grad += (1e-5 / (1 + step) ** 0.55) ** 0.5 * torch.randn_like(p.grad)
        optimizer.step()
    """
    keras = "# not in Keras: override train_step, and add the noise to the gradients before optimizer.apply"
    off = {"eta": 0}

    # The paper tries 0.01, 0.3 and 1.0 on other tasks. Gradients of basic_cnn have components of about 0.005.
    eta: float = Field(
        1e-5,
        ge=0,
        le=10,
        title="eta",
        description="variance at first; paper 0.01 to 1",
        json_schema_extra={"slider": [0, 1e-4, 1e-6]},
    )
    gamma: float = Field(
        0.55, ge=0, le=10, title="gamma", description="how fast it fades", json_schema_extra={"slider": [0, 2, 0.05]}
    )

    def compute_gradients(
        self, model: nn.Module, closure: Callable[[], None], rng: Generator, progress: Progress
    ) -> None:
        """The gradients of one pass, and normal noise whose variance fades with the steps."""
        import torch

        closure()
        sigma = (self.eta / (1 + progress.step) ** self.gamma) ** 0.5
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        # One draw for all of them: many small ones would cost more than the noise is worth.
        noise = torch.randn(sum(g.numel() for g in gradients), generator=rng, device=gradients[0].device)
        noises = zip(gradients, noise.split([g.numel() for g in gradients]), strict=True)
        compat.torch.add_to_each(gradients, [n.view_as(g) for g, n in noises], sigma)
