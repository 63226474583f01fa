"""What the screen shows of runs, as plain values: folders in, a dictionary for the chart out. Knows nothing of Gradio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reglab.colours import ROLES
from reglab.errors import RunError
from reglab.jobs.queue import Jobs
from reglab.runs.run import Run
from reglab.runs.view import RunView
from reglab.training import diagnosis
from reglab.training.events import Epoch

POINTS = 300  # a curve; more would cost time and show nothing


HINTS = {
    "train": "accuracy on a fixed slice of the training images, without augmentation, against their true labels",
    "val": "accuracy on held-out images that were never trained on",
    "test": "accuracy on the test images, opened once at the end",
    "gap": "train minus val, in percentage points",
    "calibration error": "how far confidence and accuracy are apart on average on the test images; 0 is perfect",
    "wrong labels learned": "share of the deliberately wrong training labels that the network reproduces",
}

# Under label noise there are two fit curves, as in Zhang et al. 2017 (arXiv:1611.03530), and words that say so.
TRUE_LABELS = (
    "true labels",
    "training images, all of them, judged by what they really show: what the network understood, whatever it was told",
)
WRONG_LABELS = (
    "wrong labels",
    "training images whose label was made wrong on purpose: how often the network repeats that wrong label. "
    "Nothing in a picture explains it, so whatever rises here is learned by heart",
)


def chart_of(
    runs: Sequence[Run],
    jobs: Jobs,
    note: str = "",
    names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The value of the live chart for one run, for two that are compared, or for up to five under names of their own.

    `names` (run id -> a short name such as "rate 0.25") keeps the runs in the order given and colours them a to e, the
    first as the baseline. Without it they are called plain and regularized, the plain one first.
    """
    views = [jobs.view(run) for run in runs]
    if names is None:
        views = sorted(views, key=lambda view: _is_regularized(view.run))
    runs = [view.run for view in views]
    summaries = [view.summary() for view in views]
    histories = [view.history for view in views]
    readable = [i for i, s in enumerate(summaries) if s["status"] != "unreadable"]
    if not readable:
        return {"runs": [], "note": "The run cannot be read."}
    first = runs[readable[0]].config
    chart: dict[str, Any] = {
        "title": first.title(),
        "note": note,
        "x": {"label": "epoch", "max": max(runs[i].config.epochs for i in readable)},
        "runs": [_progress(views[i]) | _called(views[i], i, names) for i in readable],
        "accuracy": [{"run": n} | each for n, i in enumerate(readable) for each in _accuracies(runs[i], histories[i])],
        "loss": [{"run": n} | each for n, i in enumerate(readable) for each in _losses(runs[i], histories[i])],
    }
    told = [(n, histories[i][-1]) for n, i in enumerate(readable) if histories[i]]
    chart["gaps"] = [{"run": n, "value": e.gap, "text": f"{e.gap * 100:.1f} points"} for n, e in told]
    noisy = any(runs[i].config.label_noise for i in readable)
    if noisy:
        chart["memorised"] = [
            {"run": n, "value": e.memorised, "text": f"{e.memorised:.0%}"} for n, e in told if e.memorised is not None
        ]
    chart["diagnosis"] = [
        {"run": n} | _diagnosis(runs[i], summaries[i], histories[i]).to_json() for n, i in enumerate(readable)
    ]
    ended = [(n, summaries[i]) for n, i in enumerate(readable) if summaries[i]["status"] == "finished"]
    if ended:
        chart["table"] = _table(ended, chart["runs"], noisy)
    if names is None and len(ended) == 2 and not _is_regularized(runs[0]) and _is_regularized(runs[1]):
        chart["verdict"] = diagnosis.bought(ended[0][1], ended[1][1])
    return chart


def names_of(views: Sequence[RunView]) -> dict[str, str] | None:
    """The runs' own names, unless plain and regularized say it: a run alone that nobody named, or one of each."""
    own = {view.run.id: view.name for view in views}
    if len(views) == 1:
        [(key, name)] = own.items()
        return None if name == key else own
    if any("parent" in view.run.described for view in views):
        return own
    kinds = [_is_regularized(view.run) for view in views]
    starts = [_is_pretrained(view.run) for view in views]
    if len(set(starts)) == 2:
        return {
            view.run.id: f"{'pretrained' if start else 'random weights'}{'' if on or not any(kinds) else ', plain'}"
            for view, start, on in zip(views, starts, kinds, strict=True)
        }
    return None if len(set(kinds)) == len(kinds) else own


def stamp(runs: Sequence[Run], jobs: Jobs) -> tuple[Any, ...]:
    """Changes when there is something new to show."""
    return tuple(jobs.view(run).stamp for run in runs)


def is_live(runs: Sequence[Run], jobs: Jobs) -> bool:
    """Whether any of them is still being trained, or waits for it."""
    return any(jobs.view(run).is_live for run in runs)


