"""The products of a training step alone: its convolutions and dense layers, forwards and backwards, and nothing else.

    products = Products()
    with products:
        ...                     # a training step, which is watched
    products()                  # the same products again: same operands, same shapes, types and memory formats

What a step takes beyond that is normalization, activation, pooling, loss, optimizer and everything in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
MULTIPLY = {
    aten.convolution.default,
    aten.convolution_backward.default,
    aten.mm.default,
    aten.addmm.default,
    aten.bmm.default,
    aten.baddbmm.default,
}


class Products(TorchDispatchMode):
    """Keeps every product that torch computes within the `with`, with its operands; a call computes them once more."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        if func in MULTIPLY:
            self.kept.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))

    @torch.no_grad()
    def __call__(self) -> None:
        for func, args, kwargs in self.kept:
            func(*args, **kwargs)
