"""What `reglab.compat.torchvision` leans on is still so in the version of torchvision that is installed."""

from __future__ import annotations

import torch

from reglab import compat


def test_torchvisions_operations_can_be_had_one_by_one():
    from torchvision.transforms import v2

    augment, images = v2.TrivialAugmentWide(), torch.arange(48, dtype=torch.uint8).view(1, 3, 4, 4)
    assert len(compat.torchvision.operations(augment)) == 14
    assert torch.equal(compat.torchvision.apply_operation(augment, images, "Identity", 0.0), images)
    solarized = compat.torchvision.apply_operation(augment, images, "Solarize", 0.0)
    assert torch.equal(solarized, 255 - images)
