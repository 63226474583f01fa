"""The training loop: a generator of events. It knows neither disk nor screen; whoever listens decides what to do.

    for event in train(config, split(load("digits"), ...)):
        print(event)

Everything random is a function of (seed, epoch, batch), never of what was drawn before. So a run can be stopped after
any batch and resumed to the same bytes, two runs can be trained in turn, and a comparison sees the same batches.
torch's global generator (weights, dropout) is seeded anew before every use; callers should not lean on its state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from math import ceil, cos, isfinite, pi
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from reglab import compat, machine, models
from reglab.models.transfer import Thaw, Transfer
from reglab.regularizers import Moment, Regularizer, in_order, overriding
from reglab.training import metrics
from reglab.training.batches import ImageSet, Normalize, derived_seed, epoch_order, generator, prepared
from reglab.training.events import Best, Epoch, Event, Failed, Finished, Snapshot, Started, Step, Stopped, best_epoch

if TYPE_CHECKING:
    from reglab.config import RunConfig
    from reglab.data import Split

CLEAN_SLICE = 2_000  # training images judged again after every epoch, in eval mode and without augmentation
EVAL_BATCH = 500
EVAL_PIXELS = 64 * 128**2  # of a batch, where a network enlarges its images
MOMENTUM = 0.9


@dataclass(frozen=True)
class Resume:
    """Where a run left off: the last `Snapshot`, the epochs before it, and the best weights so far."""

    state: dict[str, Any]
    tensors: dict[str, Tensor]
    history: Sequence[Epoch] = ()
    best_weights: dict[str, Tensor] = field(default_factory=dict)


class Halt(Exception):
    """Someone asked to stop."""


class Diverged(Exception):
    """The loss, or what the network says, is no longer a finite number."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


