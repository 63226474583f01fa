"""Early stopping: end when validation stops improving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from reglab.training.events import Epoch


class EarlyStopping(Regularizer):
    """Ends training when the validation numbers have not improved for some epochs, and goes back to the best epoch.

    What you will see: the curves end early. With wrong labels the gap has then not opened fully; with right ones it is often
    much the same, since validation accuracy still rises when its loss has turned. Where the curves go on to the last epoch,
    because the numbers kept improving now and then, the run still stands by its best epoch: as with it on, always.

    When it helps: it saves time, and with wrong labels, which are learned last, it keeps accuracy that more epochs would
    lose.

    When it does not: it can only choose among the epochs the network went through; the other techniques make those
    epochs better. With a one-cycle or cosine schedule the learning rate has not come down yet when training ends early,
    so give it patience.

    The numbers watched only decide when to end; the run goes back to the epoch of the highest validation accuracy.
    """

    title = "Early stopping"
    group = "Optimization"
    hint = "End when validation stops improving"
    synonyms = ("overfitting", "patience", "best epoch", "noisy labels")
    paper = "Prechelt 1998, Early stopping - but when?, Neural networks: tricks of the trade"
    formula = r"\text{end at } t^* + \text{patience},\quad t^* = \arg\min_t L_{\mathrm{val}}(t)"
    pytorch = """
        lowest, highest, waited = float("inf"), -1, 0
        for epoch in range(epochs):
            val_loss, val_accuracy = train_and_judge(model)
            if val_accuracy > highest:
                highest, best = val_accuracy, copy.deepcopy(model.state_dict())
            lowest, waited = (val_loss, 0) if val_loss < lowest else (lowest, waited + 1)
            if waited == 5:
                break
        model.load_state_dict(best)
    """
    keras = """
        # restored are the weights of the lowest loss, not of the highest accuracy
        stop = keras.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    """

    patience: int = Field(
        5,
        ge=1,
        le=1000,
        title="patience",
        description="epochs to wait for an improvement",
        json_schema_extra={"slider": [1, 30, 1]},
    )
    monitor: Literal["loss", "accuracy"] = Field("loss", title="watch", description="the validation number to follow")
    min_delta: float = Field(
        0.0,
        ge=0,
        le=1,
        title="least improvement",
        description="smaller improvements do not count",
        json_schema_extra={"slider": [0, 0.1, 0.005]},
    )

    def stop_reason(self, history: Sequence[Epoch]) -> str:
        """A reason when the last `patience` epochs brought no improvement on the best before them."""
        values = [e.val_loss if self.monitor == "loss" else -e.val_accuracy for e in history]
        best, at = values[0], 0
        for i, value in enumerate(values):
            if value < best - self.min_delta:
                best, at = value, i
        if len(values) - 1 - at < self.patience:
            return ""
        return (
            f"early stopping: validation {self.monitor} has not improved on epoch {history[at].epoch}"
            f" for {self.patience} epochs"
        )
