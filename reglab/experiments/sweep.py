"""A sweep: one config, some of its fields over several values, each with several seeds; one folder for each run, as always.

    --over dropout.rate=0,0.25,0.5    --over lr=log:0.0001:0.1:4    --over batch_norm=off,on    --seeds 3

A sweep is its plan: the same plan finds the runs it has made before, skips what is finished and goes on with what was
broken off. So there is nothing to keep beside the runs, and nothing to lose.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin

from filelock import FileLock

from reglab.config import PLAIN, RunConfig, typed
from reglab.errors import ConfigError, RunError
from reglab.experiments import grid, stats
from reglab.experiments.compare import METRICS, labels
from reglab.jobs.worker import work
from reglab.regularizers import CATALOGUE, Regularizer
from reglab.runs import index
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.events import Event

MOST_RUNS = 1_000


# ---- what to train -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Axis:
    """A setting and the values it takes: a field, a technique (on, off), or a setting of one."""

    name: str
    values: tuple[Any, ...]


def axis(text: str) -> Axis:
    """`dropout.rate=0,0.25`, `lr=log:0.001:0.1:3`, `epochs=lin:5:20:4`, `batch_norm=on,off`. Raises `ConfigError`."""
    name, given, told = text.partition("=")
    name = name.strip().removeprefix("--").replace("-", "_")
    if not given or not told.strip():
        raise ConfigError(f"{text[:80]!r} is no axis: write a setting and its values, such as dropout.rate=0,0.25,0.5.")
    _known(name)
    kind, *bounds = told.split(":")
    if bounds and name in CATALOGUE:
        _value(name, told)  # refuses it
    values = _range(name, kind.strip(), bounds) if bounds else [_value(name, v.strip()) for v in told.split(",")]
    if any(v == "" for v in values):
        raise ConfigError(f"One value of {name} is empty in {told[:80]!r}: write them as 0,0.25,0.5.")
    return Axis(name, tuple(dict.fromkeys(values)))


def one_value(name: str, text: str) -> Any:
    """A value of a setting, as one types it. Raises `ConfigError`."""
    return axis(f"{name}={text}").values[0]


def names() -> list[str]:
    """Every setting that can be an axis: the fields of a run, the techniques, and their settings."""
    found = [name for name in PLAIN if name not in ("seed", "device")]
    for key, kind in CATALOGUE.items():
        found += [key, *(f"{key}.{setting}" for setting in kind.model_fields)]
    return found


def usual_values(name: str) -> str:
    """Values worth trying, as one types them: what its field proposes or its slider spans, or its choices."""
    if name in CATALOGUE:
        return "off,on"
    info = _field(name)
    if get_origin(info.annotation) is Literal:
        return ",".join(map(str, get_args(info.annotation)))
    extra = info.json_schema_extra or {}
    if "try" in extra:
        return str(extra["try"])
    if "slider" in extra:
        low, high, step = extra["slider"]
        points = [low + round((high - low) * i / 3 / step) * step for i in range(4)]
        return ",".join(typed(round(x) if _is_whole(name) else float(f"{x:.4g}")) for x in points)
    if isinstance(info.default, bool):
        return "false,true"
    return typed(info.default) if info.default is not None else ""


def _field(name: str) -> Any:
    key, dot, setting = name.partition(".")
    return CATALOGUE[key].model_fields[setting] if dot else RunConfig.model_fields[key]


def _known(name: str) -> None:
    if name == "seed":
        raise ConfigError("Seeds are no axis to draw: give their number with --seeds.")
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        instead = f"did you mean {near[0]}?" if near else "`python -m reglab train --help` lists every setting."
        raise ConfigError(f"There is no axis {name[:60]!r}: {instead}")


def _value(name: str, text: str) -> Any:
    if name in CATALOGUE:
        if text not in ("on", "off"):
            raise ConfigError(
                f"{name} is a technique, so its values are on and off, not {text[:40]!r}: sweep {name}.SETTING."
            )
        return text == "on"
    return None if text in ("all", "none") else text


def _range(name: str, kind: str, bounds: Sequence[str]) -> list[str]:
    """`lin:LOW:HIGH:N` or `log:LOW:HIGH:N`, both ends included; rounded to four digits, and to whole numbers for such."""
    try:
        low, high, n = float(bounds[0]), float(bounds[1]), int(bounds[2])
        if kind not in ("lin", "log") or len(bounds) != 3 or n < 2:
            raise ValueError
    except (ValueError, IndexError):
        told = ":".join([kind, *bounds])[:80]
        example = "write lin:LOW:HIGH:N or log:LOW:HIGH:N, such as log:0.001:0.1:3."
        raise ConfigError(f"{name}={told} is no range: {example}") from None
    _not_too_many(n)
    if not (abs(low) < 1e100 and abs(high) < 1e100):
        raise ConfigError(f"{name} cannot run from {low:g} to {high:g}: give bounds that it can have.")
    if kind == "log" and min(low, high) <= 0:
        why = "both must be more than 0, or use lin."
        raise ConfigError(f"{name} cannot run from {low:g} to {high:g} in equal ratios: {why}")
    if kind == "log":
        points = [math.exp(math.log(low) + (math.log(high) - math.log(low)) * i / (n - 1)) for i in range(n)]
    else:
        points = [low + (high - low) * i / (n - 1) for i in range(n)]
    whole = _is_whole(name)
    return [str(round(x)) if whole else typed(float(f"{x:.4g}")) for x in points]


def _not_too_many(runs: int) -> None:
    if runs > MOST_RUNS:
        raise ConfigError(
            f"That would be {runs:,} runs, and a sweep has at most {MOST_RUNS:,}: take fewer values or seeds."
        )


def _is_whole(name: str) -> bool:
    return _field(name).annotation in (int, int | None)


def plan(base: RunConfig, axes: Sequence[Axis], seeds: int = 1) -> list[RunConfig]:
    """The configs, every cell with the first seed before any with the second: a broken-off sweep is a whole one with fewer.

    Raises `ConfigError` for an axis given twice, too many runs, or the first config that cannot be.
    """
    names = [a.name for a in axes]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise ConfigError(f"The axis {twice} was given twice: put all its values into one.")
    if seeds < 1:
        raise ConfigError(f"{seeds} seeds were asked for: a run needs one, an interval at least two.")
    _not_too_many(math.prod(len(a.values) for a in axes) * seeds)
    cells = itertools.product(*([(a.name, v) for v in a.values] for a in axes))
    return _with_seeds([base.override(_changes(cell)) for cell in cells], base.seed, seeds)


def _changes(cell: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """A technique that is off in this cell stays off, whatever another axis says of its settings."""
    off = {name for name, value in cell if value is False and name in CATALOGUE}
    return {name: value for name, value in cell if name.partition(".")[0] not in off or name in off}


def factorial(base: RunConfig, names: Sequence[str], seeds: int = 1) -> list[RunConfig]:
    """Techniques on and off in all combinations, or from five on in the half of them that keeps effects apart."""
    for name in names:
        if name not in CATALOGUE:
            near = difflib.get_close_matches(name, list(CATALOGUE), n=1)
            raise ConfigError(
                f"There is no technique {name[:60]!r}: {f'did you mean {near[0]}?' if near else 'see `reglab cards`.'}"
            )
    if seeds < 1:
        raise ConfigError(f"{seeds} seeds were asked for: a run needs one, an interval at least two.")
    arms = stats.design(names)
    _not_too_many(len(arms) * seeds)
    return _with_seeds([base.override(arm) for arm in arms], base.seed, seeds)


def _with_seeds(cells: Sequence[RunConfig], first: int, seeds: int) -> list[RunConfig]:
    """Every cell with the first seed before any with the second; each config once. Raises `ConfigError`."""
    if len(sets := {cell.dataset for cell in cells}) > 1:
        raise ConfigError(f"Runs on {' and '.join(sorted(sets))} cannot be compared: sweep each data set for itself.")
    configs = [cell.override({"seed": first + s}) for s in range(seeds) for cell in cells]
    return list({config.model_dump_json(): config for config in configs}.values())


def name_of(configs: Sequence[RunConfig]) -> str:
    """The group of a sweep's runs: the same plan has the same name, today and tomorrow."""
    digest = hashlib.sha256("\n".join(sorted(config.model_dump_json() for config in configs)).encode())
    return f"sweep-{digest.hexdigest()[:8]}"


