"""The Train tab without a browser: what its handlers answer when something is pressed, chosen, or looked at again."""

from __future__ import annotations

import shutil
from typing import Any

import gradio as gr
import pytest
from conftest import tiny_config
from pages import changes, pressed

from reglab.config import RunConfig, called
from reglab.config.usual import field_of
from reglab.regularizers import CATALOGUE
from reglab.runs.run import Run
from reglab.teaching.assignments import Assignment, values_of
from reglab.teaching.links import Beside, decode_all, encode
from reglab.teaching.presets import PRESETS
from reglab.ui.components.controls import is_number
from reglab.ui.components.visitor import ids_of
from reglab.ui.tabs.train import UNDOABLE, TrainTab

# The page has no control for the device.
SMALL = tiny_config(train_size=60, val_size=60, epochs=300, width=0.125, regularizers={"dropout": {}}, device="auto")
SHOWN = ("visitor", "stamp", "chart", "start", "stop", "notice", "clock")


@pytest.fixture
def tab(laid_out) -> TrainTab:
    return laid_out(TrainTab)


@pytest.fixture
def run(here, trained) -> Run:
    shutil.copytree(trained["path"], here.stores.own.root / "a-run")
    return here.stores.own.open("a-run")


def set_to(tab: TrainTab, config: RunConfig, **other: Any) -> list[Any]:
    """What the controls send when they say this config."""
    values = {**values_of(config), **other}
    return [values[name] for name in tab.controls.by_name]


def named(updates: list[Any]) -> dict[str, Any]:
    """Updates for what shows runs, by name."""
    return dict(zip(SHOWN, changes(updates), strict=True))


def begin(tab: TrainTab, config: RunConfig, visitor: Any = None, **asked: Any) -> dict[str, Any]:
    given = {"compare": True, "scratch": False, "assignment": None, "predicted": None, "why": "", **asked}
    return named(tab.begin(visitor, *given.values(), *set_to(tab, config)))


# ---- training ----------------------------------------------------------------------------------------------------
def test_a_press_trains_the_pair_until_it_is_stopped_and_a_second_press_is_refused(tab, here):
    began = begin(tab, SMALL)
    runs = here.results.open(ids_of(began["visitor"]))
    assert [bool(run.config.regularizers) for run in runs] == [False, True]
    assert began["start"] == {"interactive": False} and began["stop"] == {"interactive": True} and not began["notice"]
    again = begin(tab, SMALL, began["visitor"])
    assert "A run of yours is going on" in again["notice"] and again["visitor"]["ids"] == began["visitor"]["ids"]
    assert here.stores.own.runs() == sorted(runs, key=lambda run: run.id, reverse=True)
    stopped = named(tab.halt(began["visitor"]))
    assert stopped["visitor"]["ids"] == began["visitor"]["ids"]
    assert all(run.should_stop() or run.status() == "stopped" for run in runs)


def test_one_run_is_trained_where_nothing_is_to_be_compared(tab):
    for config, compare in ((SMALL, False), (SMALL.plain(), True)):
        began = begin(tab, config, compare=compare)
        assert len(began["visitor"]["ids"]) == 1
        tab.halt(began["visitor"])


def test_what_cannot_be_trained_is_a_sentence_and_makes_no_run(tab, here):
    for field, value in (("lr", -1), ("batch_size", 0), ("seed", 1.5), ("epochs", 0), ("train_size", -1)):
        answer = named(tab.begin({}, True, False, None, None, "", *set_to(tab, SMALL, **{field: value})))
        assert f"{called(field)} must be " in answer["notice"] and 'role="alert"' in answer["notice"]
    assert here.stores.own.runs() == []


def test_an_assignment_is_kept_to_and_its_runs_are_remembered_with_the_prediction(tab):
    told = {"config": SMALL, "predict": "gap", "max_epochs": 300, "max_runs": 1}
    assignment = Assignment.parse(told)
    assert "Predict first" in begin(tab, SMALL, assignment=assignment)["notice"]
    longer = SMALL.model_copy(update={"epochs": 301})
    assert "301 epochs are more" in begin(tab, longer, assignment=assignment, predicted=10)["notice"]
    began = begin(tab, SMALL, assignment=assignment, predicted=12.5, why="few images")
    [kept] = began["visitor"]["tries"]
    run = tab.lab.stores.own.open(kept["run"])
    assert run.config == SMALL and kept["prediction"]["value"] == 0.125 and kept["link"] == encode(assignment)
    tab.halt(began["visitor"])


