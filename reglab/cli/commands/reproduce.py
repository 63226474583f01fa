"""python -m reglab reproduce: train a published result again, and say whether it came out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reglab.cli.options import (
    check_machine,
    json_option,
    load_with_progress,
    runs_option,
    stop_on_signals,
    store_of,
    told_of_each,
)
from reglab.errors import ConfigError
from reglab.numbers import percent

if TYPE_CHECKING:
    from reglab.experiments.experiment import Experiment
    from reglab.experiments.price import Price
    from reglab.experiments.reproduce import Findings
    from reglab.runs.run import Run
    from reglab.runs.store import Store

ABOUT = "train a published result again, and say whether it came out"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="which one; without it all are listed")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--full", action="store_true", help="as near to the authors' recipe as this lab can come")
    which.add_argument("--budget", action="store_true", help="a smaller recipe for two cores (the default)")
    parser.add_argument("--seeds", type=int, metavar="N", help="each row with N seeds (default: what the recipe says)")
    parser.add_argument(
        "--dry-run", action="store_true", help="train nothing: what would be, its price, and what is known so far"
    )
    runs_option(parser)
    json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Exit status 1 where a run failed or was stopped."""
    from reglab.experiments import reproduce
    from reglab.experiments.price import price
    from reglab.experiments.publications import publication

    store, recipe = store_of(args), "full" if args.full else "budget"
    if not args.name:
        if args.full or args.budget or args.dry_run or args.seeds is not None:
            raise ConfigError("reproduce was asked without a NAME: `python -m reglab reproduce` lists them, name one.")
        return _list(args)
    asked = publication(args.name)
    experiment = asked.experiment(recipe, args.seeds)
    cost = price(experiment, store)

    def so_far() -> Findings:
        return reproduce.look(asked, recipe, reproduce.runs_of(asked, recipe, store))

    if args.dry_run:
        commands = [config.command() for config in experiment.configs]
        if args.json:
            plan = {"group": experiment.group, "runs": cost.runs, "seconds": cost.seconds, "commands": commands}
            print(json.dumps({**plan, "so_far": reproduce.to_json(so_far())}))
        else:
            print("\n".join([*commands, f"{experiment.group}: {cost}", "", _told(so_far())]))
        return 0
    runs = _train(args, experiment, store, cost)
    told = so_far()
    print(json.dumps(reproduce.to_json(told)) if args.json else f"\n{_told(told)}")
    return 0 if len(runs) == len(experiment.configs) and all(run.status() == "finished" for run in runs) else 1


def _train(args: argparse.Namespace, experiment: Experiment, store: Store, cost: Price) -> list[Run]:
    """One run after the other, with a line for each at its end."""
    from reglab.experiments.executors import local

    check_machine(experiment.configs)
    for config in {c.dataset: c for c in experiment.configs}.values():
        load_with_progress(config)
    if not args.json:
        print(f"{experiment.group}: {cost}", flush=True)

    def number(summary: Mapping[str, Any]) -> str:
        return f"test {percent(summary['test_accuracy'])}" if "test_accuracy" in summary else ""

    stop, ended = stop_on_signals(), told_of_each(len(experiment.configs), args.json, number)
    runs = local.train(experiment, store, ended=ended, stop=stop)
    if stop():
        print("Stopped, with a snapshot: the same command goes on from here.", file=sys.stderr)
    return runs


def _told(told: Findings) -> str:
    from reglab.experiments import reproduce
    from reglab.experiments.publications import STATUS

    paper = told.publication
    source = f"Read in {paper.read} ({paper.status}: {STATUS[paper.status]})"
    gives_up = f"On a budget: {paper.budget.gives_up}" if told.recipe == "budget" else ""
    about = [paper.paper, source, "", paper.setting, paper.here, *([gives_up] if gives_up else [])]
    return "\n".join([*about, "", reproduce.table(reproduce.to_json(told))])


def _list(args: argparse.Namespace) -> int:
    from reglab.experiments import reproduce
    from reglab.experiments.publications import PUBLICATIONS, RECIPES

    store = store_of(args)
    for paper in PUBLICATIONS.values():
        words = {
            recipe: reproduce.look(paper, recipe, reproduce.runs_of(paper, recipe, store)).word for recipe in RECIPES
        }
        if args.json:
            told = {"name": paper.key, "title": paper.title, "paper": paper.paper, "status": paper.status}
            print(json.dumps(told | {"verdicts": words}))
        else:
            told_words = ", ".join(f"{RECIPES[recipe]}: {word}" for recipe, word in words.items())
            print(f"{paper.key:<18}{paper.title} ({paper.status}; {told_words})\n{'':<18}{paper.paper}")
    return 0
