"""python -m reglab train: train one network and write its run folder."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
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
    track_option,
)
from reglab.config.numbers import read
from reglab.errors import ConfigError, RunError
from reglab.numbers import counted, number, percent

if TYPE_CHECKING:
    from reglab.config import RunConfig
    from reglab.runs.run import Run
    from reglab.runs.store import Store
    from reglab.training.events import Event

ABOUT = "train one network and write its run folder"


def add(parser: argparse.ArgumentParser) -> None:
    add_config_options(parser)
    parser.add_argument("--config", metavar="FILE", help="begin with this RunConfig (or a run's config.json)")
    parser.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped or interrupted")
    parser.add_argument(
        "--fork-of", metavar="RUN", help="go on from an epoch of this run (--at-epoch) with other regularizers"
    )
    parser.add_argument(
        "--at-epoch",
        metavar="N",
        help="the last epoch that both have in common; `last`: the last one of the run",
    )
    parser.add_argument("--name", help="what to call the run")
    parser.add_argument("--group", default="", help="compare it with the other runs of this group")
    track_option(parser)
    runs_option(parser)
    json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Exit status 1 where the training failed."""
    from reglab.experiments.tracking import tracker
    from reglab.jobs.worker import work
    from reglab.training.diagnosis import diagnose

    track = tracker(args.track)
    store, given = store_of(args), config_values(args)
    run = _reopened(args, store, given) if args.resume else _created(args, store, given)
    tell = _in_json if args.json else _in_lines(time.monotonic())
    failed = False

    def listen(run: Run, event: Event) -> None:
        nonlocal failed
        failed = failed or event.name == "failed"
        track(run, event)
        if event.name not in ("step", "snapshot"):
            tell(run, event)

    work([run], listen, stop_on_signals())
    summary = run.summary()
    if args.json:
        print(json.dumps(summary), flush=True)
    elif summary["status"] == "finished":
        view = run.view()
        print(_in_words(summary))
        print(f"\n{diagnose(view.history, run.config, done=True, last=view.last).text}\n\n{run.path}")
    return 1 if failed or summary["status"] == "failed" else 0


# ---- which run ---------------------------------------------------------------------------------------------------
def _reopened(args: argparse.Namespace, store: Store, given: Mapping[str, Any]) -> Run:
    """The run to go on with."""
    if given or args.config:
        raise ConfigError("--resume goes on with a run exactly as it was: leave out the other training options.")
    run = store.open(args.resume)
    if (status := run.status()) == "finished":
        raise RunError(f"Run {run.id} is finished: start a new one with `{run.config.command()}`.")
    if status == "running":
        raise RunError(f"Run {run.id} is in use by another process: wait for it, or stop it first.")
    check_machine([run.config], goes_on=True)
    load_with_progress(run.config)
    run.reopen()
    return run


def _created(args: argparse.Namespace, store: Store, given: Mapping[str, Any]) -> Run:
    """A new run, once everything that it needs is here, so that nothing is half started."""
    parent = _parent(args, store)
    config = _forked(parent, args.at_epoch, given) if parent else base_config(args.config).override(given)
    check_machine([config])
    load_with_progress(config)
    return store.create(config, name=args.name or "", group=args.group, parent=parent.id if parent else "")


def _forked(parent: Run, epoch: str, given: Mapping[str, Any]) -> RunConfig:
    """The fork of that run after that epoch. Raises `ConfigError` and `RunError`."""
    if epoch == "last":
        history = parent.history()
        if not history:
            raise RunError(f"Run {parent.name} has no epoch yet: train it first, or give a number.")
        return parent.forked(history[-1].epoch, given)
    return parent.forked(int(read(epoch, "--at-epoch", whole=True) or 0), given)


def _parent(args: argparse.Namespace, store: Store) -> Run | None:
    """The run to fork, if one is to be forked."""
    from reglab.runs.store import checkpoints_store, find

    if bool(args.fork_of) != (args.at_epoch is not None):
        raise ConfigError("A fork needs both: --fork-of RUN and --at-epoch N, the last epoch they have in common.")
    if args.fork_of and args.config:
        raise ConfigError("--fork-of begins with the config of its run: leave --config out.")
    return find(args.fork_of, store, checkpoints_store()) if args.fork_of else None


# ---- what is told of it ------------------------------------------------------------------------------------------
def _in_json(run: Run, event: Event) -> None:
    if event.name != "preparing":
        print(json.dumps({"run": run.id, **event.to_json()}), flush=True)


def _in_lines(began: float) -> Callable[[Run, Event], None]:
    """Tells of each event in a line; `began` is when on the monotonic clock, in seconds."""
    from reglab import machine
    from reglab.models import family
    from reglab.training.events import Epoch, Failed, Preparing, Started, Stopped, Switched

    def tell(run: Run, event: Event) -> None:
        match event:
            case Preparing():
                end = "\n" if event.done == event.total else "\r"
                print(f"{event.what}: {event.done:,} of {event.total:,} pictures", end=end, file=sys.stderr, flush=True)
            case Started():
                print(f"{run.id}  {run.config.title()}  {run.config.recipe()}")
                why = machine.why_precision(run.config.precision, event.precision, family(run.config.model).depthwise)
                threads = counted(event.threads, "thread")
                print(f"{event.parameters:,} parameters, {event.device}, {event.precision}, {threads}")
                print(f"In {event.precision}, for {why}.\n" if why else "")
                print(" epoch  train loss    acc     val loss    acc       gap   images/s    time")
            case Epoch():
                speed = run.last_timing().get("images_per_second", 0)
                print(
                    f"{event.epoch:>6}  {event.train_loss:>10.4f} {percent(event.train_accuracy):>7}  {event.val_loss:>9.4f}"
                    f" {percent(event.val_accuracy):>7}  {number(event.gap * 100):>5} pt  {speed:>9,.0f}"
                    f"  {time.monotonic() - began:>5.0f}s",
                    flush=True,
                )
            case Switched():
                print(
                    f"Goes on in {event.precision}: it began in {event.before}, which this device has no arithmetic for.",
                    file=sys.stderr,
                )
            case Stopped():
                print(f"Stopped. Go on with: python -m reglab train --resume {run.id}", file=sys.stderr)
            case Failed():
                print(event.reason, file=sys.stderr)

    return tell


def _in_words(summary: dict[str, Any]) -> str:
    lines = ["", f"{'':12}{'epoch':>6}{'train':>9}{'val':>9}{'test':>9}{'gap':>10}{'ECE':>9}"]
    for which in ("last", "best"):
        e = summary[which]
        lines.append(
            f"{which + ' epoch':12}{e['epoch']:>6}{percent(e['train_accuracy']):>9}{percent(e['val_accuracy']):>9}"
            f"{percent(e['test_accuracy']):>9}{number(e['gap'] * 100):>7} pt{e['ece']:>9.3f}"
        )
    stands_by = [f"The run stands by its {summary['reported']} epoch."]
    other = "last" if summary["reported"] == "best" else "best"
    if images := summary[other].get("test_images"):
        stands_by.append(
            f"Its {other} epoch was judged on {images:,} test images, and on those of its point in the curves."
        )
    return "\n".join([*lines, *stands_by, *([summary["reason"]] if summary.get("reason") else [])])
