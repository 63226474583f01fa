"""What each regularizer costs: how much longer a training step takes with it than without.

    python benchmarks/cost.py             # a quarter of an hour on two cores; prints a table, writes benchmarks/cost.json
    python benchmarks/cost.py --quick     # seconds; shows that it works, the numbers mean little, nothing is written

In a round the plain network and the network with one technique take turns in one process, plain, technique, plain, next
technique, plain ...; a ratio is that of a technique's turn to the mean of the plain turns just before and after it, so
that whatever else the machine does meets both alike. A turn is one step that does not count and some that do, by the
loop of the app. What happens at the end of an epoch (judging, averaging weights) is timed apart and in no ratio.
Exit status 1 when a median is beyond its limit; a quick look judges nobody.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import data, machine  # noqa: I001  first, as in the app: it says how threads wait, and torch reads that once
import torch

from conditions import conditions, sentence
from effects import counted, named
from reglab.teaching import cards
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError
from reglab.training.events import Snapshot, Step
from reglab.regularizers import CATALOGUE, regularizer
from reglab.runs.files import write_json
from reglab.training.train import train

ROOT = Path(__file__).resolve().parent.parent
LIMIT, LIMITS = 1.15, {"sam": 2.1}  # times the plain step; SAM needs two passes
SETTINGS = {"swa": {"start": 0.0}}  # at work from the first epoch on, which by default it is not
TURNS_AN_EPOCH = 4
EPOCHS = 1_000  # never reached

Turns = Generator[float, None, None]  # every `next` trains some steps and says the seconds of one


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    try:
        dataset = args.dataset if data.is_local(args.dataset) else "digits"
        if dataset != args.dataset:
            print(f"{data.source(args.dataset).title} is not on this machine: measured on the digits instead.\n")
        pool, val_size = data.source(dataset).images, 100
        batch = min(args.batch, (pool - val_size) // (args.steps + 2))
        turns = min(TURNS_AN_EPOCH, (pool - val_size) // (batch * (args.steps + 1)))
        common = {"dataset": dataset, "train_size": turns * (args.steps + 1) * batch, "val_size": val_size}
        common |= {"batch_size": batch, "epochs": EPOCHS}
        configs, skipped = configs_of([regularizer(key).key for key in args.only] or list(CATALOGUE), common)
        split = data.split(data.load(dataset), common["train_size"], val_size, label_noise=0.0, seed=0)
    except (ConfigError, DataError) as error:
        print(error, file=sys.stderr)
        return 2
    torch.set_num_threads(machine.cpu_count())
    device = machine.choose_device("auto")
    measured = conditions(device, machine.choose_precision("auto", device))
    measured |= {"dataset": dataset, "batch_size": batch, "steps_a_turn": args.steps, "rounds": args.rounds}
    measured["sentence"] = (
        f"Batches of {batch} {data.source(dataset).title} images, each technique alone at its defaults, SWA from the first epoch on;"
        f" {counted(args.rounds, 'round')} after one to warm up, {counted(args.steps, 'step')} a turn;"
        f" {measured['precision']}; {sentence(measured)}"
    )
    rows = {key: row_of(key, configs[key], taken) for key, taken in measure(configs, split, args, device).items()}
    told = {"conditions": measured, "skipped": skipped, "rows": rows}
    if args.output:
        write_json(args.output, told)
    print(table(told))
    return 0 if args.quick or all(row["ratio"]["median"] <= row["limit"] for row in rows.values()) else 1


def configs_of(keys: Sequence[str], common: dict[str, Any]) -> tuple[dict[str, RunConfig], dict[str, str]]:
    """A config for every technique, on the network that has a place for it, and the reasons of those without one."""
    base = RunConfig.parse(common)
    configs, skipped = {}, {}
    for key in keys:
        try:
            chosen = {"model": cards.network_for(key, base), "regularizers": {key: SETTINGS.get(key, {})}}
            configs[key] = RunConfig.parse({**common, **chosen})
        except ConfigError as error:
            skipped[key] = str(error)
    return dict(sorted(configs.items(), key=lambda item: item[1].model)), skipped


def measure(
    configs: dict[str, RunConfig], split: data.Split, args: argparse.Namespace, device: torch.device
) -> dict[str, dict[str, list[float]]]:
    """By technique: `plain` and `own` seconds a step and `epoch_end` seconds, a value a round (a few for the last)."""
    taken: dict[str, dict[str, list[float]]] = {key: {"plain": [], "own": [], "epoch_end": []} for key in configs}
    with contextlib.ExitStack() as ended:

        def begin(config: RunConfig, ends: list[float]) -> Turns:
            return ended.enter_context(contextlib.closing(turns_of(config, split, args.steps, device, ends)))

        techniques = {key: begin(config, taken[key]["epoch_end"]) for key, config in configs.items()}
        for number in range(args.rounds + 1):
            plain, before, model = None, 0.0, ""
            for key, technique in techniques.items():
                if plain is None or configs[key].model != model:  # plain takes many turns: young again in every round
                    if plain is not None:
                        plain.close()
                    model, plain = configs[key].model, begin(configs[key].plain(), [])
                    next(plain)  # the first steps of a new network allocate
                    before = next(plain)
                own, after = next(technique), next(plain)
                if number:
                    taken[key]["plain"].append((before + after) / 2)
                    taken[key]["own"].append(own)
                before = after
            if plain is not None:
                plain.close()
            print(f"{f'round {number} of {args.rounds}' if number else 'warm-up'} done", file=sys.stderr, flush=True)
    return taken


def turns_of(config: RunConfig, split: data.Split, steps: int, device: torch.device, epoch_ends: list[float]) -> Turns:
    """Train, and yield the seconds of a step in each turn; the ends of epochs lie between turns and go to `epoch_ends`."""
    while True:  # early stopping may end a run: it begins anew
        ended = 0.0
        for event in (events := train(config, split)):
            if isinstance(event, Snapshot) and ended:
                epoch_ends.append(now(device) - ended)
            if not isinstance(event, Step) or event.batches - event.batch < steps:
                continue  # this step does not count: it finds the caches full of another network
            began = now(device)
            for _ in range(steps):
                last = next(events)
            ended = now(device)
            assert isinstance(last, Step), "the end of an epoch was timed"
            yield (ended - began) / steps
            ended = now(device) if last.batch == last.batches else 0.0


def now(device: torch.device) -> float:
    """The time when all work given to the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


