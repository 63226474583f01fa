"""Where a run leaves another: the epoch, and the regularizers that the other was trained with until then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from reglab.config.techniques import Regularizers
from reglab.errors import ConfigError, setting
from reglab.regularizers import Regularizer

if TYPE_CHECKING:
    from reglab.config.run_config import RunConfig

MOST = 20  # forks one within another; each is checked with all that it leaves


class Fork(BaseModel):
    """Where a run leaves another: after its `epoch`, which was trained with those `regularizers`. See `training/fork.py`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epoch: int = Field(ge=0, le=999)
    regularizers: Regularizers = Field(default_factory=dict)
    fork: Fork | None = None  # of the other run

    def suited(self, suit: Callable[[Regularizer], Regularizer]) -> Fork:
        """The same with each technique, also those of earlier forks, as it makes sense in the run."""
        techniques = {key: suit(r) for key, r in self.regularizers.items()}
        return self.model_copy(
            update={"regularizers": techniques, "fork": self.fork.suited(suit) if self.fork else None}
        )


def changes(before: Mapping[str, Regularizer], after: Mapping[str, Regularizer]) -> dict[str, Any]:
    """What a fork with other regularizers changes, as `RunConfig.forked` takes it: `{"dropout.rate": 0.5, "l1": False}`."""
    told: dict[str, Any] = {key: False for key in before if key not in after}
    for key, now in after.items():
        was = before[key].model_dump() if key in before else {}
        told |= {
            f"{key}.{name}": value for name, value in now.model_dump().items() if name not in was or was[name] != value
        }
        if key not in before and not type(now).model_fields:
            told[key] = True
    return told


def check_depth(value: Any) -> None:
    """Raises `ConfigError` for a fork of a fork of a fork ... that is nested too deep to be checked one by one."""
    depth = 0
    while value is not None:
        depth += 1
        if depth > MOST:
            raise ConfigError(
                f"The fork is nested more than {MOST} deep: fork a run that was forked less often, or train anew."
            )
        value = value.get("fork") if isinstance(value, Mapping) else getattr(value, "fork", None)


def check_fork(config: RunConfig, classes: int) -> None:
    """Raises `ConfigError` where a run cannot go on from another as its `fork` says."""
    if config.fork is None:
        return
    if not config.fork.epoch < config.epochs:
        raise ConfigError(
            f"A fork after epoch {config.fork.epoch} of {config.epochs} would have nothing left to train:"
            " fork at an earlier epoch."
        )
    if config.fork.fork is not None and config.fork.fork.epoch >= config.fork.epoch:
        raise ConfigError(
            f"The run forked after epoch {config.fork.epoch} was itself forked after epoch {config.fork.fork.epoch}:"
            " fork it at a later epoch, or fork the first run."
        )
    before, after = config.parent().spec(classes), config.spec(classes)
    if not before.has_weights_of(after):
        plain, both = config.plain().spec(classes), {**config.fork.regularizers, **config.regularizers}
        changed = sorted(config.fork.regularizers.keys() ^ config.regularizers.keys())
        makers = [key for key in changed if not both[key].configure_model(plain).has_weights_of(plain)]
        raise ConfigError(
            f"{' and '.join(map(setting, makers)) or 'This change'} gives the network other weights, so a trained one cannot go on"
            " with it: fork with another technique, or train anew."
        )
