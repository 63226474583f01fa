"""The training loop: a generator of events. It knows neither disk nor screen; whoever listens decides what to do.

    for event in train(config, split(load("digits"), ...)):
        print(event)

Everything random is a function of (seed, epoch, batch), never of what was drawn before. So a run can be stopped after
any batch and resumed to the same bytes, two runs can be trained in turn, and a comparison sees the same batches.
torch's global generator (weights, dropout) is seeded anew before every use; callers should not lean on its state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from reglab import compat, machine, models
from reglab.config import MOST_TRAIN, TEST
from reglab.models.transfer import Thaw, Transfer
from reglab.regularizers import Progress, in_order, overriding, stands_by
from reglab.training import metrics, right
from reglab.training.batches import Draws, ImageSet, Normalize, derived_seed, drawn_mixer, epoch_order, prepare_batch
from reglab.training.divergence import Diverged, FiniteWatch, advice
from reglab.training.evaluation import (
    Judged,
    end_metrics,
    epoch_metrics,
    evaluation_batches,
    predict,
    rows_of,
    running_metrics,
)
from reglab.training.events import (
    Best,
    Epoch,
    Event,
    Failed,
    Finished,
    Interrupted,
    Snapshot,
    Started,
    Step,
    Stopped,
    Switched,
    best_epoch,
)
from reglab.training.forward import forward
from reglab.training.optimizers import (
    begin_anew,
    load_optimizer_tensors,
    load_scaler_tensor,
    make_optimizer,
    optimizer_tensors,
    scaler_tensor,
    set_lr,
)
from reglab.training.replay import Replay
from reglab.training.schedules import lr_at

if TYPE_CHECKING:
    from reglab.config import RunConfig
    from reglab.data import Split


GLIMPSED = 50  # validation images that are looked at within an epoch
GLIMPSE_EVERY = 2_000  # training images between two looks: one costs a percent of them
GLIMPSE_EVERY_ON_GPU = 20_000  # of which it has so many in less than a second, and for a look it stands still


@dataclass(frozen=True)
class Resume:
    """Where a run left off: the last `Snapshot`, the epochs before it, and the best weights so far."""

    state: dict[str, Any]
    tensors: dict[str, Tensor]
    history: Sequence[Epoch] = ()
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    precision: str = ""  # that it was trained in last


def train(
    config: RunConfig, data: Split, *, resume: Resume | None = None, stop: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Train one network and yield what happens. Raises `ConfigError` before anything is trained.

    `stop` is asked before every step and every batch of an evaluation; when it says yes, a `Snapshot` and `Stopped`
    follow and the generator ends. Training that can go no further ends with `Failed`, all else with `Finished`.
    """
    trainer = Trainer(config, data, stop, began=resume.precision if resume else "")
    if resume is None:
        yield trainer.started()
    else:
        trainer.load(resume)
        if resume.precision not in ("", trainer.precision):
            yield Switched(
                epoch=trainer.epoch, step=trainer.steps_done, precision=trainer.precision, before=resume.precision
            )
    try:
        while trainer.epoch <= config.epochs and not trainer.stop_reason():
            trainer.begin_epoch()
            while trainer.batch < trainer.batches:  # none in epoch 0, which evaluates the untrained network
                yield trainer.step()
            yield from trainer.evaluate()
            trainer.end_epoch()
            yield trainer.snapshot()
        yield trainer.test()
    except Interrupted:
        yield trainer.snapshot()
        yield Stopped(epoch=trainer.epoch, step=trainer.steps_done)
    except Diverged as diverged:
        epoch = -(-diverged.step // trainer.steps_per_epoch)
        yield Failed(reason=advice(diverged.step, epoch, config), epoch=epoch, step=diverged.step)


class Trainer:
    """A run under way: its images, its network and optimizer, what the techniques remember, and where it is."""

    def __init__(
        self, config: RunConfig, data: Split, stop: Callable[[], bool] = lambda: False, began: str = ""
    ) -> None:
        """`began` is the precision that a run that goes on began with. Raises `ConfigError`."""
        self.config, self.data, self._stop = config, data, stop
        self.device = machine.choose_device(config.device)
        depthwise = models.family(config.model).depthwise
        self.precision = machine.choose_precision(config.precision, self.device, depthwise, began)
        compat.torch.compute_exactly(self.device)
        self.regularizers = in_order(config.regularizers.values())

        # ---- the data
        spec = config.spec(len(data.classes))
        self.classes = spec.classes
        self.images = ImageSet.to_device(data.train_images, data.train_labels, self.device)
        self.val = ImageSet.to_device(data.val_images, data.val_labels, self.device)
        true_labels = torch.as_tensor(data.true_labels, device=self.device)
        clean = ImageSet(self.images.pixels[:MOST_TRAIN], true_labels[:MOST_TRAIN])
        self.everything = Judged(clean, self.images.labels[:MOST_TRAIN], self.val)
        self.slices = self.everything.part(config.judged, config.seed)  # behind every point of the curves
        self.few = rows_of(self.slices.val.labels, GLIMPSED, config.seed)  # of the validation images among them
        mean, std = models.statistics(spec) or (data.mean, data.std)
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        self.normalize = Normalize.to_device(mean, std, self.device)
        self.batch_size = min(config.batch_size, len(self.images))
        self.steps_per_epoch = len(self.images) // self.batch_size  # the rest of an order comes up in another epoch

        # ---- the network and its optimizer
        torch.manual_seed(derived_seed(config.seed, "weights"))
        self.model = compat.torch.channels_last(models.build(spec).to(self.device))
        models.prepare(self.model, self.normalize(clean.images(slice(None))))
        self.state: dict[str, dict[str, Tensor]] = {r.key: {} for r in self.regularizers}
        for r in self.regularizers:
            r.on_train_begin(self.model, self.state[r.key])
        thaws = isinstance(self.model, Transfer) and config.finetune == "head_then_all"
        self.thaw = Thaw(self.model) if thaws else None  # type: ignore[arg-type]
        scale = self.thaw.scale if self.thaw else lambda name: 1.0
        self.optimizer = make_optimizer(config, self.model, self.regularizers, scale, self.precision)
        if self.device.type == "cuda":
            compat.torch.make_recordable(self.optimizer, self.device)
        # fp16 cannot hold small gradients: they are computed of a larger loss. A step in which it was too large is left out.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self.replay = Replay(self.device, partial(begin_anew, self.scaler))

        # ---- where it is
        self.epoch, self.batch = 0, 0
        self.running = torch.zeros(3, dtype=torch.double, device=self.device)  # loss, penalty, correct of the epoch
        self.history: list[Epoch] = []
        self.best_weights: dict[str, Tensor] = {}
        self.glimpsed: Tensor | None = None  # logits of the few, at the last point
        every = GLIMPSE_EVERY_ON_GPU if self.device.type == "cuda" else GLIMPSE_EVERY
        self.glimpse_every = ceil(every / self.batch_size)  # steps
        self._watch = FiniteWatch()

    def started(self) -> Started:
        """What is about to be trained, and with what."""
        return Started(
            parameters=sum(p.numel() for p in self.model.parameters()),
            train_images=len(self.images),
            val_images=len(self.val),
            test_images=len(self.data.test_labels),
            steps_per_epoch=self.steps_per_epoch,
            device=machine.device_name(self.device),
            precision=self.precision,
            threads=torch.get_num_threads(),
            mean=self.mean,
            std=self.std,
        )

    # ---- where it is, on disk and back ---------------------------------------------------------------------------
    def snapshot(self) -> Snapshot:
        """Everything that `load` needs to go on from here. The tensors are live."""
        tensors = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"optimizer/{k}": v for k, v in optimizer_tensors(self.model, self.optimizer).items()}
        # On disk a technique's state has always been called its memory, and the snapshots of old runs still open.
        tensors |= {f"memory/{key}/{k}": v for key, kept in self.state.items() for k, v in kept.items()}
        tensors["running"] = self.running
        if self.scaler.is_enabled():
            tensors["scaler"] = scaler_tensor(self.scaler)
        return Snapshot(state={"epoch": self.epoch, "batch": self.batch}, tensors=tensors)

    def load(self, resume: Resume) -> None:
        """Go on from there. Raises RuntimeError or KeyError where the snapshot is of another network."""
        self.epoch, self.batch = resume.state["epoch"], resume.state["batch"]
        self.history, self.best_weights = list(resume.history), dict(resume.best_weights)
        self.model.load_state_dict(_under("model/", resume.tensors))
        load_optimizer_tensors(self.model, self.optimizer, _under("optimizer/", resume.tensors))
        for key, kept in self.state.items():
            remembered = _under(f"memory/{key}/", resume.tensors)
            kept.update({k: v.to(self.device, copy=True) for k, v in remembered.items()})
        self.running.copy_(resume.tensors["running"])
        if self.scaler.is_enabled() and "scaler" in resume.tensors:  # the machine before may have had bf16
            load_scaler_tensor(self.scaler, resume.tensors["scaler"])

    @property
    def batches(self) -> int:
        """Of this epoch; epoch 0 has none."""
        return self.steps_per_epoch if self.epoch else 0

    @property
    def steps_done(self) -> int:
        """Optimizer steps since the run began."""
        return max(self.epoch - 1, 0) * self.steps_per_epoch + self.batch

    def stop_reason(self) -> str:
        """Why a technique ends training here, or nothing."""
        return next((why for r in self.regularizers if self.history and (why := r.stop_reason(self.history))), "")

    # ---- an epoch ------------------------------------------------------------------------------------------------
    def begin_epoch(self) -> None:
        """Draw the order of its images; the same one where the run was stopped in its middle."""
        self.order = epoch_order(len(self.images), self.config.seed, self.epoch).to(self.device)
        self.model.train()

    def step(self) -> Step:
        """One optimizer step on the batch at (epoch, batch). Raises `Interrupted` and `Diverged`."""
        if self._stop():
            raise Interrupted
        place, progress = (self.config.seed, self.epoch, self.batch), self.progress(self.steps_done)
        index = self.order[self.batch * self.batch_size : (self.batch + 1) * self.batch_size]
        stages = self.thaw.begin_step(progress.fraction) if self.thaw else None
        set_lr(self.optimizer, self.learning_rate(progress))
        mixer = drawn_mixer(self.regularizers, place)
        self.replay(self.learn, index, place, progress, decided=(stages, mixer and mixer.key))
        for r in self.regularizers:
            r.on_step_end(self.model, self.state[r.key], progress)

        self.batch += 1
        self._watch.look(self.steps_done, self.running)
        within = self.running_so_far() | self.glimpse()
        return Step(epoch=self.epoch, batch=self.batch, batches=self.steps_per_epoch, images=len(index), **within)

    def learn(self, index: Tensor, draws: Draws, progress: Progress) -> None:
        """What the device does in a step: gather the batch, fill the gradients, move the weights, add up what was said."""
        inputs, targets = prepare_batch(self.images, index, self.classes, self.regularizers, self.normalize, draws)
        passes: list[Tensor] = []  # what each forward pass said; most techniques need one
        closure = partial(self.forward_backward, inputs, targets, draws, passes)
        for r in overriding(self.regularizers, "compute_gradients"):
            rng = draws.generator("gradients", r.key)
            closure = partial(r.compute_gradients, self.model, closure, rng, progress)
        closure()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.running.add_(passes[0])

    def forward_backward(self, inputs: Tensor, targets: Tensor, draws: Draws, passes: list[Tensor]) -> None:
        """Fill the gradients from one batch; what it said is added to `passes`: loss, penalty and correct, summed.

        Inputs are images (N, 3, H, W) or features (N, F, 1, 1), targets distributions (N, classes).
        """
        if passes:
            self.scaler.update()  # the gradients of a second pass are looked at for themselves
        draws.seed_layers()  # a second pass drops the same units
        self.optimizer.zero_grad()
        with machine.autocast(self.device, self.precision):
            logits, targets = forward(self.model, inputs, targets, self.regularizers, draws)
        logits, wanted = logits.float(), targets.argmax(1)
        for r in self.regularizers:
            targets = r.soft_targets(targets, logits)
        loss = cross_entropy(logits, targets)
        penalties = [r.penalty(self.model, logits, self.state[r.key]) for r in self.regularizers]
        charged = [p for p in penalties if p is not None]
        penalty = torch.stack(charged).sum() if charged else loss.new_zeros(())
        self.scaler.scale(loss + penalty).backward()
        self.scaler.unscale_(self.optimizer)
        correct = (logits.argmax(1) == wanted).sum()
        passes.append(torch.stack([loss * len(inputs), penalty * len(inputs), correct]).detach().double())

    def running_so_far(self) -> dict[str, float]:
        """The mean loss and accuracy of the steps of this epoch that the host has heard of."""
        step, sums = self._watch.seen
        batches = step - (self.steps_done - self.batch)
        told = running_metrics(sums, batches * self.batch_size) if batches > 0 else {}
        return {name: told[name] for name in ("running_loss", "running_accuracy") if name in told}

    def glimpse(self) -> dict[str, float]:
        """Where the last point of the validation curves would be now, if it had moved as it did on a few of its images.

        Every so many images, which costs a percent of training. The model is as before: nothing is drawn, and no statistics
        are updated. Not where another network is judged (an average), and not before a run that goes on has a point.
        """
        if self.glimpsed is None or self.batch % self.glimpse_every or self.batch == self.steps_per_epoch:
            return {}
        few, then, point = self.slices.val.part(self.few), self.glimpsed, self.history[-1]
        now = predict(self.model, few, self.normalize, self.precision)
        self.model.train()
        loss = point.val_loss + metrics.loss(now, few.labels) - metrics.loss(then, few.labels)
        share = point.val_accuracy + metrics.accuracy(now, few.labels) - metrics.accuracy(then, few.labels)
        return {"val_loss": max(loss, 0.0), "val_accuracy": min(max(share, 0.0), 1.0)} if isfinite(loss) else {}

    def progress(self, step: int) -> Progress:
        """Where the run is at a step counted from 0."""
        return Progress(step, self.steps_per_epoch * self.config.epochs, self.steps_per_epoch)

    def learning_rate(self, progress: Progress) -> float:
        """Of the run's schedule, as the techniques change it."""
        lr = lr_at(progress.step, progress.total_steps, self.config.lr, self.config.schedule)
        for r in self.regularizers:
            lr = r.learning_rate(lr, self.config.lr, progress)
        return lr

    def evaluate(self) -> Iterator[Epoch | Best]:
        """Judge the network on slices of the training and validation images; if it is the best so far, remember its weights.

        Raises `Interrupted` and `Diverged`.
        """
        self._watch.last()
        network = self.evaluation_model()
        fit, held_out = self.logits(network, self.slices.train), self.logits(network, self.slices.val)
        numbers = epoch_metrics(fit, held_out, self.slices)
        self.glimpsed = None if overriding(self.regularizers, "evaluation_model") else held_out[self.few]
        if self.epoch:
            numbers |= running_metrics(self.running.tolist(), self.steps_per_epoch * self.batch_size)
        lr = self.learning_rate(self.progress(max(self.steps_done - 1, 0)))  # that of the epoch's last step
        now = Epoch(epoch=self.epoch, step=self.steps_done, lr=lr, **numbers)
        self.history.append(now)
        yield now
        if best_epoch(self.history, self.config) is now:
            self.best_weights = {k: v.detach().clone() for k, v in network.state_dict().items()}
            yield Best(epoch=now.epoch, val_accuracy=now.val_accuracy, weights=self.best_weights)

    def evaluation_model(self) -> nn.Module:
        """The network to evaluate and save: the one being trained, unless a technique has another (an average).

        Raises `Interrupted`.
        """
        network = self.model
        for r in self.regularizers:
            torch.manual_seed(derived_seed(self.config.seed, self.steps_done, "judged"))
            batches = evaluation_batches(self.everything.train, self.normalize, network, self._stop)
            network = r.evaluation_model(network, self.state[r.key], batches)
        return network

    def logits(self, network: nn.Module, part: ImageSet) -> Tensor:
        """Logits (N, classes) of a set of images. Raises `Interrupted`, and `Diverged` where they are not finite."""
        logits = predict(network, part, self.normalize, self.precision, self._stop)
        if not torch.isfinite(logits).all():
            raise Diverged(self.steps_done)
        return logits

    def end_epoch(self) -> None:
        """The next epoch begins, and its running loss at zero."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.running.zero_()

    # ---- the end -------------------------------------------------------------------------------------------------
    def test(self) -> Finished:
        """The last and the best network on the test images, which are opened here for the first time.

        The one that the run stands by is judged on everything. Where the other is of another epoch, it keeps the numbers of
        its point, and some of the test images tell what the run left behind, or lost since. Raises `Interrupted` and `Diverged`.
        """
        test = ImageSet.to_device(self.data.test_images, self.data.test_labels, self.device)
        last, best = self.history[-1], best_epoch(self.history, self.config)
        reported, reason = stands_by(self.regularizers), self.stop_reason()
        network = self.evaluation_model()
        ends = {"last": self.end(last, network, test, best is last or reported == "last")}
        ends["best"] = ends["last"]
        if best is not last:
            best_network = deepcopy(network)
            best_network.load_state_dict(self.best_weights)
            ends["best"] = self.end(best, best_network, test, reported == "best")
        answers = {name: logits for name, (_, logits) in ends.items() if len(logits) == len(test)}
        return Finished(
            epochs=last.epoch,
            reported=reported,
            reason=reason,
            last=ends["last"][0],
            best=ends["best"][0],
            right=right.told(answers, test.labels),
        )

    def end(self, epoch: Epoch, network: nn.Module, test: ImageSet, is_whole: bool) -> tuple[dict[str, Any], Tensor]:
        """What `Finished` says of that epoch, and the logits of the test images that it was judged on."""
        if len(self.slices) < len(self.everything):
            if is_whole:
                fit, held_out = (self.logits(network, part) for part in (self.everything.train, self.everything.val))
                numbers: dict[str, Any] = epoch_metrics(fit, held_out, self.everything)
                epoch = replace(epoch, **numbers)
            else:
                test = test.part(rows_of(test.labels, TEST * self.config.judged_size, seed=0))  # the same for all runs
        answers = self.logits(network, test)
        told = end_metrics(epoch, answers, test.labels)
        return told if len(test) == len(self.data.test_labels) else told | {"test_images": len(test)}, answers


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
