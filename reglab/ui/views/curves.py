"""What the live chart shows of runs, as plain values: views of runs in, the dictionary of `components/chart.py` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reglab import data
from reglab.colours import ROLES
from reglab.config import RunConfig, standard_error
from reglab.errors import ConfigError, RunError
from reglab.experiments.labels import change, same_but_for_regularizers
from reglab.numbers import NOTHING, number, percent, points
from reglab.runs.run import Run
from reglab.runs.view import RunView
from reglab.training import diagnosis
from reglab.training.events import Epoch, Started
from reglab.ui.views.terms import TERMS

POINTS = 300  # a curve; more would cost time and show nothing

HINTS = {
    "train": "Accuracy or loss on a fixed slice of the training images, without augmentation, against their true labels.",
    "test": "Accuracy on the test images, opened once at the end.",
    "wrong labels memorized": "The share of the deliberately wrong training labels that the network reproduces.",
} | {term: TERMS[term] for term in ("val", "gap", "calibration error")}  # which the page explains elsewhere too

# Under label noise there are two fit curves, as in Zhang et al. 2017 (arXiv:1611.03530), and words that say so.
TRUE_LABELS = (
    "true labels",
    "Training images, the mislabeled ones among them, judged by what they really show: what the network understood, whatever"
    " it was told.",
)
WRONG_LABELS = (
    "wrong labels",
    "Training images whose label was made wrong on purpose: how often the network repeats that wrong label. "
    "Nothing in a picture explains it, so whatever rises here is memorized.",
)


def chart_of(views: Sequence[RunView], note: str = "", names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The value of the live chart for one run, for two that are compared, or for up to five under names of their own.

    `names` (run id -> a short name such as "rate 0.25") keeps the runs in the order given and colours them a to e, the
    first as the baseline. Without it they are called plain and regularized, the plain one first.
    """
    if names is None:
        views = sorted(views, key=lambda view: _is_regularized(view.run))
    coloured = [(place, view) for place, view in enumerate(views) if view.summary()["status"] != "unreadable"]
    if not coloured:
        return {"runs": [], "note": "The run cannot be read."}
    shown = [view for _, view in coloured]
    configs = [view.run.config for view in shown]
    chart: dict[str, Any] = {
        "title": configs[0].title(),
        "note": note,
        "x": {"label": "epoch", "max": max(config.epochs for config in configs)},
        "runs": [_progress(view) | _called(view, place, names) for place, view in coloured],
        "accuracy": [{"run": n} | each for n, view in enumerate(shown) for each in _accuracies(_own_part(view, shown))],
        "loss": [{"run": n} | each for n, view in enumerate(shown) for each in _losses(_own_part(view, shown))],
        "judged": " ".join(dict.fromkeys(map(_judged, shown))),
        "changes": [{"run": n} | each for n, view in enumerate(shown) for each in _changed(view, shown)],
    }
    latest = [(n, e) for n, view in enumerate(shown) if (e := view.last)]
    chart["gaps"] = [{"run": n, "value": e.gap, "text": points(e.gap)} for n, e in latest]
    noisy = any(config.label_noise for config in configs)
    if noisy:
        chart["memorised"] = [
            {"run": n, "value": e.memorised, "text": percent(e.memorised, 0)}
            for n, e in latest
            if e.memorised is not None
        ]
    told = [(n, _diagnosis(view)) for n, view in enumerate(shown)]
    chart["diagnosis"] = [{"run": n, "kind": said.kind, "text": said.text} for n, said in told]
    ended = [(n, view.summary()) for n, view in enumerate(shown) if view.status == "finished"]
    if ended:
        chart["table"] = _table(ended, chart["runs"], noisy)
    is_pair = len(ended) == len(views) == 2 and [_is_regularized(view.run) for view in views] == [False, True]
    if names is None and is_pair and same_but_for_regularizers([view.run.config for view in views]):
        chart["verdict"] = diagnosis.bought(ended[0][1], ended[1][1])
    return chart


def names_of(views: Sequence[RunView]) -> dict[str, str] | None:
    """The runs' own names, unless plain and regularized say it: a run alone that nobody named, or one of each.

    Words for a difference stand only where it is the whole difference: plain and regularized runs of two networks, or with
    two learning rates, have their own names.
    """
    own = {view.run.id: view.name for view in views}
    if len(views) == 1:
        return own if views[0].is_named else None
    if changed := {view.run.id: each["text"] for view in views for each in _changed(view, views)}:
        others = [view for view in views if view.run.id not in changed]
        usual = {view.run.id: "regularized" if _is_regularized(view.run) else "plain" for view in others}
        return (names_of(others) or usual) | changed
    configs = [config for view in views if (config := config_of(view.run))]
    if len(configs) < len(views) or any("parent" in view.run.described for view in views):
        return own
    if len({config.set_up() for config in configs}) == 1 and len({config.seed for config in configs}) == len(configs):
        return {view.run.id: f"seed {config.seed}" for view, config in zip(views, configs, strict=True)}
    kinds, starts = [bool(c.regularizers) for c in configs], [c.pretrained for c in configs]
    if len(set(starts)) == 2 and _differ_in_their_start(configs):
        return {
            view.run.id: f"{'pretrained' if start else 'random weights'}{'' if on or not any(kinds) else ', plain'}"
            for view, start, on in zip(views, starts, kinds, strict=True)
        }
    return None if len(set(kinds)) == len(kinds) and same_but_for_regularizers(configs) else own


