"""How fast reglab trains, beside the plain PyTorch loop of the tutorials: same images, same network, one run.

    python benchmarks/throughput.py              # some minutes on two cores
    python benchmarks/throughput.py --memory     # and the memory of a run on 48,000 images, about a minute more
    python benchmarks/throughput.py --quick      # seconds; shows that it works, the numbers mean little

A round is one epoch of each contestant, one after the other, so that whatever else the machine does meets them alike;
ratios are taken within a round. The first round warms up and does not count. Only the steps are timed, from the order
of the images to the last step of the epoch; nobody's evaluation is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import __version__  # noqa: I001  first, as in the app: it says how threads wait, and torch reads that once
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision import transforms

from reglab import data, machine, models
from reglab.training.batches import ImageSet, Normalize
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError
from reglab.training.events import Snapshot, Step
from reglab.runs.recording import record
from reglab.runs.store import Store
from reglab.training.train import train

ROOT = Path(__file__).resolve().parent.parent
CONTESTANTS = {
    "A": "reglab, flip and crop on: train() recorded into a run folder, as the app does it",
    "bare": "forward, backward and optimizer step of A alone, on batches prepared beforehand",
    "A plain": "reglab without flip and crop",
    "B 0w": "tutorial: PIL images, torchvision transforms, DataLoader, fp32, loss.item() each step; no workers",
    "B 2w": "tutorial, 2 DataLoader workers",
    "C 0w": "tutorial with A's precision, channels_last and fused AdamW; no workers",
    "C 2w": "the same, 2 DataLoader workers",
}
ABOUT = {
    "A / B": "reglab beside the tutorial loop",
    "C / B": "what precision, channels_last and the fused optimizer alone buy",
    "A / C": "what the loop buys: images on the device, augmentation of whole batches, no waiting",
    "overhead": "share of a step of A that is not forward, backward, optimizer step; flip and crop on",
    "overhead plain": "the same without flip and crop",
}
RATIO, OVERHEAD, MEMORY = 2.0, 0.15, 1.5e9  # the targets: A / B at least, the others at most
PREPARED = 40  # batches that `bare` goes round and round over: 63 MB at 128 images

Epochs = Generator[float, None, None]  # every `next` trains an epoch and says the seconds its steps took


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    try:
        config, split = prepare(args)
        device = machine.choose_device(config.device)
    except (ConfigError, DataError) as error:
        print(error, file=sys.stderr)
        return 2
    precision = machine.choose_precision(config.precision, device)
    # An epoch; everyone leaves out the batch that is not full.
    images = len(split.train_images) // config.batch_size * config.batch_size

    if config.dataset != args.dataset:
        print(f"{data.source(args.dataset).title} is not on this machine: measured on the digits instead.\n")
    conditions = conditions_of(config, images, device, precision, args.rounds)
    print_table(conditions)
    print_table(CONTESTANTS)

    seconds = race(config, split, device, precision, args.rounds, images)
    speeds = {name: [images / s for s in taken] for name, taken in seconds.items()}
    derived = compare(seconds, speeds)
    tell(derived)
    peak, memory = judge_memory(config) if args.memory else (None, "not measured (--memory)")
    verdicts = {
        f"A / B at least {RATIO}": verdict(derived["A / B"], lambda ratio: ratio >= RATIO, "{:.2f}"),
        f"overhead below {OVERHEAD:.0%}": verdict(derived["overhead"], lambda share: share < OVERHEAD, "{:.1%}"),
        f"overhead plain below {OVERHEAD:.0%}": verdict(
            derived["overhead plain"], lambda share: share < OVERHEAD, "{:.1%}"
        ),
        f"memory below {MEMORY / 1e9} GB": memory,
    }
    print()
    print_table(verdicts)
    if args.json:
        medians = {name: statistics.median(values) for name, values in (speeds | derived).items()}
        told = {"conditions": conditions, "images_per_second": speeds, "by_round": derived, "medians": medians}
        told |= {"peak_bytes": peak, "verdicts": verdicts}
        Path(args.json).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0


def prepare(args: argparse.Namespace) -> tuple[RunConfig, data.Split]:
    """What A trains with and on; the digits where the data set asked for is not on this machine."""
    dataset = args.dataset if data.is_local(args.dataset) else "digits"
    pool = data.source(dataset).images
    val_size = min(500, pool // 20)  # judged between the epochs, which is not timed
    split = data.split(data.load(dataset), min(args.images, pool - val_size), val_size, label_noise=0.0, seed=0)
    config = RunConfig.parse(
        {
            "dataset": dataset,
            "train_size": len(split.train_images),
            "val_size": val_size,
            "model": args.network,
            "batch_size": min(args.batch, len(split.train_images)),
            "epochs": args.rounds + 1,
            "device": args.device,
            "regularizers": {"flip_crop": {}},
        }
    )
    return config, split


def conditions_of(config: RunConfig, images: int, device: torch.device, precision: str, rounds: int) -> dict[str, Any]:
    return {
        "machine": machine.device_name(torch.device("cpu")),
        "device": machine.device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "load average at the start": load_average(),
        "torch": torch.__version__,
        "reglab": __version__,
        "date": date.today().isoformat(),
        "data": f"{data.source(config.dataset).title}, {images:,} images an epoch, batches of {config.batch_size}",
        "network": config.model,
        "precision of A and C": precision,
        "n": f"{rounds} round{'s' * (rounds > 1)} after one to warm up",
    }


def race(
    config: RunConfig, split: data.Split, device: torch.device, precision: str, rounds: int, images: int
) -> dict[str, list[float]]:
    """Seconds an epoch of every contestant, a value a round."""
    with tempfile.TemporaryDirectory() as folder:
        contestants = {
            "A": reglab(config, split, device, folder),
            "bare": bare(config, split, device, precision),
            "A plain": reglab(config.plain(), split, device, folder),
            "B 0w": tutorial(config, split, device, workers=0),
            "B 2w": tutorial(config, split, device, workers=2),
            "C 0w": tutorial(config, split, device, workers=0, tuned=precision),
            "C 2w": tutorial(config, split, device, workers=2, tuned=precision),
        }
        return measure(contestants, rounds, images)


def measure(contestants: dict[str, Epochs], rounds: int, images: int) -> dict[str, list[float]]:
    """Seconds an epoch by contestant, a value a round; prints images/s as they come."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    print("images/s  " + "".join(f"{name:>9}" for name in contestants))
    try:
        for number in range(rounds + 1):
            taken = {name: next(epochs) for name, epochs in contestants.items()}
            shown = "".join(f"{images / s:>9,.0f}" for s in taken.values())
            print(f"{f'round {number}' if number else 'warm-up':10}{shown}", flush=True)
            if number:
                for name, s in taken.items():
                    seconds[name].append(s)
    finally:
        for epochs in contestants.values():
            epochs.close()
    for label, of in (("median", statistics.median), ("slowest", max), ("fastest", min)):
        print(f"{label:10}" + "".join(f"{images / of(s):>9,.0f}" for s in seconds.values()))
    return seconds


