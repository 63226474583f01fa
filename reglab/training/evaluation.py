"""What a network says about images it is not being trained on, and the numbers of an epoch and of a run's end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn

from reglab import machine
from reglab.data import spread
from reglab.training import metrics
from reglab.training.batches import ImageSet, Normalize
from reglab.training.events import Epoch, Interrupted

EVAL_BATCH = 500
CPU_BATCH = 128  # to the same bytes; what these take stays in the caches, and so they are answered sooner
EVAL_PIXELS = 64 * 128**2  # of a batch, where a network enlarges its images


@dataclass(frozen=True)
class Judged:
    """Images that a network is judged on: of training by their true labels and by those given, and of validation."""

    train: ImageSet
    given: Tensor  # (n,) int64
    val: ImageSet

    def __len__(self) -> int:
        return len(self.train) + len(self.val)

    def part(self, sizes: tuple[int, int], seed: int) -> Judged:
        """So many of each, the same at every call: every class has its share, and wrong labels theirs."""
        wrong = (self.given != self.train.labels).long()
        rows = rows_of(2 * self.train.labels + wrong, sizes[0], seed)
        return Judged(self.train.part(rows), self.given[rows], self.val.part(rows_of(self.val.labels, sizes[1], seed)))


def rows_of(labels: Tensor, size: int, seed: int) -> Tensor | slice:
    """Which rows a slice of that size has; all of them where it is as large as the whole."""
    if size >= len(labels):
        return slice(None)
    return torch.from_numpy(spread(labels.cpu().numpy(), size, seed)).to(labels.device)


def predict(
    network: nn.Module, part: ImageSet, normalize: Normalize, precision: str, stop: Callable[[], bool] = lambda: False
) -> Tensor:
    """Logits (N, classes) in float32, in eval mode and without gradients; the network is left in eval mode.

    `precision` is "bf16", "fp16" or "fp32". Raises `Interrupted` where `stop`, asked before every batch, says yes.
    """
    network.eval()
    out = []
    with torch.inference_mode(), machine.autocast(part.pixels.device, precision):
        at_once = min(EVAL_BATCH, CPU_BATCH) if part.pixels.device.type == "cpu" else EVAL_BATCH
        for inputs in evaluation_batches(part, normalize, network, stop, at_once):
            out.append(network(inputs).float())
    return torch.cat(out)


def evaluation_batches(
    part: ImageSet,
    normalize: Normalize,
    network: nn.Module,
    stop: Callable[[], bool] = lambda: False,
    at_once: int | None = None,
) -> Iterator[Tensor]:
    """The images once, in order, normalised and not augmented: (n, 3, H, W) each, all of nearly one size.

    SWA gives every batch the same weight in the statistics of batch normalization, and one image alone has none.
    A network that enlarges its images gets fewer at once, for they take so much more memory. Raises `Interrupted` where
    `stop` says yes before a batch.
    """
    at_once = max(2, min(at_once or EVAL_BATCH, EVAL_PIXELS // getattr(network, "side", 1) ** 2))
    size = ceil(len(part) / ceil(len(part) / at_once))
    for start in range(0, len(part), size):
        if stop():
            raise Interrupted
        yield normalize(part.images(slice(start, start + size)))


def epoch_metrics(fit: Tensor, held_out: Tensor, on: Judged) -> dict[str, float]:
    """What an `Epoch` says about logits (n, classes) of those training images, and of the validation images.

    Losses are in nats, all else is a share from 0 to 1.
    """
    true_labels, given_labels = on.train.labels, on.given
    on_train, on_val = metrics.judge(fit, true_labels), metrics.judge(held_out, on.val.labels)
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


def running_metrics(sums: Sequence[float], images: int) -> dict[str, float]:
    """What an `Epoch` says about its steps, from their summed loss, penalty and correct answers."""
    loss, penalty, correct = (each / images for each in sums)
    numbers = {"running_loss": loss, "running_accuracy": correct}
    return numbers | {"penalty": penalty} if penalty else numbers


def end_metrics(epoch: Epoch, test_logits: Tensor, test_labels: Tensor) -> dict[str, float]:
    """What `Finished` says about one epoch of the run: its own numbers, and those on test images.

    Logits are (N, classes), labels (N,).
    """
    keys = ("train_accuracy", "val_accuracy", "gap", "train_loss", "val_loss", "fit_accuracy", "memorised")
    told = {k: value for k in keys if (value := getattr(epoch, k)) is not None}
    on_test = metrics.judge(test_logits, test_labels)
    return {
        "epoch": epoch.epoch,
        **told,
        "test_loss": on_test["loss"],
        "test_accuracy": on_test["accuracy"],
        "ece": on_test["ece"],
    }
