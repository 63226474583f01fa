"""timm: how its families differ in what they take, where their heads are, and what a network knows of itself."""

from __future__ import annotations

import contextlib
from typing import Any

DROP_LAYERS = frozenset({"DropPath", "DropBlock2d"})  # by name, since timm need not be here; timm 1.0.31


def create_backbone(name: str, drop_path: float) -> Any:
    """timm's network up to its last feature maps, with random weights; `forward_features` gives the maps.

    VGG's dense layers lie in `pre_logits`, and a family that cannot do without pooling raises AssertionError when it is
    asked to: it has maps before its pooling all the same. Read in timm 1.0.31.
    """
    import timm
    from torch import nn

    extra: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    backbone: Any = timm.create_model(name, **extra)
    features = backbone.num_features
    if hasattr(backbone, "pre_logits"):
        backbone.pre_logits = nn.Identity()
        backbone.head = nn.Identity()
    else:
        with contextlib.suppress(AssertionError):
            backbone.reset_classifier(0, "")
    backbone.num_features = features
    return backbone


def accepts_drop_path(name: str) -> bool:
    """Whether timm can drop residual branches of this network: where it cannot, TypeError says so. timm 1.0.31."""
    import timm

    try:
        timm.create_model(name, drop_path_rate=0.1)
    except TypeError:
        return False
    return True


def config_of(name: str) -> Any:
    """What timm knows of a network's weights; None without any, where it raises RuntimeError for NAME.TAG. timm 1.0.31."""
    import timm

    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError:
        return None


def depth_of_parameters(backbone: Any) -> dict[str, int]:
    """Parameter name -> how deep its layer lies, 0 next to the picture, by the families' own `group_matcher`. timm 1.0.31."""
    from timm.models import group_parameters

    depth: dict[str, int] = group_parameters(backbone, backbone.group_matcher(coarse=True), reverse=True)
    return depth


def architecture_of(network: Any) -> str:
    """The name that a network of timm was built by. It keeps it in `pretrained_cfg`, timm 1.0.31."""
    return str(network.pretrained_cfg["architecture"])


def stage_modules(backbone: Any) -> list[Any]:
    """The modules of a network of timm after which its maps shrink, in order, and its last; none where timm does not say.

    `feature_info`, a list with the name of each such module, is what `create_model(features_only=True)` goes by; it has no
    page in the documentation. timm 1.0.31.
    """
    return [backbone.get_submodule(stage["module"]) for stage in getattr(backbone, "feature_info", None) or ()]
