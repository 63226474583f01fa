"""torchvision: the single operations of its TrivialAugmentWide, which ours are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def operations(augment: Any) -> dict[str, Any]:
    """The operations by name, in the order of the paper. `_AUGMENTATION_SPACE`, torchvision 0.26.0.

    For each a function of the number of strengths and the height and width of the pictures that gives the strengths, and
    whether these have a sign.
    """
    return dict(augment._AUGMENTATION_SPACE)


def apply_operation(augment: Any, images: Tensor, name: str, strength: float) -> Tensor:
    """One operation on uint8 images (N, C, H, W). `_apply_image_or_video_transform`, torchvision 0.26.0."""
    done: Tensor = augment._apply_image_or_video_transform(
        images, name, strength, interpolation=augment.interpolation, fill=augment._fill
    )
    return done
