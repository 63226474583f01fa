"""The controls of the Train tab, by the names of their fields: what they say as a config, and a config as what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reglab import compat
from reglab.config import RunConfig, shrinkage
from reglab.config.numbers import understood
from reglab.config.usual import extra_of, field_of, follows, usual, usual_in_words
from reglab.errors import ConfigError
from reglab.models import pretrained
from reglab.regularizers import CATALOGUE
from reglab.teaching import cards
from reglab.teaching.assignments import values_of
from reglab.ui.components.form import text_of, typed_in
from reglab.ui.components.panel import MAIN, MORE, TRANSFER, is_number, is_whole, panel
from reglab.ui.components.remarks import Remarks
from reglab.ui.views.setup import weights_line

TECHNIQUES = tuple(
    name
    for key, technique in CATALOGUE.items()
    for name in (key, *(f"{key}.{field}" for field in technique.model_fields))
)
"""The toggles and their settings: what a recipe decides over."""
NAMES = (*MAIN, *TRANSFER, *MORE, *TECHNIQUES)
"""Every control: `lr`, `dropout`, `dropout.rate`."""
PLACES = {name: f"control-{name.replace('.', '-').replace('_', '-') if '.' in name else name}" for name in NAMES}
"""Where each is on the page."""


def unchecked(made: Any) -> Any:
    """The component, handing its value over as it came: whoever gets it checks it, and says more than Gradio would.

    Gradio would refuse what lies outside a slider, and choices that were not there yet when the page was built.
    """
    return compat.gradio.takes(made, lambda value: value)


class Controls:
    """All of them, in one component: `components` is a list of one, so are the values that its readers are given."""

    names, ids = NAMES, PLACES

    def __init__(self, config: RunConfig) -> None:
        [value] = self.filled(config)
        self.panel = panel(value, PLACES)

    def components(self) -> list[Any]:
        """What is read and filled."""
        return [self.panel]

    def read(self, values: Sequence[Any]) -> dict[str, Any]:
        """The value of every control by its name, as it was sent. Raises `ConfigError` where it is none of ours."""
        named = typed_in(values[0]).get("values") if len(values) == 1 else None
        if not isinstance(named, dict):
            raise ConfigError("What was sent is no set-up of this page: reload the page.")
        if other := next((name for name in named if name not in PLACES), ""):
            raise ConfigError(f"There is no control called {str(other)[:80]!r}: reload the page.")
        if odd := next((key for key in CATALOGUE if not isinstance(named.get(key, False), bool)), ""):
            raise ConfigError(f"{CATALOGUE[odd].title} must be on or off, not {repr(named[odd])[:40]}.", [odd])
        return named

    def config_values(self, values: Sequence[Any]) -> dict[str, Any]:
        """What the controls say, as `RunConfig.parse` takes it; a technique's settings count only while it is on.

        Raises `ConfigError` where they say nothing that a page could have sent.
        """
        told = {name: given(name, value) for name, value in self.read(values).items()}
        # A number field that is empty means what is usual.
        named = {name: value for name, value in told.items() if value is not None or not is_number(field_of(name))}
        regularizers: dict[str, dict[str, Any]] = {key: {} for key in CATALOGUE if named.get(key)}
        for name, value in named.items():
            key, dot, setting = name.partition(".")
            if dot and key in regularizers:
                regularizers[key][setting] = value
        plain = {name: value for name, value in named.items() if "." not in name and name not in CATALOGUE}
        return {**plain, "regularizers": regularizers}

    def filled(self, config: RunConfig, **also: Any) -> list[Any]:
        """What `components` show so that they say this config. `also`: `about`, `brought` or `access` of `panel.py`."""
        return [{"values": shown_values(config), "about": "", "brought": None, **also}]

    def changed(self, values: Sequence[Any], changes: Mapping[str, Any], **also: Any) -> list[Any]:
        """What they show so that these controls say something else, and all others what they say. Raises `ConfigError`.

        The page is told which it is about, and as of when, so that it keeps what somebody sets until this arrives.
        """
        shown = {**self.read(values), **changes}
        return [{"values": shown, "changes": list(changes), "asof": typed_in(values[0]).get("asof"), **also}]

    def remarks(self, config: RunConfig) -> Remarks:
        """What is said beside controls in a run like this: what empty number fields mean, and what goes with what."""
        told: Remarks = {
            PLACES[name]: {"usual": text_of(value), **_scale(name, config)}
            for name, value in usual_in_words(config).items()
            if name in PLACES
        }
        if (lost := shrinkage(config)) is not None:
            told[PLACES["weight_decay.strength"]]["note"] = (
                f"shrinks an idle weight by {in_percent(lost)} over this run"
            )
        for key, sentences in cards.advice_beside(config.regularizers).items():
            told[PLACES[key]] = {"note": " ".join(sentences)}
        if pretrained.is_timm(config.model):
            told["transfer"] = {"note": weights_line(config)}
        return told


def given(name: str, value: Any) -> Any:
    """What a control says: of a number field the number, or `Unread`; None where it is empty."""
    info = field_of(name)
    return understood(value, is_whole(info)) if info is not None and is_number(info) else value


def shown_values(config: RunConfig) -> dict[str, Any]:
    """The value of every control that says this config; a number that is what it usually is by the others is left out."""
    told, by_itself = values_of(config) | {"train_size": config.train_size}, usual(config)
    values = {name: told[name] for name in NAMES}
    for name, value in values.items():
        if is_number(field_of(name)):
            values[name] = "" if follows(name) and value == by_itself[name] else text_of(value)
    return values


def _scale(name: str, config: RunConfig) -> dict[str, Any]:
    """Another slider where one setting of a technique decides over the range of another: a mode over its strength."""
    info, technique = field_of(name), config.regularizers.get(name.partition(".")[0])
    extra = extra_of(info) if info is not None else {}
    for decider, sliders in extra.get("slider_by", {}).items():
        return {"slider": sliders.get(getattr(technique, decider, None), extra["slider"])}
    return {}


def in_percent(share: float) -> str:
    """A share in words: 22 %, 0.5 %, less than 0.1 %; more digits would pretend to more than a rounded strength says."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    if share > 0.999:
        return "more than 99.9 %"
    return f"{share:.{0 if 0.1 <= share < 0.99 else 1}%}".replace("%", " %").replace(".0 ", " ")


def fitting(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The same values without the techniques that their network cannot use, and the titles of those."""
    base = {k: v for k, v in values.items() if k != "regularizers"}
    kept, left_out = {}, []
    for key, settings in values["regularizers"].items():
        try:
            RunConfig.parse({**base, "regularizers": {key: settings}})
            kept[key] = settings
        except ConfigError:
            left_out.append(CATALOGUE[key].title.lower())
    return {**base, "regularizers": kept}, left_out
