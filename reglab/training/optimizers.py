"""The optimizers: AdamW, SGD whose weight decay is decoupled, Muon, and their state by the names of parameters."""

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
MUON_MOMENTUM = 0.9
# Of the quintic that lifts small singular values quickest; kellerjordan.github.io/posts/muon.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
ITERATIONS = 3  # leave singular values of about 0.3 to 1.2, which is as good as all of 1
RMS = 0.2  # of an entry of an update, as AdamW's are; Liu et al. 2025, arXiv:2502.16982, section 2.2


def make_optimizer(
    config: RunConfig,
    model: nn.Module,
    regularizers: Sequence[Regularizer],
    scale: Callable[[str], float] = lambda name: 1.0,
    precision: str = "fp32",
) -> torch.optim.Optimizer:
    """AdamW, SGD with Nesterov momentum, or Muon; the regularizers decide over the parameter groups.

    Only parameters that want a gradient are in it. `scale` gives the learning rate of a parameter, by its name, as a
    share of the run's. `precision` is that of the run, "bf16" or "fp32".
    """
    inner = matrices(model) if config.optimizer == "muon" else set()
    alike: dict[tuple[str, float, bool], list[nn.Parameter]] = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            alike.setdefault((models.parameter_kind(p), scale(name), name in inner), []).append(p)
    groups: list[dict[str, Any]] = [
        {"params": ps, "kind": kind, "scale": share, "weight_decay": 0.0, "orthogonal": orthogonal}
        for (kind, share, orthogonal), ps in alike.items()
    ]
    for r in regularizers:
        groups = r.configure_optimizer(groups)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, fused=True)
    if config.optimizer == "muon":
        return Muon(groups, config.lr, torch.bfloat16 if precision == "bf16" else torch.float32)
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


class Muon(torch.optim.Optimizer):
    """Momentum whose steps are orthogonalized: every direction of a layer moves alike; the rest of the network has AdamW.

    The layers are the groups marked `orthogonal`; filters (out, in, h, w) count as matrices (out, in * h * w). A step has
    entries of RMS 0.2, as AdamW's have, so one learning rate does for both. After Jordan et al. 2024,
    kellerjordan.github.io/posts/muon, with three iterations as in his airbench, and with the scale and the decoupled
    weight decay of Liu et al. 2025, Muon is scalable for LLM training, arXiv:2502.16982.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, dtype: torch.dtype) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})
        self.dtype = dtype  # of the multiplications
        self.rest = torch.optim.AdamW([g for g in self.param_groups if not g["orthogonal"]], lr=lr, fused=True)
        self.rest.state = self.state  # the groups are the same objects anyway

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step on the gradients at hand."""
        for group in self.param_groups:
            if group["orthogonal"]:
                self._move([p for p in group["params"] if p.grad is not None], group["lr"], group["weight_decay"])
        return self.rest.step(closure)

    def _move(self, layers: list[nn.Parameter], lr: float, decay: float) -> None:
        compat.torch.scale_each(layers, 1 - lr * decay)
        ahead: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = {}
        for p in layers:
            assert p.grad is not None
            if "momentum_buffer" not in self.state[p]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
            momentum = self.state[p]["momentum_buffer"].lerp_(p.grad, 1 - MUON_MOMENTUM)
            matrix = p.grad.lerp(momentum, MUON_MOMENTUM).flatten(1)
            ahead.setdefault(matrix.shape, []).append((p, matrix))
        for (rows, columns), alike in ahead.items():
            steps = orthogonalized(torch.stack([matrix for _, matrix in alike]).to(self.dtype))
            for (p, _), step in zip(alike, steps, strict=True):
                p.sub_(
                    step.reshape(p.shape) * (lr * RMS * max(rows, columns) ** 0.5)
                )  # a recorded step's rate is a tensor


def orthogonalized(matrices: Tensor) -> Tensor:
    """Nearly U V^T of each matrix U S V^T, (n, rows, columns): its singular values are pushed towards 1."""
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    a, b, c = NEWTON_SCHULZ
    x = wide / wide.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide is matrices else x.mT


def matrices(model: nn.Module) -> set[str]:
    """The names of the parameters that Muon moves: kernels and matrices, but not those of the classifier, the last layer."""
    *inner, _ = models.weight_layers(model)
    names = {name for name, p in model.named_parameters() if models.parameter_kind(p) == "weight"}
    return {name for name in names if any(name.startswith(f"{layer}.") for layer in inner)}


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
