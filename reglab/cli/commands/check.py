"""python -m reglab check: see whether lesson sheets hold, one or those of a whole class."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reglab.cli.options import (
    check_machine,
    json_option,
    load_with_progress,
    matching,
    runs_option,
    stop_on_signals,
    store_of,
)
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError, cause
from reglab.numbers import number, percent, points

if TYPE_CHECKING:
    from reglab.teaching.sheet import Finding, Sheet

ABOUT = "see whether lesson sheets hold, one or those of a whole class"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="lesson sheets, as the Share tab makes them; *.json takes all of a folder",
    )
    parser.add_argument("--train", action="store_true", help="train each set-up again and compare")
    parser.add_argument(
        "--assignment", metavar="LINK", help="the link that was handed out; else the sheet's is believed"
    )
    parser.add_argument("--csv", metavar="FILE.csv", type=Path, help="write a line for each sheet")
    runs_option(parser)
    json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Exit status 1 where something does not hold, 2 where a file cannot be read at all."""
    from reglab.experiments.tables import SPREADSHEET
    from reglab.runs.store import checkpoints_store
    from reglab.teaching import links, sheet

    assignment = links.decode(links.text_of(args.assignment)) if args.assignment else None
    if isinstance(assignment, RunConfig):
        raise ConfigError("The link of --assignment says a set-up without rules: give the one from Make an assignment.")
    stores = (store_of(args), checkpoints_store())
    sheets: dict[str, Sheet] = {}
    told: dict[str, list[Finding]] = {}
    for path in map(Path, matching(args.files)):
        try:
            with open(path, "rb") as f:
                raw = f.read(sheet.LARGEST + 1)
        except OSError as error:
            raise ConfigError(f"{path} cannot be read ({error.strerror}): name the files of lesson sheets.") from None
        try:
            sheets[str(path)] = sheet.read(raw)
        except ConfigError as error:
            told[str(path)] = [sheet.Finding("whole", False, str(error))]
        else:
            told[str(path)] = sheet.check(sheets[str(path)], stores, assignment)
    for file, copied in sheet.same_run(sheets).items():
        told[file].append(copied)
    if args.train:
        stop = stop_on_signals()
        for file, found in sheets.items():
            if not stop() and all(finding.holds is not False for finding in told[file]):
                print(f"{file}: {found.config.command()}", file=sys.stderr)
                told[file].append(_train(found, stop))
    rows = [sheet.row(file, sheets.get(file), findings) for file, findings in told.items()]
    if args.csv:
        try:
            args.csv.write_text(sheet.to_csv(rows), encoding=SPREADSHEET)
        except OSError as error:
            raise ConfigError(f"{args.csv} cannot be written ({cause(error)}): name another file.") from None
    fine = all(row["fine"] for row in rows)
    if args.json:
        for row, findings in zip(rows, told.values(), strict=True):
            print(json.dumps({**row, "findings": [vars(finding) for finding in findings]}))
        print(json.dumps({"sheets": len(rows), "fine": sum(row["fine"] for row in rows)}))
    else:
        for file, findings in told.items():
            print(_line(file, sheets.get(file), findings))
    return 0 if fine else 1


def _train(found: Sheet, stop: Callable[[], bool]) -> Finding:
    """Train the set-up of a sheet in a folder that is gone afterwards."""
    from reglab.experiments.executors import local
    from reglab.experiments.experiment import Experiment
    from reglab.runs.store import Store
    from reglab.teaching import sheet

    try:
        check_machine([found.config])
        sheet.check_trainable(found)
        load_with_progress(found.config)
    except (ConfigError, DataError) as error:
        return sheet.Finding("trained again", None, str(error))
    with tempfile.TemporaryDirectory(prefix="reglab-check-") as folder:
        runs = local.train(Experiment.run(found.config), Store(folder), stop=stop)
        return sheet.trained_again(found, runs[0]) if runs else sheet.Finding("trained again", None, "It was stopped.")


def _line(file: str, found: Sheet | None, findings: Sequence[Finding]) -> str:
    """A sheet in a line, and a line for whatever does not hold or was trained again."""
    fine = all(finding.holds is not False for finding in findings)
    shown = [f for f in findings if f.holds is False or f.about == "trained again"]
    more = "".join(f"\n    {finding.about}: {finding.sentence}" for finding in shown)
    verdict = "fine" if fine else "does not hold"
    if found is None:
        return f"{file:<32} {verdict}{more}"
    r, p = found.result, found.prediction
    off = f"  predicted {number(p.value * 100)} and came {number(found.came() * 100)}" if p is not None else ""
    numbers = f"test {percent(r.test_accuracy)}  gap {points(r.gap)}{off}"
    return f"{found.name or Path(file).name:<32} {found.run}  {numbers}  {verdict}{more}"
