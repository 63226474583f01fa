"""What `reglab.compat.timm` leans on is still so in the version of timm that is installed."""

from __future__ import annotations

import pytest
import torch

from reglab import compat


@pytest.mark.parametrize("name", ["test_resnet", "vgg11", "vgg11_bn", "inception_v3", "tf_efficientnet_lite0"])
def test_a_backbone_ends_in_feature_maps_and_has_no_classifier(name):
    with torch.device("meta"):
        backbone = compat.timm.create_backbone(name, 0.0)
        maps = backbone.eval().forward_features(torch.zeros(1, 3, 96, 96))
    assert maps.ndim == 4 and maps.shape[1] == backbone.num_features
    assert not any(p.shape[0] == 1000 for p in backbone.parameters())
    assert compat.timm.architecture_of(backbone) == name


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "vgg11_bn", "inception_v3", "tf_efficientnet_lite0"])
def test_the_stages_of_a_backbone_all_come_before_its_last_maps_and_in_order(name):
    with torch.device("meta"):
        backbone = compat.timm.create_backbone(name, 0.0).eval()
        stages, reached = compat.timm.stage_modules(backbone), []
        for stage in stages:
            stage.register_forward_hook(lambda module, inputs, maps: reached.append((module, maps.shape[2])))
        backbone.forward_features(torch.zeros(1, 3, 96, 96))
    assert [module for module, _ in reached] == stages and len(stages) >= 5
    sides = [side for _, side in reached]
    assert sides == sorted(sides, reverse=True)


def test_a_network_that_tells_no_stages_has_none():
    assert compat.timm.stage_modules(torch.nn.Linear(1, 1)) == []


def test_a_backbone_drops_branches_where_timm_can():
    assert compat.timm.accepts_drop_path("test_resnet") and not compat.timm.accepts_drop_path("vgg11")
    backbone = compat.timm.create_backbone("test_resnet", 0.1)
    dropping = {type(m).__name__ for m in backbone.modules() if getattr(m, "drop_prob", 0)}
    assert dropping and dropping <= compat.timm.DROP_LAYERS


def test_every_parameter_of_a_backbone_lies_somewhere_and_the_first_layer_first():
    with torch.device("meta"):
        backbone = compat.timm.create_backbone("test_resnet", 0.0)
    depth = compat.timm.depth_of_parameters(backbone)
    assert depth.keys() == dict(backbone.named_parameters()).keys()
    assert depth[next(iter(depth))] == min(depth.values()) == 0
    assert max(depth.values()) == max(d for name, d in depth.items() if name.startswith("layer4"))


def test_timms_layers_that_drop_are_called_so():
    from timm import layers

    assert all(hasattr(getattr(layers, name)(0.5), "drop_prob") for name in compat.timm.DROP_LAYERS)


def test_a_tag_that_timm_does_not_have_has_no_config():
    assert compat.timm.config_of("resnet18").hf_hub_id == "timm/resnet18.a1_in1k"
    assert compat.timm.config_of("resnet18.nosuch") is None
