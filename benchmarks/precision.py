"""Which precision trains a network faster on a CPU with bf16: what `auto` goes by, for every network that is offered.

    python benchmarks/precision.py           # some minutes; prints a table, writes benchmarks/precision.json
    python benchmarks/precision.py --quick   # seconds; shows that it works, nothing is written

Each network takes a step in fp32 and one in bf16 in turn. Processor time of one thread is measured and not wall clock, so that
it matters little what else runs. Beside the networks that are offered some of timm's that have depthwise or grouped convolutions.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

import torch
from conditions import CPU
from networks import Turn
from norms import compared, conditioned, cpu_seconds, options

from reglab.models import MODELS, family
from reglab.models.pretrained import OFFERED
from reglab.runs.files import write_json

MORE = ("timm/mobilenetv3_small_100", "timm/efficientnet_b0", "timm/convnext_atto", "timm/resnext50_32x4d")
QUICK = ("resnet20", "timm/tf_efficientnet_lite0")


def main(arguments: Sequence[str] | None = None) -> int:
    args = options((__doc__ or "").partition("\n")[0], "precision.json", batch=16, arguments=arguments)
    torch.set_num_threads(1)
    rows = {}
    for name in QUICK if args.quick else (*MODELS, *OFFERED, *MORE):
        turns = {precision: Turn(name, args.batch, CPU, precision) for precision in ("bf16", "fp32")}
        rows[name] = compared(cpu_seconds(turns, args.rounds), "bf16") | {"depthwise": family(name).depthwise}
        del turns
        gc.collect()
        print(f"{name}: {rows[name]['fp32']['ratio']['median']}", file=sys.stderr, flush=True)
    told = conditioned(rows, args)
    if args.output:
        write_json(args.output, told)
    print(table(told))
    return 0


def table(told: dict[str, Any]) -> str:
    """Markdown, those that are fastest in fp32 first."""
    lines = ["| network | bf16, ms a step | fp32, ms a step | fp32 / bf16 | auto |", "|---|---|---|---|---|"]
    for name, row in sorted(told["rows"].items(), key=lambda item: item[1]["fp32"]["ratio"]["median"]):
        times, ratio = [f"{1000 * row[p]['seconds']:,.0f}" for p in ("bf16", "fp32")], row["fp32"]["ratio"]
        auto = "fp32" if row["depthwise"] else "bf16"
        spread = f"{ratio['median']:.2f} ({ratio['min']:.2f} .. {ratio['max']:.2f})"
        lines.append(f"| `{name}` | {' | '.join(times)} | {spread} | {auto} |")
    return "\n".join([*lines, "", told["conditions"]["sentence"]])


if __name__ == "__main__":
    sys.exit(main())
