"""How much memory a run takes at most, beside what is estimated before it begins (`reglab.jobs.pace.memory`).

    python benchmarks/memory.py           # two minutes; prints a table, writes benchmarks/memory.json
    python benchmarks/memory.py --quick   # seconds; shows that it works, nothing is written

Each set-up takes two steps in a process of its own, whose peak of resident memory is read; that of a process is there on Linux
and macOS.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab.runs.files import write_json

ROOT = Path(__file__).resolve().parent.parent
BN, GN = {"regularizers": {"batch_norm": True}}, {"regularizers": {"group_norm": True}}
SET_UPS: tuple[dict[str, Any], ...] = (
    {"model": "resnet20", "batch_size": 256, **BN},
    {"model": "basic_cnn", "batch_size": 128},
    {"model": "basic_cnn", "batch_size": 1_024},
    {"model": "basic_cnn", "batch_size": 1_024, **BN},
    {"model": "basic_cnn", "batch_size": 1_024, "precision": "fp32"},
    {"model": "resnet18", "batch_size": 128, **BN},
    {"model": "resnet18", "batch_size": 64, "precision": "fp32", **BN},
    {"model": "resnet18", "batch_size": 64, **GN},
    {"model": "vgg11", "batch_size": 256},
    {"model": "vgg16", "batch_size": 128},
    {"model": "inception_small", "batch_size": 128, **BN},
    {"model": "alexnet_small", "batch_size": 1_024},
    {"model": "speed_cnn", "batch_size": 256},
    {"model": "timm/resnet18", "batch_size": 64},
    {"model": "timm/tf_efficientnet_lite0", "batch_size": 32},
    {"model": "timm/resnet50", "batch_size": 32},
    {"model": "timm/vgg11", "batch_size": 32},
)


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    if args.one:
        print(json.dumps(taken(json.loads(args.one))))
        return 0
    rows = []
    for chosen in SET_UPS[: 1 if args.quick else None]:
        told = [
            sys.executable,
            str(Path(__file__)),
            "--one",
            json.dumps(chosen | ({"batch_size": 4} if args.quick else {})),
        ]
        rows.append(
            json.loads(subprocess.run(told, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        )
        print(rows[-1], file=sys.stderr, flush=True)
    # Late, since it imports torch, and the processes that are measured are to do that themselves.
    from conditions import conditions, sentence

    told = {"conditions": f"n = 1 process each; {sentence(conditions())}", "rows": rows}
    if args.output:
        write_json(args.output, told)
    print(table(told))
    return 0


def taken(chosen: dict[str, Any]) -> dict[str, Any]:
    """MiB that this process has at most over two steps, and what was estimated."""
    import resource

    import torch

    from reglab.config import RunConfig
    from reglab.jobs.capacity import spec_of
    from reglab.jobs.pace import _pictures, memory
    from reglab.models.effort import effort
    from reglab.training.train import Trainer

    torch.set_num_threads(1)
    config = RunConfig.parse({"dataset": "digits", **chosen})
    trainer = Trainer(config, _pictures(config.batch_size))
    for _ in range(2):
        trainer.epoch, trainer.batch = 1, 0
        trainer.begin_epoch()
        trainer.step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    whole = effort(spec_of(config))
    told = memory(config.model_copy(update={"train_size": config.batch_size}), whole, trainer.precision) / 2**20
    return {**chosen, "precision": trainer.precision, "measured": round(peak), "estimated": round(told)}


def table(told: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        "| network | batch | precision | norm | measured, MiB | estimated, MiB | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in told["rows"]:
        norm = " ".join(key.partition("_")[0] for key in row.get("regularizers", {}))
        numbers = f"{row['measured']:,} | {row['estimated']:,} | {row['estimated'] / row['measured']:.2f}"
        lines.append(f"| `{row['model']}` | {row['batch_size']:,} | {row['precision']} | {norm} | {numbers} |")
    return "\n".join([*lines, "", told["conditions"]])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--one", metavar="JSON", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, metavar="FILE", help="what to write (default benchmarks/memory.json)")
    parser.add_argument("--quick", action="store_true", help="one set-up with a small batch, written nowhere")
    args = parser.parse_args(arguments)
    if not args.quick and not args.output:
        args.output = ROOT / "benchmarks/memory.json"
    return args


if __name__ == "__main__":
    sys.exit(main())
