"""python -m reglab sweep: train one network over several settings and seeds, and compare."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reglab.cli.options import (
    add_config_options,
    base_config,
    config_values,
    json_option,
    load_with_progress,
    runs_option,
    stop_on_signals,
    store_of,
    told_of_each,
    track_option,
)
from reglab.errors import ConfigError

if TYPE_CHECKING:
    from reglab.runs.run import Run

ABOUT = "train one network over several settings and seeds, and compare"


def add(parser: argparse.ArgumentParser) -> None:
    add_config_options(parser)
    parser.add_argument("--config", metavar="FILE", help="begin with this RunConfig (or a run's config.json)")
    parser.add_argument(
        "--over",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="an axis: dropout.rate=0,0.25,0.5 or lr=log:0.001:0.1:3 or epochs=lin:5:20:4 or batch_norm=off,on; repeatable",
    )
    parser.add_argument(
        "--factorial", metavar="A,B", help="techniques on and off in all combinations: what each one buys"
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="each with N seeds, from --seed on (default 1)"
    )
    parser.add_argument("--metric", default="test_accuracy", help="what to compare at the end (default test_accuracy)")
    parser.add_argument(
        "--on",
        default="local",
        metavar="PLACE",
        help="local (one run after the other, the default), ray (side by side on this machine) or ray://HOST:PORT (a cluster)",
    )
    parser.add_argument(
        "--gpus-per-run",
        type=float,
        metavar="X",
        help="with --on ray: the share of a GPU for each run, 0 to 1 (default 1 where the cluster has any)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what would be trained, and about how long it takes"
    )
    parser.add_argument(
        "--prune", action="store_true", help="stop runs early that cannot win (successive halving; off by default)"
    )
    track_option(parser)
    runs_option(parser)
    json_option(parser)


def run(args: argparse.Namespace) -> int:
    from reglab import machine
    from reglab.experiments import compare, sweep
    from reglab.experiments import ray_cluster as cluster
    from reglab.experiments.tracking import tracker

    store = store_of(args)
    if bool(args.over) == bool(args.factorial):
        raise ConfigError(
            "sweep takes --over NAME=VALUES (as often as you like) or --factorial A,B: give one of the two."
        )
    if args.factorial and args.prune:
        raise ConfigError("--prune would leave out runs that a factorial needs all of: leave it out, or use --over.")
    compare.check(args.metric)
    base = base_config(args.config).override(config_values(args))
    toggles = [name.strip().replace("-", "_") for name in (args.factorial or "").split(",") if name.strip()]
    if args.factorial:
        configs = sweep.factorial(base, toggles, args.seeds)
    else:
        configs = sweep.plan(base, [sweep.axis(text) for text in args.over], args.seeds)
    address = None if args.on == "local" else cluster.address_of(args.on)
    if args.gpus_per_run is not None:
        if address is None:
            raise ConfigError("--gpus-per-run is for runs on a cluster: give --on ray or --on ray://HOST:PORT with it.")
        cluster.needed(base, args.gpus_per_run, 0)
    listen = tracker(args.track)
    group = sweep.name_of(configs)
    price = sweep.price(configs, store, group)
    if args.dry_run:
        commands = [config.command() for config in configs]
        plan = {"group": group, "runs": price.runs, "seconds": price.seconds, "commands": commands}
        print(json.dumps(plan) if args.json else "\n".join([*commands, f"{group}: {price}"]))
        return 0
    if address is not None:
        cluster.check(address)  # before anything is fetched
    for config in {(c.model if c.pretrained else ""): c for c in configs}.values():
        load_with_progress(config)
    if address is None:
        machine.choose_device(base.device)
    if not args.json:
        print(f"{group}: {price}", flush=True)
    scale = compare.METRICS[args.metric].scale

    def number(summary: Mapping[str, Any]) -> str:
        return f"{summary[args.metric] * scale:.1f}" if args.metric in summary else ""

    stop, ended = stop_on_signals(), told_of_each(len(configs), args.json, number)
    if address is None:
        runs = sweep.train_all(configs, store, group, listen, ended=ended, stop=stop, prune=args.prune)
    else:
        runs = cluster.train_on_ray(
            configs,
            store,
            group,
            address,
            gpus=args.gpus_per_run,
            listen=listen,
            ended=ended,
            stop=stop,
            prune=args.prune,
        )
    if stop():
        print("Stopped, with a snapshot: the same command goes on from here.", file=sys.stderr)
    finished = [run for run in runs if run.status() == "finished"]
    if not finished:
        return 1
    result = compare.compare(finished)
    if args.json:
        final = {"group": group, **compare.to_json(result)}
        print(
            json.dumps(final | ({"effects": [vars(e) for e in _effects(args, finished, toggles)]} if toggles else {}))
        )
    else:
        print()
        print(compare.table(result, args.metric))
        for note in result.notes:
            print(note, file=sys.stderr)
        if toggles:
            print("\n" + sweep.table(_effects(args, finished, toggles), args.metric))
    return 0 if sum(run.status() == "finished" or run.was_pruned for run in runs) == len(configs) else 1


def _effects(args: argparse.Namespace, finished: Sequence[Run], toggles: Sequence[str]) -> Sequence[Any]:
    from reglab.experiments import sweep

    try:
        return sweep.effects_of(finished, toggles, args.metric)
    except ConfigError as error:  # some runs are missing yet
        print(error, file=sys.stderr)
        return []
