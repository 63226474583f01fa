"""Where a network looks, and how its answer wavers: Grad-CAM, Monte-Carlo dropout, and views of one picture.

Networks come from `networks.network_of`: in eval mode and shared, so everything here leaves them as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.functional import interpolate, pad

from reglab import compat
from reglab.errors import ConfigError
from reglab.models.views import single_view

LEAST = 4  # rows and columns of maps that can still say where
SHIFT = 2  # pixels
SHIFTS = ((0, 0), (-SHIFT, 0), (SHIFT, 0), (0, -SHIFT), (0, SHIFT))  # rows, columns
PASSES_AT_ONCE = 32
DROP_LAYERS = compat.timm.DROP_LAYERS | {"DropBlock2d", "StochasticDepth"}  # timm's and ours, by name


# ---- Grad-CAM ----------------------------------------------------------------------------------------------------
def grad_cam(network: nn.Module, inputs: Tensor, label: int) -> tuple[Tensor, str]:
    """Where the picture speaks for the class, (H, W) in 0..1, and the layer that was looked at.

    Inputs (1, 3, H, W), normalised. Each map of the layer is weighted by the mean gradient of the class's logit with
    respect to it; what is positive in their sum is enlarged to the picture and divided by its maximum. All zeros where
    nothing speaks for the class. Raises `ConfigError` for a network without maps.
    Selvaraju et al. 2017, Grad-CAM, arXiv:1610.02391, equations 1 and 2.
    """
    start = inputs.detach().clone().requires_grad_()
    with torch.enable_grad(), single_view(network), _recording(network) as recorded:
        logit = network(start)[0, label]
    entrance = get_gradient_edge(start).node
    whole = (seen for seen in reversed(recorded) if not _leads_around(seen[2].node, logit.grad_fn, entrance))
    name, maps, edge = next(whole, ("", start, None))
    if edge is None:
        raise ConfigError(
            f"{type(network).__name__} has no feature maps of at least {LEAST} x {LEAST} places for Grad-CAM:"
            " choose a convolutional network."
        )
    [gradient] = torch.autograd.grad(logit, [edge])  # touches no parameter's .grad
    weights = gradient.mean((2, 3), keepdim=True)
    cam = (weights * maps).sum(1, keepdim=True).relu()
    cam = interpolate(cam, inputs.shape[2:], mode="bilinear", align_corners=False)[0, 0]
    highest = cam.max()
    return (cam / highest if highest > 0 else torch.zeros_like(cam)), name


@contextmanager
def _recording(network: nn.Module) -> Iterator[list[tuple[str, Tensor, GradientEdge]]]:
    """While it runs: every layer with feature maps of at least 4 x 4 places, with them and their place in the graph."""
    recorded: list[tuple[str, Tensor, GradientEdge]] = []
    last: list[Tensor] = []

    def recorder(name: str) -> Any:
        def record(module: nn.Module, args: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or output.ndim != 4 or not output.requires_grad:
                return
            if min(output.shape[2:]) < LEAST:
                return
            # The same tensor once more is a container's, or of a layer that does nothing in eval mode, or worked in place.
            if last and output is last[0] and not getattr(module, "inplace", False):
                return
            last[:] = [output]
            # A copy, since a ReLU that follows may work in place.
            recorded.append((f"{name} ({type(module).__name__})", output.detach().clone(), get_gradient_edge(output)))

        return record

    hooks = [layer.register_forward_hook(recorder(name)) for name, layer in network.named_modules() if name]
    try:
        yield recorded
    finally:
        for hook in hooks:
            hook.remove()


def _leads_around(node: Any, end: Any, start: Any) -> bool:
    """Whether autograd's graph has a way from the end back to the start that does not pass through the node.

    What lies on a branch beside a shortcut would tell only a part, and a kernel that a module computes nothing.
    """
    ahead, been = [end], {node}
    while ahead:
        here = ahead.pop()
        if here is start:
            return True
        if here not in been:
            been.add(here)
            ahead += compat.torch.nodes_before(here)
    return False


# ---- Monte-Carlo dropout -----------------------------------------------------------------------------------------
def has_dropout(network: nn.Module) -> bool:
    """Whether anything in it drops units, channels, blocks or branches at a rate above zero."""
    return bool(_drop_layers(network))


def monte_carlo(network: nn.Module, inputs: Tensor, passes: int, seed: int, temperature: float = 1.0) -> Tensor:
    """Probabilities (passes, classes) of inputs (1, 3, H, W) with dropout left on; batch normalization is not.

    Each pass is a draw from what the network could have answered: Gal and Ghahramani 2016, Dropout as a Bayesian
    approximation, arXiv:1506.02142. The same seed draws the same.
    """
    out = []
    with torch.random.fork_rng(devices=[]), torch.inference_mode(), single_view(network), _dropping(network):
        torch.random.default_generator.manual_seed(seed)
        for start in range(0, passes, PASSES_AT_ONCE):
            batch = inputs.repeat(min(PASSES_AT_ONCE, passes - start), 1, 1, 1)
            out.append((network(batch).double() / temperature).softmax(1))
    return torch.cat(out).float()


def _drop_layers(network: nn.Module) -> list[nn.Module]:
    def drops(layer: nn.Module) -> bool:
        if isinstance(layer, (nn.Dropout, nn.Dropout2d)):
            return layer.p > 0
        return type(layer).__name__ in DROP_LAYERS and bool(getattr(layer, "drop_prob", 0))

    return [layer for layer in network.modules() if drops(layer)]


@contextmanager
def _dropping(network: nn.Module) -> Iterator[None]:
    layers = [(layer, layer.training) for layer in _drop_layers(network)]
    try:
        for layer, _ in layers:
            layer.train()
        yield
    finally:
        for layer, training in layers:
            layer.train(training)


# ---- views -------------------------------------------------------------------------------------------------------
def tta_views(inputs: Tensor, mirror: bool = True) -> Tensor:
    """The picture as it is and shifted by two pixels each way, edges repeated; and the mirror images of these.

    (1, 3, H, W) -> (views, 3, H, W), the picture itself first. No mirror images for data where they mean something else.
    """
    height, width = inputs.shape[2:]
    padded = pad(inputs, [SHIFT] * 4, mode="replicate")
    views = torch.cat([padded[:, :, SHIFT + y :, SHIFT + x :][:, :, :height, :width] for y, x in SHIFTS])
    return torch.cat([views, views.flip(3)]) if mirror else views
