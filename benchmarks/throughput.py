"""How fast reglab trains, beside the plain PyTorch loop of the tutorials and Keras: same images, same network, one run.

    python benchmarks/throughput.py              # some minutes on two cores
    python benchmarks/throughput.py --keras P    # beside `model.fit` too; P is a Python that has Keras and TensorFlow
    python benchmarks/throughput.py --memory     # and the memory of a run on 48,000 images, about a minute more
    python benchmarks/throughput.py --quick      # seconds; shows that it works, the numbers mean little

A round is one epoch of each contestant, one after the other, so that whatever else the machine does meets them alike;
ratios are taken within a round. The first round warms up and does not count. Only the steps are timed, from the order
of the images to the last step of the epoch; nobody's evaluation is.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import data, machine  # noqa: I001  first, as in the app: it says how threads wait, and torch reads that once
import torch

from conditions import conditions, kept, sentence
from contestants import Epochs, bare, keras, keras_sides, products, reglab, tutorial
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError

ROOT = Path(__file__).resolve().parent.parent
CONTESTANTS = {
    "A": "reglab, flip and crop on: train() recorded into a run folder, as the app does it",
    "bare": "forward, backward and optimizer step of A alone, on batches prepared beforehand",
    "A plain": "reglab without flip and crop",
    "products": "of bare the products of the convolutions and dense layers alone, there and back: the ceiling",
    "B 0w": "tutorial: PIL images, torchvision transforms, DataLoader, fp32, loss.item() each step; no workers",
    "B 2w": "tutorial, 2 DataLoader workers",
    "C 0w": "tutorial with A's precision, channels_last and fused AdamW; no workers",
    "C 2w": "the same, 2 DataLoader workers",
    "K fp32": "Keras model.fit, TensorFlow: flip and crop by its layers, AdamW, fp32, images normalized in memory",
    "K bf16": "the same in mixed_bfloat16",
    "K plain": "Keras, TensorFlow, without flip and crop, in A's precision",
    "K torch": "Keras with the torch backend, flip and crop, fp32",
}
ABOUT = {
    "A / B": "reglab beside the tutorial loop",
    "C / B": "what precision, channels_last and the fused optimizer alone buy",
    "A / C": "what the loop buys: images on the device, augmentation of whole batches, no waiting",
    "A / K": "reglab beside the fastest Keras with flip and crop, in whichever precision",
    "bare / products": "the share of the ceiling that the bare step reaches",
    "overhead": "share of a step of A that is not forward, backward, optimizer step; flip and crop on",
    "overhead plain": "the same without flip and crop",
}
Seconds = dict[str, list[float]]  # of an epoch, by contestant and round
RATIO, OVERHEAD, MEMORY = 2.0, 0.15, 1.5e9  # the targets: A / B at least, the others at most


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    try:
        config, split = prepare(args)
        device = machine.choose_device(config.device)
        precision = machine.choose_precision(config.precision, device)
        fits = keras_sides(args.keras, precision) if args.keras else {}
    except (ConfigError, DataError) as error:
        print(error, file=sys.stderr)
        return 2
    # An epoch; everyone leaves out the batch that is not full.
    images = len(split.train_images) // config.batch_size * config.batch_size

    if config.dataset != args.dataset:
        print(f"{data.source(args.dataset).title} is not on this machine: measured on the digits instead.\n")
    about = conditions_of(config, images, device, precision, args.rounds)
    print_table(about)

    beside: dict[str, dict[str, Any]] = {name: {} for name in fits}
    with tempfile.TemporaryDirectory() as folder:
        contestants = sides(config, split, device, precision, folder)
        contestants |= {n: keras(args.keras, fits[n], config, split, device, beside[n]) for n in fits}
        print_table({name: CONTESTANTS[name] for name in contestants})
        seconds, busy = measure(contestants, args.rounds, images)
    speeds, of_processors = ({n: [images / s for s in taken] for n, taken in both.items()} for both in (seconds, busy))
    derived = compare(seconds)
    fastest = ", ".join(f"{name} for {name[0]}" for side in "BCK" if (name := stands_for(side, seconds)))
    print(f"\nThe fastest of each kind stand for it: {fastest}.\n")
    tell(derived)
    for name, fit in beside.items():
        print(f"{name} is {described(fit)}")
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
    entry = {
        "conditions": about,
        "images_per_second": speeds,
        "images_per_processor_second": of_processors if device.type == "cpu" else {},
        "by_round": derived,
        "by_round_of_processor_time": compare(busy) if device.type == "cpu" else {},
        "medians": {name: statistics.median(values) for name, values in (speeds | derived).items()},
        "keras": beside,
        "peak_bytes": peak,
        "verdicts": verdicts,
    }
    kept(args.json, entry)
    print(table(entry))
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
            "precision": args.precision,
            "regularizers": {"flip_crop": {}},
        }
    )
    return config, split


def conditions_of(config: RunConfig, images: int, device: torch.device, precision: str, rounds: int) -> dict[str, Any]:
    return conditions(device) | {
        "data": f"{data.source(config.dataset).title}, {images:,} images an epoch, batches of {config.batch_size}",
        "network": config.model,
        "precision of A, bare, products and C": precision,
        "n": f"{rounds} round{'s' * (rounds > 1)} after one to warm up",
    }


def sides(config: RunConfig, split: data.Split, device: torch.device, precision: str, folder: str) -> dict[str, Epochs]:
    """Everyone who needs nothing but the lab."""
    return {
        "A": reglab(config, split, device, folder),
        "bare": bare(config, split, device, precision),
        "A plain": reglab(config.plain(), split, device, folder),
        "products": products(config, split, device, precision),
        "B 0w": tutorial(config, split, device, workers=0),
        "B 2w": tutorial(config, split, device, workers=2),
        "C 0w": tutorial(config, split, device, workers=0, tuned=precision),
        "C 2w": tutorial(config, split, device, workers=2, tuned=precision),
    }


def measure(contestants: dict[str, Epochs], rounds: int, images: int) -> tuple[Seconds, Seconds]:
    """Seconds and processor seconds an epoch by contestant, a value a round; prints images/s as they come."""
    taken: dict[str, list[Any]] = {name: [] for name in contestants}
    print("images/s  " + "".join(f"{name:>9}" for name in contestants))
    try:
        for number in range(rounds + 1):
            now = {name: next(epochs) for name, epochs in contestants.items()}
            shown = "".join(f"{images / seconds:>9,.0f}" for seconds, _ in now.values())
            print(f"{f'round {number}' if number else 'warm-up':10}{shown}", flush=True)
            if number:
                for name, both in now.items():
                    taken[name].append(both.tolist())
    finally:
        for epochs in contestants.values():
            epochs.close()
    wall, processor = ({name: [both[i] for both in values] for name, values in taken.items()} for i in (0, 1))
    # What workers do, they do in processes of their own.
    return wall, {name: values for name, values in processor.items() if not name.endswith("2w")}


# ---- measuring and telling ---------------------------------------------------------------------------------------
def compare(seconds: Seconds) -> dict[str, list[float]]:
    """What is derived from them, by rounds."""

    def beside(one: str, other: str) -> list[float]:
        """How many times as fast the one was as the other, by rounds."""
        return [theirs / own for own, theirs in zip(seconds[one], seconds[other], strict=True)]

    b, c, k = (stands_for(side, seconds) for side in "BCK")
    return {
        "A / B": beside("A", b),
        "C / B": beside(c, b),
        "A / C": beside("A", c),
        **({"A / K": beside("A", k)} if k else {}),
        "bare / products": beside("bare", "products"),
        "overhead": [1 - speed for speed in beside("A", "bare")],
        "overhead plain": [1 - speed for speed in beside("A plain", "bare")],
    }


def stands_for(side: str, seconds: Seconds) -> str:
    """Of the tutorial loops B, the tuned C and Keras, K, the fastest that does what A does; empty where there is none."""
    alike = [name for name in seconds if name.startswith(f"{side} ") and name != "K plain"]
    return min(alike, key=lambda name: statistics.median(seconds[name]), default="")


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


def table(entry: dict[str, Any]) -> str:
    """Markdown: images a second of everyone, and the ratios; for each second that passes, and for each of a processor."""
    busy = entry["images_per_processor_second"]
    lines = ["| images a second | median | slowest .. fastest | for each second of a processor |", "|---|---|---|---|"]
    for name, values in entry["images_per_second"].items():
        own = (
            f"{statistics.median(busy[name]):,.0f} ({min(busy[name]):,.0f} .. {max(busy[name]):,.0f})"
            if name in busy
            else ""
        )
        ranged = f"{min(values):,.0f} .. {max(values):,.0f}"
        lines.append(f"| {name}: {CONTESTANTS[name]} | {statistics.median(values):,.0f} | {ranged} | {own} |")
    lines += ["", "| | median by rounds (min .. max) | by seconds of a processor |", "|---|---|---|"]
    for name, values in entry["by_round"].items():
        say = "{:.1%}".format if "overhead" in name else "{:.2f}".format
        own, ranged = (
            f"{say(statistics.median(v))} ({say(min(v))} .. {say(max(v))})" if v else ""
            for v in (entry["by_round_of_processor_time"].get(name), values)
        )
        lines.append(f"| {name}: {ABOUT[name]} | {ranged} | {own} |")
    about = entry["conditions"]
    return "\n".join([*lines, "", f"{about['network']}, {about['data']}; n = {about['n']}; {sentence(about)}"])


def described(fit: dict[str, Any]) -> str:
    """What a process of Keras has said of itself, and whether it has learned anything."""
    versions = ", ".join(f"{name} {fit[name]}" for name in ("keras", "tensorflow", "torch") if name in fit)
    xla = "compiled by XLA" if fit["xla"] else "without XLA"
    return (
        f"{versions}, {xla}; {fit['parameters']:,} parameters, loss {fit['losses'][0]:.3f} .. {fit['losses'][-1]:.3f}"
    )


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
    parser.add_argument(
        "--precision",
        default="auto",
        choices=["auto", "bf16", "fp32"],
        help="of A, bare, products and C (default auto)",
    )
    parser.add_argument(
        "--keras", metavar="PYTHON", help="beside Keras too: a Python that has it (benchmarks/README.md)"
    )
    parser.add_argument("--memory", action="store_true", help="measure the memory of a long run too")
    parser.add_argument("--quick", action="store_true", help="one round on 64 digits")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="keep what was measured, beside other kinds of machine"
    )
    args = parser.parse_args(arguments)
    if args.quick:
        args.dataset, args.images, args.rounds, args.batch = "digits", 64, 1, 32
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    if args.keras and args.network != "basic_cnn":
        parser.error("--keras knows basic_cnn alone: leave --network out")
    return args


if __name__ == "__main__":
    sys.exit(main())
