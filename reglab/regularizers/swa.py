"""SWA: average the weights of the last epochs."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Progress, Regularizer, State

if TYPE_CHECKING:
    from torch import Tensor, nn


class SWA(Regularizer):
    """Keeps the learning rate up near the end, and takes the average of the weights after each of the last epochs.

    What you will see: nothing until averaging begins, in the last quarter; then, in a long training, the validation curve
    jumps up and turns smooth. In a short one it hardly differs from the plain one.

    When it helps: long trainings: in its paper VGG16 went from 93.25 to 93.59 % in the same time.

    When it does not: short ones, in which the learning rate that it keeps up is missed at the end.

    The statistics of batch normalization do not fit averaged weights. They are measured anew on up to 2,000 training
    images, without augmentation, whenever the network is judged.
    """

    title = "SWA"
    group = "Optimization"
    hint = "Average the weights of the last epochs"
    synonyms = ("stochastic weight averaging", "flat minima")
    paper = "Izmailov et al. 2018, Averaging weights leads to wider optima and better generalization, arXiv:1803.05407"
    formula = r"\bar{w} \leftarrow \frac{n\, \bar{w} + w}{n + 1}\quad \text{after every epoch from } t_0 \text{ on}"
    pytorch = """
        averaged = torch.optim.swa_utils.AveragedModel(model)
        optimizer.param_groups[0]["lr"] = 0.2 * 1e-3  # from here on
        averaged.update_parameters(model)  # after each of the last epochs
        torch.optim.swa_utils.update_bn(loader, averaged)  # at the end; loader gives images
    """
    keras = """
        kept = []  # not in Keras; by hand, with the statistics of normalization averaged as well
        keep = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: kept.append(model.get_weights()) if epoch >= 15 else None
        )
        model.fit(images, targets, epochs=20, callbacks=[keep], verbose=0)
        model.set_weights([sum(weights) / len(kept) for weights in zip(*kept)])
    """
    advice = {"early_stopping": "Early stopping may end the run before SWA has begun to average: give it patience."}

    start: float = Field(
        0.75,
        ge=0,
        lt=1,
        title="start",
        description="share of training before averaging",
        json_schema_extra={"slider": [0, 0.95, 0.05]},
    )
    lr_share: float = Field(
        0.2,
        gt=0,
        le=1,
        title="learning rate",
        description="from then on, relative to the highest",
        json_schema_extra={"slider": [0.05, 1, 0.05]},
    )

    def learning_rate(self, lr: float, peak: float, progress: Progress) -> float:
        """Constant while weights are averaged; 0.2 is the paper's 0.01 of 0.05 for VGG16 on CIFAR-10."""
        return self.lr_share * peak if progress.fraction >= self.start else lr

    def on_step_end(self, model: nn.Module, state: State, progress: Progress) -> None:
        """`state` holds the averaged parameters by name, and how many networks they are the average of."""
        import torch

        if not progress.ends_epoch or (progress.step + 1) / progress.total_steps <= self.start:
            return
        with torch.no_grad():
            now = {name: p.detach() for name, p in model.named_parameters()}
            if not state:
                state.update({name: p.clone() for name, p in now.items()}, networks=torch.ones((), dtype=torch.long))
                return
            state["networks"] += 1
            for name, p in now.items():
                state[name] += (p - state[name]) / int(state["networks"])

    def evaluation_model(self, model: nn.Module, state: State, batches: Iterable[Tensor]) -> nn.Module:
        """A copy of the network with the averaged weights and statistics measured anew; before averaging the network itself."""
        from torch.optim.swa_utils import update_bn

        from reglab.models.layers import settle_spectrum

        if not state:
            return model
        averaged = deepcopy(model)
        averaged.load_state_dict({k: v for k, v in state.items() if k != "networks"}, strict=False)
        settle_spectrum(averaged)
        update_bn(batches, averaged)
        return averaged
