"""What each of the lab's networks costs: parameters, multiply-adds, images a second in training and in prediction.

    python benchmarks/networks.py           # some minutes; prints a table, writes benchmarks/networks.json
    python benchmarks/networks.py --quick   # seconds; shows that it works, nothing is written

In every round each network has one turn, so that whatever else the machine does meets all alike; a turn is one step that
does not count and some that do: forward, backward and optimizer step on random images, as `train` does them, and then as
many batches in eval mode. The plain network, with batch normalization.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import machine, models  # noqa: I001  first, as in the app: it says how threads wait, and torch reads that once
import torch
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from conditions import conditions, sentence
from reglab.config import RunConfig
from reglab.models import MODELS
from reglab.runs.files import write_json
from reglab.training.optimizers import make_optimizer

ROOT = Path(__file__).resolve().parent.parent
REGULARIZERS = {"batch_norm": True}


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    torch.set_num_threads(machine.cpu_count())
    device = machine.choose_device("auto")
    precision = machine.choose_precision("auto", device)
    measured = conditions(device, precision)
    measured["sentence"] = (
        f"With batch normalization and 10 classes, batches of {args.batch}, {precision}; median of {args.rounds} rounds"
        f" of {args.steps} steps; {sentence(measured)}"
    )
    turns = {name: Turn(name, args.batch, device, precision) for name in args.only or MODELS}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in turns}
    for number in range(args.rounds):
        for name, turn in turns.items():
            taken[name].append(turn.images_per_second(args.steps))
        print(f"round {number + 1} of {args.rounds} done", file=sys.stderr, flush=True)
    rows = {name: turn.counts() | speeds(taken[name]) for name, turn in turns.items()}
    told = {"conditions": measured, "rows": rows}
    if args.output:
        write_json(args.output, told)
    print(table(told))
    return 0


class Turn:
    """One network with its optimizer and a batch."""

    def __init__(
        self,
        name: str,
        batch: int,
        device: torch.device,
        precision: str,
        width: float = 1.0,
        regularizers: Mapping[str, Any] | None = None,
    ) -> None:
        if regularizers is None:
            regularizers = REGULARIZERS if "norm" in models.family(name).places else {}  # those of timm have it anyway
        chosen = {"width": width, "regularizers": dict(regularizers), "optimizer": "sgd"}
        self.config = RunConfig.parse({"model": name, **chosen})
        self.device, self.precision, self.batch = device, precision, batch
        torch.manual_seed(0)
        network = models.build(self.config.spec(10))
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.images = torch.randn(batch, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(10, (batch,), device=device)
        models.prepare(self.network, self.images)
        self.optimizer = make_optimizer(self.config, self.network, [])

    def counts(self) -> dict[str, int]:
        """Parameters, and multiply-adds of one image; a multiply-add is two of torch's floating-point operations."""
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            self.network.eval()(self.images[:1])
        parameters = sum(p.numel() for p in self.network.parameters())
        return {"parameters": parameters, "multiply_adds": counter.get_total_flops() // 2}

    def images_per_second(self, steps: int) -> tuple[float, float]:
        """In training and in prediction."""
        self.network.train()
        self.step()  # the first step finds the caches full of another network
        began = self._now()
        for _ in range(steps):
            self.step()
        trained = self._now() - began
        self.network.eval()
        with torch.inference_mode(), machine.autocast(self.device, self.precision):
            self.network(self.images)
            began = self._now()
            for _ in range(steps):
                self.network(self.images)
        return self.batch * steps / trained, self.batch * steps / (self._now() - began)

    def step(self) -> None:
        self.optimizer.zero_grad()
        with machine.autocast(self.device, self.precision):
            logits = self.network(self.images)
        cross_entropy(logits.float(), self.labels).backward()
        self.optimizer.step()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def speeds(taken: Sequence[tuple[float, float]]) -> dict[str, Any]:
    def told(values: Sequence[float]) -> dict[str, Any]:
        return {"median": round(statistics.median(values)), "min": round(min(values)), "max": round(max(values))}

    training, predicting = zip(*taken, strict=True)
    return {"rounds": len(taken), "training": told(training), "predicting": told(predicting)}


def table(told: dict[str, Any]) -> str:
    """Markdown, in the order of the catalogue."""
    lines = ["| network | parameters | multiply-adds | training, images/s | predicting, images/s | what it is |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, row in told["rows"].items():
        speeds = " | ".join(
            f"{row[k]['median']:,} ({row[k]['min']:,} .. {row[k]['max']:,})" for k in ("training", "predicting")
        )
        about = MODELS[name].about.rpartition(", ")[0]
        lines.append(f"| `{name}` | {row['parameters']:,} | {row['multiply_adds'] / 1e6:.1f} M | {speeds} | {about} |")
    return "\n".join([*lines, "", told["conditions"]["sentence"]])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--steps", type=int, default=3, help="steps of a turn that count (default 3)")
    parser.add_argument("--batch", type=int, default=128, help="images a step (default 128)")
    parser.add_argument("--only", metavar="A,B", default="", help="measure these networks alone")
    parser.add_argument("--output", type=Path, metavar="FILE", help="what to write (default benchmarks/networks.json)")
    parser.add_argument("--quick", action="store_true", help="one round of one step on few images, written nowhere")
    args = parser.parse_args(arguments)
    args.only = [models.family(name.strip()).title for name in args.only.split(",") if name.strip()]
    if args.quick:
        args.rounds, args.steps, args.batch = 1, 1, 8
    elif not args.output:
        args.output = ROOT / "benchmarks/networks.json"
    if min(args.rounds, args.steps) < 1 or args.batch < 2:
        parser.error("--rounds and --steps must be at least 1, --batch at least 2")
    return args


if __name__ == "__main__":
    sys.exit(main())