def train(
    config: RunConfig, data: Split, *, resume: Resume | None = None, stop: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Train one network and yield what happens. Raises `ConfigError` before anything is trained.

    `stop` is asked before every step and every batch of an evaluation; when it says yes, a `Snapshot` and `Stopped`
    follow and the generator ends. Training that can go no further ends with `Failed`, all else with `Finished`.
    """
    device = machine.choose_device(config.device)
    precision = machine.choose_precision(config.precision, device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
    regularizers = in_order(config.regularizers.values())

    # ---- the data, the network, the optimizer
    images = ImageSet.to_device(data.train_images, data.train_labels, device)
    val = ImageSet.to_device(data.val_images, data.val_labels, device)
    spec = config.spec(len(data.classes))
    mean, std = models.statistics(spec) or (data.mean, data.std)
    normalize = Normalize.to_device(mean, std, device)
    true_labels = torch.as_tensor(data.true_labels, device=device)
    clean = ImageSet(images.pixels[:CLEAN_SLICE], true_labels[:CLEAN_SLICE])
    classes = spec.classes

    torch.manual_seed(derived_seed(config.seed, "weights"))
    model = compat.channels_last(models.build(spec).to(device))
    models.prepare(model, normalize(clean.images(slice(None))))
    memory: dict[str, dict[str, Tensor]] = {r.key: {} for r in regularizers}
    for r in regularizers:
        r.begin(model, memory[r.key])
    thaw = Thaw(model) if isinstance(model, Transfer) and config.finetune == "head_then_all" else None
    optimizer = make_optimizer(config, model, regularizers, thaw.scale if thaw else lambda name: 1.0)
    batch_size = min(config.batch_size, len(images))
    steps_per_epoch = len(images) // batch_size  # the rest of this epoch's order comes up in another epoch
    total_steps = steps_per_epoch * config.epochs

    history: list[Epoch] = []
    best_weights: dict[str, Tensor] = {}
    epoch, batch = 0, 0  # where we are: epoch 0 has no steps and judges the untrained network
    running = torch.zeros(3, dtype=torch.double, device=device)  # loss, penalty and correct, summed over the epoch
    watch = FiniteWatch()

    def state() -> Snapshot:
        tensors = {f"model/{k}": v for k, v in model.state_dict().items()}
        tensors |= {f"optimizer/{k}": v for k, v in optimizer_tensors(model, optimizer).items()}
        tensors |= {f"memory/{key}/{k}": v for key, kept in memory.items() for k, v in kept.items()}
        return Snapshot(state={"epoch": epoch, "batch": batch}, tensors=tensors | {"running": running})

    if resume is None:
        yield Started(
            parameters=sum(p.numel() for p in model.parameters()),
            train_images=len(images),
            val_images=len(val),
            test_images=len(data.test_labels),
            steps_per_epoch=steps_per_epoch,
            device=machine.device_name(device),
            precision=precision,
            threads=torch.get_num_threads(),
            mean=tuple(map(float, mean)),
            std=tuple(map(float, std)),
        )
    else:
        epoch, batch = resume.state["epoch"], resume.state["batch"]
        tensors, history = resume.tensors, list(resume.history)
        model.load_state_dict(_under("model/", tensors))
        load_optimizer_tensors(model, optimizer, _under("optimizer/", tensors))
        for key, kept in memory.items():
            kept.update({k: v.to(device, copy=True) for k, v in _under(f"memory/{key}/", tensors).items()})
        running.copy_(tensors["running"])
        best_weights = dict(resume.best_weights)

    def one_step() -> int:
        """One optimizer step on the batch at (epoch, batch); what it saw is added to `running`. Returns its images."""
        place, moment = (config.seed, epoch, batch), Moment(steps_done(), total_steps, steps_per_epoch)
        index = order[batch * batch_size : (batch + 1) * batch_size]
        inputs, labels = prepared(images, index, classes, regularizers, normalize, place)
        if thaw:
            thaw.begin_step(moment.share)
        seen: list[Tensor] = []  # loss, penalty and correct of each pass; most techniques need one pass

        def compute() -> None:
            torch.manual_seed(derived_seed(*place, "layers"))  # a second pass drops the same units
            optimizer.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                logits = model(inputs)
            logits, targets = logits.float(), labels
            for r in regularizers:
                targets = r.soften(targets, logits)
            loss = cross_entropy(logits, targets)
            extra = [p for r in regularizers if (p := r.penalty(model, logits, memory[r.key])) is not None]
            penalty = torch.stack(extra).sum() if extra else loss.new_zeros(())
            (loss + penalty).backward()
            correct = (logits.argmax(1) == labels.argmax(1)).sum()
            seen.append(torch.stack([loss * len(index), penalty * len(index), correct]).detach().double())

        fill = compute
        for r in overriding(regularizers, "gradients"):
            fill = partial(r.gradients, model, fill, generator(device, *place, "gradients", r.key), moment)
        fill()
        lr = lr_of(moment)
        for group in optimizer.param_groups:
            group["lr"] = lr * group["scale"]
        optimizer.step()
        for r in regularizers:
            r.after_step(model, memory[r.key], moment)
        running.add_(seen[0])
        return len(index)

    def steps_done() -> int:
        return max(epoch - 1, 0) * steps_per_epoch + batch

    def lr_of(moment: Moment) -> float:
        lr = lr_at(moment.step, moment.steps, config.lr, config.schedule)
        for r in regularizers:
            lr = r.schedule(lr, config.lr, moment)
        return lr

    def judged() -> nn.Module:
        network = model
        for r in regularizers:
            torch.manual_seed(derived_seed(config.seed, steps_done(), "judged"))
            network = r.judged(network, memory[r.key], evaluation_batches(clean, normalize, network))
        return network

    def logits_of(part: ImageSet, network: nn.Module) -> Tensor:
        return predict(network, part, normalize, precision, stop)

    def end_reason() -> str:
        return next((why for r in regularizers if history and (why := r.stop(history))), "")

    try:
        while epoch <= config.epochs and not end_reason():
            # ---- the steps of an epoch
            order = epoch_order(len(images), config.seed, epoch).to(device)
            model.train()
            while batch < (steps_per_epoch if epoch else 0):
                if stop():
                    raise Halt
                size = one_step()
                batch += 1
                watch.look(steps_done(), running)
                yield Step(epoch=epoch, batch=batch, batches=steps_per_epoch, images=size)

            # ---- the end of an epoch: judge, remember the best, make a snapshot
            watch.last()
            network = judged()
            fit, held_out = logits_of(clean, network), logits_of(val, network)
            if not (torch.isfinite(fit).all() and torch.isfinite(held_out).all()):
                raise Diverged(steps_done())
            numbers = numbers_of(fit, clean.labels, images.labels[:CLEAN_SLICE], held_out, val.labels)
            if epoch:
                loss, penalty, correct = (running / (steps_per_epoch * batch_size)).tolist()
                numbers |= {"running_loss": loss, "running_accuracy": correct}
                if penalty:
                    numbers["penalty"] = penalty
            lr = lr_of(Moment(max(steps_done() - 1, 0), total_steps, steps_per_epoch))
            history.append(Epoch(epoch=epoch, step=steps_done(), lr=lr, **numbers))
            yield history[-1]
            if best_epoch(history) is history[-1]:
                best_weights = {k: v.detach().clone() for k, v in network.state_dict().items()}
                yield Best(epoch=epoch, val_accuracy=history[-1].val_accuracy, weights=best_weights)
            epoch, batch = epoch + 1, 0
            running.zero_()
            yield state()

        # ---- the test images, opened once
        test = ImageSet.to_device(data.test_images, data.test_labels, device)
        last_network = judged()
        best_network = deepcopy(last_network)
        best_network.load_state_dict(best_weights)
        results = {
            name: {"epoch": at.epoch, **reported(at), **on_test(logits_of(test, network), test.labels)}
            for name, at, network in (("last", history[-1], last_network), ("best", best_epoch(history), best_network))
        }
        reason = end_reason()
        yield Finished(epochs=history[-1].epoch, reported="best" if reason else "last", reason=reason, **results)
    except Halt:
        yield state()
        yield Stopped(epoch=epoch, step=steps_done())
    except Diverged as diverged:
        yield Failed(reason=_advice(diverged.step, epoch, config), epoch=epoch, step=diverged.step)


def numbers_of(
    fit: Tensor, true_labels: Tensor, given_labels: Tensor, held_out: Tensor, val_labels: Tensor
) -> dict[str, float]:
    """What an `Epoch` says about logits (n, classes) of the slice of training images, and of the validation images."""
    on_train, on_val = metrics.judge(fit, true_labels), metrics.judge(held_out, val_labels)
    numbers = {
        "train_loss": on_train["loss"],
        "train_accuracy": on_train["accuracy"],
        "val_loss": on_val["loss"],
        "val_accuracy": on_val["accuracy"],
        "ece": on_val["ece"],
        "gap": on_train["accuracy"] - on_val["accuracy"],
    }
    wrong = given_labels != true_labels
    if bool(wrong.any()):
        numbers["fit_loss"] = metrics.loss(fit, given_labels)
        numbers["fit_accuracy"] = metrics.accuracy(fit, given_labels)
        numbers["memorised"] = metrics.accuracy(fit[wrong], given_labels[wrong])
    return numbers


def reported(epoch: Epoch) -> dict[str, float]:
    """What a run says at its end about one of its epochs, besides the numbers on the test images."""
    keys = ("train_accuracy", "val_accuracy", "gap", "train_loss", "val_loss", "fit_accuracy", "memorised")
    return {k: value for k in keys if (value := getattr(epoch, k)) is not None}


def on_test(logits: Tensor, labels: Tensor) -> dict[str, float]:
    judged = metrics.judge(logits, labels)
    return {"test_loss": judged["loss"], "test_accuracy": judged["accuracy"], "ece": judged["ece"]}


def predict(
    network: nn.Module, part: ImageSet, normalize: Normalize, precision: str, stop: Callable[[], bool] = lambda: False
) -> Tensor:
    """Logits (N, classes) in float32, in eval mode and without gradients; the network is left in eval mode."""
    network.eval()
    out = []
    with torch.inference_mode(), torch.autocast(part.pixels.device.type, torch.bfloat16, enabled=precision == "bf16"):
        for inputs in evaluation_batches(part, normalize, network):
            if stop():
                raise Halt
            out.append(network(inputs).float())
    return torch.cat(out)


def evaluation_batches(part: ImageSet, normalize: Normalize, network: nn.Module) -> Iterator[Tensor]:
    """The images once, in order, normalised and not augmented: (n, 3, H, W) each, all of nearly one size.

    SWA gives every batch the same weight in the statistics of batch normalization, and one image alone has none.
    A network that enlarges its images gets fewer at once, for they take so much more memory.
    """
    at_once = max(2, min(EVAL_BATCH, EVAL_PIXELS // getattr(network, "side", 1) ** 2))
    size = ceil(len(part) / ceil(len(part) / at_once))
    for start in range(0, len(part), size):
        yield normalize(part.images(slice(start, start + size)))


def lr_at(step: int, total: int, peak: float, schedule: str) -> float:
    """The learning rate of a step counted from 0.

    one_cycle: from peak/25 up to the peak over the first 30 % of the steps, down to peak/250,000, both along half a
    cosine (Smith and Topin 2018, arXiv:1708.07120; the numbers are those of torch's OneCycleLR, without its momentum
    cycle). cosine: from the peak to 0 (Loshchilov and Hutter 2017, arXiv:1608.03983). constant: the peak.
    """

    def half_cosine(start: float, end: float, share: float) -> float:
        return end + (start - end) * (1 + cos(pi * share)) / 2

    if schedule == "constant":
        return peak
    if schedule == "cosine":
        return half_cosine(peak, 0.0, step / total)
    top = 0.3 * total - 1
    if step <= top:
        return half_cosine(peak / 25, peak, step / top)
    return half_cosine(peak, peak / 250_000, min(1.0, (step - top) / max(total - 1 - top, 1e-9)))


class SGDW(torch.optim.SGD):
    """SGD whose weight decay is decoupled: the weights shrink by lr * decay beside the momentum, not through it.

    Loshchilov and Hutter 2019, algorithm 1, arXiv:1711.05101.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            if group["decay"]:
                torch._foreach_mul_(
                    [p for p in group["params"] if p.grad is not None], 1 - group["lr"] * group["decay"]
                )
        return super().step(closure)


def make_optimizer(
    config: RunConfig,
    model: nn.Module,
    regularizers: Sequence[Regularizer],
    scale: Callable[[str], float] = lambda name: 1.0,
) -> torch.optim.Optimizer:
    """AdamW, or SGD with Nesterov momentum; fused, with the regularizers deciding over the parameter groups.

    `scale` gives the learning rate of a parameter, by its name, as a share of the run's.
    """
    alike: dict[tuple[str, float], list[nn.Parameter]] = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            alike.setdefault((models.parameter_kind(p), scale(name)), []).append(p)
    groups: list[dict[str, Any]] = [
        {"params": ps, "kind": kind, "scale": share, "weight_decay": 0.0} for (kind, share), ps in alike.items()
    ]
    for r in regularizers:
        groups = r.optimize(groups)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, fused=True)
    groups = [{**g, "decay": g["weight_decay"], "weight_decay": 0.0} for g in groups]
    return SGDW(groups, lr=config.lr, momentum=MOMENTUM, nesterov=True, fused=True)


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state by parameter name: `features.0.weight/exp_avg`."""
    return {
        f"{name}/{k}": v
        for name, p in model.named_parameters()
        for k, v in optimizer.state.get(p, {}).items()
        if isinstance(v, Tensor)
    }


def load_optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`; memory formats follow the parameters."""
    parameters = dict(model.named_parameters())
    for key, value in tensors.items():
        name, _, k = key.rpartition("/")
        p = parameters[name]
        like = torch.empty_like(p) if value.shape == p.shape else torch.empty_like(value, device=p.device)
        optimizer.state[p][k] = like.copy_(value)