# ---- the contestants ---------------------------------------------------------------------------------------------
def reglab(config: RunConfig, split: data.Split, device: torch.device, folder: str) -> Epochs:
    """The loop of the app: events recorded into a run folder, a look for the stop file before every step."""
    run = Store(folder).create(config)
    events = record(run, train(config, split, stop=run.should_stop))
    began = 0.0
    for event in events:
        if isinstance(event, Snapshot):  # the end of an epoch, evaluation included: the next one begins
            torch.backends.cudnn.deterministic = True  # as train() wants it; the tutorials have turned it off meanwhile
            began = now(device)
        elif isinstance(event, Step) and event.batch == event.batches:
            yield now(device) - began


def bare(config: RunConfig, split: data.Split, device: torch.device, precision: str) -> Epochs:
    """What no loop can do without: forward, loss, backward and optimizer step in A's precision and memory format."""
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
    while True:
        torch.backends.cudnn.deterministic = True  # as A does, so that both run the same kernels
        began = now(device)
        for step in range(steps):
            pixels, labels = batches[step % len(batches)]
            optimizer.zero_grad()
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                logits = network(pixels)
            cross_entropy(logits.float(), labels).backward()
            optimizer.step()
        yield now(device) - began


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
            with torch.autocast(device.type, torch.bfloat16, enabled=tuned == "bf16"):
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


