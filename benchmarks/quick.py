"""What a press on Train gives within a minute: how far apart the two networks end, and how long one waits for it.

    python benchmarks/quick.py                    # both parts; some twenty minutes on two cores
    python benchmarks/quick.py --only sizes       # 5 seeds of the pair in each size that may be proposed, up to --largest images
    python benchmarks/quick.py --only page        # the app in a browser: what it proposes here, and how long that takes
    python benchmarks/quick.py --table            # what has been measured so far, in Markdown
    python benchmarks/quick.py --quick            # seconds; shows that it works, the numbers mean little

`sizes` trains both networks by the loop, one after the other, and tells gaps and accuracies in points. `page` starts the app
in folders of its own, as on a machine that has never seen it, opens its page, and presses Train once the size is settled.
`quick.json` keeps what was measured, for each machine.

A processor without bf16 and AVX-512 can be had on one with both: `ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2` before the
command; slower cores by a quota of their time, such as `cpu.cfs_quota_us` of a control group.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from time import perf_counter, process_time, sleep
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import data, machine  # noqa: I001  first, as in the app: it says how threads wait
import startup

from conditions import conditions, kept, sentence
from reglab.config import RunConfig
from reglab.experiments.experiment import Experiment
from reglab.runs.files import read_json
from reglab.runs.store import Store
from reglab.teaching.sizes import sizes
from reglab.training.events import Finished
from reglab.training.train import train

OUTPUT = Path(__file__).with_suffix(".json")
SEEDS, VISITS = 5, 3
LARGEST = 5_000  # images
TARGETS = {  # of what is proposed: it should be at least, or at most
    "gap of the plain network": ("at least", 25.0),
    "wider than the regularized one's": ("at least", 15.0),
    "test accuracy gained": ("at least", 5.0),
    "seconds to the first trained points": ("at most", 6.0),
    "seconds to the verdict": ("at most", 70.0),
}

COLUMNS = {  # of the table: in short
    "sizes": {
        "gap of the plain network": "gap of the plain network",
        "wider than the regularized one's": "wider by",
        "test accuracy gained": "test gained",
        "seconds of both": "seconds of both",
    },
    "page": {
        "seconds until Train could be pressed": "Train can be pressed",
        "seconds until the size was settled": "the size is settled",
        "seconds to the first trained points": "Train to trained points",
        "seconds to the verdict": "Train to verdict",
        "of a processor for the browser": "of a processor for the browser",
    },
}

Figures = dict[str, list[float]]  # what -> its value for each seed, or each visit


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    if args.table:
        print(table(read_json(args.output).get("machines", {})))
        return 0
    device = machine.choose_device("auto")
    about = conditions(device, machine.choose_precision("auto", device))
    earlier = read_json(args.output).get("machines", {}).get(about["kind"], {})  # the part that is not measured now
    under: dict[str, Any] = {**earlier.get("under", {})}  # the conditions of each part
    told: dict[str, Any] = earlier | {"conditions": about, "under": under}
    if args.only in ("sizes", None):
        told["sizes"], under["sizes"] = {}, about
        for config in tried(args):
            told["sizes"][called(config)] = found = {"seeds": args.seeds, **pairs(config, args.seeds)}
            show(called(config), found)
            kept(args.output, told)  # some sizes take minutes, and somebody may end it
    if args.only in ("page", None):
        told["page"], under["page"] = visits(args.visits, args.quick), about
        show("the page", told["page"])
    kept(args.output, told)
    print(sentence(about))
    return 0


# ---- what the pair shows -----------------------------------------------------------------------------------------
def tried(args: argparse.Namespace) -> list[RunConfig]:
    """Every size up to that many images; a few digits where it shall be quick."""
    if args.quick:
        return [RunConfig.parse({"dataset": "digits", "train_size": 64, "epochs": 2, "regularizers": {"dropout": {}}})]
    return [c for c in sizes("cifar10") if c.train_images <= args.largest]


def pairs(config: RunConfig, seeds: int) -> Figures:
    """Gaps and accuracies, in points, of the plain and the regularized network, and what both took, in seconds."""
    found: Figures = {}
    for seed in range(seeds):
        began, used = perf_counter(), process_time()
        plain, regularized = (ended(c) for c in Experiment.pair(config.override({"seed": seed})).configs)
        numbers = {
            "gap of the plain network": plain["gap"],
            "gap of the regularized network": regularized["gap"],
            "wider than the regularized one's": plain["gap"] - regularized["gap"],
            "test accuracy of the plain network": plain["test_accuracy"],
            "test accuracy of the regularized network": regularized["test_accuracy"],
            "test accuracy gained": regularized["test_accuracy"] - plain["test_accuracy"],
        }
        for name, value in numbers.items():
            found.setdefault(name, []).append(round(100 * value, 2))
        found.setdefault("seconds of both", []).append(round(perf_counter() - began, 1))
        found.setdefault("seconds of the processor", []).append(round(process_time() - used, 1))
    return found


def ended(config: RunConfig) -> Mapping[str, float]:
    """The numbers that a run reports at its end."""
    split = data.split(data.load(config.dataset), config.train_size, config.val_size, config.label_noise, config.seed)
    for event in train(config, split):
        if isinstance(event, Finished):
            told: Mapping[str, float] = event.last if event.reported == "last" else event.best
            return told
    raise SystemExit(f"This run did not come to its end: {config.model_dump_json()}")


# ---- what is waited for ------------------------------------------------------------------------------------------
def visits(number: int, is_quick: bool) -> dict[str, Any]:
    """Times of so many servers that nobody has started here before, each with one visitor."""
    found: dict[str, Any] = {"visits": number, "proposed": []}
    with startup.browser(True) as chromium:
        if chromium is None:
            print("No Chromium and playwright here: the page was not measured.", file=sys.stderr)
            return found
        for _ in range(number):
            with tempfile.TemporaryDirectory() as folder:
                for name, value in visit(Path(folder), chromium, "digits" if is_quick else "cifar10").items():
                    found.setdefault(name, []).append(value)
    return found


def visit(folder: Path, chromium: Any, dataset: str) -> dict[str, Any]:
    """Open the page, press Train once it says what fits this machine, and wait for the verdict."""
    environment = startup.environment_of(folder, compiled=True) | {"REGLAB_CACHE": str(folder / "cache")}
    runs = folder / "runs"
    (folder / "cache").mkdir()
    with startup.app(runs, environment) as (port, began), startup.page(chromium, port) as visitor:
        opened = perf_counter() - began
        visitor.wait_until_warm()
        if dataset == "digits":
            visitor.choose(dataset)
            visitor.shorten(epochs=2)
        else:
            visitor.page.wait_for_function("document.body.innerText.includes('Chosen for this machine')")
        settled, store = perf_counter() - began, Store(runs)
        used, pressed = of_the_browser(), perf_counter()
        visitor.press_train()
        until("both runs", lambda: len(store.runs()) == 2)
        pair = store.runs()
        times = {}
        for name, happens in (
            ("seconds to the first points", lambda: all(startup.has(run, "epoch") for run in pair)),
            ("seconds to the first trained points", lambda: all(startup.has(run, "epoch", 1) for run in pair)),
            ("seconds to the verdict", lambda: all(startup.has(run, "finished") for run in pair)),
        ):
            until(name, happens)
            times[name] = round(perf_counter() - pressed, 2)
        visitor.page.wait_for_function("document.querySelector('#chart [data-part=verdict]').innerText")
        times["seconds to the verdict"] = round(perf_counter() - pressed, 2)
        return {
            "proposed": called(max((run.config for run in pair), key=lambda c: len(c.regularizers))),
            "seconds until Train could be pressed": round(opened, 2),
            "seconds until the size was settled": round(settled, 2),
            **times,
            "of a processor for the browser": round(of_the_browser() - used, 2),
        }


def of_the_browser() -> float:
    """Seconds of a processor that Chromium has taken, which this process has started."""
    browser = [p for p in psutil.Process().children(recursive=True) if "chrom" in p.name().lower()]
    return sum(sum(process.cpu_times()[:2]) for process in browser)


def until(what: str, happens: Callable[[], bool]) -> None:
    """As `startup.until`, but whoever looks that often takes a core from what is measured."""
    startup.until(what, lambda: happens() or bool(sleep(0.05)))


# ---- what is told ------------------------------------------------------------------------------------------------
def called(config: RunConfig) -> str:
    return f"{config.train_images:,} images, width {config.width:g}, {config.epochs} epochs in batches of {config.batch_size}"


def table(machines: Mapping[str, Mapping[str, Any]]) -> str:
    """Two tables in Markdown: what the pair of each size shows, and what is waited for on the page; mean, min .. max."""
    lines: list[str] = []
    for part, columns in COLUMNS.items():
        heads = ["" if part == "sizes" else "proposed", "n", *(in_short(*each) for each in columns.items())]
        lines += ["", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for told in machines.values():
            found: Mapping[str, Any] = told.get(part, {})
            rows = found if part == "sizes" else {"; ".join(sorted(set(found["proposed"]))): found} if found else {}
            lines += [f"| *{sentence(told['under'][part])}* {'|' * len(heads)}"] if rows else []
            for name, row in rows.items():
                values = [told_of(row[c]) if c in row else "" for c in columns]
                lines.append(f"| {name} | {row.get('seeds', row.get('visits'))} | {' | '.join(values)} |")
    return "\n".join(lines).strip()


def told_of(values: Sequence[float]) -> str:
    return f"{fmean(values):.1f} ({min(values):.1f} .. {max(values):.1f})"


def in_short(name: str, called: str) -> str:
    """The head of a column, with its target."""
    word, target = TARGETS.get(name, ("", 0.0))
    return f"{called}, {word} {target:g}" if word else called


def show(what: str, found: Mapping[str, Any]) -> None:
    print(f"{what}: n = {found.get('seeds', found.get('visits'))}")
    for name, values in found.items():
        if isinstance(values, list) and values:
            is_number = isinstance(values[0], float)
            told = told_of(values) if is_number else "; ".join(values)
            word, target = TARGETS.get(name, ("", 0.0))
            print(f"    {name:42} {told}{f'   {word} {target:g}' if word else ''}", flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=("sizes", "page"), help="one of the two parts")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument(
        "--largest", type=int, default=LARGEST, metavar="IMAGES", help=f"of the sizes (default {LARGEST})"
    )
    parser.add_argument("--visits", type=int, default=VISITS, help="servers that are started")
    parser.add_argument("--table", action="store_true", help="measure nothing, print what there is")
    parser.add_argument("--quick", action="store_true", help="digits, one seed and one visit")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="what to write")
    args = parser.parse_args(arguments)
    if args.quick:
        args.seeds = args.visits = 1
    return args


if __name__ == "__main__":
    sys.exit(main())
