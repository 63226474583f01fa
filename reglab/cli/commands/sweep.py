"""python -m reglab sweep: train one network over several settings and seeds, and compare."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reglab.cli.options import (
    add_config_options,
    base_config,
    check_machine,
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
    from reglab.experiments.experiment import Experiment
    from reglab.runs.run import Run
    from reglab.runs.store import Store
    from reglab.training.events import Event

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
    """Exit status 1 where a run failed or was stopped."""
    from reglab.experiments.price import price
    from reglab.experiments.tracking import tracker

    store = store_of(args)
    experiment, address = _experiment(args), _address(args)
    listen = tracker(args.track)
    cost = price(experiment, store)
    if args.dry_run:
        commands = [config.command() for config in experiment.configs]
        plan = {"group": experiment.group, "runs": cost.runs, "seconds": cost.seconds, "commands": commands}
        print(json.dumps(plan) if args.json else "\n".join([*commands, f"{experiment.group}: {cost}"]))
        return 0
    _make_ready(experiment, address)
    if not args.json:
        print(f"{experiment.group}: {cost}", flush=True)
    runs = _train(args, experiment, store, address, listen)
    finished = [run for run in runs if run.status() == "finished"]
    if not finished:
        return 1
    _tell(args, experiment, finished)
    done = sum(run.status() == "finished" or run.was_pruned for run in runs)
    return 0 if done == len(experiment.configs) else 1


def _experiment(args: argparse.Namespace) -> Experiment:
    """What was asked for. Raises `ConfigError`."""
    from reglab.experiments import compare
    from reglab.experiments.axes import axis
    from reglab.experiments.factorial import factorial
    from reglab.experiments.sweep import sweep

    if bool(args.over) == bool(args.factorial):
        raise ConfigError(
            "sweep takes --over NAME=VALUES (as often as you like) or --factorial A,B: give one of the two."
        )
    if args.factorial and args.prune:
        raise ConfigError("--prune would leave out runs that a factorial needs all of: leave it out, or use --over.")
    compare.check(args.metric)
    base = base_config(args.config).override(config_values(args))
    if args.over:
        return sweep(base, [axis(text) for text in args.over], args.seeds, prune=args.prune)
    toggles = [name.strip().replace("-", "_") for name in args.factorial.split(",") if name.strip()]
    return factorial(base, toggles, args.seeds)


def _address(args: argparse.Namespace) -> str | None:
    """Of the cluster, empty for one of this machine alone; None where Ray was not asked for. Raises `ConfigError`."""
    if args.on == "local":
        if args.gpus_per_run is not None:
            raise ConfigError("--gpus-per-run is for runs on a cluster: give --on ray or --on ray://HOST:PORT with it.")
        return None
    from reglab.experiments.executors.ray.address import address_of
    from reglab.experiments.executors.ray.places import needed

    address = address_of(args.on)
    if args.gpus_per_run is not None:
        needed(base_config(args.config).override(config_values(args)), args.gpus_per_run, 0)
    return address


def _make_ready(experiment: Experiment, address: str | None) -> None:
    """Fetch what is needed, after a look whether it can be trained there at all. Raises `ConfigError` or `DataError`."""
    if address is not None:
        from reglab.experiments.executors.ray.address import check

        check(address)
    else:
        check_machine(experiment.configs)
    for config in {(c.model if c.pretrained else ""): c for c in experiment.configs}.values():
        load_with_progress(config)


def _train(
    args: argparse.Namespace,
    experiment: Experiment,
    store: Store,
    address: str | None,
    listen: Callable[[Run, Event], None],
) -> list[Run]:
    """Here or on the cluster, with a line for each run at its end."""
    from reglab.experiments.compare import METRICS
    from reglab.experiments.executors import local

    def number(summary: Mapping[str, Any]) -> str:
        return f"{summary[args.metric] * METRICS[args.metric].scale:.1f}" if args.metric in summary else ""

    stop, ended = stop_on_signals(), told_of_each(len(experiment.configs), args.json, number)
    if address is None:
        runs = local.train(experiment, store, listen, ended, stop)
    else:
        from reglab.experiments.executors.ray import executor

        gpus = args.gpus_per_run
        runs = executor.train(experiment, store, address, gpus=gpus, listen=listen, ended=ended, stop=stop)
    if stop():
        print("Stopped, with a snapshot: the same command goes on from here.", file=sys.stderr)
    return runs


def _tell(args: argparse.Namespace, experiment: Experiment, finished: Sequence[Run]) -> None:
    """Print the comparison, and of a factorial what each technique bought."""
    from reglab.experiments import choice, compare, factorial, report, tables

    result = compare.compare(finished)
    found = choice.choose(result.groups, args.metric)
    effects: Sequence[Any] = []
    if experiment.kind == "factorial":
        try:
            effects = factorial.effects_of(finished, experiment.axes, args.metric)
        except ConfigError as error:  # some runs are missing yet
            print(error, file=sys.stderr)
    if args.json:
        final = {"group": experiment.group, **report.to_json(result, args.metric)}
        if experiment.kind == "factorial":
            final["effects"] = [vars(e) for e in effects]
        print(json.dumps(final))
        return
    print()
    print(tables.table(result, args.metric))
    if covers := result.covers(args.metric):
        print(f"\n{covers}")
    if found:
        print(f"\n{found.sentence()}")
    for note in result.notes:
        print(note, file=sys.stderr)
    if experiment.kind == "factorial":
        print("\n" + factorial.table(effects, args.metric))
