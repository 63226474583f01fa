"""How near the networks of the lab come to what the machine can do: a roofline (Williams et al. 2009), as table and picture.

    python benchmarks/roofline.py           # some minutes; adds this kind of machine to benchmarks/roofline.json and .svg
    python benchmarks/roofline.py --busy    # where others want the same cores: counts what processors spend on this alone
    python benchmarks/roofline.py --draw    # only draws the picture again, from what is there
    python benchmarks/roofline.py --quick   # seconds; shows that it works, nothing is written

The roofs: in each precision the quickest of some products of matrices and a wide convolution, which other libraries compute;
and the triad a = b + 3 c on arrays that fit no cache. Below them each network's training step: operations by
`reglab.models.effort` (a multiply-add is two, the way back takes twice as many as the way there) for each byte that it would
move if every layer read and wrote main memory, and how many it does a second; and the same for its products alone. In every
round all have a turn, of which the quickest try counts, for roofs and steps alike; a roof is the best of all rounds, a share
is taken within a round. What caches hold, or a kernel does in one go, is moved less often: points may lie above the slope.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import machine  # noqa: I001  first, as in the app: it says how threads wait, and torch reads that once
import torch

from conditions import conditions, kept, sentence, spread
from networks import Turn
from plot import INK, MUTED, Panel, apart, picture
from products import Products
from reglab.errors import ConfigError
from reglab.models.effort import effort
from reglab.runs.files import read_json

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = {  # the name in the table: network and width
    **{f"basic_cnn x {width:g}": ("basic_cnn", width) for width in (0.25, 0.5)},
    **{name: (name, 1.0) for name in ("basic_cnn", "alexnet_small", "resnet20", "vgg11", "speed_cnn")},
    **{name: (name, 1.0) for name in ("inception_small", "resnet18")},
    "efficientnet_lite0": ("timm/tf_efficientnet_lite0", 1.0),  # depthwise convolutions, as in MobileNet
}
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
COLORS = {"fp32": "#2a5db0", "bf16": "#c62828", "fp16": "#c62828"}
BACK = 2  # products on the way back for each on the way there: by the input and by the weight
ACTIVATION = 5  # times that an activation or its gradient is moved: written, read, read again; gradient written, read
# Bytes moved for a parameter: read there and back, gradient written, SGD with momentum reads 3, writes 2.
PARAMETER = 8 * 4


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    if args.draw:
        told = read_json(args.output)
    else:
        try:
            device = machine.choose_device(args.device)
        except ConfigError as error:
            print(error, file=sys.stderr)
            return 2
        torch.set_num_threads(machine.cpu_count())
        entry = measured(args, device)
        told = kept(args.output, entry)
        print(table(entry))
    if args.output:
        args.output.with_suffix(".svg").write_text(drawn(told), encoding="utf-8")
    return 0


# ---- measuring ---------------------------------------------------------------------------------------------------
def measured(args: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """What this machine comes to: its roofs, and a row for each network and precision."""
    about = conditions(device) | {"batch": args.batch, "rounds": args.rounds, "steps": args.steps, "busy": args.busy}
    precisions = list(
        dict.fromkeys(["fp32", machine.choose_precision("auto", device)])
    )  # what is emulated says nothing
    turns = {
        (name, p): Turn(NETWORKS[name][0], args.batch, device, p, NETWORKS[name][1])
        for name in args.only
        for p in precisions
    }
    steps: dict[tuple[str, str], list[float]] = {key: [] for key in turns}
    alone: dict[tuple[str, str], list[float]] = {key: [] for key in turns}
    roofs: dict[str, list[float]] = {name: [] for name in ("bytes", *precisions)}
    probe = Probe(device, args.busy)
    for number in range(args.rounds):
        roofs["bytes"].append(probe.bandwidth(args.triad))
        for p in precisions:
            rates = [probe.product(TYPES[p], side) for side in args.sides]
            roofs[p].append(max(*rates, probe.convolution(TYPES[p], args.channels)))
        for key, turn in turns.items():
            operations = work(turn, key[1], args.batch)[0] * args.batch
            turn.network.train()
            with (multiply := Products()):
                turn.step()
            steps[key].append(operations / probe.seconds(turn.step, args.steps))
            alone[key].append(operations / probe.seconds(multiply, args.steps))
        print(f"round {number + 1} of {args.rounds} done", file=sys.stderr, flush=True)

    def row(key: tuple[str, str]) -> dict[str, Any]:
        operations, moved = work(turns[key], key[1], args.batch)
        shares = [s / roof for s, roof in zip(steps[key], roofs[key[1]], strict=True)]
        ceiling = [s / a for s, a in zip(steps[key], alone[key], strict=True)]
        return {
            "network": key[0],
            "precision": key[1],
            "operations_per_image": operations,
            "bytes_per_image": moved,
            "step": spread(steps[key]),
            "products": spread(alone[key]),
            "of_peak": spread(shares),
            "of_products": spread(ceiling),
        }

    return {
        "conditions": about,
        "roofs": {n: spread(values) for n, values in roofs.items()},
        "rows": [*map(row, turns)],
    }


def work(turn: Turn, precision: str, batch: int) -> tuple[float, float]:
    """Operations of a training step and bytes moved in it, for each image."""
    whole = effort(turn.config.spec(10))
    moved = ACTIVATION * TYPES[precision].itemsize * whole.activations + PARAMETER * whole.parameters / batch
    return 2 * (1 + BACK) * whole.multiply_adds, moved


class Probe:
    """Times what it is given: the quickest of some tries, for whatever else the machine does makes one only slower."""

    def __init__(self, device: torch.device, busy: bool) -> None:
        self.device = device
        self.clock, self.share = (time.process_time, torch.get_num_threads()) if busy else (time.perf_counter, 1)

    def seconds(self, what: Callable[[], Any], times: int = 8) -> float:
        """The first try, which prepares, does not count."""
        took = []
        for _ in range(times + 1):
            began = self.clock()
            what()
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            took.append(self.clock() - began)
        return min(took[1:]) / self.share

    def product(self, dtype: torch.dtype, side: int) -> float:
        """Operations a second in the product of two matrices."""
        a, b = (torch.randn(side, side, device=self.device).to(dtype) for _ in range(2))
        out = torch.empty_like(a)
        return 2 * side**3 / self.seconds(lambda: torch.mm(a, b, out=out))

    def convolution(self, dtype: torch.dtype, channels: int, batch: int = 8, side: int = 32) -> float:
        """Operations a second in a 3 x 3 convolution, channels last, as in the networks."""
        x = torch.randn(batch, channels, side, side, device=self.device).to(dtype, memory_format=torch.channels_last)
        weight = torch.randn(channels, channels, 3, 3, device=self.device).to(dtype, memory_format=torch.channels_last)
        operations = 2 * batch * side**2 * weight.numel()
        return operations / self.seconds(lambda: torch.conv2d(x, weight, padding=1))

    def bandwidth(self, numbers: int) -> float:
        """Bytes a second to and from memory: two arrays read, one written, what writing reads beforehand not counted."""
        a, b, c = (torch.ones(numbers, device=self.device) for _ in range(3))
        return 3 * 4 * numbers / self.seconds(lambda: torch.add(b, c, alpha=3, out=a))


# ---- telling -----------------------------------------------------------------------------------------------------
def table(entry: dict[str, Any]) -> str:
    """Markdown: a line for each network, its precisions side by side."""
    roofs, about = entry["roofs"], entry["conditions"]
    precisions = [p for p in TYPES if p in roofs]
    peaks = ", ".join(f"{giga(roofs[p]['max'])} GFLOP/s in {p}" for p in precisions)
    head = " | ".join(f"{p}: GFLOP/s | products alone | of the peak" for p in precisions)
    lines = [f"Roofs: {peaks}, {roofs['bytes']['max'] / 1e9:.1f} GB/s.", ""]
    lines += [f"| network | FLOP / byte | {head} |", "|---" * (2 + 3 * len(precisions)) + "|"]
    for name in dict.fromkeys(row["network"] for row in entry["rows"]):
        rows = [row for row in entry["rows"] if row["network"] == name]
        cells = [name, " and ".join(f"{intensity(row):.0f}" for row in rows)]
        for row in rows:
            step = row["step"]
            cells += [f"{giga(step['median'])} ({giga(step['min'])} .. {giga(step['max'])})"]
            cells += [giga(row["products"]["median"]), f"{100 * row['of_peak']['median']:.0f} %"]
        lines.append(f"| {' | '.join(cells)} |")
    rounds = f"{about['rounds']} rounds of the quickest of {about['steps']} steps, batches of {about['batch']}"
    rounds += ", seconds of processors" if about["busy"] else ""
    return "\n".join([*lines, "", f"Medians (min .. max) of {rounds}; {sentence(about)}"])


def giga(rate: float) -> str:
    return f"{rate / 1e9:,.0f}" if rate >= 1e10 else f"{rate / 1e9:.2g}"


def intensity(row: dict[str, Any]) -> float:
    return float(row["operations_per_image"] / row["bytes_per_image"])


def rate(row: dict[str, Any]) -> float:
    return float(row["step"]["median"])


def drawn(told: dict[str, Any]) -> str:
    """The picture: a panel for each kind of machine."""
    panels = [panel(kind, told["machines"][kind]) for kind in sorted(told["machines"])]
    return picture("How near the networks of the lab come to what the machine can do", panels)


def panel(kind: str, entry: dict[str, Any]) -> Panel:
    """Roofs as lines, a training step as a dot, its products alone as a ring above it."""
    peaks = {name: roof["max"] / 1e9 for name, roof in entry["roofs"].items()}
    slope = peaks.pop("bytes")
    rows = sorted(entry["rows"], key=intensity)
    rates = [row[what]["median"] / 1e9 for row in rows for what in ("step", "products")]
    x = (intensity(rows[0]) / 1.6, intensity(rows[-1]) * 4)
    y = (min(rates) / 1.6, max(peaks.values()) * 1.5)
    made = Panel(kind, x, y, "operations for each byte, if nothing is cached", "GFLOP/s", size=(760, 460))
    start = max(x[0], y[0] / slope)
    for p, peak in peaks.items():
        corner = min(max(start, peak / slope), x[1])
        made.line([(at, min(peak, at * slope)) for at in (start, corner, x[1])], COLORS[p])
        made.text((x[1], peak), f"{p}: {giga(peak * 1e9)} GFLOP/s", COLORS[p], "end", dy=-6)
    made.text((start, start * slope), f"{slope:.0f} GB/s", MUTED, dx=10, dy=-2)
    made.text((x[1], y[0]), "● a training step,  ○ its products alone", MUTED, "end", dx=-8, dy=-10)
    fastest = [max((r for r in rows if r["network"] == n), key=rate) for n in {r["network"]: 0 for r in rows}]
    heights = apart([made.at(1, rate(row) / 1e9)[1] for row in fastest], 13)
    for row, height in zip(fastest, heights, strict=True):
        place = intensity(row), rate(row) / 1e9
        made.text(place, row["network"], INK, dx=9, dy=height - made.at(*place)[1] + 4)
    for row in rows:
        color, at = COLORS[row["precision"]], intensity(row)
        step, alone = ((at, row[what]["median"] / 1e9) for what in ("step", "products"))
        made.line([step, alone], color, "2 3")
        made.dot(alone, color, hollow=True)
        made.dot(step, color)
    return made


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument(
        "--steps", type=int, default=5, help="steps of a turn, of which the quickest counts (default 5)"
    )
    parser.add_argument("--batch", type=int, default=128, help="images a step (default 128)")
    parser.add_argument("--only", metavar="A,B", default="", help="these networks alone")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="whose roof (default cpu)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="what to write (default benchmarks/roofline.json)")
    parser.add_argument("--busy", action="store_true", help="count seconds of processors instead of seconds (CPU only)")
    parser.add_argument("--draw", action="store_true", help="measure nothing: draw what is in the file")
    parser.add_argument("--quick", action="store_true", help="one round of one step on few images, written nowhere")
    args = parser.parse_args(arguments)
    args.only = [name.strip() for name in args.only.split(",") if name.strip()] or [*NETWORKS]
    if strangers := [name for name in args.only if name not in NETWORKS]:
        parser.error(f"there is no {strangers[0]!r} here: choose from {', '.join(NETWORKS)}")
    # Arrays of 256 MiB fit no cache of a processor; a GPU is done with them, and with a small product, too soon to time.
    args.sides, args.triad = ((256, 512, 1_024, 2_048), 2**26) if args.device == "cpu" else ((4_096, 8_192), 2**28)
    if args.busy and args.device != "cpu":
        parser.error("--busy counts seconds of processors: leave it out with --device cuda")
    args.channels = 256
    if args.quick:
        args.rounds, args.steps, args.batch, args.sides, args.triad, args.channels = 1, 1, 8, (128,), 2**16, 32
    elif not args.output:
        args.output = ROOT / "benchmarks/roofline.json"
    if min(args.rounds, args.steps) < 1 or args.batch < 2:
        parser.error("--rounds and --steps must be at least 1, --batch at least 2")
    return args


if __name__ == "__main__":
    sys.exit(main())
