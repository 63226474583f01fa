"""EMA of weights: judge a running average of the weights."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import TYPE_CHECKING

from pydantic import Field

from reglab import compat
from reglab.regularizers.base import Progress, Regularizer, State

if TYPE_CHECKING:
    from torch import Tensor, nn


class EMA(Regularizer):
    """Judges and keeps a slow-moving average of the weights instead of the weights of the last step.

    What you will see: a smooth validation curve, a few points better in the middle of training, where the plain one
    jumps; at the end, when the learning rate has come down, the two meet.

    When it helps: constant or high learning rates, small batches, and whenever training may be stopped at any moment.

    When it does not: with a learning rate that falls to zero, the last weights have stopped moving and are their own
    average.

    Training itself is not changed. Running statistics of batch normalization are averaged along. With warm-up the decay
    of step t, counted from 1, is at most (1 + t) / (10 + t), as in TensorFlow, so that the random weights of the
    beginning are soon forgotten.
    """

    title = "EMA of weights"
    group = "Optimization"
    hint = "Judge a running average of the weights"
    synonyms = ("exponential moving average", "Polyak", "weight averaging", "mean teacher")
    paper = (
        "Polyak and Juditsky 1992, Acceleration of stochastic approximation by averaging; Tarvainen and Valpola 2017"
    )
    formula = r"\bar{w} \leftarrow d\, \bar{w} + (1 - d)\, w"
    pytorch = """
        def average(old, new, steps):  # counters are copied
            decay = min(0.999, (2 + int(steps)) / (11 + int(steps)))
            return new.lerp(old, decay) if new.is_floating_point() else new

        averaged = torch.optim.swa_utils.AveragedModel(model, avg_fn=average, use_buffers=True)
        averaged.update_parameters(model)  # after every step; judge `averaged`
    """
    keras = """
        optimizer = keras.optimizers.AdamW(1e-3, use_ema=True, ema_momentum=0.999)  # no warm-up
        judge = keras.callbacks.SwapEMAWeights()  # for model.fit, to judge the average
    """
    excludes = {"swa": "each keeps its own average of the weights, and only one network can be judged"}

    decay: float = Field(
        0.999,
        ge=0,
        lt=1,
        title="decay",
        description="share kept at every step",
        json_schema_extra={"slider": [0.9, 0.999, 0.001]},
    )
    warmup: bool = Field(True, title="warm-up", description="forgets the first steps sooner")

    def on_step_end(self, model: nn.Module, state: State, progress: Progress) -> None:
        """`state` holds the average by the names of `state_dict()`; it begins with the weights after the first step."""
        now = model.state_dict()
        if not state:
            state.update({name: value.clone() for name, value in now.items()})
            return
        decay = min(self.decay, (2 + progress.step) / (11 + progress.step)) if self.warmup else self.decay
        floats = [name for name, value in now.items() if value.is_floating_point()]
        compat.torch.move_each([state[name] for name in floats], [now[name] for name in floats], 1 - decay)
        for name in now.keys() - set(floats):
            state[name].copy_(now[name])  # counters

    def evaluation_model(self, model: nn.Module, state: State, batches: Iterable[Tensor]) -> nn.Module:
        """A copy of the network with the averaged weights; before the first step the network itself."""
        from reglab.models.layers import settle_spectrum

        if not state:
            return model
        averaged = deepcopy(model)
        averaged.load_state_dict(state)
        settle_spectrum(averaged)
        return averaged
