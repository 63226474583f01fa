"""An assignment: a set-up with a task, rules for its controls, a prediction to make and a budget.

It is an aid to a lesson and no lock: nobody is bound who opens the lab without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from reglab.config import RunConfig, called, typed
from reglab.errors import ConfigError
from reglab.regularizers import CATALOGUE
from reglab.teaching.text import Text, complaint

TASK = 600  # characters
MOST_RUNS = 30  # that a browser remembers, so that no budget can be larger
NAMES = 40  # in a list of controls
PREDICTABLE = {  # what a pupil may be asked to predict -> what it is called
    "gap": "gap between training and validation accuracy",
    "val_accuracy": "validation accuracy",
    "test_accuracy": "test accuracy",
}
Names = Annotated[tuple[str, ...], Field(max_length=NAMES)]
Access = Literal["open", "locked", "hidden"]


class Assignment(BaseModel):
    """What a teacher hands out: a set-up, a task, which controls may be changed, and a budget for each run.

    A control is named as in a config: `lr`, `dropout`, `dropout.rate`. One that stands in none of the three lists is as
    its technique is, or as `rest` says. Make one with `Assignment.parse`, which answers bad values in one sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: RunConfig
    task: Text = Field("", max_length=TASK)
    predict: Literal["", "gap", "val_accuracy", "test_accuracy"] = ""  # what to predict before the first run
    rest: Access = "open"
    open: Names = ()
    locked: Names = ()
    hidden: Names = ()
    max_epochs: int | None = Field(None, ge=1)
    max_images: int | None = Field(None, ge=1)  # of training
    max_runs: int | None = Field(None, ge=1, le=MOST_RUNS)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Assignment:
        """An assignment from plain values. Raises `ConfigError` with one sentence about the first thing that is wrong."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigError(f"The assignment cannot be: {complaint(error)}") from None

    @field_validator("open", "locked", "hidden")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in CONTROLS]:
            raise ConfigError(f"there is no control called {unknown[0][:80]!r}.")
        return tuple(sorted(set(names)))

    @model_validator(mode="after")
    def _possible(self) -> Assignment:
        listed = [*self.open, *self.locked, *self.hidden]
        if twice := [name for name in listed if listed.count(name) > 1]:
            raise ConfigError(f"{called(twice[0])} stands in two lists: leave it in one.")
        if beyond := next(self._beyond(self.config), ""):
            raise ConfigError(f"its own set-up breaks it, since {beyond[0].lower()}{beyond[1:]}")
        return self

    def access(self, name: str) -> Access:
        """Whether a control is open, locked or hidden; a setting follows its technique unless it is named itself."""
        lists: dict[Access, tuple[str, ...]] = {"open": self.open, "locked": self.locked, "hidden": self.hidden}
        for called_so in (name, name.partition(".")[0]):
            for access, names in lists.items():
                if called_so in names:
                    return access
        return self.rest if name in CONTROLS else "open"

    def broken(self, config: RunConfig) -> list[str]:
        """A sentence for every rule that a config breaks."""
        asked, given = values_of(config), values_of(self.config)
        changed = [name for name in given if self.access(name) != "open" and asked[name] != given[name]]
        locks = [
            f"{called(name)} is {_told(asked[name])}, but the assignment keeps it at {_told(given[name])}."
            for name in changed
        ]
        return [*locks, *self._beyond(config)]

    def check(self, config: RunConfig, runs: int = 0) -> None:
        """Raises `ConfigError` when the config breaks a rule, or when that many runs were started and no more may be."""
        if broken := self.broken(config):
            raise ConfigError(f"{broken[0][:-1]}: put it back, or reload the page.")
        if self.max_runs is not None and runs >= self.max_runs:
            raise ConfigError(
                f"No more runs can be started: the assignment allows {self.max_runs}, so hand in the lesson sheet of one."
            )

    def check_all(self, configs: Sequence[RunConfig]) -> None:
        """The same for the runs of a sweep, which a budget of runs has no room for. Raises `ConfigError`."""
        if self.max_runs is not None:
            raise ConfigError("The assignment counts runs, so they are started one by one: use the Train tab.")
        for config in configs:
            if broken := self.broken(config):
                raise ConfigError(f"The assignment has no room for this sweep: {broken[0]}")

    def _beyond(self, config: RunConfig) -> Iterator[str]:
        images = config.train_images
        for name, asked, most in (("epochs", config.epochs, self.max_epochs), ("images", images, self.max_images)):
            if most is not None and asked > most:
                what = "training images" if name == "images" else name
                yield f"{asked:,} {what} are more than the {most:,} that the assignment allows."


def values_of(config: RunConfig) -> dict[str, Any]:
    """The value of every control that says this config; the settings of techniques that are off are their defaults."""
    values: dict[str, Any] = {name: getattr(config, name) for name in RunConfig.model_fields if name != "regularizers"}
    values["train_size"] = config.train_images
    for key, technique in CATALOGUE.items():
        on = config.regularizers.get(key)
        values[key] = on is not None
        for name, info in technique.model_fields.items():
            values[f"{key}.{name}"] = getattr(on, name) if on is not None else info.default
    return values


# All that an assignment can lock or hide. Where a run is trained is nobody's lesson.
CONTROLS = tuple(name for name in values_of(RunConfig()) if name != "device")


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "its usual value" if value is None else f"{value:,}" if isinstance(value, int) else typed(value)[:80]
