"""python -m reglab ...: train, sweep, compare, predict, evaluate, runs, cards, export, push, pull.

Exit status: 0 done, 1 the run failed, 2 what was asked cannot be (one sentence on standard error).
With --json, standard output is one JSON object a line, and the last line is the summary.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import signal
import sys
import time
import types
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from reglab import __version__
from reglab.config import RunConfig, flag, from_json
from reglab.errors import ConfigError, DataError, RunError
from reglab.regularizers import CATALOGUE

if TYPE_CHECKING:
    from reglab.store import Run


class Parser(argparse.ArgumentParser):
    """argparse that answers a mistake with one sentence instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        known = [option for action in self._actions for option in action.option_strings]
        if message.startswith("unrecognized arguments: "):
            unknown = message.partition(": ")[2].split()[0]
            near = difflib.get_close_matches(unknown, known, n=1, cutoff=0.5)
            instead = f"did you mean {near[0]}?" if near else f"see `{self.prog} --help`."
            message = f"There is no option {unknown}: {instead}"
        else:
            message = f"{message[0].upper()}{message[1:]}: see `{self.prog} --help`."
        self.exit(2, message + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = build_parser()
    args, rest = parser.parse_known_args(arguments)
    if rest:
        args.parser.error("unrecognized arguments: " + " ".join(rest))
    try:
        return int(args.run(args) or 0)
    except (ConfigError, DataError, RunError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130  # as a shell says it
    except BrokenPipeError:  # `reglab runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def build_parser() -> Parser:
    parser = Parser(prog="python -m reglab", description="See what regularization does to a convolutional network.")
    parser.add_argument("--version", action="version", version=f"reglab {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)

    def command(name: str, run: Any, about: str) -> Parser:
        sub: Parser = commands.add_parser(name, help=about, description=about, allow_abbrev=False)
        sub.set_defaults(run=run, parser=sub)
        return sub

    train = command("train", train_command, "train one network and write its run folder")
    add_config_options(train)
    train.add_argument("--config", metavar="FILE", help="begin with this RunConfig (or a run's config.json)")
    train.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped or interrupted")
    train.add_argument("--name", help="what to call the run")
    train.add_argument("--group", default="", help="compare it with the other runs of this group")
    _runs_option(train)
    _json_option(train)

    predict = command("predict", predict_command, "classify pictures with a trained network")
    predict.add_argument("images", nargs="+", metavar="IMAGE", help="a picture file")
    predict.add_argument("--checkpoint", required=True, metavar="NAME", help="a run, or a network in checkpoints/")
    predict.add_argument("--top", type=int, default=3, help="classes to show (default 3)")
    predict.add_argument(
        "--how",
        choices=("crop", "fit"),
        default="crop",
        help="crop: the middle square (default); fit: the whole picture with grey bars beside it",
    )
    predict.add_argument("--tta", action="store_true", help="the mean over slightly shifted and mirrored views")
    predict.add_argument(
        "--dropout-passes", type=int, default=0, metavar="N", help="show the spread over N passes with dropout left on"
    )
    predict.add_argument(
        "--explain", metavar="FILE.png", help="write a picture of where the network looks (Grad-CAM); for one IMAGE"
    )
    _runs_option(predict)
    _json_option(predict)

    evaluate = command("evaluate", evaluate_command, "measure a trained network on all validation and test images")
    evaluate.add_argument("--checkpoint", required=True, metavar="NAME", help="a run, or a network in checkpoints/")
    _runs_option(evaluate)
    _json_option(evaluate)

    sweep = command("sweep", sweep_command, "train one network over several settings and seeds, and compare")
    add_config_options(sweep)
    sweep.add_argument("--config", metavar="FILE", help="begin with this RunConfig (or a run's config.json)")
    sweep.add_argument(
        "--over",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="an axis: dropout.rate=0,0.25,0.5 or lr=log:0.001:0.1:3 or epochs=lin:5:20:4 or batch_norm=off,on; repeatable",
    )
    sweep.add_argument(
        "--factorial", metavar="A,B", help="techniques on and off in all combinations: what each one buys"
    )
    sweep.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="each with N seeds, from --seed on (default 1)"
    )
    sweep.add_argument("--metric", default="test_accuracy", help="what to compare at the end (default test_accuracy)")
    sweep.add_argument(
        "--dry-run", action="store_true", help="only say what would be trained, and about how long it takes"
    )
    _runs_option(sweep)
    _json_option(sweep)

    compare = command("compare", compare_command, "put runs side by side and say whether the difference is real")
    compare.add_argument("run_names", nargs="*", metavar="RUN", help="runs, or networks in checkpoints/")
    compare.add_argument("--group", metavar="GROUP", help="the runs that were started together under this name")
    compare.add_argument(
        "--baseline", metavar="RUN", default="", help="compare with its group (default: no regularizers)"
    )
    compare.add_argument("--metric", default="test_accuracy", help="what to compare (default test_accuracy)")
    compare.add_argument("--axis", default="epoch", help="of the curves: epoch (default), step or seconds")
    compare.add_argument(
        "--target", type=float, metavar="ACCURACY", help="say how soon each reached this validation accuracy"
    )
    for kind, what in (
        ("csv", "a line for each run"),
        ("png", "curves and differences"),
        ("html", "a report in one file"),
    ):
        compare.add_argument(f"--{kind}", metavar=f"FILE.{kind}", type=Path, help=f"write {what}")
    _runs_option(compare)
    _json_option(compare)

    runs = command("runs", runs_command, "list the runs of this machine and the networks in checkpoints/")
    _runs_option(runs)
    _json_option(runs)

    cards = command("cards", cards_command, "explain every regularizer, or one")
    cards.add_argument("key", nargs="?", metavar="KEY", help="the regularizer, such as dropout (default: all)")
    cards.add_argument("--markdown", action="store_true", help="the table that stands in the README, or one card")
    _json_option(cards)

    export = command("export", export_command, "write a trained network as an ONNX file or as torch's .pt2")
    export.add_argument("checkpoint", metavar="RUN", help="a run, or a network in checkpoints/")
    export.add_argument("file", metavar="FILE", help="a name that ends in .onnx or .pt2")
    _runs_option(export)
    _json_option(export)

    push = command("push", push_command, "upload a run with its model card to the Hugging Face Hub")
    push.add_argument("checkpoint", metavar="RUN", help="a run, or a network in checkpoints/")
    push.add_argument("repo", metavar="REPO", help="USER/NAME; made where there is none")
    push.add_argument("--dry-run", action="store_true", help="only say what would be uploaded")
    push.add_argument("--private", action="store_true", help="make the repository a private one")
    _runs_option(push)
    _json_option(push)

    pull = command("pull", pull_command, "bring in a run that was pushed to the Hugging Face Hub")
    pull.add_argument("repo", metavar="REPO", help="USER/NAME")
    _runs_option(pull)
    _json_option(pull)
    return parser


# ---- sweep -------------------------------------------------------------------------------------------------------
def sweep_command(args: argparse.Namespace) -> int:
    from reglab import compare, machine, sweep
    from reglab.store import Store, runs_store

    store = Store(args.runs) if args.runs else runs_store()
    if bool(args.over) == bool(args.factorial):
        raise ConfigError(
            "sweep takes --over NAME=VALUES (as often as you like) or --factorial A,B: give one of the two."
        )
    compare.check(args.metric)
    base = _base(args.config).override(config_values(args))
    toggles = [name.strip().replace("-", "_") for name in (args.factorial or "").split(",") if name.strip()]
    if args.factorial:
        configs = sweep.factorial(base, toggles, args.seeds)
    else:
        configs = sweep.plan(base, [sweep.axis(text) for text in args.over], args.seeds)
    group = sweep.name_of(configs)
    price = sweep.price(configs, store, group)
    if args.dry_run:
        commands = [config.command() for config in configs]
        plan = {"group": group, "runs": price.runs, "seconds": price.seconds, "commands": commands}
        print(json.dumps(plan) if args.json else "\n".join([*commands, f"{group}: {price}"]))
        return 0
    for config in {(c.model if c.pretrained else ""): c for c in configs}.values():
        _load_with_progress(config)
    machine.choose_device(base.device)
    if not args.json:
        print(f"{group}: {price}", flush=True)
    stop, began, told = _stop_on_signals(), time.monotonic(), 0

    def ended(run: Run) -> None:
        nonlocal told
        told += 1
        summary = run.summary()
        if args.json:
            print(json.dumps(summary), flush=True)
            return
        reached = f"{summary[args.metric] * compare.METRICS[args.metric].scale:.1f}" if args.metric in summary else ""
        said = reached if summary["status"] == "finished" else f"{summary['status']}. {summary.get('reason', '')}"
        print(f"{told:>4} of {len(configs)}  {run.name}: {said}  ({sweep.clock(time.monotonic() - began)})", flush=True)

    runs = sweep.train_all(configs, store, group, ended=ended, stop=stop)
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
    return 0 if len(finished) == len(configs) else 1


def _effects(args: argparse.Namespace, finished: Sequence[Run], toggles: Sequence[str]) -> Sequence[Any]:
    from reglab import compare, sweep

    try:
        return sweep.effects_of(finished, toggles, args.metric, compare.METRICS[args.metric].scale)
    except ConfigError as error:  # some runs are missing yet
        print(error, file=sys.stderr)
        return []


# ---- compare -----------------------------------------------------------------------------------------------------
def compare_command(args: argparse.Namespace) -> int:
    from reglab import compare, report
    from reglab.store import Store, checkpoints_store, find, runs_store

    store = Store(args.runs) if args.runs else runs_store()
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
                raise ConfigError(f"{path} cannot be written ({error.strerror}): name another file.") from None
    if args.json:
        print(json.dumps(compare.to_json(told)))
        return 0
    print(compare.table(told, args.metric))
    for note in told.notes:
        print(note, file=sys.stderr)
    if args.target is not None:
        print(f"\nUntil {args.target:.0%} validation accuracy ({args.axis}):")
        for group in told.groups:
            print(f"  {group.label}: {compare.soon(compare.reached(group, args.target, args.axis))}")
    return 0


# ---- train -------------------------------------------------------------------------------------------------------
def train_command(args: argparse.Namespace) -> int:
    from reglab import machine
    from reglab.events import Epoch, Event, Failed, Preparing, Started, Stopped
    from reglab.store import Store, runs_store

    store = Store(args.runs) if args.runs else runs_store()
    given = config_values(args)
    if args.resume:
        if given or args.config:
            raise ConfigError("--resume goes on with a run exactly as it was: leave out the other training options.")
        run = store.open(args.resume)
        if (status := run.status()) == "finished":
            raise RunError(f"Run {run.id} is finished: start a new one with `{run.config.command()}`.")
        if status == "running":
            raise RunError(f"Run {run.id} is in use by another process: wait for it, or stop it first.")
        _load_with_progress(run.config)
        run.reopen()
    else:
        config = _base(args.config).override(given)
        _load_with_progress(config)  # before the run folder is made, so that nothing is half started
        machine.choose_device(config.device)
        run = store.create(config, name=args.name or "", group=args.group)

    stop = _stop_on_signals()
    failed = False
    began = time.monotonic()

    def listen(run: Run, event: Event) -> None:
        nonlocal failed
        failed = failed or isinstance(event, Failed)
        if event.name in ("step", "snapshot"):
            return
        if isinstance(event, Preparing):
            if not args.json:
                end = "\n" if event.done == event.total else "\r"
                print(f"{event.what}: {event.done:,} of {event.total:,} pictures", end=end, file=sys.stderr, flush=True)
            return
        if args.json:
            print(json.dumps({"run": run.id, **event.to_json()}), flush=True)
        elif isinstance(event, Started):
            print(f"{run.id}  {run.config.title()}  {run.config.recipe()}")
            print(f"{event.parameters:,} parameters, {event.device}, {event.precision}, {event.threads} threads\n")
            print(" epoch  train loss   acc     val loss   acc       gap   images/s    time")
        elif isinstance(event, Epoch):
            speed = run.last_timing().get("images_per_second", 0)
            print(
                f"{event.epoch:>6}  {event.train_loss:>10.4f} {event.train_accuracy:>6.1%}  {event.val_loss:>9.4f}"
                f" {event.val_accuracy:>6.1%}  {event.gap * 100:>5.1f} pt  {speed:>9,.0f}  {time.monotonic() - began:>5.0f}s",
                flush=True,
            )
        elif isinstance(event, Stopped):
            print(f"Stopped. Go on with: python -m reglab train --resume {run.id}", file=sys.stderr)
        elif isinstance(event, Failed):
            print(event.reason, file=sys.stderr)

    from reglab.jobs import work

    work([run], listen, stop)
    summary = run.summary()
    if args.json:
        print(json.dumps(summary), flush=True)
    elif summary["status"] == "finished":
        print(_in_words(summary))
        print(f"\n{run.path}")
    return 1 if failed or summary["status"] == "failed" else 0


def _in_words(summary: dict[str, Any]) -> str:
    lines = ["", f"{'':12}{'epoch':>6}{'train':>9}{'val':>9}{'test':>9}{'gap':>10}{'ECE':>9}"]
    for which in ("last", "best"):
        e = summary[which]
        lines.append(
            f"{which + ' epoch':12}{e['epoch']:>6}{e['train_accuracy']:>9.1%}{e['val_accuracy']:>9.1%}"
            f"{e['test_accuracy']:>9.1%}{e['gap'] * 100:>7.1f} pt{e['ece']:>9.3f}"
        )
    return "\n".join([*lines, *([summary["reason"]] if summary.get("reason") else [])])


def _base(file: str | None) -> RunConfig:
    """The config to begin with: that in the file, or the usual one."""
    if not file:
        return RunConfig()
    try:
        return from_json(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read ({error}): give a JSON file.") from None


def _load_with_progress(config: RunConfig) -> None:
    """Fetch and decode before anything is started."""
    from reglab import data
    from reglab.models import pretrained

    data.load(config.dataset, _tenths(data.source(config.dataset).title))
    if config.pretrained:
        pretrained.fetch(config.model, _tenths(pretrained.known(config.model).title))


def _tenths(title: str) -> Callable[[str, int, int], None]:
    """Tells how far something has come with what has this title: a line on standard error for every tenth of the way."""
    said = ""

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal said
        line = f"{stage} {title}: {done * 10 // max(total, 1) * 10} %"
        if line != said:
            print(line, file=sys.stderr)
            said = line

    return tell


def _stop_on_signals() -> Any:
    """Ctrl-C and SIGTERM stop after the step under way, with a snapshot; a second Ctrl-C breaks off at once."""
    asked: list[int] = []

    def handle(number: int, frame: types.FrameType | None) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    return lambda: bool(asked)


# ---- the options of a RunConfig ----------------------------------------------------------------------------------
def add_config_options(parser: argparse.ArgumentParser) -> None:
    """One flag for every field of RunConfig, every regularizer and every setting of one."""
    run = parser.add_argument_group("the run")
    for name, info in RunConfig.model_fields.items():
        if name != "regularizers":
            told: dict[str, Any] = {"dest": f"config:{name}", "help": f"{info.description} (default {_default(info)})"}
            switch: dict[str, Any] = {"action": argparse.BooleanOptionalAction, "default": None}
            run.add_argument(flag(name), **told, **(switch if info.annotation is bool else _option(info)))
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


def _default(info: FieldInfo) -> str:
    if info.default is None:
        return str(dict(info.json_schema_extra or {})["unset"])  # type: ignore[arg-type]
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


def config_values(args: argparse.Namespace) -> dict[str, Any]:
    """What was given on the command line, as the dotted changes that `RunConfig.override` takes."""
    given = {k.removeprefix("config:"): v for k, v in vars(args).items() if k.startswith("config:") and v is not None}
    off = [key for key, value in given.items() if value is False]
    for name in given:
        if name.partition(".")[0] in off and "." in name:
            raise ConfigError(
                f"--no-{name.partition('.')[0].replace('_', '-')} and {name} exclude each other: give one."
            )
    return {k: None if v == "all" and k == "train_size" else v for k, v in given.items()}


def _runs_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", metavar="DIR", help="folder of the runs (default: REGLAB_RUNS, else runs/)")


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the last one the summary")


# ---- predict -----------------------------------------------------------------------------------------------------
def predict_command(args: argparse.Namespace) -> int:
    from reglab.predict import Answer, answer_file, open_picture, overlay
    from reglab.store import Store, checkpoints_store, find, runs_store

    run = find(args.checkpoint, Store(args.runs) if args.runs else runs_store(), checkpoints_store())
    if args.explain and (len(args.images) > 1 or Path(args.explain).suffix.lower() != ".png"):
        raise ConfigError(f"--explain {args.explain} cannot be written: give one IMAGE and a name that ends in .png.")
    for image in args.images:
        open_picture(Path(image))  # all of them are looked at before the first is answered

    def tell(image: str, answer: Answer) -> None:
        spread = dict(zip(answer.classes, answer.spread, strict=True)) if answer.spread else {}
        shown = [
            f"{label} {p:.1%}" + (f" ± {spread[label]:.1%}" if spread else "") for label, p in answer.top(args.top)
        ]
        print(f"{image}: {', '.join(shown)}")
        if args.dropout_passes and not spread:
            print("  This network has no dropout to leave on: there is no spread.")
        if answer.unlike:
            print(f"  {answer.unlike}")

    args.top = max(1, args.top)
    for image in args.images:
        answer, seen = answer_file(
            str(run.path),
            image,
            args.how,
            cam=bool(args.explain),
            dropout_passes=args.dropout_passes,
            tta=args.tta,
        )
        if args.json:
            print(json.dumps({"image": image, "checkpoint": run.id, **answer.to_json()}))
        else:
            tell(image, answer)
        if args.explain and answer.cam is not None:
            try:
                overlay(seen, answer.cam).save(args.explain, "PNG")
            except OSError as error:
                raise ConfigError(
                    f"{args.explain} cannot be written ({error.strerror}): choose another place."
                ) from None
    return 0


# ---- evaluate ----------------------------------------------------------------------------------------------------
def evaluate_command(args: argparse.Namespace) -> int:
    from reglab import data
    from reglab.evaluate import evaluate, known
    from reglab.models import pretrained
    from reglab.predict import network_of
    from reglab.store import Store, checkpoints_store, find, runs_store

    run = find(args.checkpoint, Store(args.runs) if args.runs else runs_store(), checkpoints_store())
    config, source = run.config, data.source(run.config.dataset)
    if config.on_features:  # the run is a head alone; otherwise its own weights are all it needs
        pretrained.fetch(config.model, _tenths(pretrained.known(config.model).title))
    network_of(run)  # before the data set is fetched
    data.load(config.dataset, _tenths(source.title))
    found = evaluate(run, progress=partial(_tenths(source.title), "evaluating"))
    if known(run) != found:
        why = "the run is being trained" if run.is_locked() else "its folder cannot be written to"
        print(f"This is not kept with the run, because {why}.", file=sys.stderr)
    if args.json:
        print(json.dumps(found.to_json()))
        return 0
    low, high = found.interval
    told = {
        "data": f"{source.title} ({found.revision[:12]}), {found.test_images:,} test images",
        "accuracy": f"{found.accuracy:.1%}, 95% interval {low:.1%} to {high:.1%}",
        "loss": f"{found.loss:.4f}",
        "calibration error": f"{found.ece:.3f}, and {found.ece_calibrated:.3f} at temperature {found.temperature:.2f}",
        "calibrated on": f"the {found.val_images:,} validation images of seed {run.config.seed}",
    }
    classes = {name: "-" if share is None else f"{share:6.1%}" for name, share in found.per_class.items()}
    width = max(map(len, [*told, *classes]))
    print(f"{run.id}  {run.config.title()}  {run.config.recipe()}")
    for part in (told, classes):
        print("\n" + "\n".join(f"{name:<{width}}  {text}" for name, text in part.items()))
    return 0


# ---- runs --------------------------------------------------------------------------------------------------------
def runs_command(args: argparse.Namespace) -> int:
    from reglab import index
    from reglab.store import Store, checkpoints_store, runs_store

    stores = [Store(args.runs) if args.runs else runs_store(), checkpoints_store()]
    summaries = [summary for store in stores for summary in index.summaries(store)]
    if args.json:
        for summary in summaries:
            print(json.dumps(summary))
        return 0
    if not summaries:
        print("No runs yet. Begin with: python -m reglab train --dataset digits --train-size 300")
    for s in summaries:

        def percent(key: str, s: dict[str, Any] = s) -> str:
            return f"{s[key]:.1%}" if key in s else "-"

        print(
            f"{s['run']:<32} {s['status']:<12} {s.get('dataset', ''):<10} {s.get('model', ''):<10}"
            f" train {percent('train_accuracy'):>6} val {percent('val_accuracy'):>6} test {percent('test_accuracy'):>6}"
            f"  {' '.join(s.get('regularizers', {})) or 'plain'}"
        )
    return 0


# ---- cards -------------------------------------------------------------------------------------------------------
def cards_command(args: argparse.Namespace) -> int:
    from reglab.cards import card, markdown_table

    if args.markdown and args.key is None:
        print(markdown_table())
        return 0
    for key in CATALOGUE if args.key is None else [args.key.replace("-", "_")]:
        told = card(key)
        if args.markdown:
            print(told.to_markdown())
        else:
            print(json.dumps(told.to_json()) if args.json else told.to_text() + "\n\n")
    return 0


# ---- out of the lab, and in --------------------------------------------------------------------------------------
def _checkpoint(args: argparse.Namespace) -> Run:
    from reglab.store import Store, checkpoints_store, find, runs_store

    return find(args.checkpoint, Store(args.runs) if args.runs else runs_store(), checkpoints_store())


def export_command(args: argparse.Namespace) -> int:
    from reglab.export import export

    run = _checkpoint(args)
    made = export(run, args.file)
    if args.json:
        told = {"file": str(made.path), "bytes": made.bytes, "difference": made.difference, "pictures": made.pictures}
        print(json.dumps({"run": run.id, **told}))
    else:
        print(
            f"{made.path}: {_size(made.bytes)}; on {made.pictures} pictures its answers differ from the network's"
            f" by at most {made.difference:.1g}."
        )
    return 0


def push_command(args: argparse.Namespace) -> int:
    """Exit status 2 when nothing was uploaded although that was asked."""
    from reglab.hub import push

    made = push(_checkpoint(args), args.repo, dry_run=args.dry_run, private=args.private)
    if args.json:
        print(json.dumps(made.to_json()))
    else:
        print(made.url or f"To {made.repo} would go:")
        for name, size in made.files:
            print(f"  {name:<20}{_size(size):>10}")
    if made.url or args.dry_run:
        return 0
    print(f"Nothing was uploaded to {made.repo}, because nobody is logged in: {made.advice}.", file=sys.stderr)
    return 2


def pull_command(args: argparse.Namespace) -> int:
    from reglab.hub import pull
    from reglab.store import Store, runs_store

    run = pull(args.repo, Store(args.runs) if args.runs else runs_store(), _tenths(args.repo))
    if args.json:
        print(json.dumps(run.summary()))
    else:
        print(f"{run.id}  {run.config.title()}  {run.config.recipe()}\n{run.path}")
    return 0


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 10**5 else f"{count / 1e3:,.1f} kB"
