"""What several commands share: the options of a RunConfig, the folder of the runs, progress, an orderly stop."""

from __future__ import annotations

import argparse
import glob
import json
import os
import signal
import sys
import time
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from reglab.config import PLAIN, RunConfig, flag, from_json
from reglab.config.usual import extra_of
from reglab.errors import ConfigError
from reglab.regularizers import CATALOGUE

if TYPE_CHECKING:
    from reglab.runs.run import Run
    from reglab.runs.store import Store


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """One flag for every field of RunConfig, every regularizer and every setting of one."""
    run = parser.add_argument_group("the run")
    for name in PLAIN:
        info = RunConfig.model_fields[name]
        told: dict[str, Any] = {"dest": f"config:{name}", "help": f"{info.description} (default {_default(info)})"}
        switch: dict[str, Any] = {"action": argparse.BooleanOptionalAction, "default": None}
        run.add_argument(flag(name), **told, **(switch if info.annotation is bool else _option(info)))
    run.add_argument(
        "--fork",
        dest="config:fork",
        metavar="JSON",
        help='the run it goes on from: {"epoch": N, "regularizers": {...}}',
    )
    for key, technique in CATALOGUE.items():
        group = parser.add_argument_group(technique.title, technique.hint)
        group.add_argument(
            flag(key), dest=f"config:{key}", action=argparse.BooleanOptionalAction, default=None, help="switch it on"
        )
        for name, info in technique.model_fields.items():
            group.add_argument(
                f"{flag(key)}.{name}",
                dest=f"config:{key}.{name}",
                **_option(info),
                help=f"{info.description or info.title} (default {_default(info)})",
            )


def config_values(args: argparse.Namespace) -> dict[str, Any]:
    """What was given on the command line, as the dotted changes that `RunConfig.override` takes.

    Raises `ConfigError` where a technique is switched off and set at once.
    """
    given = {k.removeprefix("config:"): v for k, v in vars(args).items() if k.startswith("config:") and v is not None}
    off = [key for key, value in given.items() if value is False]
    for name in given:
        if name.partition(".")[0] in off and "." in name:
            raise ConfigError(
                f"--no-{name.partition('.')[0].replace('_', '-')} and {name} exclude each other: give one."
            )
    return {k: None if v == "all" and k == "train_size" else v for k, v in given.items()}


def _default(info: FieldInfo) -> str:
    if info.default is None:
        return str(extra_of(info)["unset"])
    return str(info.default).lower() if isinstance(info.default, bool) else str(info.default)


def _option(info: FieldInfo) -> dict[str, Any]:
    """How argparse reads a field. Bounds, choices and numbers are left to RunConfig, which says more about them."""
    kind = info.annotation
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(k for k in get_args(kind) if k is not type(None))
    metavar = {int: "N", float: "X", bool: "true|false"}.get(kind) if isinstance(kind, type) else None
    if get_origin(kind) is Literal:
        metavar = "|".join(map(str, get_args(kind)))
    return {"metavar": metavar or "NAME", "default": None}


def runs_option(parser: argparse.ArgumentParser) -> None:
    """`--runs DIR`, for `store_of`."""
    parser.add_argument("--runs", metavar="DIR", help="folder of the runs (default: REGLAB_RUNS, else runs/)")


def json_option(parser: argparse.ArgumentParser) -> None:
    """`--json`: one object a line on standard output."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the last one the summary")


def track_option(parser: argparse.ArgumentParser) -> None:
    """`--track trackio`, for `tracking.tracker`."""
    parser.add_argument("--track", metavar="trackio", help="tell Trackio of every epoch too (default: nobody)")


def base_config(file: str | None) -> RunConfig:
    """The config to begin with: that in the file, or the usual one. Raises `ConfigError` for a file that is none."""
    if not file:
        return RunConfig()
    try:
        return from_json(Path(file).read_bytes())
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error}): give a JSON file.") from None


def matching(named: Sequence[str]) -> list[str]:
    """The files that were named, and for a pattern such as `sheets/*.json` those that match, sorted.

    Most shells have put them in already; cmd.exe leaves that to the program. Raises `ConfigError` where none match.
    """
    files: list[str] = []
    for name in named:
        if not glob.has_magic(name) or os.path.lexists(name):
            files.append(name)
        elif found := sorted(glob.glob(name, recursive=True)):
            files += found
        else:
            raise ConfigError(f"No file matches {name}: name files that are there.")
    return files


def load_with_progress(config: RunConfig) -> None:
    """Fetch and decode before anything is started."""
    from reglab import data
    from reglab.models import pretrained

    data.load(config.dataset, tenths(data.source(config.dataset).title))
    if config.pretrained:
        pretrained.fetch(config.model, tenths(pretrained.known(config.model).title))


def check_machine(configs: Iterable[RunConfig], *, goes_on: bool = False) -> None:
    """Whether each of them can be trained on this machine, or go on here. Raises `ConfigError`."""
    from reglab.jobs import capacity
    from reglab.models.effort import effort

    here, counted = capacity.here(), lru_cache(effort)
    for config in {c.set_up(): c for c in configs}.values():
        here.check(config, counted, goes_on=goes_on)


def tenths(title: str) -> Callable[[str, int, int], None]:
    """Tells how far something has come with what has this title: a line on standard error for every tenth of the way."""
    said = ""

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal said
        line = f"{stage} {title}: {done * 10 // max(total, 1) * 10} %"
        if line != said:
            print(line, file=sys.stderr)
            said = line

    return tell


def stop_on_signals() -> Any:
    """Ctrl-C and SIGTERM stop after the step under way, with a snapshot; a second Ctrl-C breaks off at once."""
    asked: list[int] = []

    def handle(number: int, frame: types.FrameType | None) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    return lambda: bool(asked)


def told_of_each(total: int, as_json: bool, number: Callable[[Mapping[str, Any]], str]) -> Callable[[Run], None]:
    """Prints how each run of a plan ended, as a line or as its summary; `number` tells what a finished one reached."""
    from reglab.runs.cost import clock

    began, done = time.monotonic(), 0

    def ended(run: Run) -> None:
        nonlocal done
        done += 1
        summary = run.summary()
        if as_json:
            print(json.dumps(summary), flush=True)
            return
        said = (
            number(summary) if summary["status"] == "finished" else f"{summary['status']}. {summary.get('reason', '')}"
        )
        print(f"{done:>4} of {total}  {run.name}: {said}  ({clock(time.monotonic() - began)})", flush=True)

    return ended


def checkpoint(args: argparse.Namespace) -> Run:
    """The run, or the network in checkpoints/, that was named."""
    from reglab.runs.store import checkpoints_store, find

    return find(args.checkpoint, store_of(args), checkpoints_store())


def in_bytes(count: int) -> str:
    """A size in words: 12345678 -> "12.3 MB"."""
    return f"{count / 1e6:,.1f} MB" if count >= 10**5 else f"{count / 1e3:,.1f} kB"


def store_of(args: argparse.Namespace) -> Store:
    """The folder of the runs."""
    from reglab.runs import store

    return store.Store(args.runs) if args.runs else store.runs_store()
