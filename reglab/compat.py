"""Every use of private or fragile parts of other packages, one function each: what it leans on, and in which version it was read.

When a new version of a package breaks something, it breaks here; `tests/test_compat.py` says which.
Packages are imported when a function runs, so that importing this file costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")


def channels_last(network: Network) -> Network:
    """The network with its kernels in memory as (N, H, W, C), which the CPU's and the GPU's convolutions like best.

    The stubs of `nn.Module.to` know `memory_format` from torch 2.12 on; torch 2.11.0.
    """
    to: Any = network.to
    import torch

    moved: Network = to(memory_format=torch.channels_last)
    return moved
