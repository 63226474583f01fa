"""Layer freezing: keep the first pretrained layers as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import Field

from reglab.errors import ConfigError, setting
from reglab.regularizers.base import Progress, Regularizer, State

if TYPE_CHECKING:
    from torch import Generator, nn

    from reglab.models import ModelSpec


class LayerFreezing(Regularizer):
    """Leaves the first layers of a pretrained network as they are and trains only the rest.

    What you will see: training is faster, since frozen layers need no gradients. The fewer layers may move, the less closely
    the training images can be fitted. With many images a network whose layers may all move ends higher in the paper.

    When it helps: few images that look like those of the pretraining: edges and textures need not be learned again.

    When it does not: networks trained from scratch, whose frozen layers would stay random, so it is refused there; and
    pictures that look very different.

    Frozen layers keep their batch-normalization statistics, too. The classifier is never frozen.
    """

    title = "Layer freezing"
    group = "Transfer"
    hint = "Keep the first pretrained layers as they are"
    synonyms = ("freeze", "frozen", "fine-tuning", "finetuning", "transfer learning", "overfitting")
    paper = "Yosinski et al. 2014, How transferable are features in deep neural networks?, arXiv:1411.1792"
    formula = r"\nabla_{w_l} L := 0 \quad \text{for } l \le s N"
    pytorch = """
        early_layers.requires_grad_(False)
        early_layers.eval()  # after every model.train(), so that their statistics stay as well
    """
    keras = """
        for layer in early_layers:
            layer.trainable = False  # the statistics stay as well
    """

    advice = {"swa": "SWA measures all statistics of batch normalization anew, those of frozen layers, too."}

    share: float = Field(
        0.5,
        ge=0,
        le=1,
        title="share",
        description="of the layers, from the input on",
        json_schema_extra={"slider": [0, 1, 0.05]},
    )

    def configure_model(self, spec: ModelSpec) -> ModelSpec:
        """The network as it is. Raises `ConfigError` where there is no pretrained backbone that learns."""
        if not spec.pretrained:
            raise ConfigError(
                f"{setting('layer_freezing')} keeps pretrained layers as they are, but those of {spec.name} are random at the start:"
                " switch it off."
            )
        if spec.head_only:
            raise ConfigError(
                f"{setting('layer_freezing')} freezes part of a backbone, but with {setting('finetune')} features all of it"
                f" is frozen already: use {setting('finetune')} head_then_all or all, or switch it off."
            )
        return spec

    def on_train_begin(self, model: nn.Module, state: State) -> None:
        """The parameters of the frozen layers want no gradient from here on."""
        for layer in self._frozen(model):
            for p in layer.parameters(recurse=False):
                p.requires_grad_(False)

    def compute_gradients(
        self, model: nn.Module, closure: Callable[[], None], rng: Generator, progress: Progress
    ) -> None:
        """The gradients of one pass in which frozen layers keep their statistics of batch normalization."""
        for layer in self._frozen(model):
            layer.eval()
        closure()

    def _frozen(self, model: nn.Module) -> list[nn.Module]:
        """The modules that lie wholly before the first layer that is trained, in the order in which they were built."""
        from reglab.models import weight_layers

        layers, modules = list(weight_layers(model).values()), list(model.modules())
        first = layers[min(int(self.share * len(layers)), len(layers) - 1)]
        return [m for m in modules[: modules.index(first)] if first not in m.modules()]
