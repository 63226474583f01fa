"""Gradient clipping: shorten gradients that are too long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Progress, Regularizer

if TYPE_CHECKING:
    from torch import Generator, nn


class GradientClipping(Regularizer):
    """Shortens the gradient to a maximal length, so that one strange batch cannot throw the weights far away.

    What you will see: at a usual learning rate little. In a short run training accuracy may rise a little more slowly, which
    leaves the gap a little narrower. At a learning rate that is too high, a run that would diverge goes on.

    When it helps: high learning rates, small batches, networks without normalization.

    When it does not: against overfitting, for which it is not made. It is here since it belongs to so many recipes.

    AdamW divides by the size of recent gradients anyway, so it feels the clipping less than SGD does.
    """

    title = "Gradient clipping"
    group = "Penalties"
    hint = "Shorten gradients that are too long"
    synonyms = ("clipnorm", "clip_grad_norm", "exploding gradients")
    paper = "Pascanu et al. 2013, On the difficulty of training recurrent neural networks, arXiv:1211.5063"
    formula = r"g \leftarrow g \cdot \min\big(1,\; c / \lVert g \rVert_2\big)"
    order = 1  # clips what SAM has found
    pytorch = """
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
    """
    keras = "optimizer = keras.optimizers.SGD(0.1, global_clipnorm=1.0)  # every optimizer takes it"
    off = {"max_norm": 1e6}  # no gradient here is ever that long

    max_norm: float = Field(
        1.0,
        gt=0,
        le=1e6,
        title="largest norm",
        description="norm of all gradients together",
        json_schema_extra={"slider": [0.1, 5, 0.1]},
    )

    def compute_gradients(
        self, model: nn.Module, closure: Callable[[], None], rng: Generator, progress: Progress
    ) -> None:
        """The gradients of one pass, all together shortened to the largest norm where they are longer."""
        from torch.nn.utils import clip_grad_norm_

        closure()
        clip_grad_norm_(model.parameters(), self.max_norm)
