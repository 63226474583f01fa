"""A model's fields -> components. Labels, hints, bounds and choices come from the fields themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import gradio as gr
from pydantic.fields import FieldInfo

from reglab import compat, data, models
from reglab.config import RunConfig, shrinkage
from reglab.config.numbers import understood
from reglab.config.usual import extra_of, field_of, follows, usual, usual_in_words
from reglab.errors import ConfigError
from reglab.models import pretrained
from reglab.regularizers import CATALOGUE, GROUPS, Regularizer
from reglab.teaching.assignments import values_of
from reglab.ui.components.number import number, text_of
from reglab.ui.components.remarks import Remarks

MAIN = ("dataset", "model", "train_size", "label_noise", "epochs", "lr", "batch_size", "seed")
MORE = ("width", "optimizer", "schedule", "precision", "init", "val_size")
TRANSFER = ("pretrained", "finetune", "side")  # shown where the network is one of timm


def component(name: str, info: FieldInfo, value: Any, *, choices: Sequence[Any] = (), **kwargs: Any) -> Any:
    """The control for one field. `choices` are for fields whose values only a catalogue knows."""
    label = (info.title or name).capitalize()
    if get_origin(info.annotation) is Literal:
        choices = get_args(info.annotation)
    if is_number(info):
        extra = extra_of(info)
        bounds: dict[str, Any] = {"slider": extra.get("slider", ()), "log": extra.get("scale") == "log"}
        hint, elem_id = info.description or "", kwargs.pop("elem_id")
        return number(label, elem_id, value, hint=hint, usual=info.default, whole=is_whole(info), **bounds, **kwargs)
    shown = {"label": label, "info": info.description, "value": value, **kwargs}
    return gr.Dropdown(list(choices), filterable=False, **shown) if choices else gr.Checkbox(**shown)


def is_number(info: FieldInfo | None) -> bool:
    """Whether it is a field to type a number into."""
    return info is not None and info.annotation in (int, float, int | None, float | None)


def is_whole(info: FieldInfo) -> bool:
    """Whether that must be a whole number."""
    return info.annotation in (int, int | None)


def unchecked(made: Any) -> Any:
    """The component, handing its value over as it came: whoever gets it checks it, and says more than Gradio would.

    Gradio would refuse what lies outside a slider, and choices that were not there yet when the page was built.
    """
    return compat.gradio.takes(made, lambda value: value)


class Controls:
    """Every control of the Train tab by the name of its field (`lr`, `dropout`, `dropout.rate`)."""

    def __init__(self, config: RunConfig) -> None:
        self.by_name: dict[str, Any] = {}
        self._values = shown_values(config)

    def field(self, name: str, **kwargs: Any) -> Any:
        """The component for a field of `RunConfig`."""
        choices: dict[str, list[tuple[str, str]]] = {
            "dataset": [(source.title, key) for key, source in data.SOURCES.items()],
            "model": [(key, key) for key in models.MODELS]
            + [(f"{known.timm} · timm", key) for key, known in pretrained.OFFERED.items()],
        }
        self.by_name[name] = component(
            name,
            RunConfig.model_fields[name],
            self._values[name],
            choices=choices.get(name, ()),
            elem_id=f"control-{name}",
            **kwargs,
        )
        return self.by_name[name]

    def regularizers(self) -> None:
        """The toggle board: by group, a toggle for every technique, its settings opening when it is on."""
        for group in GROUPS:
            techniques = {key: t for key, t in CATALOGUE.items() if t.group == group}
            if not techniques:
                continue
            with gr.Column(elem_classes="section"):
                gr.HTML(f"<h4>{group}</h4>", elem_classes="group")
                for key, technique in techniques.items():
                    self._technique(key, technique)

    def _technique(self, key: str, technique: type[Regularizer]) -> None:
        with gr.Column(elem_classes="technique", elem_id=f"technique-{key}"):
            self.by_name[key] = gr.Checkbox(
                label=technique.title,
                info=technique.hint,
                value=self._values[key],
                elem_id=f"control-{key}",
                elem_classes="toggle",
                container=False,
            )
            if technique.model_fields:
                # Shown by the style sheet while the toggle is on: no request, no waiting.
                with gr.Row(elem_classes="settings"):
                    for name, info in technique.model_fields.items():
                        self.by_name[f"{key}.{name}"] = component(
                            name,
                            info,
                            self._values[f"{key}.{name}"],
                            elem_id=f"control-{key}-{name}".replace("_", "-"),
                            min_width=120,
                        )

    def components(self) -> list[Any]:
        """All of them, in the order in which their values are read."""
        return list(self.by_name.values())

    def techniques(self) -> list[str]:
        """The names of the toggles and of their settings: what a preset decides over."""
        return [name for name in self.by_name if name.partition(".")[0] in CATALOGUE]

    def config_values(self, values: Sequence[Any]) -> dict[str, Any]:
        """What the controls say, as `RunConfig.parse` takes it; a technique's settings count only while it is on."""
        told = [(name, given(name, value)) for name, value in zip(self.by_name, values, strict=True)]
        # A number field that is empty means what is usual.
        named = {name: value for name, value in told if value is not None or not is_number(field_of(name))}
        regularizers: dict[str, dict[str, Any]] = {key: {} for key in CATALOGUE if named.get(key)}
        for name, value in named.items():
            key, dot, setting = name.partition(".")
            if dot and key in regularizers:
                regularizers[key][setting] = value
        plain = {name: value for name, value in named.items() if "." not in name and name not in CATALOGUE}
        return {**plain, "regularizers": regularizers}

    def filled(self, config: RunConfig) -> list[Any]:
        """A value for every control, in order, so that they say this config."""
        values = shown_values(config)
        return [values[name] for name in self.by_name]

    def remarks(self, config: RunConfig) -> Remarks:
        """What the number fields are by themselves in a run like this, and what they mean for it."""
        told: Remarks = {}
        for name, value in usual_in_words(config).items():
            if name in self.by_name:
                told[self.ids[name]] = {"usual": text_of(value), **_scale(name, config)}
        if (lost := shrinkage(config)) is not None:
            place = self.ids["weight_decay.strength"]
            told[place]["note"] = f"shrinks an idle weight by {in_percent(lost)} over this run"
        return told

    @property
    def ids(self) -> dict[str, str]:
        """Where each control is on the page."""
        return {name: control.elem_id for name, control in self.by_name.items()}


def given(name: str, value: Any) -> Any:
    """What a control says: of a number field the number, or `Unread`; None where it is empty."""
    info = field_of(name)
    return understood(value, is_whole(info)) if info is not None and is_number(info) else value


def shown_values(config: RunConfig) -> dict[str, Any]:
    """The value of every control that says this config; a number that is what it usually is by the others is left out."""
    values, by_itself = values_of(config) | {"train_size": config.train_size}, usual(config)
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
    """A share in words: 22 %, 0.5 %, less than 0.1 %."""
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


def preset(dataset: str) -> RunConfig:
    """What the Train tab proposes for a data set: the settings with which the point is made on two cores in minutes."""
    techniques: Mapping[str, bool] = {key: True for key, t in CATALOGUE.items() if t.default_on}
    return RunConfig.parse({"dataset": dataset, "regularizers": dict(techniques), **data.SOURCES[dataset].preset})