def progress_of(runs: Sequence[Run], jobs: Jobs) -> str:
    """How far runs are that are trained one after the other, in words."""
    views = [jobs.view(run) for run in runs]
    told = [view.status for view in views]
    parts = [f"{told.count('finished')} of {len(runs)} runs are finished"]
    for view in views:
        if view.status == "running":
            parts.append(f"“{view.name}” is in epoch {view.last_timing.get('epoch', 0)} of {view.run.config.epochs}")
    if waiting := told.count("queued"):
        parts.append(f"{waiting} {'waits' if waiting == 1 else 'wait'}")
    return f"{', '.join(parts)}."


def size(run: Run, file: str) -> int:
    """Bytes of `<file>.jsonl`, which grow with everything that a run has to say; 0 where there is none."""
    try:
        return (run.path / f"{file}.jsonl").stat().st_size
    except OSError:
        return 0


def _is_regularized(run: Run) -> bool:
    try:
        return bool(run.config.regularizers)
    except RunError:
        return False


def _is_pretrained(run: Run) -> bool:
    try:
        return run.config.pretrained
    except RunError:
        return False


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
    }
    return {key: value for key, value in shown.items() if value is not None}


def _preparing(timing: Mapping[str, Any]) -> str | None:
    """How far something is that has to be there before training begins: `features 40%`."""
    if not timing.get("preparing") or not timing.get("of"):
        return None
    return f"{timing['preparing']} {timing.get('done', 0) / timing['of']:.0%}"


def _called(view: RunView, place: int, names: Mapping[str, str] | None) -> dict[str, str]:
    """The colour and the name of the run at this place, where the runs have names of their own."""
    if names is None:
        return {}
    return {"role": ROLES[place] if place < len(ROLES) else "run", "name": names.get(view.run.id) or view.name}


def _diagnosis(run: Run, summary: dict[str, Any], history: Sequence[Epoch]) -> diagnosis.Diagnosis:
    status = summary["status"]
    if status == "failed":
        return diagnosis.diagnose(history, failed=summary.get("reason", "The run failed."))
    return diagnosis.diagnose(history, tuple(run.config.regularizers), done=status == "finished")


def _accuracies(run: Run, history: Sequence[Epoch]) -> list[dict[str, Any]]:
    """Train and validation; where labels are wrong on purpose, the wrong ones apart from the true ones."""
    train, val = _curve("train", history, "train_accuracy"), _curve("val", history, "val_accuracy")
    if not run.config.label_noise:
        return [train, val]
    return [train | _words(*TRUE_LABELS), _curve("corrupted", history, "memorised") | _words(*WRONG_LABELS), val]


def _losses(run: Run, history: Sequence[Epoch]) -> list[dict[str, Any]]:
    train, val = _curve("train", history, "train_loss"), _curve("val", history, "val_loss")
    return [train | _words(*TRUE_LABELS) if run.config.label_noise else train, val]


def _words(label: str, hint: str) -> dict[str, str]:
    return {"label": label, "hint": hint}


def _curve(split: str, history: Sequence[Epoch], key: str) -> dict[str, Any]:
    hint = {"hint": HINTS[split]} if split in HINTS else {}
    return {"split": split, **hint, **_points(history, key)}


def _points(history: Sequence[Epoch], key: str) -> dict[str, list[float | None]]:
    step = max(1, -(-len(history) // POINTS))
    kept = list(history[::step])
    if history and kept[-1] is not history[-1]:
        kept.append(history[-1])
    values = [getattr(e, key) for e in kept]
    return {"x": [e.epoch for e in kept], "y": [None if value is None else round(value, 4) for value in values]}


def _table(ended: Sequence[tuple[int, dict[str, Any]]], shown: Sequence[dict[str, Any]], noisy: bool) -> dict[str, Any]:
    columns = ["", "train", "val", "test", "gap", "calibration error"] + (["wrong labels learned"] if noisy else [])
    rows = []
    for n, s in ended:
        cells = [
            shown[n]["name"],
            f"{s['train_accuracy']:.1%}",
            f"{s['val_accuracy']:.1%}",
            f"{s['test_accuracy']:.1%}",
            f"{s['gap'] * 100:.1f} points",
            f"{s['ece']:.3f}",
        ]
        rows.append(
            {"run": n, "cells": cells + ([f"{s['memorised']:.0%}" if "memorised" in s else "-"] if noisy else [])}
        )
    caption = "After the last epoch" if all(s["reported"] == "last" for _, s in ended) else "As each run reports itself"
    images = ended[0][1].get("test_images", 0)
    best = ", ".join(
        f"{shown[n]['name']} {s['best']['test_accuracy']:.1%} (epoch {s['best']['epoch']})" for n, s in ended
    )
    return {
        "columns": columns,
        "rows": rows,
        "hint": {column: HINTS[column] for column in columns[1:]},
        "caption": f"{caption}, one seed, {images:,} test images. Test accuracy at the best epoch by validation: {best}.",
    }