# ---- what it costs -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Price:
    """How many runs are left to train, and the seconds they will take, where runs like them were timed here before."""

    runs: int
    seconds: float | None

    def __str__(self) -> str:
        runs = f"{self.runs} {'run' if self.runs == 1 else 'runs'} to train"
        if self.seconds is None:
            return f"{runs}; how long they take is known after the first."
        return f"{runs}, about {clock(self.seconds)} on this machine."


def price(configs: Sequence[RunConfig], store: Store, group: str = "") -> Price:
    """From the speed of the newest finished run of the same kind; nothing is trained."""
    done = {key for key, run in made(configs, store, group).items() if run.status() == "finished"}
    left = [config for config in configs if config.model_dump_json() not in done]
    known: dict[tuple[Any, ...], float] = {}  # seconds for one image to be learned from once
    for summary in index.summaries(store):
        learned = (summary.get("train_size") or 0) * (summary.get("epoch") or 0)
        if summary["status"] == "finished" and learned and summary.get("seconds"):
            known.setdefault(_kind_of(store.open(summary["run"])), summary["seconds"] / learned)
    if any(_kind(config) not in known for config in left):
        return Price(len(left), None)
    return Price(len(left), sum(known[_kind(config)] * _images(config) * config.epochs for config in left))


def _kind(c: RunConfig) -> tuple[Any, ...]:
    """What decides how long an image takes; SAM, which takes every step twice, among it."""
    twice = any(type(r).compute_gradients is not Regularizer.compute_gradients for r in c.regularizers.values())
    return c.dataset, c.model, c.width, c.side, c.pretrained and c.finetune, c.batch_size, c.precision, c.device, twice


