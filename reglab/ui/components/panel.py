"""The set-up as one component of ours: what its controls are travels once, and `static/panel.js` builds them.

Its value is text, the JSON of

    values   {name: value} of the controls: text of number fields, as it was typed, else a choice, or whether it is on
    access   {name: "locked" | "hidden"} of those that are not open; missing where nothing changes about that
    about    a line on the recipe that was pressed
    brought  {"sentence", "ways": [[event, what, words]]}: what choosing a data set has set besides, or None
    changes  the names that it is about, where it answers something: all others stay as they are
    asof     what it answers, as the page has counted: what was set in the page since stays as well

from the server, of which only `values` and `asof` come back. An event `select` says what was chosen that decides over other controls
(`{"changed": name}` for those of `DECIDING`) or pressed (`{"recipe": title}`, `{"reset": "all"}`, or one of the ways: `{event: what}`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

import gradio as gr
from pydantic.fields import FieldInfo

from reglab import compat, data, models
from reglab.config import RunConfig
from reglab.config.usual import extra_of
from reglab.models import pretrained
from reglab.regularizers import CATALOGUE, GROUPS, Regularizer
from reglab.teaching.cards import words_of
from reglab.teaching.presets import COURSE, PRESETS
from reglab.ui.components.form import text_of
from reglab.ui.views.assets import called

MAIN = ("dataset", "model", "train_size", "label_noise", "epochs", "lr", "batch_size", "seed")
MORE = ("width", "optimizer", "schedule", "precision", "init", "val_size", "judged_size")
TRANSFER = ("pretrained", "finetune", "side")  # shown where the network is one of timm
DECIDING = ("dataset", "model", "pretrained", "finetune")


def panel(value: dict[str, Any], places: dict[str, str]) -> gr.HTML:
    """The component; `places` are the ids of its controls on the page."""
    made = gr.HTML(
        as_text(value),
        html_template="",
        # Not a prop: Gradio's page would write all of it down anew at every change of the value, to see what is new.
        js_on_load=f"window.reglabSetup = {as_text(described(places))};\n{called('panel')}",
        apply_default_css=False,
        elem_id="panel",
        render=False,
    )
    return compat.gradio.shows(made, as_text)


def as_text(value: Any) -> str:
    """As JSON, which Gradio's page leaves alone; a dictionary it wraps and compares piece by piece."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def described(places: dict[str, str]) -> dict[str, Any]:
    """All that never changes about the controls."""
    choices: dict[str, list[tuple[str, str]]] = {
        "dataset": [(source.title, key) for key, source in data.SOURCES.items()],
        "model": [(key, key) for key in models.MODELS]
        + [(f"{known.timm} · timm", key) for key, known in pretrained.OFFERED.items()],
    }
    fields = {
        name: control(places[name], name, RunConfig.model_fields[name], choices.get(name, ()))
        for name in (*MAIN, *TRANSFER, *MORE)
    }
    groups = {group: {key: t for key, t in CATALOGUE.items() if t.group == group} for group in GROUPS}
    return {
        "fields": fields,
        "main": MAIN,
        "transfer": TRANSFER,
        "more": MORE,
        "deciding": DECIDING,
        "course": COURSE,  # in sight from the first, as are those that are on
        "timm": list(pretrained.OFFERED),
        "recipes": [recipe.title for recipe in PRESETS],
        "groups": {
            group: {key: technique(key, t, places) for key, t in inside.items()}
            for group, inside in groups.items()
            if inside
        },
    }


def technique(key: str, of: type[Regularizer], places: dict[str, str]) -> dict[str, Any]:
    """A toggle with its settings; `words` is what it is found by besides its names and its hint."""
    settings = {f"{key}.{name}": control(places[f"{key}.{name}"], name, info) for name, info in of.model_fields.items()}
    said = f"{of.title} {of.hint}".lower()
    words = " ".join(word for word in words_of(key).split() if word not in said)
    return {"id": places[key], "label": of.title, "hint": of.hint, "words": words, "settings": settings}


def control(elem_id: str, name: str, info: FieldInfo, choices: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """The control for one field. `choices` are for fields whose values only a catalogue knows."""
    told: dict[str, Any] = {
        "id": elem_id,
        "label": (info.title or name).capitalize(),
        "hint": info.description or "",
    }
    if is_number(info):
        extra = extra_of(info)
        ends = {"slider": extra["slider"]} if "slider" in extra else {}
        log = {"log": True} if extra.get("scale") == "log" else {}
        whole = {"whole": True} if is_whole(info) else {}
        return {**told, "usual": text_of(info.default), **whole, **ends, **log}
    if get_origin(info.annotation) is Literal:
        choices = [(str(choice).replace("_", " "), choice) for choice in get_args(info.annotation)]
    return {**told, "choices": list(choices)} if choices else told


def is_number(info: FieldInfo | None) -> bool:
    """Whether it is a field to type a number into."""
    return info is not None and info.annotation in (int, float, int | None, float | None)


def is_whole(info: FieldInfo) -> bool:
    """Whether that must be a whole number."""
    return info.annotation in (int, int | None)
