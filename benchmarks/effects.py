"""What each regularizer does alone, on few images and on wrong labels: the figures of the cards and of docs/regularizers.md.

    python benchmarks/effects.py             # hours on two cores; end it at any time, start it again and it goes on
    python benchmarks/effects.py --table     # the Markdown table of what has been measured so far
    python benchmarks/effects.py --quick     # seconds, some techniques on 64 digits; shows that it works, writes nothing

`basic_cnn` at half its width learns 2,000 CIFAR-10 images, once as they are and once with 30 % wrong labels: plain, and
with each technique at its default settings and nothing else. Techniques are compared with the plain network of the same
seed, which saw the same images in the same order, from the same first weights where both have the same layers. A technique
that `basic_cnn` has no place for is measured on the first network that has one, beside that network plain.

Every measurement is a run folder. It is found again by its config, so nothing is trained twice, and a technique whose
defaults change is measured anew. Code that changes without its settings is not noticed: remove the folder of runs then.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import data
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError, RunError
from reglab.jobs.worker import work
from reglab.regularizers import CATALOGUE, regularizer
from reglab.runs.files import read_json, write_json
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.teaching import cards
from reglab.training.events import Epoch, Event

ROOT = Path(__file__).resolve().parent.parent
NETWORK = "basic_cnn"
CONDITIONS = {"clean": 0.0, "noise": 0.3}  # name -> share of wrong labels
MEASURED = ("test_accuracy", "gap", "test_loss", "ece", "memorised", "early")
COMPARED = {"test_accuracy": "test_difference", "gap": "gap_difference", "test_loss": "loss_difference"}
COMPARED |= {"ece": "ece_difference", "early": "early_difference"}
EARLY = 3  # the epoch whose validation accuracy tells how fast a network begins to learn

Numbers = Mapping[str, float]  # MEASURED and seconds_per_epoch of one run: fractions from 0 to 1, losses in nats


@dataclass(frozen=True)
class Trial:
    """One run to be measured; `row` and `baseline` are names of rows of the table."""

    condition: str
    row: str
    seed: int
    baseline: str | None = field(compare=False)  # None: it is one
    config: RunConfig = field(compare=False)


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    with contextlib.ExitStack() as ended:
        if args.quick:
            folder = Path(ended.enter_context(tempfile.TemporaryDirectory()))
            args.runs, args.output = args.runs or folder / "runs", args.output or folder / "effects.json"
        args.runs, args.output = args.runs or ROOT / "build/effects", args.output or ROOT / "benchmarks/effects.json"
        try:
            status = 0 if args.table else measure(args)
        except (ConfigError, DataError, RunError) as error:
            print(error, file=sys.stderr)
            return 2
        if told := read_json(args.output):
            print(table(told))
        elif args.table:
            print(
                f"Nothing has been measured yet: {args.output} is missing, run this without --table.", file=sys.stderr
            )
            return 2
    return status


def measure(args: argparse.Namespace) -> int:
    """Train what has not been trained, and write what there is after every run. Returns the exit status."""
    common = {"dataset": args.dataset, "train_size": args.train_size, "val_size": args.val_size}
    common |= {"epochs": args.epochs, "batch_size": args.batch_size, "width": args.width}
    trials, skipped = plan(common, args.seeds, args.conditions)
    only = {regularizer(key).key for key in args.only}
    only |= {t.baseline for t in trials if t.row in only and t.baseline}
    trials = [t for t in trials if not only or t.row in only]
    store, known = Store(args.runs), []
    for run in store.runs():
        with contextlib.suppress(RunError):  # damaged, or of another version: as if it were not there
            known.append((run.config, run))
    done: dict[Trial, Run] = {}
    to_do: list[tuple[Trial, Run | None]] = []
    for trial in trials:
        same = [run for config, run in known if config == trial.config]
        finished = next((run for run in same if run.status() == "finished"), None)
        if finished:
            done[trial] = finished
        else:
            to_do.append((trial, same[0] if same else None))
    numbers, failed = {trial: numbers_of(run) for trial, run in done.items()}, {}

    def write() -> None:
        told = rows(numbers)
        seeds = sorted({row["n"] for measured in told.values() for row in measured.values()})
        conditions = conditions_of(common, seeds, done.values())
        write_json(args.output, {"conditions": conditions, "skipped": skipped, "failed": failed, "rows": told})

    if to_do:
        data.load(args.dataset)  # fetched before anything is started
    if done:
        write()
    asked, progress = stop_on_signals(), Progress(len(done), [trial for trial, _ in to_do], done)
    for trial, run in to_do:
        if run is None:
            run = store.create(
                trial.config, name=f"{trial.condition}, {trial.row.replace(':', ' ')}, seed {trial.seed}"
            )
        elif run.status() != "running":
            run.reopen()
        progress.begin(trial)
        work([run], progress.listen, lambda: bool(asked))
        match run.status():
            case "finished":
                done[trial], numbers[trial] = run, numbers_of(run)
                progress.end(trial, run, f"test {numbers[trial]['test_accuracy']:.1%}")
            case "failed":
                failed[f"{trial.condition} {trial.row} seed {trial.seed}"] = reason = run.summary()["reason"]
                progress.end(trial, run, f"failed. {reason}")
        if done:
            write()
        if asked:
            progress.say("Stopped, with a snapshot: the same command goes on from here.")
            return 128 + asked[0]
    return 1 if failed else 0


# ---- what to train -----------------------------------------------------------------------------------------------
def plan(common: Mapping[str, Any], seeds: int, conditions: Sequence[str]) -> tuple[list[Trial], dict[str, str]]:
    """All runs in the order of their work, and the techniques that no network here takes with the reason."""
    base = RunConfig.parse({**common, "model": NETWORK})
    places, skipped = {}, {}
    for key in CATALOGUE:
        try:
            places[key] = cards.network_for(key, base)
        except ConfigError as error:
            skipped[key] = str(error)
    techniques = {plain_row(model): (model, None) for model in (NETWORK, *places.values())}
    techniques |= {key: (model, plain_row(model)) for key, model in places.items()}
    trials = []
    for condition in conditions:
        label_noise = CONDITIONS[condition]
        for seed in range(seeds):
            for row, (model, baseline) in techniques.items():
                chosen = {row: {}} if baseline else {}
                values = {**common, "model": model, "label_noise": label_noise, "seed": seed, "regularizers": chosen}
                trials.append(Trial(condition, row, seed, baseline, RunConfig.parse(values)))
    return trials, skipped


def plain_row(model: str) -> str:
    return "plain" if model == NETWORK else f"plain:{model}"


def stop_on_signals() -> list[int]:
    """Ctrl-C and SIGTERM end the run under way with a snapshot; a second Ctrl-C breaks off. Returns what was asked."""
    asked: list[int] = []

    def handle(number: int, frame: object) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    return asked


# ---- what came of it ---------------------------------------------------------------------------------------------
def numbers_of(run: Run) -> Numbers:
    """What a finished run stands by: its last epoch, or its best where early stopping is on."""
    early = [e.val_accuracy for e in run.history() if e.epoch == EARLY]
    summary = run.summary() | dict(zip(["early"], early, strict=False))
    return {k: summary[k] for k in MEASURED if k in summary} | {"seconds_per_epoch": seconds_per_epoch(run)}


def seconds_per_epoch(run: Run) -> float:
    """The median over the epochs, from the end of one to the end of the next: steps and judging, not the first start."""
    ends: dict[int, float] = {}
    for line in run.lines(file="timing.jsonl")[0][:-1]:  # the last line has the test images in it
        if line["batch"] == line["batches"] or line["epoch"] == 0:
            ends[line["epoch"]] = line["seconds"]
    return statistics.median(ends[e] - ends[e - 1] for e in ends if e - 1 in ends)


def rows(numbers: Mapping[Trial, Numbers]) -> dict[str, dict[str, Any]]:
    """condition -> row -> what the seeds say together. A difference is technique minus plain, seed by seed."""
    told: dict[str, dict[str, Any]] = {}
    for condition in CONDITIONS:
        by_row: dict[str, dict[int, Trial]] = {}
        for trial in sorted((t for t in numbers if t.condition == condition), key=lambda t: t.seed):
            by_row.setdefault(trial.row, {})[trial.seed] = trial
        told[condition] = {row: row_of(seeds, by_row, numbers) for row, seeds in by_row.items()}
    return told


def row_of(
    seeds: Mapping[int, Trial], by_row: Mapping[str, Mapping[int, Trial]], numbers: Mapping[Trial, Numbers]
) -> dict[str, Any]:
    first = next(iter(seeds.values()))
    own = [numbers[trial] for trial in seeds.values()]
    seconds = [round(n["seconds_per_epoch"], 3) for n in own]
    row: dict[str, Any] = {
        "n": len(seeds),
        "seeds": list(seeds),
        "model": first.config.model,
        "settings": first.config.model_dump(mode="json")["regularizers"],
        "baseline": first.baseline,
    }
    row |= {name: spread([n[name] for n in own]) for name in MEASURED if all(name in n for n in own)}
    row["seconds_per_epoch"] = {"median": round(statistics.median(seconds), 3), "values": seconds}
    beside = by_row.get(first.baseline or "", {})
    pairs = [(numbers[trial], numbers[beside[seed]]) for seed, trial in seeds.items() if seed in beside]
    for name, difference in COMPARED.items():
        both = [(technique[name], plain[name]) for technique, plain in pairs if name in technique and name in plain]
        row[difference] = spread([technique - plain for technique, plain in both]) if both else None
    return row


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean, sample standard deviation (none of a single value) and the values themselves, by seed."""
    sd = round(statistics.stdev(values), 6) if len(values) > 1 else None
    return {"mean": round(statistics.fmean(values), 6), "sd": sd, "values": [round(v, 6) for v in values]}


