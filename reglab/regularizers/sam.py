"""SAM: look for flat valleys; twice the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import Field

from reglab import compat
from reglab.regularizers.base import Progress, Regularizer

if TYPE_CHECKING:
    from torch import Generator, nn


class SAM(Regularizer):
    """Looks for flat valleys: every step climbs to the worst point nearby and takes the gradient from there.

    What you will see: a step takes twice as long; the loss falls a little more slowly, the gap is smaller and the
    validation loss climbs later. Wrong labels are learned later.

    When it helps: long trainings, where time does not matter: in its paper WideResNet-28-10 went from 3.5 to 2.7 % error,
    and with wrong labels it does as well as methods made for them.

    When it does not: short trainings, in which it stays behind at as many epochs; and where time matters, since the plain
    network may train for twice the epochs.

    Both passes of a step see the same images with the same units dropped. The statistics of batch normalization are
    those of the first pass.
    """

    title = "SAM"
    group = "Optimization"
    hint = "Look for flat minima; takes twice the time"
    synonyms = ("sharpness-aware minimization", "flat minima", "overfitting", "noisy labels")
    paper = "Foret et al. 2021, Sharpness-aware minimization for efficiently improving generalization, arXiv:2010.01412"
    formula = (
        r"\min_w \max_{\lVert \epsilon \rVert \le \rho} L(w + \epsilon),"
        r"\quad \hat{\epsilon} = \rho\, \frac{\nabla L(w)}{\lVert \nabla L(w) \rVert_2}"
    )
    pytorch = """
        F.cross_entropy(model(images), labels).backward()
        before = [p.detach().clone() for p in model.parameters()]
        norm = nn.utils.get_total_norm([p.grad for p in model.parameters()])
        for p in model.parameters():
            p.data += 0.05 / norm * p.grad
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()  # the gradient of the top alone
        for p, old in zip(model.parameters(), before):
            p.data = old
        optimizer.step()
    """
    keras = "# not in Keras: override train_step, with a forward and a backward pass here and one uphill"
    off = {"rho": 0}
    passes = 2

    rho: float = Field(
        0.05,
        ge=0,
        le=10,
        title="rho",
        description="how far to climb",
        json_schema_extra={"slider": [0, 0.5, 0.01]},
    )

    def compute_gradients(
        self, model: nn.Module, closure: Callable[[], None], rng: Generator, progress: Progress
    ) -> None:
        """Compute, climb, compute again, climb back: algorithm 1 of the paper."""
        import torch

        closure()
        slopes = [(p, p.grad) for p in model.parameters() if p.grad is not None]
        with torch.no_grad():
            norm = torch.nn.utils.get_total_norm([slope for _, slope in slopes])
            before = [p.clone() for p, _ in slopes]  # adding and subtracting would not come back to the same bits
            for p, slope in slopes:
                p.add_(slope * (self.rho / (norm + 1e-12)))
        with frozen_statistics(model):
            closure()
        with torch.no_grad():
            for (p, _), old in zip(slopes, before, strict=True):
                p.copy_(old)


@contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Batch normalization goes on normalising by the batch, but does not remember it."""
    layers = [layer for layer in compat.torch.batch_norms(model) if layer.track_running_stats]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True
