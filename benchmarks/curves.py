"""What a run costs against its images, width, batch size and the number of runs at once, beside what the lab expects of it.

    python benchmarks/curves.py           # some minutes; prints a table, writes benchmarks/curves.json and curves.svg
    python benchmarks/curves.py --draw    # only draws the picture again, from what is there
    python benchmarks/curves.py --quick   # seconds; shows that it works, nothing is written

Whole runs by the lab's own loop, from the network to the last test image; reading the data and starting a process are in
neither figure. In every round the pace of the machine is measured anew, as the app does it (`reglab/jobs/pace.py`), and then
every run has its turn; what was measured is compared with what that pace says within the round. The first round does not
count. Runs at once are processes that share the cores; what is expected of them is the sum of one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import data, machine  # noqa: I001  first, as in the app: it says how threads wait, and torch reads that once
import torch

from conditions import conditions, kept, sentence, spread
from plot import Panel, picture
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError
from reglab.jobs import pace
from reglab.models.effort import effort
from reglab.numbers import counted
from reglab.runs.files import read_json
from reglab.training.train import train

ROOT = Path(__file__).resolve().parent.parent
CURVES: dict[str, tuple[str, list[float]]] = {  # title: the setting that changes, and its values
    "training images": ("train_size", [500, 1_000, 2_000, 4_000, 8_000]),
    "width": ("width", [0.25, 0.5, 1, 2]),
    "batch size": ("batch_size", [8, 32, 128, 512]),
    "runs at once": ("at_once", [1, 2, 4]),
}
MEASURED, EXPECTED = "#2a5db0", "#c62828"

Times = dict[str, list[dict[str, Any]]]  # curve -> a point for each value


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    if args.process:
        return answer(args.process)
    if args.draw:
        told = read_json(args.output)
    else:
        try:
            device = machine.choose_device(args.device)
            base = config_of(args)
        except (ConfigError, DataError) as error:
            print(error, file=sys.stderr)
            return 2
        torch.set_num_threads(machine.cpu_count())
        about = conditions(device, machine.choose_precision("auto", device))
        title = data.source(base.dataset).title
        about["run"] = (
            f"{base.model}, {base.train_images:,} {title} images, batches of {base.batch_size}, {counted(base.epochs, 'epoch')}"
        )
        entry = {"conditions": about | {"rounds": args.rounds}, "curves": measured(base, args)}
        told = kept(args.output, entry)
        print(table(entry))
    if args.output:
        args.output.with_suffix(".svg").write_text(drawn(told), encoding="utf-8")
    return 0


def config_of(args: argparse.Namespace) -> RunConfig:
    """The run that every curve changes one setting of."""
    dataset = args.dataset if data.is_local(args.dataset) else "digits"
    settings = {
        "dataset": dataset,
        "train_size": args.images,
        "val_size": min(500, max(1, args.images // 4)),
        "epochs": args.epochs,
    }
    return RunConfig.parse(settings | {"batch_size": args.batch, "device": args.device})


# ---- measuring ---------------------------------------------------------------------------------------------------
def measured(base: RunConfig, args: argparse.Namespace) -> Times:
    """Seconds of every run, measured and expected, a value a round."""
    most = data.source(base.dataset).images - base.val_size
    values = {title: [v for v in args.values[title] if v <= most] for title in CURVES}
    taken: dict[tuple[str, float], list[tuple[float, float]]] = {(t, v): [] for t in CURVES for v in values[t]}
    with processes(base, max(map(int, values["runs at once"]))) as others:
        for number in range(args.rounds + 1):
            speed = pace.measured(base.device)
            for title, value in taken:
                setting = CURVES[title][0]
                if setting == "at_once":
                    took = at_once(others[: int(value)])
                    expected = int(value) * seconds(speed, base)
                else:
                    config = base.override({setting: type(getattr(base, setting))(value)})
                    took, expected = run(config), seconds(speed, config)
                if number:
                    taken[title, value].append((took, expected))
            print(f"{f'round {number} of {args.rounds}' if number else 'warm-up'} done", file=sys.stderr, flush=True)
    points: Times = {title: [] for title in CURVES}
    for (title, value), pairs in taken.items():
        own, expected = (spread(side) for side in zip(*pairs, strict=True))
        ratio = spread([took / said for took, said in pairs])
        points[title].append({"value": value, "measured": own, "expected": expected, "ratio": ratio})
    return points


def seconds(speed: pace.Pace, config: RunConfig) -> float:
    """What the pace says of a run, without the start of its process."""
    return speed.seconds(config, effort(config.spec(10))) - speed.start


def run(config: RunConfig) -> float:
    """Seconds of a whole run."""
    split = data.split(data.load(config.dataset), config.train_images, config.val_size, label_noise=0.0, seed=0)
    began = time.perf_counter()
    for _ in train(config, split):
        pass
    return time.perf_counter() - began


def at_once(others: Sequence[subprocess.Popen[str]]) -> float:
    """Seconds until all of these have trained the run; on a CPU they share its cores evenly."""
    threads = max(1, machine.cpu_count() // len(others))
    began = time.perf_counter()
    for process in others:
        print(threads, file=process.stdin, flush=True)
    for process in others:
        assert process.stdout
        if not process.stdout.readline():
            raise SystemExit("One of the runs at once has failed: what it said stands above.")
    return time.perf_counter() - began


@contextlib.contextmanager
def processes(config: RunConfig, n: int) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes that train this run whenever they are asked."""
    command = [sys.executable, __file__, "--process", config.model_dump_json()]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(n)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def answer(told: str) -> int:
    """Train the run once for every line that comes in, with so many threads, and say when it has ended."""
    config = RunConfig.parse(json.loads(told))
    for threads in sys.stdin:
        torch.set_num_threads(int(threads))
        run(config)
        print("done", flush=True)
    return 0


