"""What pretraining buys: a frozen pretrained network with a new head, against networks trained from random weights.

    python benchmarks/transfer.py                    # an hour on two cores; goes on where it was broken off
    python benchmarks/transfer.py --sizes 100,500    # other numbers of training images
    python benchmarks/transfer.py --sides 128,224    # the pretrained network at several sizes of its input
    python benchmarks/transfer.py --table            # the table of what is there; trains nothing

For every number of training images: the head of `timm/tf_efficientnet_lite0` on frozen features, the same network from
random weights, and each network of the lab from random weights with the same simple recipe (batch normalization, flip and
crop, weight decay). One seed, the same images for all. Every row is a run folder as `python -m reglab train` makes it; its
command stands in the table's JSON. `--scratch-sizes` limits what is trained from random weights, which takes hours on many
images.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import __version__, data
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError, RunError
from reglab.jobs.worker import work
from reglab.models import MODELS, pretrained
from reglab.runs.files import write_json
from reglab.runs.run import Run
from reglab.runs.store import Store

ROOT = Path(__file__).resolve().parent.parent
NETWORK = "timm/tf_efficientnet_lite0"
RECIPE = {"batch_norm": True, "flip_crop": True, "weight_decay": True}
HEAD = {"weight_decay": True, "dropout": {"rate": 0.2}}
VAL_SIZE = 500  # chooses the side at which the pretrained network sees; no epoch, for the last one counts


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    store = Store(args.runs)
    try:
        asked = plan(args)
        if not args.table:
            pretrained.fetch(args.network)
            for name, config in asked.items():
                run = found(store, config) or store.create(config)
                if run.status() != "finished":
                    run.reopen()
                    work([run])
                print(f"{name}: {told(Run(run.path))}", file=sys.stderr, flush=True)
    except (ConfigError, DataError, RunError) as error:
        print(error, file=sys.stderr)
        return 2
    rows = []
    for name, config in asked.items():
        run = found(store, config)
        if run is not None and run.status() == "finished":
            rows.append(row_of(name, run))
    result = {"conditions": conditions(args.dataset, rows), "rows": rows}
    if args.output and rows:
        write_json(args.output, result)
    print(table(result))
    return 0


def plan(args: argparse.Namespace) -> dict[str, RunConfig]:
    """Name of a row and number of images -> the run."""

    def config(size: int | None, **changes: Any) -> RunConfig:
        epochs = args.epochs if size else max(1, args.epochs // 3)
        common = {"dataset": args.dataset, "train_size": size, "epochs": epochs, "val_size": VAL_SIZE}
        return RunConfig.parse(common | changes)

    asked: dict[str, RunConfig] = {}
    for size in args.sizes:
        images = f"{size:,}" if size else "all"
        usual = pretrained.side_of(args.network, None)
        for side in args.sides or [usual]:
            common = {"model": args.network, "pretrained": True, "regularizers": HEAD}
            name = f"{args.network}, pretrained, head on features, {side} px · {images}"
            asked[name] = config(size, side=None if side == usual else side, **common)
    for size in args.scratch_sizes:
        images = f"{size:,}" if size else "all"
        for model in args.only or [*MODELS, args.network]:
            common = {"model": model, "regularizers": RECIPE, "batch_size": 64}
            if model == args.network:
                recipe = {k: v for k, v in RECIPE.items() if k != "batch_norm"}  # it has its own
                common |= {"side": args.scratch_side, "regularizers": recipe}
                model = f"{model}, random weights, {args.scratch_side} px"
            asked[f"{model} · {images}"] = config(size, **common)
    return asked


def found(store: Store, config: RunConfig) -> Run | None:
    """The run of this config, the newest if there are several."""
    return next((run for run in store.runs() if run.described.get("config") == config.model_dump(mode="json")), None)


def told(run: Run) -> str:
    summary = run.summary()
    return (
        f"{summary['test_accuracy']:.1%}" if "test_accuracy" in summary else str(summary.get("reason", "not finished"))
    )


def row_of(name: str, run: Run) -> dict[str, Any]:
    s = run.summary()
    what, _, images = name.rpartition(" · ")
    keys = (
        "train_accuracy",
        "val_accuracy",
        "test_accuracy",
        "gap",
        "ece",
        "parameters",
        "epochs",
        "seconds",
        "threads",
    )
    where = f"{s['device']}, {s['precision']}, torch {run.described['versions']['torch']}"
    about = {"network": what, "images": images, "command": run.config.command(), "date": s["created"][:10]}
    return about | {"machine": where} | {k: s[k] for k in keys}


def conditions(dataset: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all rows have in common, in a sentence; where they differ, all of it."""

    def of_all(key: str) -> str:
        return " and ".join(dict.fromkeys(str(row[key]) for row in rows if row[key] is not None))

    return {
        "reglab": __version__,
        "sentence": f"{data.source(dataset).title}, one seed, {data.source(dataset).test_images:,} test images, after the"
        f" last of {of_all('epochs')} epochs; {of_all('machine')}; {of_all('date')}.",
    }