def _differ_in_their_start(configs: Sequence[RunConfig]) -> bool:
    """Whether nothing but regularizers and the weights that they began with tells them apart."""
    try:
        return same_but_for_regularizers([config.from_scratch() for config in configs])
    except ConfigError:  # a head was trained so, but the whole network cannot be
        return False


def stamp(views: Sequence[RunView]) -> tuple[Any, ...]:
    """Changes when there is something new to show."""
    return tuple(view.stamp for view in views)


def _is_regularized(run: Run) -> bool:
    config = config_of(run)
    return bool(config and config.regularizers)


def config_of(run: Run) -> RunConfig | None:
    """What it is trained with; None where its folder is damaged."""
    try:
        return run.config
    except RunError:
        return None


def _changed(view: RunView, shown: Sequence[RunView]) -> list[dict[str, Any]]:
    """Where it leaves a run that is shown beside it, and what was changed there; empty for any other run."""
    config = config_of(view.run)
    if config is None or config.fork is None or view.run.described.get("parent") not in {each.run.id for each in shown}:
        return []
    return [{"epoch": config.fork.epoch, "text": change(config.fork.regularizers, config.regularizers)}]


def _own_part(view: RunView, shown: Sequence[RunView]) -> RunView:
    """The run from where it leaves the one beside it, which has drawn what both have in common."""
    first = max((each["epoch"] for each in _changed(view, shown)), default=0)
    return replace(view, history=tuple(e for e in view.history if e.epoch >= first)) if first else view


def _progress(view: RunView) -> dict[str, Any]:
    run, timing = view.run, view.last_timing
    role = "regularized" if _is_regularized(run) else "plain"
    epoch = timing.get("epoch", 0)
    if timing.get("batches", 0) and epoch and "batch" in timing:
        epoch = epoch - 1 + timing["batch"] / timing["batches"]
    shown = {
        "role": role,
        "name": role,
        "detail": run.config.recipe(),
        "status": view.status,
        "place": view.place,
        "epoch": epoch,
        "epochs": run.config.epochs,
        "images_per_second": timing.get("images_per_second"),
        "seconds_left": timing.get("seconds_left"),
        "message": view.summary().get("reason", ""),
        "preparing": _preparing(timing),
        "doing": _doing(view),
    }
    return {key: value for key, value in shown.items() if value is not None}


def _doing(view: RunView) -> str | None:
    """What happens before there is a point to draw, in a sentence."""
    if view.history:
        return None
    if view.status == "queued":
        before = (view.place or 1) - 1
        who = f"{before} other trainings wait before it" if before > 1 else "another training waits before it"
        return f"Queued: {who if before else 'this training is next in line'}. It starts by itself."
    if view.status != "running":
        return None
    if prepared := _preparing(view.last_timing):
        return f"Starting: preparing {prepared}."
    if Started.name not in view.events:
        return "Starting: a separate process is loading PyTorch and the pictures."
    return "Starting: the first point shows what the network can do before any training."


def _preparing(timing: Mapping[str, Any]) -> str | None:
    """How far something is that has to be there before training begins: `features 40 %`."""
    if not timing.get("preparing") or not timing.get("of"):
        return None
    return f"{timing['preparing']} {percent(timing.get('done', 0) / timing['of'], 0)}"


def _called(view: RunView, place: int, names: Mapping[str, str] | None) -> dict[str, str]:
    """The colour and the name of the run at this place, where the runs have names of their own."""
    if names is None:
        return {}
    return {"role": ROLES[place] if place < len(ROLES) else "run", "name": names.get(view.run.id) or view.name}


def _diagnosis(view: RunView) -> diagnosis.Diagnosis:
    failed = view.summary().get("reason", "The run failed.") if view.status == "failed" else ""
    return diagnosis.diagnose(view.history, view.run.config, failed, view.status == "finished", view.last)


def _accuracies(view: RunView) -> list[dict[str, Any]]:
    """Train and validation; where labels are wrong on purpose, the wrong ones apart from the true ones."""
    train, val = _curve("train", view, "train_accuracy"), _curve("val", view, "val_accuracy")
    if not view.run.config.label_noise:
        return [train, val]
    corrupted = _curve("corrupted", view, "memorised")
    return [train | _words(*TRUE_LABELS), corrupted | _words(*WRONG_LABELS), val]