# ---- telling -----------------------------------------------------------------------------------------------------
def row_of(key: str, config: RunConfig, taken: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "model": config.model,
        "settings": config.model_dump(mode="json")["regularizers"],
        "ratio": quartiles([own / plain for own, plain in zip(taken["own"], taken["plain"], strict=True)]),
        "limit": LIMITS.get(key, LIMIT),
        "plain_seconds_per_step": quartiles(taken["plain"]),
        "seconds_per_step": quartiles(taken["own"]),
        "seconds_per_epoch_end": quartiles(taken["epoch_end"]) if taken["epoch_end"] else None,
    }


def quartiles(values: Sequence[float]) -> dict[str, Any]:
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    rounded = {"median": round(median, 5), "q1": round(q1, 5), "q3": round(q3, 5)}
    return {"n": len(values), **rounded, "values": [round(v, 5) for v in values]}


def table(told: dict[str, Any]) -> str:
    """Markdown, the dearest first."""
    lines = [told["conditions"]["sentence"], "Ratios to the plain network of the same round; median, quartiles.", ""]
    lines += ["| | a step | quartiles | limit | | plain step | end of an epoch |", "|---|---|---|---|---|---|---|"]
    for key, row in sorted(told["rows"].items(), key=lambda item: -item[1]["ratio"]["median"]):
        ratio, end = row["ratio"], row["seconds_per_epoch_end"]
        met = "met" if ratio["median"] <= row["limit"] else "**NOT MET**"
        if (ratio["q1"] <= row["limit"]) != (ratio["q3"] <= row["limit"]):
            met += ", the rounds disagree"
        cells = [named(key, row), f"{ratio['median']:.2f} x", f"{ratio['q1']:.2f} .. {ratio['q3']:.2f}"]
        cells += [f"{row['limit']:g} x", met, f"{row['plain_seconds_per_step']['median'] * 1e3:.1f} ms"]
        cells += [f"{end['median']:.2f} s" if end else ""]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"Not measured: {key}. {reason}" for key, reason in told["skipped"].items())]
    return "\n".join(lines).rstrip()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--dataset", default="cifar10", help="the digits where it is not on this machine (default cifar10)"
    )
    parser.add_argument("--rounds", type=int, default=20, help="rounds that count (default 20)")
    parser.add_argument("--steps", type=int, default=10, help="steps of a turn that count (default 10)")
    parser.add_argument("--batch", type=int, default=128, help="images a step (default 128)")
    parser.add_argument("--only", metavar="A,B", default="", help="measure these techniques alone")
    parser.add_argument("--output", type=Path, metavar="FILE", help="what to write (default benchmarks/cost.json)")
    parser.add_argument("--quick", action="store_true", help="one round of two steps on the digits, written nowhere")
    args = parser.parse_args(arguments)
    args.only = [key.strip() for key in args.only.split(",") if key.strip()]
    if args.quick:
        args.dataset, args.rounds, args.steps, args.batch = "digits", 1, 2, 32
    elif not args.output:
        args.output = ROOT / "benchmarks/cost.json"
    if args.rounds < 1 or args.steps < 1 or args.batch < 2:
        parser.error("--rounds and --steps must be at least 1, --batch at least 2")
    return args


if __name__ == "__main__":
    sys.exit(main())
