"""A comparison as a table: JSON, a spreadsheet, Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from reglab import numbers
from reglab.experiments import stats
from reglab.experiments.compare import METRICS, Comparison, Metric
from reglab.experiments.labels import settings
from reglab.numbers import NOTHING, between
from reglab.regularizers import CATALOGUE

SPREADSHEET = "utf-8-sig"  # the encoding of a CSV file: without the mark at its beginning Excel shows ü as Ã¼


def rows(comparison: Comparison, metrics: Sequence[str] = tuple(METRICS)) -> list[dict[str, Any]]:
    """A row for each group: label, n, and for each metric its interval and its difference from the baseline."""
    told = []
    differences = {metric: comparison.differences(metric) for metric in metrics}
    for group in comparison.groups:
        row: dict[str, Any] = {"label": group.label, "n": len(group.runs), "runs": [run.id for run in group.runs]}
        row["settings"] = {name: settings(group.config).get(name) for name in comparison.differing}
        for metric in metrics:
            if not group.values(metric):
                continue
            row[metric] = vars(group.mean(metric))
            if d := differences[metric].get(group.label):
                m = METRICS[metric]
                row[metric] |= {"difference": vars(d), "verdict": stats.verdict(d, m.unit, m.digits)}
                row[metric]["word"] = stats.word(d, stats.ROPE if m.unit == "points" else None)
        told.append(row)
    return told


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Everything that is shown, as plain values; accuracies and gaps in percentage points."""
    return {
        "baseline": comparison.baseline.label,
        "differing": list(comparison.differing),
        "notes": list(comparison.notes),
        "intervals": {metric: line for metric in METRICS if (line := comparison.covers(metric))},
        "groups": rows(comparison),
    }


def to_csv(comparison: Comparison) -> str:
    """One line for each run: what a spreadsheet or a notebook wants. Accuracies and gap are fractions, as in summary.json."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["group", "run", "name", "seed", *comparison.differing, *METRICS])
    for group in comparison.groups:
        flat = settings(group.config)
        own = [flat.get(name, False if name in CATALOGUE else "") for name in comparison.differing]
        for run, summary in zip(group.runs, group.summaries, strict=True):
            told = [summary.get(metric, "") for metric in METRICS]
            writer.writerow(map(cell, [group.label, run.id, run.name, run.config.seed, *own, *told]))
    return out.getvalue()


def cell(value: Any) -> Any:
    """A spreadsheet must not take a name for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def cells(comparison: Comparison, metric: str = "test_accuracy") -> list[list[str]]:
    """A head, and a row for each group: mean, interval and n of the metric, and the verdict on its difference."""
    head, *body = means(comparison, metric)
    m, differences = METRICS[metric], comparison.differences(metric)
    told = [[*head, f"against {comparison.baseline.label}"]]
    for group, row in zip(comparison.groups, body, strict=True):
        d = differences.get(group.label)
        told.append([*row, stats.verdict(d, m.unit, m.digits) if d else "baseline"])
    return told


def means(comparison: Comparison, metric: str = "test_accuracy") -> list[list[str]]:
    """The same without the verdicts."""
    m = METRICS[metric]
    told = [["", m.title, "95 % interval", "seeds", "gap", "calibration error"]]
    for group in comparison.groups:
        i, gap, ece = (group.mean(key) for key in (metric, "gap", "ece"))
        beside = [number(told.mean, METRICS[key]) for key, told in (("gap", gap), ("ece", ece))]
        told.append([group.label, number(i.mean, m), bounds(i, m), str(i.n), *beside])
    return told


def table(comparison: Comparison, metric: str = "test_accuracy") -> str:
    """The same as Markdown."""
    head, *body = cells(comparison, metric)
    lines = [f"| {' | '.join(row)} |" for row in (head, *body)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def number(value: float, m: Metric) -> str:
    """A value with as many digits as its metric has, and its unit."""
    return f"{numbers.number(value, m.digits)} {unit(m)}".rstrip()


def unit(m: Metric) -> str:
    """What a value of a metric comes in; points are what differences of accuracies come in."""
    return "%" if m.title.endswith("accuracy") else m.unit


def bounds(i: stats.Interval, m: Metric) -> str:
    """The ends of an interval in the digits of its metric; a dash where there are none."""
    return NOTHING if i.low is None or i.high is None else between(i.low, i.high, m.digits)
