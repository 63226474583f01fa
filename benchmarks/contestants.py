"""Who trains beside whom in benchmarks/throughput.py: the lab, its bare step, the products of that alone, tutorials, Keras.

Each is a generator: every `next` trains an epoch and says what its steps took, in seconds and in seconds of a processor.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from products import Products
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision import transforms

from reglab import data, machine, models
from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.runs.recording import record
from reglab.runs.store import Store
from reglab.training.batches import ImageSet, Normalize
from reglab.training.events import Snapshot, Step
from reglab.training.train import train

PREPARED = 40  # batches that `bare` goes round and round over: 63 MB at 128 images

Epochs = Generator[np.ndarray, None, None]


def reglab(config: RunConfig, split: data.Split, device: torch.device, folder: str) -> Epochs:
    """The loop of the app: events recorded into a run folder, a look for the stop file before every step."""
    run = Store(folder).create(config)
    events = record(run, train(config, split, stop=run.should_stop))
    began = now(device)
    for event in events:
        if isinstance(event, Snapshot):  # the end of an epoch, evaluation included: the next one begins
            torch.backends.cudnn.deterministic = True  # as train() wants it; the tutorials have turned it off meanwhile
            began = now(device)
        elif isinstance(event, Step) and event.batch == event.batches:
            yield now(device) - began


def bare(config: RunConfig, split: data.Split, device: torch.device, precision: str) -> Epochs:
    """What no loop can do without: forward, loss, backward and optimizer step in A's precision and memory format."""
    steps, batches, step = prepared(config, split, device, precision)
    while True:
        torch.backends.cudnn.deterministic = True  # as A does, so that both run the same kernels
        began = now(device)
        for pixels, labels in itertools.islice(itertools.cycle(batches), steps):
            step(pixels, labels)
        yield now(device) - began


def products(config: RunConfig, split: data.Split, device: torch.device, precision: str) -> Epochs:
    """The ceiling: of `bare` the products of the convolutions and dense layers alone, there and back."""
    steps, batches, step = prepared(config, split, device, precision)
    torch.backends.cudnn.deterministic = True
    multiply = Products()
    with multiply:
        step(*batches[0])
    while True:
        torch.backends.cudnn.deterministic = True
        began = now(device)
        for _ in range(steps):
            multiply()
        yield now(device) - began


def prepared(
    config: RunConfig, split: data.Split, device: torch.device, precision: str
) -> tuple[int, list[tuple[torch.Tensor, torch.Tensor]], Callable[[torch.Tensor, torch.Tensor], None]]:
    """The steps of an epoch, the batches that they go round and round over, and a step."""
    images = ImageSet.to_device(split.train_images, split.train_labels, device)
    normalize = Normalize.to_device(split.mean, split.std, device)
    steps = len(images) // config.batch_size
    batches = []
    for start in range(0, min(steps, PREPARED) * config.batch_size, config.batch_size):
        part = slice(start, start + config.batch_size)
        pixels = normalize(images.images(part)).contiguous(memory_format=torch.channels_last)
        batches.append((pixels, images.labels[part]))
    torch.manual_seed(0)
    network = models.build(config.spec(len(split.classes))).to(device).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=0.0, fused=True)

    def step(pixels: torch.Tensor, labels: torch.Tensor) -> None:
        optimizer.zero_grad()
        with machine.autocast(device, precision):
            logits = network(pixels)
        cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return steps, batches, step


def tutorial(config: RunConfig, split: data.Split, device: torch.device, workers: int, tuned: str = "") -> Epochs:
    """The loop that every tutorial has. `tuned` is a precision: then with channels_last and the fused optimizer too."""
    # Some parts below do nothing unless tuned; they cost microseconds then, and one loop is easier to compare than two.
    memory_format = torch.channels_last if tuned else torch.preserve_format
    torch.manual_seed(0)
    network = models.build(config.spec(len(split.classes))).to(device).to(memory_format=memory_format)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, fused=True if tuned else None)
    loss_function = nn.CrossEntropyLoss()
    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            *([transforms.RandomHorizontalFlip()] if split.mirror else []),  # a mirrored digit is none, for A neither
            transforms.ToTensor(),
            transforms.Normalize(split.mean.tolist(), split.std.tolist()),
        ]
    )
    pictures = Pictures(split, transform)
    loader = DataLoader(pictures, config.batch_size, shuffle=True, drop_last=True, num_workers=workers)
    while True:
        torch.backends.cudnn.deterministic = False  # as torch ships
        began = now(device)
        network.train()
        running_loss = 0.0
        for images, labels in loader:
            images, labels = images.to(device, memory_format=memory_format), labels.to(device)
            optimizer.zero_grad()
            with machine.autocast(device, tuned or "fp32"):
                logits = network(images)
            loss = loss_function(logits.float(), labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        yield now(device) - began


class Pictures(torch.utils.data.Dataset):
    """The training images as torchvision.datasets.CIFAR10 holds them: an array, each made a PIL image when asked for."""

    def __init__(self, split: data.Split, transform: Callable[[Image.Image], torch.Tensor]) -> None:
        self.data, self.targets, self.transform = split.train_images, split.train_labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.data[index])), self.targets[index]