# ---- looking again -----------------------------------------------------------------------------------------------
def test_a_look_that_finds_nothing_new_sends_nothing_and_one_that_does_sends_the_chart(tab, run):
    visitor = {"ids": [run.id]}
    stamp, chart, start, stop, *_ = changes(tab.tick(visitor, "of before", "digits", "basic_cnn"))
    assert stamp and [shown["status"] for shown in chart["runs"]] == ["finished"]
    assert start == {"interactive": True} and stop == {"interactive": False}
    assert changes(tab.tick(visitor, stamp, "digits", "basic_cnn"))[:4] == [None] * 4
    run.rename("another")
    news, chart, *_ = changes(tab.tick(visitor, stamp, "digits", "basic_cnn"))
    assert news != stamp and chart["runs"][0]["name"] == "another"


def test_a_look_from_a_page_that_has_not_loaded_leaves_the_runs_to_the_loading(tab, run):
    """Its answer may arrive last, and would empty the chart that the loading has filled."""
    *shown, _, _, header, clock = changes(tab.tick({}, "", "digits", "basic_cnn"))
    assert shown == [None] * 4 and clock is None and "machine" in header


def test_the_clock_stops_only_when_nothing_can_come(tab, run, monkeypatch):
    visitor = {"ids": [run.id]}
    jobs, [stamp, *_] = tab.lab.training.jobs, tab.tick(visitor, "of before", "digits", "basic_cnn")

    def clock() -> Any:
        return changes(tab.tick(visitor, stamp, "digits", "basic_cnn"))[-1]

    assert clock() is None, "the machine has not been looked at yet"
    monkeypatch.setattr(jobs, "machine", lambda: {"name": "a machine", "precision": "fp32"})
    assert clock() == {"active": False}
    monkeypatch.setattr(jobs, "is_busy", lambda owner: True)
    assert clock() is None, "a job of this visitor's is under way"


# ---- the controls ------------------------------------------------------------------------------------------------
def test_the_command_and_the_link_say_what_the_controls_say(tab):
    command, advice, transfer, weights, link, remarks, refused = tab.tell(False, True, *set_to(tab, SMALL))
    assert command == SMALL.command() and not advice and not weights and changes([transfer]) == [{"visible": False}]
    assert decode_all(link["text"]) == (SMALL, Beside(False, True)) and refused == ""
    assert remarks["control-lr"]["usual"] == "0.001" and not any("error" in told for told in remarks.values())


def test_what_cannot_be_is_said_beside_the_control_in_the_words_of_the_page(tab):
    command, *_, link, remarks, refused = tab.tell(True, False, *set_to(tab, SMALL, lr="fast"))
    sentence = "Learning rate must be a number such as 0.01, not 'fast'."
    assert command == refused == "" and link == {"error": sentence} and remarks == {"control-lr": {"error": sentence}}
    *_, remarks, refused = tab.tell(True, False, *set_to(tab, SMALL, batch_norm=True, group_norm=True))
    assert set(remarks) == {"control-batch_norm", "control-group_norm"} and refused == ""
    *_, remarks, refused = tab.tell(True, False, *set_to(tab, SMALL, val_size="9"))
    assert set(remarks) == {"control-val_size"} and "Validation images must be at least 10" in refused, "folded away"


def test_an_empty_field_is_what_is_usual(tab):
    empty = {name: "" for name in tab.controls.by_name if is_number(field_of(name))}
    command, *_, remarks, _ = tab.tell(True, False, *set_to(tab, SMALL, **empty))
    assert command == "python -m reglab train --dataset digits --precision fp32 --dropout"
    assert remarks["control-train_size"]["usual"] == f"all {RunConfig(dataset='digits').train_images:,}"
    command, *_, remarks, _ = tab.tell(True, False, *set_to(tab, SMALL, **empty, optimizer="sgd"))
    assert "--lr" not in command and remarks["control-lr"]["usual"] == "0.05"


