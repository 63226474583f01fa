"""python -m reglab compare: put runs side by side and say whether the difference is real."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from reglab.cli.options import json_option, runs_option, store_of
from reglab.errors import ConfigError, cause
from reglab.numbers import percent

ABOUT = "put runs side by side and say whether the difference is real"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_names", nargs="*", metavar="RUN", help="runs, or networks in checkpoints/")
    parser.add_argument("--group", metavar="GROUP", help="the runs that were started together under this name")
    parser.add_argument(
        "--baseline", metavar="RUN", default="", help="compare with its group (default: no regularizers)"
    )
    parser.add_argument("--metric", default="test_accuracy", help="what to compare (default test_accuracy)")
    parser.add_argument("--axis", default="epoch", help="of the curves: epoch (default), step or seconds")
    parser.add_argument(
        "--target", type=float, metavar="ACCURACY", help="say how soon each reached this validation accuracy"
    )
    for kind, what in (
        ("csv", "a line for each run"),
        ("png", "curves and differences"),
        ("html", "a report in one file"),
    ):
        parser.add_argument(f"--{kind}", metavar=f"FILE.{kind}", type=Path, help=f"write {what}")
    runs_option(parser)
    json_option(parser)


def run(args: argparse.Namespace) -> int:
    from reglab.experiments import choice, compare, curves, report, tables
    from reglab.runs.store import checkpoints_store, find

    store = store_of(args)
    if bool(args.run_names) == bool(args.group):
        raise ConfigError("compare takes runs or --group GROUP: give one of the two.")
    compare.check(args.metric, args.axis)
    if args.target is not None and not 0 < args.target < 1:
        raise ConfigError(f"target is {args.target:g}, but must be a share between 0 and 1, such as 0.7.")
    among = (store, checkpoints_store())
    runs = compare.in_group(store, args.group) if args.group else [find(name, *among) for name in args.run_names]
    told = compare.compare(runs, find(args.baseline, *among).id if args.baseline else "")
    for kind in ("csv", "html", "png"):
        if path := getattr(args, kind):
            content = report.file(kind, told, args.metric, args.axis)
            try:
                path.write_bytes(content)
            except OSError as error:
                raise ConfigError(f"{path} cannot be written ({cause(error)}): name another file.") from None
    if args.json:
        print(json.dumps(report.to_json(told, args.metric)))
        return 0
    print(tables.table(told, args.metric))
    if covers := told.covers(args.metric):
        print(f"\n{covers}")
    if len(told.groups) > 2 and (found := choice.choose(told.groups, args.metric)):
        print(f"\n{found.sentence()}")
    for note in told.notes:
        print(note, file=sys.stderr)
    if args.target is not None:
        print(f"\nUntil {percent(args.target, 0)} validation accuracy ({args.axis}):")
        for group in told.groups:
            print(f"  {group.label}: {curves.soon(curves.reached(group, args.target, args.axis))}")
    return 0