class FiniteWatch:
    """Notices the first step whose loss is not finite, one step late, so that the device never waits for the host.

    The sum over the epoch stays NaN or infinite once it is, so it alone needs to be looked at. On CUDA the sum of a
    step is copied to pinned memory while the next step is already queued; on the CPU the value is simply there.
    """

    def __init__(self) -> None:
        self._pending: tuple[int, Tensor, torch.cuda.Event | None] | None = None

    def look(self, step: int, sums: Tensor) -> None:
        """Remember the sums after this step. Raises `Diverged` where they, or on CUDA those before, are not finite."""
        self.last()
        done = None
        if sums.device.type == "cuda":
            sums = torch.empty(sums.shape, dtype=sums.dtype, pin_memory=True).copy_(sums, non_blocking=True)
            done = torch.cuda.Event()
            done.record()
        self._pending = step, sums, done
        if done is None:
            self.last()

    def last(self) -> None:
        """Raises `Diverged` if the sums last remembered are not finite."""
        if self._pending is None:
            return
        (step, sums, done), self._pending = self._pending, None
        if done is not None:
            done.synchronize()
        if not isfinite(sums[0].item() + sums[1].item()):
            raise Diverged(step)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _advice(step: int, epoch: int, config: RunConfig) -> str:
    helps = [f"a smaller learning rate ({config.lr / 10:g} instead of {config.lr:g})"]
    if "batch_norm" not in config.regularizers:
        helps.append("batch normalization")
    return (
        f"Diverged at step {step} (epoch {epoch}): the loss is no longer a finite number."
        f" What usually helps: {' or '.join(helps)}."
    )