def conditions_of(common: Mapping[str, Any], seeds: Sequence[int], runs: Iterable[Run]) -> dict[str, Any]:
    """What the figures hold for, read off the runs; where they differ (another machine, a new torch) it says all.

    `seeds` are the numbers of seeds that rows have, in order.
    """
    summaries, versions = [run.summary() for run in runs], [run.described["versions"] for run in runs]

    def said(values: Iterable[Any]) -> Any:
        different = sorted(set(values))
        return different[0] if len(different) == 1 else " and ".join(map(str, different))

    told = {**common, "label_noise": CONDITIONS["noise"], "seeds": list(range(seeds[-1]))}
    told |= {k: said(s[k] for s in summaries) for k in ("val_images", "test_images", "device", "precision", "threads")}
    told |= {k: said(v[k] for v in versions) for k in ("torch", "reglab")}
    told["date"] = max(s["created"] for s in summaries)[:10]
    title = data.source(common["dataset"]).title
    many = counted(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {counted(seeds[-1], 'seed')}"
    width = "" if common["width"] == 1 else f" at width {common['width']:g}"
    sentence = (
        f"{NETWORK}{width} on {common['train_size']:,} {title} images, {counted(common['epochs'], 'epoch')} in batches of"
        f" {common['batch_size']}, each technique alone at its defaults, {many};"
        f" {told['test_images']:,} test images; {told['device']}, {counted(told['threads'], 'thread')}, {told['precision']},"
        f" torch {told['torch']}; {told['date']}."
    )
    return {"sentence": sentence, **told}


def table(told: Mapping[str, Any]) -> str:
    """The recorded figures in Markdown, those that help most on clean labels first."""
    clean = next((rows for rows in told["rows"].values() if rows), {})

    def place(item: tuple[str, Any]) -> tuple[bool, float]:
        difference = clean.get(item[0], {}).get("test_difference")
        return item[1]["baseline"] is not None, -difference["mean"] if difference else 0.0

    lines = [told["conditions"]["sentence"], "Mean ± standard deviation over n seeds; differences are paired by seed."]
    for condition, wrong in CONDITIONS.items():
        measured = told["rows"].get(condition, {})
        if not measured:
            continue
        names = ["", "n", "test, %", "to plain", "gap, points", "to plain", "test loss", "to plain", "ECE", "to plain"]
        names += [f"val after {EARLY} epochs, %", "to plain"]
        names += [*(["wrong labels learned, %"] if wrong else []), "time of an epoch"]
        labels = f"{wrong:.0%} of the labels wrong".replace("%", " %") if wrong else "The labels as they are"
        lines += ["", f"{labels}:", "", f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
        for key, row in sorted(measured.items(), key=place):
            seconds, baseline = row["seconds_per_epoch"]["median"], measured.get(row["baseline"])
            cells = [named(key, row), str(row["n"])]
            for name, difference in COMPARED.items():
                scale, digits = {"ece": (1, 3), "test_loss": (1, 2)}.get(name, (100, 1))
                cells += [shown(row.get(name), scale, digits), shown(row.get(difference), scale, digits, sign="+")]
            cells += [shown(row.get("memorised"), 100, 1)] if wrong else []
            cells += [f"{seconds / baseline['seconds_per_epoch']['median']:.2f} x" if baseline else f"{seconds:.1f} s"]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"Not measured: {key}. {reason}" for key, reason in told["skipped"].items())]
    lines += [f"Failed: {trial}. {reason}" for trial, reason in told["failed"].items()]
    return "\n".join(lines).rstrip()


