"""Test-time augmentation: judge the mean answer over shifted and mirrored views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from reglab.regularizers.base import Regularizer

if TYPE_CHECKING:
    from reglab.data import Source
    from reglab.models import ModelSpec


class TestTimeAugmentation(Regularizer):
    """Lets the trained network look at shifted and mirrored views of an image, and takes the mean of its answers.

    What you will see: training is the same to the byte, and every curve of accuracy lies a little higher. What is judged,
    reported and predicted, and what stands in an exported file, is the mean.

    When it helps: a network that has been trained on shifted and mirrored images, which are what it now votes on.

    When it does not: where the mirror image means something else (the handwritten digits are only shifted), and where an
    answer must be quick: each image costs six passes instead of one.

    Below a threshold of one, only images whose largest probability is smaller are looked at again. The sure ones would
    hardly change, and most are sure. The threshold is of a probability as the network gives it, before any calibration, so
    that each image is answered for itself, whichever others come with it. Maps of where the network looks, and its spread
    under dropout, are those of the image itself.
    """

    __test__ = False  # the name makes pytest look for tests in it

    title = "Test-time augmentation"
    group = "Data"
    hint = "Judge the mean answer over several views"
    synonyms = ("TTA", "multi-crop", "ten-crop", "ensemble", "data augmentation")
    paper = "Krizhevsky et al. 2012, ImageNet classification with deep convolutional neural networks, section 4.1"
    formula = r"\hat{z}(x) = \tfrac{1}{V} \sum_{v=1}^{V} z\big(t_v(x)\big)"
    pytorch = """
        padded = F.pad(images, (1, 1, 1, 1), mode="reflect")
        views = [images, padded[:, :, :-2, :-2], padded[:, :, 2:, 2:]]
        views += [view.flip(3) for view in views]
        logits = torch.stack([model.eval()(view) for view in views]).mean(0)
    """
    keras = """
        padded = keras.ops.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        views = [images, padded[:, :-2, :-2], padded[:, 2:, 2:]]
        views += [keras.ops.flip(view, axis=2) for view in views]
        logits = keras.ops.mean(keras.ops.stack([model(view, training=False) for view in views]), axis=0)
    """
    needs_images = True
    off = {"below": 0}

    below: float = Field(
        1.0,
        ge=0,
        le=1,
        title="threshold",
        description="surer images are not looked at again",
        json_schema_extra={"slider": [0, 1, 0.05]},
    )
    shift: int = Field(1, ge=0, le=8, title="shift", description="in pixels", json_schema_extra={"slider": [0, 4, 1]})
    mirror: bool = Field(True, title="mirror", description="digits never")

    def for_dataset(self, source: Source) -> TestTimeAugmentation:
        """Without mirror images where they mean something else."""
        return self if source.mirror else self.model_copy(update={"mirror": False})

    def configure_model(self, spec: ModelSpec) -> ModelSpec:
        """A network that in eval mode answers by several views."""
        return spec.replace(view_below=self.below, view_shift=self.shift, view_mirror=self.mirror)