@lru_cache(maxsize=2_000)
def _kind_of(run: Run) -> tuple[Any, ...]:
    """Of a run, whose config never changes."""
    return _kind(run.config)


def _images(c: RunConfig) -> int:
    from reglab import data

    return c.train_size or data.source(c.dataset).images - c.val_size


def clock(seconds: float) -> str:
    """`45 s`, `12 min`, `3.5 h`."""
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5_400
        else f"{seconds / 3_600:.1f} h"
    )


# ---- training it -------------------------------------------------------------------------------------------------
def made(configs: Sequence[RunConfig], store: Store, group: str) -> dict[str, Run]:
    """Config (as JSON) -> the run of this sweep that has it, the finished one if there are several."""
    wanted = {config.model_dump_json() for config in configs}
    found: dict[str, Run] = {}
    for run in store.group(group):
        try:
            key = run.config.model_dump_json()
        except RunError:
            continue
        if key in wanted and (key not in found or run.status() == "finished"):
            found[key] = run
    return found


def train_all(
    configs: Sequence[RunConfig],
    store: Store,
    group: str,
    listen: Callable[[Run, Event], None] = lambda run, event: None,
    ended: Callable[[Run], None] = lambda run: None,
    stop: Callable[[], bool] = lambda: False,
    prune: bool = False,
) -> list[Run]:
    """Train what is not finished yet, one run after the other; one that fails leaves the others alone. All its runs.

    `ended` hears of every run at its end, and at once of those that were finished before. With `prune`, runs that cannot
    win are stopped early (see `pruning.py`); without, those that were stopped so go on.
    """
    names, runs = names_of(configs), []
    for config in configs:
        if stop():
            break
        run = folders([config], store, group, names)[0]
        if is_left(run, run.status(), prune):
            with contextlib.suppress(RunError):  # in use after all: that process sees it through
                run.reopen()
                work([run], listen, stop, prune)
        run = Run(run.path)
        runs.append(run)
        ended(run)
    return runs


def folders(configs: Sequence[RunConfig], store: Store, group: str, names: Mapping[str, str]) -> list[Run]:
    """The run of each config in this sweep, made where there is none yet."""
    store.root.mkdir(parents=True, exist_ok=True)
    with FileLock(store.root / f".{group}.lock"):  # another process may be at the same sweep
        found = made(configs, store, group)
        for config in configs:
            if (key := config.model_dump_json()) not in found:
                found[key] = store.create(config, name=names[key], group=group)
    return [found[config.model_dump_json()] for config in configs]


def is_left(run: Run, status: str, prune: bool) -> bool:
    """Whether a sweep still has to train this run."""
    return status not in ("finished", "running", "queued") and not (prune and run.was_pruned)


def names_of(configs: Sequence[RunConfig]) -> dict[str, str]:
    """Config (as JSON) -> what its run is called: that in which it differs from the others, and its seed."""
    told = zip(configs, labels_of(configs), strict=True)
    return {config.model_dump_json(): checked(f"{label}, seed {config.seed}") for config, label in told}


def labels_of(configs: Sequence[RunConfig]) -> list[str]:
    """For each config the short name of its cell."""
    cells = {c.set_up(): c for c in configs}
    names = dict(zip(cells, labels(list(cells.values())), strict=True))
    return [names[c.set_up()] for c in configs]


def checked(name: str) -> str:
    """As a run may be called: at most 60 characters, and none that a file or a terminal could stumble over."""
    plain = re.sub(r"[^\w .,+()%-]", "-", name)
    return plain if len(plain) <= 60 else f"{plain[:44]}...{plain[-13:]}"


# ---- what each technique bought ----------------------------------------------------------------------------------
def effects_of(runs: Sequence[Run], names: Sequence[str], metric: str = "test_accuracy") -> list[stats.Effect]:
    """Main effects and pairs of a factorial, in points. Raises `ConfigError` where the finished runs cannot tell."""
    return grid.effects([(run.config, run.summary()) for run in runs], names, metric)


def table(effects: Sequence[stats.Effect], metric: str = "test_accuracy") -> str:
    """Markdown: a line for each technique and each pair, the largest first among each."""
    m = METRICS[metric]
    unit = f" ({m.unit})" if m.unit else ""
    runs = f"{effects[0].n} runs" if effects else ""
    lines = [f"| what it bought, {runs} | {m.title}{unit} | 95 % | p |", "|---|---|---|---|"]
    for e in sorted(effects, key=lambda e: (len(e.names), -abs(e.mean))):
        name = " with ".join(CATALOGUE[key].title.lower() for key in e.names)
        bounds = "-" if e.low is None or e.high is None else f"{e.low:+.{m.digits}f} .. {e.high:+.{m.digits}f}"
        lines.append(f"| {name} | {e.mean:+.{m.digits}f} | {bounds} | {'-' if e.p is None else f'{e.p:.3f}'} |")
    return "\n".join(lines)
