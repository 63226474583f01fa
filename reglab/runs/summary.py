"""What is known of a run in one flat object, as the page, the command line and `summary.json` tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reglab.config import RunConfig
from reglab.regularizers import stands_by
from reglab.runs.lines import is_number
from reglab.training.events import Epoch, Finished, Started, Switched, best_epoch

NUMBERS = ("train_accuracy", "val_accuracy", "gap", "train_loss", "val_loss", "ece", "fit_accuracy", "memorised")
ON_TEST = ("test_accuracy", "test_loss")
SEEN = ("parameters", "device", "precision", "threads", "val_images", "test_images")  # by whoever trained it


def summarized(
    config: RunConfig,
    described: Mapping[str, Any],
    events: Mapping[str, Mapping[str, Any]],
    last_event: Mapping[str, Any],
    history: Sequence[Epoch],
    timing: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything but the run's id, name and status; accuracies, gap and ece are fractions from 0 to 1, losses nats.

    Args:
        config: What is trained.
        described: `config.json` as it is.
        events: The newest line of each kind in `metrics.jsonl`, by the event's name.
        last_event: The newest line of all.
        history: The epochs so far.
        timing: The newest line of `timing.jsonl`.
    """
    started, end = events.get(Started.name, {}), events.get(Finished.name, {})
    train_images = started.get("train_images")
    summary: dict[str, Any] = {
        "created": _text(described.get("created")),
        "group": _text(described.get("group")),
        "dataset": config.dataset,
        "train_size": train_images if is_number(train_images) else config.train_size,
        "label_noise": config.label_noise,
        "model": config.model,
        "regularizers": config.model_dump(mode="json")["regularizers"],
        "seed": config.seed,
        "epochs": config.epochs,
    }
    if history:
        summary |= _judged(end, history, config)
    summary |= {k: value if is_number(value) else _text(value) for k in SEEN if (value := started.get(k)) is not None}
    if (switched := _text(events.get(Switched.name, {}).get("precision"))) and "precision" in summary:
        summary["precision"] = f"{summary['precision']}, then {switched}"
    summary |= {k: timing[k] for k in ("seconds", "images_per_second") if k in timing}
    if reason := _text(last_event.get("reason")):
        summary["reason"] = reason
    return summary


def _judged(end: Mapping[str, Any], history: Sequence[Epoch], config: RunConfig) -> dict[str, Any]:
    """The numbers of the best and the last epoch, and of the one of them that the run stands by.

    Until the test images have been opened, validation is all there is. What a finished run has written of the epoch it
    stands by is not decided anew.
    """
    last, best, will_report = history[-1], best_epoch(history, config), stands_by(config.regularizers.values())
    told = {
        k: _numbers_in(end.get(k)) or {"epoch": e.epoch, **_numbers(e)} for k, e in (("best", best), ("last", last))
    }
    which = will_report if not end else "best" if end.get("reported") == "best" else "last"
    reported = {k: told[which][k] for k in (*NUMBERS, *ON_TEST) if k in told[which]}
    return {"epoch": last.epoch, "best_epoch": best.epoch, **told, **reported, "reported": which}


def _numbers(e: Epoch) -> dict[str, Any]:
    return {k: v for k in NUMBERS if (v := getattr(e, k)) is not None}


def _numbers_in(told: Any) -> dict[str, Any]:
    """The numbers among what a run says at its end of one of its epochs; damage is left out."""
    if not isinstance(told, dict):
        return {}
    numbers = {k: v for k, v in told.items() if k in {"epoch", *NUMBERS, *ON_TEST} and is_number(v)}
    images = told.get("test_images")  # where they were not all
    return numbers | {"test_images": images} if isinstance(images, int) and images > 0 else numbers


def _text(value: Any) -> str:
    """A text that can be shown; empty for anything else."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