def _losses(view: RunView) -> list[dict[str, Any]]:
    train, val = _curve("train", view, "train_loss"), _curve("val", view, "val_loss")
    return [train | _words(*TRUE_LABELS) if view.run.config.label_noise else train, val]


def _words(label: str, hint: str) -> dict[str, str]:
    return {"label": label, "hint": hint}


def _curve(split: str, view: RunView, key: str) -> dict[str, Any]:
    hint = {"hint": HINTS[split]} if split in HINTS else {}
    curve = view.curve
    kept = list(curve[:: max(1, -(-len(curve) // POINTS))])
    if curve and kept[-1] is not curve[-1]:
        kept.append(curve[-1])
    told = {"x": [e.epoch for e in kept], "y": [_rounded(getattr(e, key)) for e in kept]}
    if key in IMAGES:
        told["se"] = [_error(view, e, key) for e in kept]
    tip = _tip(view, split, key.removeprefix(f"{split}_"))
    return {"split": split, **hint, **told, **({"tip": tip} if tip else {})}


def _tip(view: RunView, split: str, key: str) -> list[tuple[float, float]] | None:
    """How the curve goes on within the epoch: from its last point, as (epoch, value), to where it is now.

    For training that is what the steps of this epoch said, from what those of the last one did: `running_*`, another number than
    that of the points, and not of the true labels where some are wrong.
    """
    timing, last = view.last_timing, view.history[-1] if view.history else None
    if last is None or view.status != "running" or timing.get("epoch") != last.epoch + 1 or not timing.get("batches"):
        return None
    now = f"running_{key}" if split == "train" else f"{split}_{key}"
    before = getattr(last, now, None)
    if before is None:  # before the first epoch no steps were taken
        before = getattr(last, f"{split}_{key}", None)
    if now not in timing or before is None or (split == "train" and view.run.config.label_noise):
        return None
    return [(last.epoch, round(before, 4)), (round(last.epoch + timing["batch"] / timing["batches"], 3), timing[now])]


IMAGES = {"train_accuracy": 0, "memorised": 0, "val_accuracy": 1}  # which of the two numbers of `RunView.judged` counts


def _error(view: RunView, e: Epoch, key: str) -> float | None:
    """The standard error of a point of a curve of accuracies."""
    share: float | None = getattr(e, key)
    of_them = view.run.config.label_noise if key == "memorised" else 1.0
    images = of_them * view.judged(e)[IMAGES[key]]
    return None if share is None or not images else _rounded(standard_error(share, images))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _judged(view: RunView) -> str:
    """On how many images its points are judged, and its last."""
    points, end = (view.run.config.judged, view.run.config.judgeable)
    said = f"Each point is judged on {points[0]:,} training and {points[1]:,} validation images"
    return f"{said}; the epoch that the run reports, on {end[0]:,} and {end[1]:,}." if points != end else f"{said}."


def _table(ended: Sequence[tuple[int, dict[str, Any]]], shown: Sequence[dict[str, Any]], noisy: bool) -> dict[str, Any]:
    columns = ["run", "train", "val", "test", "gap", "calibration error"] + (
        ["wrong labels memorized"] if noisy else []
    )
    rows = []
    for n, s in ended:
        cells = [
            shown[n]["name"],
            percent(s["train_accuracy"]),
            percent(s["val_accuracy"]),
            percent(s["test_accuracy"]),
            points(s["gap"]),
            f"{s['ece']:.3f}",
        ]
        rows.append(
            {
                "run": n,
                "cells": cells + ([percent(s["memorised"], 0) if "memorised" in s else NOTHING] if noisy else []),
            }
        )
    caption = (
        "After the last epoch"
        if all(s["reported"] == "last" for _, s in ended)
        else "After the last epoch, or the best with early stopping"
    )
    images = ended[0][1].get("test_images", 0)
    best = ", ".join(f"{shown[n]['name']} {_at_the_best(s['best'])}" for n, s in ended)
    return {
        "columns": columns,
        "rows": rows,
        "hint": {column: HINTS[column] for column in columns[1:]} | {"test": _of_test(ended[0][1])},
        "caption": f"{caption}, one seed, {images:,} test images. Test accuracy at the best epoch by validation: {best}.",
    }


def _at_the_best(best: Mapping[str, Any]) -> str:
    """`57.9 % (epoch 14)`; where only some of the test images told, with its standard error."""
    share, images = best["test_accuracy"], best.get("test_images")
    if not images:
        return f"{percent(share)} (epoch {best['epoch']})"
    error = number(100 * standard_error(share, images))
    return f"{number(100 * share)} ± {error} % (epoch {best['epoch']}, {images:,} test images)"


def _of_test(summary: Mapping[str, Any]) -> str:
    """What to know of the test accuracy of this run's data set."""
    caution = data.source(summary["dataset"], summary.get("test_images")).caution
    return f"{HINTS['test']} {caution}" if caution else HINTS["test"]
