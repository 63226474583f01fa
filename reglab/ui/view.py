"""What the screen shows of runs, as plain values: folders in, a dictionary for the chart out. Knows nothing of Gradio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reglab import metrics
from reglab.errors import RunError
from reglab.events import Epoch
from reglab.jobs import Jobs
from reglab.store import Run

POINTS = 300  # a curve; more would cost time and show nothing

HINTS = {
    "train": "accuracy on a fixed slice of the training images, without augmentation, against their true labels",
    "val": "accuracy on held-out images that were never trained on",
    "test": "accuracy on the test images, opened once at the end",
    "gap": "train minus val, in percentage points",
    "calibration error": "how far confidence and accuracy are apart on average on the test images; 0 is perfect",
    "wrong labels learned": "share of the deliberately wrong training labels that the network reproduces",
}


def chart_of(runs: Sequence[Run], jobs: Jobs, note: str = "") -> dict[str, Any]:
    """The value of the live chart for one run, or for two that are compared."""
    runs = sorted(runs, key=lambda run: _is_regularized(run))
    summaries = [run.summary() | {"status": jobs.status(run)} for run in runs]
    histories = [run.history() for run in runs]
    readable = [i for i, s in enumerate(summaries) if s["status"] != "unreadable"]
    if not readable:
        return {"runs": [], "note": "The run cannot be read."}
    first = runs[readable[0]].config
    chart: dict[str, Any] = {
        "title": first.title(),
        "note": note,
        "x": {"label": "epoch", "max": max(runs[i].config.epochs for i in readable)},
        "runs": [_progress(runs[i], summaries[i], jobs) for i in readable],
    }
    for kind in ("accuracy", "loss"):
        chart[kind] = [
            {"run": n, "split": split} | _points(histories[i], f"{split}_{kind}")
            for n, i in enumerate(readable)
            for split in ("train", "val")
        ]
    told = [(n, histories[i][-1]) for n, i in enumerate(readable) if histories[i]]
    chart["gaps"] = [{"run": n, "value": e.gap, "text": f"{e.gap * 100:.1f} points"} for n, e in told]
    if first.label_noise:
        chart["memorised"] = [
            {"run": n, "value": e.memorised, "text": f"{e.memorised:.0%}"} for n, e in told if e.memorised is not None
        ]
    chart["diagnosis"] = [
        {"run": n} | _diagnosis(runs[i], summaries[i], histories[i]).to_json() for n, i in enumerate(readable)
    ]
    ended = [(n, summaries[i]) for n, i in enumerate(readable) if summaries[i]["status"] == "finished"]
    if ended:
        chart["table"] = _table(ended, chart["runs"], bool(first.label_noise))
    if len(ended) == 2 and not _is_regularized(runs[0]) and _is_regularized(runs[1]):
        chart["verdict"] = metrics.bought(ended[0][1], ended[1][1])
    return chart


def stamp(runs: Sequence[Run], jobs: Jobs) -> tuple[Any, ...]:
    """Changes when there is something new to show."""
    return tuple(
        (run.id, jobs.status(run), jobs.place(run.id), _size(run, "metrics"), _size(run, "timing")) for run in runs
    )


def is_live(runs: Sequence[Run], jobs: Jobs) -> bool:
    """Whether any of them is still being trained, or waits for it."""
    return any(jobs.status(run) in ("running", "queued") for run in runs)


def _size(run: Run, file: str) -> int:
    try:
        return (run.path / f"{file}.jsonl").stat().st_size
    except OSError:
        return 0


def _is_regularized(run: Run) -> bool:
    try:
        return bool(run.config.regularizers)
    except RunError:
        return False


def _progress(run: Run, summary: dict[str, Any], jobs: Jobs) -> dict[str, Any]:
    timing, role = run.last_timing(), "regularized" if _is_regularized(run) else "plain"
    epoch = timing.get("epoch", 0)
    if timing.get("batches", 0) and epoch:
        epoch = epoch - 1 + timing["batch"] / timing["batches"]
    shown = {
        "role": role,
        "name": role,
        "detail": run.config.recipe(),
        "status": summary["status"],
        "place": jobs.place(run.id),
        "epoch": epoch,
        "epochs": run.config.epochs,
        "images_per_second": timing.get("images_per_second"),
        "seconds_left": timing.get("seconds_left"),
        "message": summary.get("reason", ""),
    }
    return {key: value for key, value in shown.items() if value is not None}


def _diagnosis(run: Run, summary: dict[str, Any], history: Sequence[Epoch]) -> metrics.Diagnosis:
    status = summary["status"]
    if status == "failed":
        return metrics.diagnose(history, failed=summary.get("reason", "The run failed."))
    return metrics.diagnose(history, tuple(run.config.regularizers), done=status == "finished")


def _points(history: Sequence[Epoch], key: str) -> dict[str, list[float]]:
    step = max(1, -(-len(history) // POINTS))
    kept = list(history[::step])
    if history and kept[-1] is not history[-1]:
        kept.append(history[-1])
    return {"x": [e.epoch for e in kept], "y": [round(getattr(e, key), 4) for e in kept]}


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