def test_the_strength_of_weight_decay_says_what_it_does_over_the_run_and_follows_it(tab):
    def told(config: RunConfig = SMALL, **controls: Any) -> tuple[str, dict[str, Any]]:
        command, *_, remarks, _ = tab.tell(True, False, *set_to(tab, config, weight_decay=True, **controls))
        return command, remarks["control-weight-decay-strength"]

    command, usual = told(**{"weight_decay.strength": ""})
    assert (
        command.endswith("--dropout --weight-decay") and usual["note"] == "shrinks an idle weight by 22 % over this run"
    )
    _, shorter = told(SMALL.override({"epochs": 30}), **{"weight_decay.strength": ""})
    assert (
        float(shorter["usual"]) == pytest.approx(10 * float(usual["usual"]), rel=0.05)
        and shorter["note"] == usual["note"]
    )
    chosen, half = told(SMALL.override({"epochs": 150}), **{"weight_decay.strength": usual["usual"]})
    assert "--weight-decay.strength" in chosen and half["note"] == "shrinks an idle weight by 12 % over this run"
    command, l2 = told(**{"weight_decay.strength": "", "weight_decay.mode": "l2"})
    assert command.endswith("--weight-decay.mode l2") and l2["usual"] == "0.0005" and "note" not in l2
    assert l2["slider"][0] < 5e-4 < l2["slider"][1] < usual["slider"][1]


def test_advice_is_given_on_techniques_that_meet(tab):
    _, advice, *_ = tab.tell(True, False, *set_to(tab, SMALL, mixup=True, cutmix=True))
    assert advice.count("<li>") == 1


def test_a_network_of_timm_tells_of_its_weights(tab):
    _, _, transfer, weights, *_ = tab.tell(True, False, *set_to(tab, SMALL, model="timm/resnet18", pretrained=True))
    assert changes([transfer]) == [{"visible": True}]
    assert "MB" in weights or "already on this machine" in weights
    assert "96 x 96, mean 0.485 0.456 0.406" in weights


@pytest.mark.parametrize("recipe", PRESETS, ids=lambda recipe: recipe.title)
def test_a_recipe_sets_the_toggles_and_says_what_it_is(tab, recipe):
    *values, about, notice = tab.use(recipe, None, "digits", "basic_cnn")
    on = {name for name, value in zip(tab.toggles, values, strict=True) if name in CATALOGUE and value}
    assert on == set(recipe.regularizers) and recipe.title in about and not notice
    told = dict(zip(tab.toggles, values, strict=True))
    chosen = recipe.regularizers.get("weight_decay", {}).get("strength")
    assert told["weight_decay.strength"] == ("" if chosen is None else str(chosen)), "what nobody chose follows the run"


def test_a_recipe_leaves_what_an_assignment_locks(tab):
    assignment = Assignment.parse({"config": SMALL, "rest": "locked", "open": ["dropout"]})
    *values, _, _ = changes(tab.use(PRESETS[-1], assignment, "digits", "basic_cnn"))
    touched = {name for name, value in zip(tab.toggles, values, strict=True) if value is not None}
    assert touched == {"dropout", "dropout.rate"}


def test_another_data_set_brings_its_preset(tab):
    *values, brought, said, again, clock = changes(tab.choose_dataset(None, "digits"))
    told = dict(zip(tab.controls.by_name, values, strict=True))
    assert told["dataset"] == "digits" and told["train_size"] == "300" and clock == {"active": True}
    assert isinstance(said, str) and set(again) == {"visible"}
    assert (
        "Digits brings 30 % wrong labels, 300 training images and batches of 32." in brought
        and brought.count("<button") == 2
    )


