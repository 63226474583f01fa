"""A factorial: techniques on and off in all combinations, and what each of them bought."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.experiments import grid, stats
from reglab.experiments.axes import not_too_many
from reglab.experiments.compare import METRICS
from reglab.experiments.experiment import Experiment
from reglab.experiments.sweep import planned
from reglab.numbers import NOTHING, between, number
from reglab.regularizers import CATALOGUE, lowered
from reglab.runs.run import Run


def factorial(base: RunConfig, names: Sequence[str], seeds: int = 1) -> Experiment:
    """Techniques on and off in all combinations, or from five on in the half of them that keeps effects apart.

    Raises `ConfigError` for what is no technique, too many runs, or the first config that cannot be.
    """
    for name in names:
        if name not in CATALOGUE:
            near = difflib.get_close_matches(name, list(CATALOGUE), n=1)
            raise ConfigError(
                f"There is no technique {name[:60]!r}: {f'did you mean {near[0]}?' if near else 'see `reglab cards`.'}"
            )
    arms = stats.design(names)
    not_too_many(len(arms) * max(seeds, 0))
    return planned("factorial", base, arms, seeds, axes=tuple(names), prune=False)


def effects_of(runs: Sequence[Run], names: Sequence[str], metric: str = "test_accuracy") -> list[stats.Effect]:
    """Main effects and pairs of a factorial, in points. Raises `ConfigError` where the finished runs cannot tell."""
    return grid.effects([(run.config, run.summary()) for run in runs], names, metric)


def table(effects: Sequence[stats.Effect], metric: str = "test_accuracy") -> str:
    """Markdown: a line for each technique and each pair, the largest first among each."""
    m = METRICS[metric]
    unit = f" ({m.unit})" if m.unit else ""
    runs = f"{effects[0].n} runs" if effects else ""
    lines = [f"| what it bought, {runs} | {m.title}{unit} | 95 % | p | |", "|---|---|---|---|---|"]
    for e in sorted(effects, key=lambda e: (len(e.names), -abs(e.mean))):
        name = " with ".join(lowered(CATALOGUE[key].title) for key in e.names)
        bounds = NOTHING if e.low is None or e.high is None else between(e.low, e.high, m.digits)
        lines.append(
            f"| {name} | {number(e.mean, m.digits, signed=True)} | {bounds} | {NOTHING if e.p is None else f'{e.p:.3f}'} | {e.word} |"
        )
    covers = f"Intervals and p over the seeds, without test images; all {len(effects)} effects hold together (Holm)."
    return "\n".join([*lines, "", covers] if any(e.p is not None for e in effects) else lines)
