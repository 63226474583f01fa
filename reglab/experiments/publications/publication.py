"""What a publication is: rows with what was measured, claims that a table is cited for, and two recipes to train it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from reglab.config import EVERYTHING, RunConfig
from reglab.errors import ConfigError
from reglab.experiments.experiment import Experiment

STATUS = {
    "verified": "The numbers were read in the authors' own text or repository.",
    "secondary": "The numbers were read in somebody's transcription of the paper, not in the paper itself.",
}
RECIPES = {"budget": "on a budget", "full": "in full"}


@dataclass(frozen=True)
class Row:
    """One line of the table: a network of the recipe, what is changed for this line, and measure -> published percent."""

    name: str
    network: str
    changes: Mapping[str, Any]
    published: Mapping[str, float]


@dataclass(frozen=True)
class Claim:
    """What the table is cited for: a measure of `row`, or by how much it exceeds `against`, lies between two bounds."""

    sentence: str
    measure: str
    row: str
    against: str = ""
    low: float = -inf
    high: float = inf


@dataclass(frozen=True)
class Recipe:
    """How to train: for each network the dotted changes of the usual run, the seeds, and what it gives up."""

    networks: Mapping[str, Mapping[str, Any]]
    seeds: int
    gives_up: str = ""


@dataclass(frozen=True)
class Publication:
    """A published result: its numbers as printed, what is claimed of them, and two recipes to train it again."""

    key: str
    title: str
    paper: str
    read: str  # where the numbers were read
    status: str  # of STATUS
    setting: str  # what the authors did, as far as that was read
    here: str  # what this lab does otherwise
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    full: Recipe
    budget: Recipe
    elsewhere: str = ""  # why even the full recipe cannot be compared by the number; "": it can
    measures: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        named = [measure for row in self.rows for measure in row.published] + [claim.measure for claim in self.claims]
        object.__setattr__(self, "measures", tuple(dict.fromkeys(named)))

    def recipe(self, name: str) -> Recipe:
        """The `full` or the `budget` one. Raises `KeyError` for any other name."""
        return {"full": self.full, "budget": self.budget}[name]

    def cells(self, recipe: str) -> dict[str, RunConfig]:
        """Row -> its config with seed 0, whose curves are judged on everything: some claims are read off them. Raises `ConfigError`."""
        networks, judged = self.recipe(recipe).networks, {"judged_size": EVERYTHING}
        return {row.name: RunConfig().override({**judged, **networks[row.network], **row.changes}) for row in self.rows}

    def experiment(self, recipe: str, seeds: int | None = None) -> Experiment:
        """Its rows, each with so many seeds, by default as many as the recipe says. Raises `ConfigError`."""
        seeds = self.recipe(recipe).seeds if seeds is None else seeds
        if seeds < 1:
            raise ConfigError(f"{seeds} seeds were asked for: a run needs one, an interval at least two.")
        group = self.group(recipe)
        return Experiment(
            kind="publication",
            arms=self.cells(recipe),
            seeds=tuple(range(seeds)),
            order="one after the other",
            group=group,
            title=group,
            subject=self.key,
        )

    def configs(self, recipe: str, seeds: int | None = None) -> list[RunConfig]:
        """Every row with the first seed before any with the second. Raises `ConfigError`."""
        return self.experiment(recipe, seeds).configs

    def commands(self, recipe: str) -> dict[str, str]:
        """Row -> the command that trains it with seed 0."""
        return {row: cell.command() for row, cell in self.cells(recipe).items()}

    def group(self, recipe: str) -> str:
        """The group of its runs: more seeds go into the same one, and runs of an older recipe are told by their config."""
        return f"{self.key}-{recipe}"