# ---- Keras, in a process of its own -------------------------------------------------------------------------------
FIT = Path(__file__).with_name("keras_fit.py")
OURS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # which the lab sets for itself


def keras_sides(python: str, precision: str) -> dict[str, dict[str, Any]]:
    """What Keras takes part with: name -> settings of keras_fit.py. Raises `ConfigError` where that Python has no Keras."""
    ask = "import importlib.util as u; print(*(n for n in ('keras', 'tensorflow', 'torch') if u.find_spec(n)))"
    try:
        found = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigError(f"{python} was asked for with --keras, but it does not run: {error}.") from None
    if "keras" not in found or len(found) == 1:
        raise ConfigError(
            f"Keras was asked for, but {python} has no Keras with a backend: uv pip install keras tensorflow-cpu there."
        )
    mixed, shift = "mixed_bfloat16", 4.5 / 32  # as on the card of Flip and crop
    sides: dict[str, dict[str, Any]] = {}
    if "tensorflow" in found:
        sides["K fp32"] = {"backend": "tensorflow", "policy": "float32", "shift": shift}
        sides["K bf16"] = {"backend": "tensorflow", "policy": mixed, "shift": shift}
        sides["K plain"] = {"backend": "tensorflow", "policy": mixed if precision == "bf16" else "float32"}
    if "torch" in found:
        sides["K torch"] = {"backend": "torch", "policy": "float32", "shift": shift}
    return sides


def keras(
    python: str,
    settings: dict[str, Any],
    config: RunConfig,
    split: data.Split,
    device: torch.device,
    told: dict[str, Any],
) -> Epochs:
    """Keras' `fit` on the same images, which it holds in memory, normalized; `told` gets versions, and the loss of every epoch."""
    images = len(split.train_images) // config.batch_size * config.batch_size
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.npz"
        pixels = (split.train_images[:images].astype(np.float32) / 255 - split.mean) / split.std
        np.savez(file, images=pixels.astype(np.float32), labels=split.train_labels[:images])
        settings = settings | {"data": str(file), "batch": config.batch_size, "lr": config.lr, "mirror": split.mirror}
        settings |= {"threads": torch.get_num_threads(), "device": device.type}
        with answers_of([python, str(FIT), json.dumps(settings)], Path(folder) / "errors.txt") as answer:
            told |= answer(None) | {"losses": []}
            while True:
                epoch = answer("epoch")
                assert epoch["images"] == images, "Keras has trained on another number of images"
                told["losses"].append(epoch["loss"])
                yield np.array([epoch["seconds"], epoch["processor"]])


@contextlib.contextmanager
def answers_of(command: list[str], errors: Path) -> Iterator[Callable[[str | None], dict[str, Any]]]:
    """Start a process that answers each line with a line of JSON; None asks for the line it begins with."""
    env = {name: value for name, value in os.environ.items() if name not in OURS}
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        assert process.stdin and process.stdout
        asked, answers = process.stdin, process.stdout

        def answer(line: str | None) -> dict[str, Any]:
            if line is not None:
                print(line, file=asked, flush=True)
            if not (said := answers.readline()):
                raise SystemExit(f"{command[0]} has ended: {errors.read_text(errors='replace')[-2_000:]}")
            return dict(json.loads(said))

        try:
            yield answer
        finally:
            process.kill()  # it keeps nothing


def now(device: torch.device) -> np.ndarray:
    """The time when all work given to the device is done, and the time that processors have spent on this process.

    Where other programs want the same cores, the first says how long one has waited, and the second what one has done.
    """
    if device.type == "cuda":
        torch.cuda.synchronize()
    return np.array([time.perf_counter(), time.process_time()])