def test_what_a_data_set_brought_is_taken_back_in_a_press(tab):
    def undone(what: str, assignment: Assignment | None = None) -> tuple[dict[str, Any], str]:
        *values, brought = changes(tab.undo(assignment, "digits", pressed(undo=what)))
        return {name: v for name, v in zip(UNDOABLE, values, strict=True) if v is not None}, brought

    only, brought = undone("label_noise")
    assert only == {"label_noise": "0"} and "wrong" not in brought and "Undo all of it" in brought
    everything, brought = undone("all")
    assert (
        everything == {"label_noise": "0", "train_size": "", "batch_size": "128", "epochs": "20"}
        and not brought.strip()
    )
    assert undone("everything else")[0] == {}
    locked = Assignment.parse({"config": SMALL, "locked": ["label_noise"]})
    assert undone("label_noise", locked)[0] == {}


def test_a_network_switches_off_what_it_cannot_use(tab):
    asked = set_to(tab, SMALL, model="timm/resnet18", batch_norm=True)
    *values, said = tab.fit("model", None, *asked)
    told = dict(zip(tab.controls.by_name, values, strict=True))
    assert told["pretrained"] and told["dropout"] and not told["batch_norm"]
    assert "cannot use them here: batch normalization." in said


def test_nobody_computes_what_nobody_looks_at(tab, monkeypatch):
    monkeypatch.setattr(tab.lab.predictions, "preview", lambda values: pytest.fail("computed"))
    assert changes([tab.see(False, *set_to(tab, SMALL))]) == [None]
    monkeypatch.undo()
    assert "Learning rate must be" in tab.see(True, *set_to(tab, SMALL, lr=-1))


# ---- a page that opens -------------------------------------------------------------------------------------------
def opened(tab: TrainTab, visitor: Any, link: str = "") -> tuple[dict[str, Any], dict[str, Any], list[Any]]:
    """What shows runs and the controls, by name, and the rest."""
    updates = changes(tab.fill(visitor, link))
    assert len(updates) == len(tab.loaded)
    controls = updates[len(SHOWN) : len(SHOWN) + len(tab.inputs)]
    shown = dict(zip(SHOWN, updates, strict=False))
    return shown, dict(zip(tab.controls.by_name, controls, strict=True)), updates[len(SHOWN) + len(tab.inputs) :]


@pytest.mark.parametrize("memory", [None, [], 7, {"ids": 3}, {"ids": [7, None, "gone", "../.."]}, {"name": []}])
def test_whatever_a_browser_remembers_the_page_opens(tab, memory):
    shown, controls, _ = opened(tab, memory)
    assert shown["visitor"]["ids"] == [] and shown["chart"] == {"runs": []}
    assert controls["dataset"] == tab.page.first.dataset


def test_a_reload_finds_the_run_again_and_the_controls_say_it(tab, run):
    shown, controls, _ = opened(tab, {"ids": ["gone", run.id]})
    assert shown["visitor"] == {"ids": [run.id], "tries": []}
    assert controls["train_size"] == str(run.config.train_size) and shown["chart"]["runs"][0]["status"] == "finished"


def test_a_link_sets_the_controls_and_the_switches(tab):
    _, controls, (plain, scratch, *_) = opened(tab, {}, encode(SMALL, Beside(False, True)))
    assert controls["epochs"] == "300" and controls["dropout"] is True and (plain, scratch) == (False, True)


def test_a_damaged_link_is_a_sentence_and_changes_nothing(tab):
    _, controls, rest = opened(tab, {}, "1<img src=x>")
    assert controls["dataset"] == tab.page.first.dataset and any("damaged or not whole" in str(each) for each in rest)
    assert "<img" not in str(rest)


def test_the_link_of_an_assignment_locks_and_hides(tab):
    assignment = Assignment.parse({"config": SMALL, "task": "<b>Try</b>", "rest": "locked", "hidden": ["seed"]})
    _, controls, rest = opened(tab, {}, encode(assignment))
    assert controls["seed"]["visible"] is False and controls["lr"] == {**controls["lr"], "locked": True}
    assert "&lt;b&gt;Try&lt;/b&gt;" in str(rest)


def test_the_link_is_read_off_the_address(tab):
    request = gr.Request(query_params={"cfg": encode(SMALL)})
    assert changes(tab.load({}, request))[1:] == changes(tab.fill({}, encode(SMALL)))[1:]
