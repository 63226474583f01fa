"""The panel of controls as values: what goes in comes out again, whatever a config says, and what is described of them."""

from __future__ import annotations

import json

import pytest

from reglab.config import RunConfig
from reglab.config.usual import field_of
from reglab.models import pretrained
from reglab.regularizers import CATALOGUE
from reglab.teaching.presets import PRESETS
from reglab.teaching.sizes import preset
from reglab.ui.components.controls import NAMES, PLACES, Controls
from reglab.ui.components.panel import as_text, described, is_number


def configs():
    """The plain run, every recipe, and every technique with settings that are not the usual ones."""
    yield "plain", RunConfig()
    yield from ((dataset, preset(dataset)) for dataset in ("cifar10", "digits"))
    yield from ((recipe.title, RunConfig.parse({"regularizers": recipe.regularizers})) for recipe in PRESETS)
    for key, technique in CATALOGUE.items():
        settings = {}
        for name, info in technique.model_fields.items():
            ends = (info.json_schema_extra or {}).get("slider")
            settings[name] = (not info.default) if isinstance(info.default, bool) else ends[1] if ends else info.default
        model = "timm/resnet18" if technique.group == "Transfer" else "resnet20"
        asked = {"model": model, "pretrained": pretrained.is_timm(model), "regularizers": {key: settings}}
        if asked["pretrained"]:
            asked["finetune"] = "all"
        if key == "weight_decay":
            settings["strength"] = 3.5
        if key == "swa":
            settings["start"] = 0.5
        yield key, RunConfig.parse(asked)


@pytest.mark.parametrize("config", [pytest.param(config, id=name) for name, config in configs()])
def test_what_is_put_in_comes_out_as_the_same_run(config):
    controls = Controls(RunConfig())
    [value] = controls.filled(config)
    sent = as_text({"values": json.loads(as_text(value))["values"]})  # by the page
    assert RunConfig.parse(controls.config_values([sent])) == config
    assert controls.changed([sent], {})[0]["values"] == value["values"]
    assert list(value["values"]) == list(NAMES) == list(PLACES)


def test_a_change_leaves_all_other_controls_as_they_are():
    controls = Controls(RunConfig())
    [before] = controls.filled(preset("digits"))
    [after] = controls.changed([before], {"lr": "0,5"}, about="told")
    assert {name for name in NAMES if after["values"][name] != before["values"][name]} == {"lr"}
    assert after["about"] == "told" and "brought" not in after
    assert after["changes"] == ["lr"] and after["asof"] is None, "nothing was set on a page so far"
    [answer] = controls.changed([as_text({**before, "asof": 3})], {"lr": "0.1"})
    assert answer["asof"] == 3, "so the page keeps what was set after that"


def test_every_control_is_described_once_by_its_field():
    told = described(PLACES)
    fields = {**told["fields"]}
    for inside in told["groups"].values():
        for key, technique in inside.items():
            fields[key] = technique
            fields |= technique["settings"]
    assert {name: spec["id"] for name, spec in fields.items()} == PLACES and len({*PLACES.values()}) == len(PLACES)
    for name, spec in fields.items():
        info = field_of(name)
        assert spec["label"] and spec["hint"], name
        assert ("usual" in spec) == is_number(info) and not (is_number(info) and "choices" in spec), name
        assert ("choices" in spec) == (info is not None and not is_number(info) and info.annotation is not bool), name


def test_the_whole_of_it_is_small():
    made = Controls(RunConfig()).panel
    assert len(made.js_on_load.encode()) + len(made.value.encode()) < 40_000  # bytes; a hundred components were 300,000
