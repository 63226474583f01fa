"""What share of a run is judging: with points on slices as they are, and on everything as they were until 0.1.0.

    python benchmarks/judging.py            # about 15 minutes on one core
    python benchmarks/judging.py --quick    # seconds; shows that it works, the numbers mean little

`basic_cnn` (width 0.5, 20 epochs in batches of 128) on 2,000, 5,000 and all 48,000 CIFAR-10 images. A
round measures what a run is made of, one after the other, so that whatever else the machine does meets all alike: steps, a
point of the curves, and the end, where the best epoch is the last and where it is not. Of these the shares of a whole run are
calculated, for a round at a time. `judging.json` keeps what was measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import __version__, data, machine  # noqa: I001  first, as in the app: it says how threads wait
import torch

from reglab.config import EVERYTHING, RunConfig
from reglab.runs.files import write_json
from reglab.training.train import Trainer

OUTPUT = Path(__file__).with_suffix(".json")
SIZES = (2_000, 5_000, 48_000)
STEPS = 40  # of an epoch that are timed; what an epoch takes follows from them
ROUNDS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--precision", default="auto", choices=("auto", "bf16", "fp32"))
    parser.add_argument("--quick", action="store_true", help="a round on 64 digits")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="what to write")
    args = parser.parse_args(arguments)
    sizes, rounds = ((64,), 1) if args.quick else (SIZES, args.rounds)
    told: dict[str, Any] = {"machine": "", "sizes": {}}
    for size in sizes:
        set_up = {"dataset": "digits", "val_size": 64, "batch_size": 16} if args.quick else {"dataset": "cifar10"}
        config = RunConfig.parse({**set_up, "train_size": size, "width": 0.5, "precision": args.precision})
        told["machine"] = about(config)
        told["sizes"][str(size)] = measured(config, rounds)
        print(f"{size:,} images, points of {config.judged_size:,} each; {told['machine']}; n = {rounds}")
        for name, values in told["sizes"][str(size)].items():
            print(f"    {name:40} {said(values)}", flush=True)
    write_json(args.output, told)
    return 0


def measured(config: RunConfig, rounds: int) -> dict[str, list[float]]:
    """The shares of each round, from 0 to 1, and images a second."""
    split = data.split(data.load(config.dataset), config.train_size, config.val_size, config.label_noise, config.seed)
    trainers = {
        "after": Trainer(config, split),
        "before": Trainer(config.override({"judged_size": EVERYTHING}), split),
    }
    shares: dict[str, list[float]] = {}
    for number in range(rounds + 1):  # the first warms up
        for when, trainer in trainers.items():
            took = parts(trainer)
            if number:
                for name, value in of_a_run(took, config, twice=when == "before").items():
                    shares.setdefault(f"{when}, {name}", []).append(value)
                images = trainer.batch_size / took["step"]
                shares.setdefault("images learned a second", []).append(images)
                answered = len(trainer.slices) / took["point"]
                shares.setdefault(f"{when}, images judged a second", []).append(answered)
    return shares


def parts(trainer: Trainer) -> dict[str, float]:
    """Seconds of a step, of a point, and of the end where the best epoch is the last, and where it is the one before."""
    trainer.epoch, trainer.batch = 1, 0
    trainer.begin_epoch()
    steps = min(STEPS, trainer.steps_per_epoch)
    took = {"step": timed(lambda: [trainer.step() for _ in range(steps)]) / steps}
    trainer.history.clear()
    took["point"] = timed(lambda: list(trainer.evaluate()))
    took["last"] = timed(trainer.test)
    [point] = trainer.history
    worse = {"epoch": point.epoch + 1, "val_accuracy": point.val_accuracy - 0.1}
    trainer.history.append(type(point)(**{**vars(point), **worse}))
    took["other"] = timed(trainer.test)
    return took


def timed(work: Callable[[], Any]) -> float:
    """Seconds that it takes: of the processor, which whatever else runs here does not change; of the wall where a GPU works."""
    clock = perf_counter if torch.cuda.is_available() else process_time
    began = clock()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - began


def of_a_run(took: dict[str, float], c: RunConfig, twice: bool) -> dict[str, float]:
    """The share of a whole run that is judging, by where its best epoch was; `twice` answers the test images anew in any case."""
    training = c.epochs * (c.train_images // c.batch_size) * took["step"]
    points = (c.epochs + 1) * took["point"]
    shares = {}
    for name, end in (("best is last", took["other" if twice else "last"]), ("best is not last", took["other"])):
        shares[f"judging, {name}"] = (points + end) / (training + points + end)
    return shares


def about(config: RunConfig) -> str:
    """The machine, and what it calculated with."""
    device = machine.choose_device(config.device)
    precision = machine.choose_precision(config.precision, device)
    told = f"{machine.device_name(device)}, {torch.get_num_threads()} threads, {precision}"
    return f"{told}, torch {torch.__version__}, reglab {__version__}"


def said(values: Sequence[float]) -> str:
    """Mean, and the lowest and the highest."""
    of = (lambda v: f"{v:,.0f}") if max(values) > 1 else (lambda v: f"{100 * v:.1f} %")
    return f"{of(statistics.fmean(values))} ({of(min(values))} to {of(max(values))})"


if __name__ == "__main__":
    sys.exit(main())