# ---- measuring and telling ---------------------------------------------------------------------------------------
def compare(seconds: dict[str, list[float]], speeds: dict[str, list[float]]) -> dict[str, list[float]]:
    """What is derived from them, by rounds; says which tutorial loops stand for B and C."""
    b, c = (max((f"{side} 0w", f"{side} 2w"), key=lambda name: statistics.median(speeds[name])) for side in "BC")
    print(f"\nOf the tutorial loops {b} is the faster and stands for B, tuned {c}, which stands for C.\n")

    def beside(one: str, other: str) -> list[float]:
        """How many times as fast the one was as the other, by rounds."""
        return [theirs / own for own, theirs in zip(seconds[one], seconds[other], strict=True)]

    return {
        "A / B": beside("A", b),
        "C / B": beside(c, b),
        "A / C": beside("A", c),
        "overhead": [1 - speed for speed in beside("A", "bare")],
        "overhead plain": [1 - speed for speed in beside("A plain", "bare")],
    }


def tell(derived: dict[str, list[float]]) -> None:
    for name, values in derived.items():
        say = "{:.1%}".format if "overhead" in name else "{:.2f}".format
        rounds = " ".join(map(say, values))
        print(f"{name:15}{say(statistics.median(values)):>7}   {ABOUT[name]}\n{'':25}by rounds {rounds}")


def judge_memory(config: RunConfig) -> tuple[int | None, str]:
    """The peak of an epoch on all images that validation leaves, and what it says of the target."""
    size = data.source(config.dataset).images - RunConfig(dataset=config.dataset).val_size  # 48,000 of CIFAR-10
    command = ["train", "--dataset", config.dataset, "--train-size", str(size), "--epochs", "1"]
    command += ["--model", config.model, "--device", config.device]
    print(f"\nThe memory of `python -m reglab {' '.join(command)}` ...", flush=True)
    peak = peak_memory(command)
    if peak is None:
        return None, "not measured: the run failed, or this system does not tell"
    figure = f"{peak / 1e9:.2f} GB resident at the peak, mapped pictures included; getrusage of the ended process"
    return peak, f"{'met' if peak < MEMORY else 'NOT MET'}: {figure}"


def now(device: torch.device) -> float:
    """The time when all work given to the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_memory(arguments: Sequence[str]) -> int | None:
    """Bytes of the peak resident set of `python -m reglab ...`; None where the system does not tell, or the run failed.

    A small process starts it and asks: Linux counts the memory of whoever starts a process as that process's own.
    """
    ask = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)"
    ask += "; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", ask, sys.executable, "-m", "reglab", *arguments, "--runs", folder]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return None
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)


def verdict(rounds: Sequence[float], meets: Callable[[float], bool], say: str) -> str:
    """What the median says, and how far the rounds bear it out."""
    median, low, high = statistics.median(rounds), min(rounds), max(rounds)
    figures = f"{say.format(median)}, by rounds {say.format(low)} .. {say.format(high)}"
    if median <= 0:
        return f"not measured: {figures}, which can only be noise: measure on a quiet machine"
    doubt = "" if meets(low) == meets(high) else "; the rounds disagree: measure more of them, on a quiet machine"
    return f"{'met' if meets(median) else 'NOT MET'}: {figures}{doubt}"


def load_average() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def print_table(rows: dict[str, Any]) -> None:
    width = max(map(len, rows)) + 2
    print("\n".join(f"{name:{width}}{value}" for name, value in rows.items()), end="\n\n")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--dataset", default="cifar10", help="the digits where it is not on this machine (default cifar10)"
    )
    parser.add_argument("--images", type=int, default=5_000, help="training images (default 5000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default 5)")
    parser.add_argument("--batch", type=int, default=128, help="images a step (default 128)")
    parser.add_argument("--network", default="basic_cnn", help="the network of all (default basic_cnn)")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where to train (default cpu)")
    parser.add_argument("--memory", action="store_true", help="measure the memory of a long run too")
    parser.add_argument("--quick", action="store_true", help="one round on 64 digits")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    args = parser.parse_args(arguments)
    if args.quick:
        args.dataset, args.images, args.rounds, args.batch = "digits", 64, 1, 32
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    return args


if __name__ == "__main__":
    sys.exit(main())
