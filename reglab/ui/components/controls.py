"""A model's fields -> components. Labels, hints, bounds and choices come from the fields themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import gradio as gr
from pydantic.fields import FieldInfo

from reglab import compat, data, models
from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.models import pretrained
from reglab.regularizers import CATALOGUE, GROUPS, Regularizer
from reglab.teaching.assignments import values_of

MAIN = ("dataset", "model", "train_size", "label_noise", "epochs", "lr", "batch_size", "seed")
MORE = ("width", "optimizer", "schedule", "precision", "init", "val_size")
TRANSFER = ("pretrained", "finetune", "side")  # shown where the network is one of timm


def component(name: str, info: FieldInfo, value: Any, *, choices: Sequence[Any] = (), **kwargs: Any) -> Any:
    """The control for one field. `choices` are for fields whose values only a catalogue knows."""
    shown = {"label": (info.title or name).capitalize(), "info": info.description, "value": value, **kwargs}
    extra: dict[str, Any] = dict(info.json_schema_extra) if isinstance(info.json_schema_extra, dict) else {}
    if get_origin(info.annotation) is Literal:
        choices = get_args(info.annotation)
    if choices:
        return gr.Dropdown(list(choices), filterable=False, **shown)
    if info.annotation is bool:
        return gr.Checkbox(**shown)
    if "slider" in extra:
        low, high, *step = extra["slider"]
        return unchecked(gr.Slider(low, high, step=step[0] if step else low, buttons=[], **shown))
    return gr.Number(**shown)


def unchecked(made: Any) -> Any:
    """The component, handing its value over as it came: whoever gets it checks it, and says more than Gradio would.

    Gradio would refuse what lies outside a slider, and choices that were not there yet when the page was built.
    """
    return compat.gradio.takes(made, lambda value: value)


class Controls:
    """Every control of the Train tab by the name of its field (`lr`, `dropout`, `dropout.rate`)."""

    def __init__(self, config: RunConfig) -> None:
        self.by_name: dict[str, Any] = {}
        self._values = values_of(config)

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
        named = dict(zip(self.by_name, values, strict=True))
        regularizers: dict[str, dict[str, Any]] = {key: {} for key in CATALOGUE if named.get(key)}
        for name, value in named.items():
            key, dot, setting = name.partition(".")
            if dot and key in regularizers:
                regularizers[key][setting] = value
        plain = {name: value for name, value in named.items() if "." not in name and name not in CATALOGUE}
        return {**plain, "regularizers": regularizers}

    def filled(self, config: RunConfig) -> list[Any]:
        """A value for every control, in order, so that they say this config."""
        values = values_of(config)
        return [values[name] for name in self.by_name]


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
