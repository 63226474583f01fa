"""The optimizers: AdamW, SGD whose weight decay is decoupled, and their state by the names of parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from reglab import compat, models
from reglab.regularizers import Regularizer

if TYPE_CHECKING:
    from reglab.config import RunConfig

MOMENTUM = 0.9


def make_optimizer(
    config: RunConfig,
    model: nn.Module,
    regularizers: Sequence[Regularizer],
    scale: Callable[[str], float] = lambda name: 1.0,
) -> torch.optim.Optimizer:
    """AdamW, or SGD with Nesterov momentum; fused, with the regularizers deciding over the parameter groups.

    Only parameters that want a gradient are in it. `scale` gives the learning rate of a parameter, by its name, as a
    share of the run's.
    """
    alike: dict[tuple[str, float], list[nn.Parameter]] = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            alike.setdefault((models.parameter_kind(p), scale(name)), []).append(p)
    groups: list[dict[str, Any]] = [
        {"params": ps, "kind": kind, "scale": share, "weight_decay": 0.0} for (kind, share), ps in alike.items()
    ]
    for r in regularizers:
        groups = r.configure_optimizer(groups)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, fused=True)
    groups = [{**g, "decay": g["weight_decay"], "weight_decay": 0.0} for g in groups]
    return SGDW(groups, lr=config.lr, momentum=MOMENTUM, nesterov=True, fused=True)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """The learning rate of the next step; each group has its share (`scale`) of it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):  # which a recorded step reads
            group["lr"].fill_(lr * group["scale"])
        else:
            group["lr"] = lr * group["scale"]


class SGDW(torch.optim.SGD):
    """SGD whose weight decay is decoupled: the weights shrink by lr * decay beside the momentum, not through it.

    After Loshchilov and Hutter 2019, algorithm 1, arXiv:1711.05101, where the decay follows the schedule but not the
    learning rate; here, as in `torch.optim.AdamW`, it follows their product, `lr`.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """As `torch.optim.SGD.step`, with the decay of each group (`decay`) before it.

        A `GradScaler` sets `found_inf`, to 1 where nothing is to move: neither by the decay, nor by a momentum that the first
        step would have begun.
        """
        overflow = getattr(self, "found_inf", None)
        for group in self.param_groups:
            learning = [p for p in group["params"] if p.grad is not None]
            if group["decay"]:
                rate = group["lr"] if overflow is None else group["lr"] * (1 - overflow)
                compat.torch.scale_each(learning, 1 - rate * group["decay"])
            if overflow is not None:
                for p in learning:
                    self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
        return super().step(closure)


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state by parameter name: `features.0.weight/exp_avg`. The tensors are live."""
    return {
        f"{name}/{k}": v
        for name, p in model.named_parameters()
        for k, v in optimizer.state.get(p, {}).items()
        if isinstance(v, Tensor)
    }


def scaler_tensor(scaler: torch.amp.GradScaler) -> Tensor:
    """What a `GradScaler` remembers: its scale, and for how many steps it was not too large; (2,) float64."""
    kept = scaler.state_dict()
    return torch.tensor([kept["scale"], kept["_growth_tracker"]], dtype=torch.double)


def load_scaler_tensor(scaler: torch.amp.GradScaler, kept: Tensor) -> None:
    """The inverse of `scaler_tensor`."""
    scale, steps = kept.tolist()
    scaler.load_state_dict({**scaler.state_dict(), "scale": scale, "_growth_tracker": int(steps)})


def begin_anew(scaler: torch.amp.GradScaler) -> None:
    """Let it know nothing of a step that was broken off."""
    scaler.update(scaler.get_scale())


def load_optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`; memory formats follow the parameters. Raises KeyError for an unknown name."""
    parameters = dict(model.named_parameters())
    for key, value in tensors.items():
        name, _, k = key.rpartition("/")
        p = parameters[name]
        like = torch.empty_like(p) if value.shape == p.shape else torch.empty_like(value, device=p.device)
        optimizer.state[p][k] = like.copy_(value)