def table(result: dict[str, Any]) -> str:
    """Markdown: networks by numbers of images, test accuracy; the last line says what the pretraining bought."""
    rows = result["rows"]
    if not rows:
        return "Nothing has been trained yet."
    sizes = list(dict.fromkeys(row["images"] for row in rows))
    networks = list(dict.fromkeys(row["network"] for row in rows))
    by = {(row["network"], row["images"]): row for row in rows}
    lines = [f"| test accuracy with ... training images | {' | '.join(sizes)} |", f"|---|{'---|' * len(sizes)}"]
    for network in networks:
        cells = [f"{by[network, s]['test_accuracy']:.1%}" if (network, s) in by else "-" for s in sizes]
        lines.append(f"| {network} | {' | '.join(cells)} |")
    bought = []
    for size in sizes:
        ours = [by[n, size] for n in networks if (n, size) in by and "pretrained" in n]
        others = [by[n, size]["test_accuracy"] for n in networks if (n, size) in by and "pretrained" not in n]
        # Among the sides validation chooses, not the test; against us stands whatever is best on the test.
        chosen = max(ours, key=lambda row: row["val_accuracy"])["test_accuracy"] if ours else 0.0
        bought.append(f"{(chosen - max(others)) * 100:+.1f} points" if ours and others else "-")
    lines.append(f"| **pretrained minus the best of the others** | {' | '.join(bought)} |")
    return "\n".join([*lines, "", result["conditions"]["sentence"]])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    def sizes(text: str) -> list[int | None]:
        return [None if part.strip() == "all" else int(part) for part in text.split(",") if part.strip()]

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--network", default=NETWORK, help=f"a network of timm (default {NETWORK})")
    parser.add_argument(
        "--sides",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[],
        help="pixels that it sees, such as 128,160,224 (default what is usual for it)",
    )
    parser.add_argument(
        "--scratch-side", type=int, default=64, help="the same where its weights are random (default 64)"
    )
    parser.add_argument("--sizes", type=sizes, default=[100, 500, 2_000, None], help="default 100,500,2000,all")
    parser.add_argument("--scratch-sizes", type=sizes, default=[100, 500, 2_000], help="default 100,500,2000")
    parser.add_argument("--epochs", type=int, default=30, help="a third of them on all images (default 30)")
    parser.add_argument("--only", metavar="A,B", default="", help="these networks alone from random weights")
    parser.add_argument("--runs", type=Path, default=ROOT / "build/transfer", help="folder of the runs")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/transfer.json")
    parser.add_argument("--table", action="store_true", help="train nothing")
    args = parser.parse_args(arguments)
    args.only = [name.strip() for name in args.only.split(",") if name.strip()]
    return args


if __name__ == "__main__":
    sys.exit(main())
