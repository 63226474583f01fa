"""What judging on slices costs beside judging on everything: which epoch is taken for the best, and what the diagnosis says.

    python benchmarks/slices.py            # about 20 minutes on one core
    python benchmarks/slices.py --quick    # seconds; shows that it works, the numbers mean little

`basic_cnn` on 2,000 CIFAR-10 images (width 0.5, 20 epochs) in four set-ups. Every training and validation image and 2,000 test
images are answered after every epoch, so that slices of any draw can be taken from the answers afterwards: 40 for each run.
`slices.json` keeps what came of it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import data
from reglab.config import EVERYTHING, RunConfig
from reglab.runs.files import write_json
from reglab.training.diagnosis import diagnose
from reglab.training.events import Epoch, as_reported, best_epoch

OUTPUT = Path(__file__).with_suffix(".json")
SET_UPS: dict[str, dict[str, Any]] = {
    "plain": {},
    "regularized": {"dropout": True, "batch_norm": True, "weight_decay": True, "flip_crop": True},
    "batch_norm": {"batch_norm": True},
    "40 % wrong labels": {"label_noise": 0.4},
}
SEEDS, DRAWS, TEST = 5, 40, 2_000

Answers = Mapping[str, Any]  # arrays (epochs, images): loss and right of `train`, `given` (labels), `val` and `test`


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two epochs on 200 digits with one seed")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="what to write")
    args = parser.parse_args(arguments)
    size = {"dataset": "digits", "train_size": 200, "val_size": 200, "epochs": 2, "judged_size": 50, "batch_size": 32}
    base = RunConfig.parse(size if args.quick else {"train_size": 2_000, "width": 0.5})
    told: dict[str, Any] = {}
    for name, changes in SET_UPS.items():
        for seed in range(1 if args.quick else SEEDS):
            config = base.override({**changes, "seed": seed})
            told.setdefault(name, []).append(drawn(config, answers(config)))
        print(f"{name:20} {in_words(told[name])}", flush=True)
    write_json(args.output, told)
    return 0


def answers(config: RunConfig) -> Answers:
    """What the network says after each epoch of a run."""
    import numpy as np
    from torch.nn.functional import cross_entropy

    from reglab.training.batches import ImageSet
    from reglab.training.train import Trainer

    split = data.split(data.load(config.dataset), config.train_size, config.val_size, config.label_noise, config.seed)
    trainer = Trainer(config, split)
    test = ImageSet.to_device(split.test_images[:TEST], split.test_labels[:TEST], trainer.device)
    told: dict[str, list[Any]] = {}
    while trainer.epoch <= config.epochs:
        trainer.begin_epoch()
        while trainer.batch < trainer.batches:
            trainer.step()
        network, whole = trainer.evaluation_model(), trainer.everything
        fit, held_out, new = (trainer.logits(network, part) for part in (whole.train, whole.val, test))
        for name, logits, labels in (
            ("train", fit, whole.train.labels),
            ("given", fit, whole.given),
            ("val", held_out, whole.val.labels),
            ("test", new, test.labels),
        ):
            told.setdefault(f"{name}_loss", []).append(cross_entropy(logits, labels, reduction="none").numpy())
            told.setdefault(f"{name}_right", []).append((logits.argmax(1) == labels).numpy())
        trainer.end_epoch()
    arrays = {name: np.stack(each) for name, each in told.items()}
    return arrays | {"true": split.true_labels, "labels": split.train_labels, "vlabels": split.val_labels}


def history(told: Answers, train: Any, val: Any) -> list[Epoch]:
    """The epochs as these rows of the training and validation images show them."""
    wrong, epochs = (told["true"] != told["labels"])[train], []
    for e in range(len(told["val_right"])):
        mean = {name: float(told[name][e][rows].mean()) for name, rows in columns(train, val).items()}
        numbers = {"train_loss": mean["train_loss"], "train_accuracy": mean["train_right"]}
        numbers |= {"val_loss": mean["val_loss"], "val_accuracy": mean["val_right"]}
        if wrong.any():
            numbers |= {"fit_loss": mean["given_loss"], "fit_accuracy": mean["given_right"]}
            numbers["memorised"] = float(told["given_right"][e][train][wrong].mean())
        gap = numbers["train_accuracy"] - numbers["val_accuracy"]
        epochs.append(Epoch(epoch=e, step=15 * e, lr=0.1, ece=0.0, gap=gap, **numbers))
    return epochs


def columns(train: Any, val: Any) -> dict[str, Any]:
    """Which rows count for which numbers."""
    of_train = {f"{part}_{what}": train for part in ("train", "given") for what in ("loss", "right")}
    return of_train | {"val_loss": val, "val_right": val}


def drawn(config: RunConfig, told: Answers) -> dict[str, float]:
    """Of one run: means over the slices that were drawn, as fractions."""
    import numpy as np

    everything = config.override({"judged_size": EVERYTHING})
    whole = history(told, slice(None), slice(None))
    test = told["test_right"].mean(1)
    words = [diagnose(whole[:n], everything).kind for n in range(1, len(whole))]
    end = diagnose(whole, everything, done=True).kind
    found: dict[str, list[float]] = {}
    strata = 2 * told["true"] + (told["true"] != told["labels"])
    for draw in range(DRAWS):
        rows = data.spread(strata, config.judged[0], draw), data.spread(told["vlabels"], config.judged[1], draw)
        seen = history(told, *rows)
        highest = max(seen, key=lambda e: (e.val_accuracy, -e.epoch))
        last = as_reported(seen[-1], vars(whole[-1]))
        alike = [diagnose(seen[:n], config).kind == word for n, word in zip(range(1, len(seen)), words, strict=True)]
        for name, value in {
            "test accuracy at the best epoch": test[best_epoch(seen, config).epoch],
            "test accuracy at the highest point": test[highest.epoch],
            "best is last": best_epoch(seen, config).epoch == len(seen) - 1,
            "same word while it trains": np.mean(alike),
            "same word at the end": diagnose(seen, config, done=True, last=last).kind == end,
        }.items():
            found.setdefault(name, []).append(float(value))
    of_all = {
        "test accuracy, all images": test[best_epoch(whole, everything).epoch],
        "test accuracy at the end": test[-1],
    }
    means = {name: statistics.fmean(values) for name, values in found.items()}
    return {name: round(float(value), 4) for name, value in {**of_all, **means}.items()}


def in_words(runs: Sequence[Mapping[str, float]]) -> str:
    """The means over the seeds."""
    return "; ".join(f"{name} {100 * statistics.fmean(run[name] for run in runs):.1f} %" for name in runs[0])


if __name__ == "__main__":
    sys.exit(main())