def named(key: str, row: Mapping[str, Any]) -> str:
    name = CATALOGUE[key].title if key in CATALOGUE else key.partition(":")[0]
    return name if row["model"] == NETWORK else f"{name} ({row['model']})"


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number > 1)}"


def shown(figure: Mapping[str, Any] | None, scale: float, digits: int, sign: str = "") -> str:
    if figure is None:
        return ""
    mean = f"{figure['mean'] * scale:{sign}.{digits}f}"
    return mean if figure["sd"] is None else f"{mean} ± {figure['sd'] * scale:.{digits}f}"


# ---- telling how far it is ---------------------------------------------------------------------------------------
class Progress:
    """A bar on standard error: one line that renews itself on a terminal, a line a run anywhere else."""

    def __init__(self, done: int, to_do: Sequence[Trial], before: Mapping[Trial, Run]) -> None:
        self.done, self.total, self.to_do = done, done + len(to_do), list(to_do)
        self.seconds: dict[str, list[float]] = {}  # row -> what its runs took
        for trial, run in before.items():
            self._took(trial, run)
        self.now = ""
        self.share = self.drawn = 0.0

    def begin(self, trial: Trial) -> None:
        self.now, self.share = f"{trial.condition}, {trial.row}, seed {trial.seed}", 0.0
        self._draw()

    def listen(self, run: Run, event: Event) -> None:
        if isinstance(event, Epoch):
            self.share = event.epoch / run.config.epochs
        if isinstance(event, Epoch) or time.monotonic() - self.drawn > 1:
            self._draw()

    def end(self, trial: Trial, run: Run, outcome: str) -> None:
        self.done, self.share = self.done + 1, 0.0
        self.to_do.remove(trial)
        self._took(trial, run)
        self.say(f"{self.done:>3}/{self.total}  {self.now}: {outcome}; {self._left()}")

    def say(self, line: str) -> None:
        clear = "\r\x1b[K" if sys.stderr.isatty() else ""
        print(f"{clear}{line}", file=sys.stderr, flush=True)

    def _took(self, trial: Trial, run: Run) -> None:
        self.seconds.setdefault(trial.row, []).append(run.summary().get("seconds", 0.0))

    def _left(self) -> str:
        """The same technique is the best guide to what a run takes, all techniques the next best."""
        every = [s for taken in self.seconds.values() for s in taken]
        if not every:
            return "time left not known yet"
        take = [statistics.fmean(self.seconds.get(trial.row, every)) for trial in self.to_do]
        left = sum(take) - (take[0] * self.share if take else 0.0)
        return f"about {left / 60:,.0f} min left" if left >= 60 else f"about {left:.0f} s left"

    def _draw(self) -> None:
        self.drawn = time.monotonic()
        if sys.stderr.isatty():
            full = round(20 * (self.done + self.share) / max(self.total, 1))
            bar = "#" * full + "." * (20 - full)
            line = f"[{bar}] {self.done}/{self.total}  {self.now} {self.share:.0%}  {self._left()}"
            print(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    quick: dict[str, Any] = {"dataset": "digits", "train_size": 64, "val_size": 64, "batch_size": 32, "epochs": 1}
    quick |= {"seeds": 1, "width": 1.0}
    usual: dict[str, Any] = {"dataset": "cifar10", "train_size": 2_000, "val_size": 2_000, "batch_size": 128}
    usual |= {"epochs": 20, "seeds": 3, "width": 0.5}
    about = {
        "dataset": "the pictures",
        "train_size": "training images",
        "val_size": "validation images",
        "batch_size": "images a step",
        "epochs": "epochs of every run",
        "seeds": "seeds, counted from 0",
        "width": f"channels of {NETWORK}, as a multiple of what is usual",
    }
    for name, default in usual.items():
        kind = type(default)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=f"{about[name]} (default {default})")
    parser.add_argument("--only", metavar="A,B", help="these techniques alone, and what they are compared with")
    parser.add_argument("--conditions", metavar="A,B", help=f"which of {', '.join(CONDITIONS)} (default both)")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="folder of the runs (default build/effects)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="what to write (default benchmarks/effects.json)")
    parser.add_argument("--table", action="store_true", help="train nothing, print the table of what has been measured")
    parser.add_argument("--quick", action="store_true", help="some techniques, an epoch on 64 digits, written nowhere")
    args = parser.parse_args(arguments)
    for name, default in (quick if args.quick else usual).items():
        if getattr(args, name) is None:
            setattr(args, name, default)
    args.only = (args.only or ("dropout,weight_decay,flip_crop" if args.quick else "")).split(",")
    args.only = [key.strip() for key in args.only if key.strip()]
    args.conditions = (args.conditions or ",".join(CONDITIONS)).split(",")
    if unknown := next((name for name in args.conditions if name not in CONDITIONS), ""):
        parser.error(f"there is no condition {unknown!r}: choose from {', '.join(CONDITIONS)}")
    if args.seeds < 1:
        parser.error("--seeds must be at least 1")
    return args


if __name__ == "__main__":
    sys.exit(main())