# ---- telling -----------------------------------------------------------------------------------------------------
def table(told: dict[str, Any]) -> str:
    """Markdown: a line for each run."""
    lines = ["| | seconds, measured | expected by its pace | measured / expected |", "|---|---|---|---|"]
    for title, points in told["curves"].items():
        for point in points:
            cells = [f"{title}: {point['value']:,g}"]
            cells += [ranged(point["measured"]), f"{point['expected']['median']:.2f}", ranged(point["ratio"])]
            lines.append(f"| {' | '.join(cells)} |")
    about = told["conditions"]
    whole = f"{about['run']} where nothing else is said; medians (min .. max) of {about['rounds']} rounds"
    return "\n".join([*lines, "", f"{whole}; {about['precision']}, {sentence(about)}"])


def ranged(told: dict[str, float]) -> str:
    return f"{told['median']:.2f} ({told['min']:.2f} .. {told['max']:.2f})"


def drawn(told: dict[str, Any]) -> str:
    """The picture: of each kind of machine a panel for each curve, dots for what was measured, a line for what was expected."""
    machines = sorted(told["machines"].items())
    panels = [panel(title, points, kind) for kind, entry in machines for title, points in entry["curves"].items()]
    return picture("What a run costs, measured and expected", panels, columns=2)


def panel(title: str, points: Sequence[dict[str, Any]], kind: str) -> Panel:
    values = [point["value"] for point in points]
    heights = [point[what][end] for point in points for what in ("measured", "expected") for end in ("min", "max")]
    x, y = (values[0] / 1.2, values[-1] * 1.2), (min(heights) / 1.5, max(heights) * 1.5)
    made = Panel(f"Seconds of a run: {kind}", x, y, title, size=(460, 300), ticks=values, told="{:,g}".format)
    made.line([(point["value"], point["expected"]["median"]) for point in points], EXPECTED, "5 3")
    for point in points:
        at, own = point["value"], point["measured"]
        made.line([(at, own["min"]), (at, own["max"])], MEASURED)
        made.dot((at, own["median"]), MEASURED)
    made.text((x[0], y[1]), "● measured", MEASURED, dx=8, dy=14)
    made.text((x[0], y[1]), "╌ expected", EXPECTED, dx=92, dy=14)
    return made


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--dataset", default="cifar10", help="the digits where it is not on this machine (default cifar10)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count (default 3)")
    parser.add_argument("--images", type=int, default=2_000, help="training images, unless they change (default 2000)")
    parser.add_argument("--batch", type=int, default=128, help="images a step, unless they change (default 128)")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of every run (default 2)")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where to train (default cpu)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="what to write (default benchmarks/curves.json)")
    parser.add_argument("--draw", action="store_true", help="measure nothing: draw what is in the file")
    parser.add_argument("--quick", action="store_true", help="one round of small runs on the digits, written nowhere")
    parser.add_argument("--process", metavar="CONFIG", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    args.values = {title: values for title, (_, values) in CURVES.items()}
    if args.quick:
        args.dataset, args.rounds, args.images, args.batch, args.epochs = "digits", 1, 100, 32, 1
        args.values = {title: values[:2] for title, values in args.values.items()} | {"training images": [50, 100]}
    elif not args.output:
        args.output = ROOT / "benchmarks/curves.json"
    if min(args.rounds, args.epochs) < 1 or args.images < 2:
        parser.error("--rounds and --epochs must be at least 1, --images at least 2")
    return args


if __name__ == "__main__":
    sys.exit(main())
