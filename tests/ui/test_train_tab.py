"""The Train tab without a browser: what its handlers answer when something is pressed, chosen, or looked at again."""

from __future__ import annotations

import shutil
import time
from typing import Any

import gradio as gr
import pytest
from conftest import tiny_config
from pages import SENTENCE, changes, pressed
from servers import wait_until

from reglab.config import RunConfig, called
from reglab.config.usual import field_of
from reglab.jobs.admission import Admission
from reglab.regularizers import CATALOGUE
from reglab.runs.run import Run
from reglab.teaching.assignments import Assignment, values_of
from reglab.teaching.links import Beside, decode_all, encode
from reglab.teaching.presets import PRESETS
from reglab.teaching.sizes import preset
from reglab.ui.components.controls import TECHNIQUES
from reglab.ui.components.panel import is_number
from reglab.ui.components.visitor import ids_of
from reglab.ui.services.training import Training
from reglab.ui.tabs.train import TrainTab
from reglab.ui.tabs.train.set_up import SIZED
from reglab.ui.views import next_steps

# The page has no control for the device.
SMALL = tiny_config(train_size=60, val_size=60, epochs=300, width=0.125, regularizers={"dropout": {}}, device="auto")
DIGITS = [{"values": {"dataset": "digits", "model": "basic_cnn"}}]  # as the page sends it with every look
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
    return [{"values": {name: values[name] for name in tab.controls.names}}]


def chosen(tab: TrainTab, config: RunConfig, assignment: Assignment | None = None, **pressed_or_changed: str) -> Any:
    """What the controls say after this was pressed or changed, and all that the page is told."""
    answer = changes(tab.set_up.choose(assignment, *set_to(tab, config), pressed(**pressed_or_changed)))
    return (answer[0] or {}).get("values"), answer


def named(updates: list[Any]) -> dict[str, Any]:
    """Updates for what shows runs, by name."""
    return dict(zip(SHOWN, changes(updates), strict=True))


def begin(tab: TrainTab, config: RunConfig, visitor: Any = None, **asked: Any) -> dict[str, Any]:
    given = {"compare": True, "scratch": False, "assignment": None, "answers": None, **asked}
    return named(tab.begin(visitor, *given.values(), *set_to(tab, config)))


# ---- training ----------------------------------------------------------------------------------------------------
def test_a_press_trains_the_pair_until_it_is_stopped_and_a_second_press_is_refused(tab, here):
    began = begin(tab, SMALL)
    runs = here.results.open(ids_of(began["visitor"]))
    assert [bool(run.config.regularizers) for run in runs] == [False, True]
    assert (
        began["start"] == {"interactive": False}
        and began["stop"] == {"value": "Stop", "interactive": True}
        and not began["notice"]
    )
    again = begin(tab, SMALL, began["visitor"])
    assert "A run of yours is going on" in again["notice"] and again["visitor"]["ids"] == began["visitor"]["ids"]
    assert here.stores.own.runs() == sorted(runs, key=lambda run: run.id, reverse=True)
    stopped = named(tab.halt(began["visitor"]))
    assert stopped["visitor"]["ids"] == began["visitor"]["ids"]
    assert all(run.should_stop() or run.status() == "stopped" for run in runs)
    assert stopped["stop"]["value"] in ("Stopping ...", "Resume")


def test_what_was_stopped_goes_on_where_it_was_by_the_same_button(tab, here):
    began = begin(tab, SMALL)
    runs = here.results.open(ids_of(began["visitor"]))
    tab.halt(began["visitor"])
    wait_until(lambda: all(run.status() == "stopped" for run in runs), "the runs go on")
    shown = named(tab.page.follow(runs, began["visitor"]))
    assert shown["stop"] == {"value": "Resume", "interactive": True} and shown["start"] == {"interactive": True}
    again = named(tab.halt(began["visitor"], "Resume"))
    assert not again["notice"] and again["visitor"]["ids"] == began["visitor"]["ids"]
    assert again["stop"]["value"] == "Stop" and here.training.is_live(runs)
    tab.halt(began["visitor"])


def test_resume_asks_once_for_each_even_if_one_is_stopped_again_at_once(tab, here, monkeypatch):
    """As on ZeroGPU, where a slice may be refused within a moment."""
    runs = [here.stores.own.create(SMALL.override({"seed": seed})) for seed in range(2)]
    asked: list[Run] = []

    def refused(training: Training, run: Run) -> list[Run]:
        asked.append(run)
        assert len(asked) < 5, "without end"
        return [run]

    monkeypatch.setattr(Training, "resume", refused)
    assert named(tab.halt({"ids": [run.id for run in runs]}, "Resume"))["stop"]["value"] == "Resume"
    assert asked == runs


def test_one_run_is_trained_where_nothing_is_to_be_compared(tab):
    for config, compare in ((SMALL, False), (SMALL.plain(), True)):
        began = begin(tab, config, compare=compare)
        assert len(began["visitor"]["ids"]) == 1
        tab.halt(began["visitor"])


def test_what_cannot_be_trained_is_a_sentence_and_makes_no_run(tab, here):
    for field, value in (("lr", -1), ("batch_size", 0), ("seed", 1.5), ("epochs", 0), ("train_size", -1)):
        answer = named(tab.begin({}, True, False, None, None, *set_to(tab, SMALL, **{field: value})))
        assert f"{called(field)} must be " in answer["notice"] and 'role="alert"' in answer["notice"]
    assert here.stores.own.runs() == []


def test_an_assignment_is_kept_to_and_its_runs_are_remembered_with_the_prediction(tab):
    told = {"config": SMALL, "predict": "gap", "max_epochs": 300, "max_runs": 1}
    assignment = Assignment.parse(told)
    assert "Predict first" in begin(tab, SMALL, assignment=assignment)["notice"]
    longer = SMALL.model_copy(update={"epochs": 301})
    assert "301 epochs are more" in begin(tab, longer, assignment=assignment, answers={"predicted": "10"})["notice"]
    began = begin(tab, SMALL, assignment=assignment, answers={"predicted": "12,5", "why": "few images"})
    [kept] = began["visitor"]["tries"]
    run = tab.lab.stores.own.open(kept["run"])
    assert run.config == SMALL and kept["prediction"]["value"] == 0.125 and kept["link"] == encode(assignment)
    tab.halt(began["visitor"])


# ---- looking again -----------------------------------------------------------------------------------------------
def test_a_look_that_finds_nothing_new_sends_nothing_and_one_that_does_sends_the_chart(tab, run):
    visitor = {"ids": [run.id]}
    stamp, chart, start, stop, *_ = changes(tab.tick(visitor, "of before", *DIGITS))
    assert stamp and [shown["status"] for shown in chart["runs"]] == ["finished"]
    assert start == {"interactive": True} and stop == {"value": "Stop", "interactive": False}
    assert changes(tab.tick(visitor, stamp, *DIGITS))[:4] == [None] * 4
    run.rename("another")
    news, chart, *_ = changes(tab.tick(visitor, stamp, *DIGITS))
    assert news != stamp and chart["runs"][0]["name"] == "another"


def test_a_look_from_a_page_that_has_not_loaded_leaves_the_runs_to_the_loading(tab, run):
    """Its answer may arrive last, and would empty the chart that the loading has filled."""
    *shown, _, header, clock = changes(tab.tick({}, "", *DIGITS))
    assert shown == [None] * 4 and clock is None and "machine" in header


def test_the_clock_stops_only_when_nothing_can_come(tab, run, monkeypatch):
    visitor = {"ids": [run.id]}
    jobs, [stamp, *_] = tab.lab.training.jobs, tab.tick(visitor, "of before", *DIGITS)

    def clock() -> Any:
        return changes(tab.tick(visitor, stamp, *DIGITS))[-1]

    assert clock() is None, "the machine has not been looked at yet"
    monkeypatch.setattr(jobs, "machine", lambda: {"name": "a machine", "precision": "fp32"})
    assert clock() == {"active": False}
    monkeypatch.setattr(jobs, "is_busy", lambda owner: True)
    assert clock() is None, "a job of this visitor's is under way"


# ---- what to try next --------------------------------------------------------------------------------------------
def next_of(tab: TrainTab, run: Run) -> dict[str, str]:
    return {step["what"]: step["label"] for step in tab.page.chart_of(tab.lab.training.views([run])).get("next", [])}


def go_on(tab: TrainTab, run: Run, what: str) -> dict[str, Any]:
    answer = tab.go_on({"ids": [run.id]}, None, *set_to(tab, SMALL), pressed(next=what))
    return dict(zip([*SHOWN, "tabs", "panel"], changes(answer), strict=True))


def test_after_the_end_three_ways_lead_on_and_each_is_seen_where_it_leads(tab, run, here):
    assert list(next_of(tab, run)) == ["recipe", "seeds", "picture"]
    config, changed = next_steps.remedy(here.stores.view(run))
    asked = go_on(tab, run, "recipe")
    assert next_of(tab, run)["recipe"] in asked["notice"] and 'role="status"' in asked["notice"]
    for name in changed:
        assert str(asked["panel"]["values"][name]) == str(values_of(config)[name])
    assert go_on(tab, run, "picture")["tabs"] == {"selected": "predict"}
    more = go_on(tab, run, "seeds")
    ids = more["visitor"]["ids"]
    assert len(ids) == 5 and ids[0] == run.id and more["tabs"] is None
    assert [shown["name"] for shown in more["chart"]["runs"]] == [f"seed {run.config.seed + n}" for n in range(5)]
    tab.halt(more["visitor"])


def test_nothing_is_offered_while_a_run_is_going_on_and_for_the_example(tab, here):
    began = begin(tab, SMALL)
    assert began["chart"]["next"] == []
    tab.halt(began["visitor"])
    assert "next" not in tab.page.chart_of(here.training.views(here.results.example()))


# ---- the controls ------------------------------------------------------------------------------------------------
def test_the_command_and_the_link_say_what_the_controls_say(tab):
    command, scratch, link, remarks, refused = tab.set_up.tell(False, True, *set_to(tab, SMALL))
    assert command == SMALL.command() and changes([scratch]) == [{"visible": False}] and "transfer" not in remarks
    assert decode_all(link["text"]) == (SMALL, Beside(False, True)) and refused == ""
    assert remarks["control-lr"]["usual"] == "0.001" and not any("error" in told for told in remarks.values())


def test_what_cannot_be_is_said_beside_the_control_in_the_words_of_the_page(tab):
    command, _, link, remarks, refused = tab.set_up.tell(True, False, *set_to(tab, SMALL, lr="fast"))
    sentence = "Learning rate must be a number such as 0.01, not 'fast'."
    assert command == refused == "" and link == {"error": sentence} and remarks == {"control-lr": {"error": sentence}}
    *_, remarks, refused = tab.set_up.tell(True, False, *set_to(tab, SMALL, batch_norm=True, group_norm=True))
    assert set(remarks) == {"control-batch_norm", "control-group_norm"} and refused == ""
    *_, remarks, refused = tab.set_up.tell(True, False, *set_to(tab, SMALL, val_size="9"))
    assert set(remarks) == {"control-val_size"} and "Validation images must be at least 10" in refused, "folded away"


def test_an_empty_field_is_what_is_usual(tab):
    empty = {name: "" for name in tab.controls.names if is_number(field_of(name))}
    command, *_, remarks, _ = tab.set_up.tell(True, False, *set_to(tab, SMALL, **empty))
    assert command == "python -m reglab train --dataset digits --precision fp32 --dropout"
    assert remarks["control-train_size"]["usual"] == f"all {RunConfig(dataset='digits').train_images:,}"
    command, *_, remarks, _ = tab.set_up.tell(True, False, *set_to(tab, SMALL, **empty, optimizer="sgd"))
    assert "--lr" not in command and remarks["control-lr"]["usual"] == "0.05"


def test_the_strength_of_weight_decay_says_what_it_does_over_the_run_and_follows_it(tab):
    def told(config: RunConfig = SMALL, **controls: Any) -> tuple[str, dict[str, Any]]:
        command, *_, remarks, _ = tab.set_up.tell(True, False, *set_to(tab, config, weight_decay=True, **controls))
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
    *_, remarks, _ = tab.set_up.tell(True, False, *set_to(tab, SMALL, mixup=True, cutmix=True))
    assert remarks["control-mixup"] == {"note": CATALOGUE["mixup"].advice["cutmix"]} and "control-cutmix" not in remarks


def test_a_network_of_timm_tells_of_its_weights(tab):
    asked = set_to(tab, RunConfig.parse({"dataset": "digits", "model": "timm/resnet18", "pretrained": True}))
    _, scratch, _, remarks, _ = tab.set_up.tell(True, False, *asked)
    assert changes([scratch]) == [{"visible": True}]
    weights = remarks["transfer"]["note"]
    assert "MB" in weights or "already on this machine" in weights
    assert "96 × 96, mean 0.485 0.456 0.406" in weights


@pytest.mark.parametrize("recipe", PRESETS, ids=lambda recipe: recipe.title)
def test_a_recipe_sets_the_toggles_and_says_what_it_is(tab, recipe):
    told, [panel, notice, *_] = chosen(tab, SMALL, recipe=recipe.title)
    assert {key for key in CATALOGUE if told[key]} == set(recipe.regularizers)
    assert panel["about"] == f"{recipe.title}: {recipe.about}." and not notice
    strength = recipe.regularizers.get("weight_decay", {}).get("strength")
    assert told["weight_decay.strength"] == ("" if strength is None else str(strength)), (
        "what nobody chose follows the run"
    )
    before = set_to(tab, SMALL)[0]["values"]
    assert [name for name in before if name not in TECHNIQUES and told[name] != before[name]] == []


def test_a_recipe_leaves_what_an_assignment_locks(tab):
    assignment = Assignment.parse({"config": SMALL, "rest": "locked", "open": ["dropout"]})
    told, _ = chosen(tab, SMALL, assignment, recipe="Noisy labels")
    before = set_to(tab, SMALL)[0]["values"]
    assert {name for name in before if told[name] != before[name]} == {"dropout", "dropout.rate"}


def test_another_data_set_brings_its_preset(tab):
    told, [panel, _, said, clock] = chosen(tab, SMALL, changed="dataset")
    assert told["dataset"] == "digits" and told["train_size"] == "300" and clock == {"active": True}
    assert isinstance(said, str)
    assert panel["brought"]["sentence"].startswith(
        "Digits comes with 30 % wrong labels, 300 training images and batches of 32. "
    )
    assert [undo for _, undo, _ in panel["brought"]["ways"]] == ["label_noise", "all"]


def test_a_reset_proposes_what_the_page_opens_with_for_this_data_set(tab):
    told, _ = chosen(tab, SMALL.override({"lr": 0.5, "mixup": True, "model": "resnet20"}), reset="all")
    assert told == tab.controls.filled(preset("digits"))[0]["values"]


def test_what_a_data_set_brought_is_taken_back_in_a_press(tab):
    brought = preset("digits")

    def undone(what: str, assignment: Assignment | None = None) -> tuple[dict[str, Any], Any]:
        told, [panel, *_] = chosen(tab, brought, assignment, undo=what)
        before = set_to(tab, brought)[0]["values"]
        return {name: v for name, v in told.items() if v != before[name]}, panel["brought"]

    only, rest = undone("label_noise")
    assert (
        only == {"label_noise": "0"}
        and "wrong labels," not in rest["sentence"]
        and rest["ways"] == [("undo", "all", "Undo all of it")]
    )
    everything, rest = undone("all")
    assert everything == {"label_noise": "0", "train_size": "", "batch_size": "128", "epochs": "20"} and rest is None
    assert undone("everything else")[0] == {}
    locked = Assignment.parse({"config": SMALL, "locked": ["label_noise"]})
    assert undone("label_noise", locked)[0] == {}


def test_a_network_switches_off_what_it_cannot_use(tab):
    asked = set_to(tab, SMALL, model="timm/resnet18", batch_norm=True)
    panel, notice, *_ = changes(tab.set_up.choose(None, *asked, pressed(changed="model")))
    told = panel["values"]
    assert told["pretrained"] and told["dropout"] and not told["batch_norm"]
    assert "cannot use them here: batch normalization." in notice


@pytest.mark.parametrize(
    "junk",
    [None, 7, "", "[]", "{", "[" * 9_000, {}, {"values": 3}, {"values": {"lr<b>": 1}}, {"values": {"dropout": "no"}}],
)
def test_what_no_page_could_have_sent_is_answered_in_one_sentence(tab, here, junk):
    command, _, link, remarks, _ = tab.set_up.tell(True, False, junk)
    assert command == "" and SENTENCE.fullmatch(link["error"]) and not remarks.keys() - {"control-dropout"}
    for event in (
        {"changed": "dataset"},
        {"recipe": "Modern"},
        {"undo": "all"},
        {"reset": "all"},
        {"press": ["x"]},
        {},
    ):
        panel, notice, *_ = changes(tab.set_up.choose(None, junk, pressed(**event)))
        assert panel is None and notice.count('class="warning"') == 1 and "<b>" not in notice
    assert 'class="warning"' in named(tab.begin({}, True, False, None, None, junk))["notice"]
    assert here.stores.own.runs() == [] and changes(tab.tick({}, "", junk))[4] == ""
    assert 'class="warning"' in changes(tab.set_up.retry(junk))[0]


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
    shown = dict(zip(SHOWN, updates, strict=False))
    return shown, updates[len(SHOWN)]["values"], updates[len(SHOWN) + 1 :]


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
    access = changes(tab.fill({}, encode(assignment)))[len(SHOWN)]["access"]
    assert (access["seed"], access["lr"], access["dropout.rate"]) == ("hidden", "locked", "locked")
    _, _, rest = opened(tab, {}, encode(assignment))
    assert rest[-1]["said"]["task"] == "<b>Try</b>", "text, which the page puts in as text"


def test_the_link_is_read_off_the_address(tab):
    request = gr.Request(query_params={"cfg": encode(SMALL)})
    assert changes(tab.load({}, request))[1:] == changes(tab.fill({}, encode(SMALL)))[1:]


# ---- changing regularizers while it trains -------------------------------------------------------------------------
def test_a_run_goes_on_with_other_regularizers_beside_plain(tab, here):
    began = begin(tab, SMALL)["visitor"]
    plain, run = here.results.open(ids_of(began))
    changed = SMALL.override({"dropout": False, "weight_decay.strength": 0.1})
    offers = lambda config: tab.offer(began, *set_to(tab, config))["visible"]  # noqa: E731
    assert not offers(SMALL) and not offers(changed.override({"seed": 1})), "nothing to change, or not only that"
    until(lambda: len(run.history()) > 1)
    assert offers(changed) and not offers(changed.override({"seed": 1}))
    told = named(tab.change(began, None, None, *set_to(tab, changed)))
    fork = here.results.open(ids_of(told["visitor"]))[-1]
    assert told["visitor"]["ids"] == [plain.id, run.id, fork.id] and fork.config.regularizers == changed.regularizers
    assert f"After epoch {fork.config.fork.epoch} the run continues with + weight decay" in told["notice"]
    assert [each["name"] for each in told["chart"]["runs"]][:2] == ["plain", "regularized"]
    assert told["chart"]["changes"] == [
        {"run": 2, "epoch": fork.config.fork.epoch, "text": told["chart"]["runs"][2]["name"]}
    ]
    assert told["stop"]["interactive"]
    until(lambda: len(fork.history()) > len(run.history()) and here.training.jobs.status(plain) == "running")
    assert run.status() == "stopped" and not tab.offer(told["visitor"], *set_to(tab, changed))["visible"]
    here.training.stop([plain, fork])
    until(lambda: not here.training.is_live([plain, fork]))
    assert named(tab.halt(told["visitor"], "Resume"))["stop"]["interactive"]
    assert here.training.is_live([plain]) and here.training.is_live([fork]), "they go on side by side"
    assert run.status() == "stopped", "and the run that the fork goes on from does not"
    here.training.stop([plain, fork])
    assert run.status() == "stopped"


def test_a_change_that_cannot_be_is_one_sentence_and_nothing_is_stopped(tab, here):
    began = begin(tab, SMALL, compare=False)["visitor"]
    [run] = here.results.open(ids_of(began))
    until(lambda: len(run.history()) > 1)
    normalized = SMALL.override({"batch_norm": True})
    refused = named(tab.change(began, None, None, *set_to(tab, normalized)))
    assert "Batch normalization gives the network other weights" in refused["notice"]
    assert "No run of yours can go on like this" in named(tab.change(began, None, None, *set_to(tab, SMALL)))["notice"]
    assert here.stores.own.runs() == [run] and run.status() == "running"
    here.training.stop([run])


def test_an_assignment_has_its_say_in_a_change_and_its_sheet_is_that_of_the_run_that_goes_on(tab, here):
    asked = {"config": SMALL, "task": "Try.", "rest": "locked", "open": ["dropout.rate"], "max_runs": 2}
    assignment = Assignment.parse(asked)
    began = begin(tab, SMALL, compare=False, assignment=assignment)["visitor"]
    [run] = here.results.open(ids_of(began))
    until(lambda: len(run.history()) > 1)
    forbidden = SMALL.override({"weight_decay.strength": 0.1})
    assert 'class="warning"' in named(tab.change(began, assignment, None, *set_to(tab, forbidden)))["notice"]
    assert here.stores.own.runs() == [run] and run.status() == "running"
    allowed = SMALL.override({"dropout.rate": 0.5})
    gone_on = named(tab.change(began, assignment, None, *set_to(tab, allowed)))["visitor"]
    fork = here.results.open(ids_of(gone_on))[-1]
    assert fork != run and [each["run"] for each in gone_on["tries"]] == [run.id, fork.id]
    refused = named(tab.change(gone_on, assignment, None, *set_to(tab, SMALL.override({"dropout.rate": 0.7}))))
    assert "the assignment allows 2" in refused["notice"]
    here.training.stop([fork])


def until(is_so: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


# ---- how large it is ---------------------------------------------------------------------------------------------
def paced(monkeypatch, images_per_second: float) -> None:
    """As on a machine that learns so many images a second at full width; 0: not known yet."""
    takes = lambda c: 5 + c.epochs * c.train_images * c.width / images_per_second if images_per_second else 0.0  # noqa: E731
    monkeypatch.setattr(Admission, "seconds", lambda self, configs: [takes(c) for c in configs])


def filled(tab: TrainTab, link: str = "") -> dict[str, Any]:
    """What the panel is told when a page opens."""
    return changes(tab.fill({}, link))[len(SHOWN)]


def test_what_fits_the_machine_is_proposed_and_a_larger_one_is_a_press_away(tab, here, monkeypatch):
    monkeypatch.setattr(type(here.datasets), "first", lambda self: "cifar10")
    paced(monkeypatch, 2_500)
    panel = filled(tab)
    assert (panel["values"]["train_size"], panel["values"]["width"]) == ("5000", "0.5")
    assert panel["brought"]["sentence"].startswith(
        "Chosen for this machine: with 5,000 images at half width both networks take about"
    )
    [(event, what, words)] = panel["brought"]["ways"]
    assert event == "size" and words.startswith("Take 5,000 images at full width (")
    larger, *_ = tab.set_up.choose(None, panel, pressed(**{event: what}))
    assert (larger["values"]["train_size"], larger["values"]["width"]) == ("5000", "1")
    assert larger["changes"] == list(SIZED), "all else stays as it is"
    back, further = larger["brought"]["ways"]
    assert back[2] == "Back to 5,000 images at half width"
    assert further[2].startswith("Take 20,000 images at full width (")
    for odd in ("9", "-1", "x", ""):
        same, notice, *_ = tab.set_up.choose(None, panel, pressed(size=odd))
        assert "no size of this page" in notice and "value" not in same


def test_a_page_that_opened_too_soon_is_told_what_fits_unless_somebody_chose(tab, here, monkeypatch, trained):
    monkeypatch.setattr(type(here.datasets), "first", lambda self: "cifar10")
    monkeypatch.setattr(here.training.jobs.lookout, "is_measuring", lambda: True)
    paced(monkeypatch, 0)
    panel = filled(tab)
    assert panel["values"]["train_size"] == "2000" and panel["brought"] is None
    settled, not_yet = {"active": False}, [None, None]
    assert changes(tab.fill({}))[tab.loaded.index(tab.settling)] == {"active": True}, "the page looks until it is known"
    assert changes(tab.size({}, panel)) == not_yet, "and at once is told so: a press on Train waits for the answer"
    chosen = {"values": panel["values"] | {"epochs": "7"}}
    for odd in (chosen, {"values": 1}, None):  # a page that was opened by a link sends nothing
        assert changes(tab.size({}, odd)) == [None, settled]
    monkeypatch.undo()
    monkeypatch.setattr(type(here.datasets), "first", lambda self: "cifar10")
    paced(monkeypatch, 5_000)
    fitted, looks = changes(tab.size({}, panel))
    assert (fitted["values"]["train_size"], fitted["values"]["batch_size"], looks) == ("5000", "128", settled)


def test_a_link_and_an_assignment_mean_their_own_numbers(tab, monkeypatch):
    paced(monkeypatch, 1e6)
    told = filled(tab, encode(preset("cifar10"), Beside(True, False)))
    assert told["values"]["train_size"] == "2000" and told["brought"] is None
    told = filled(tab, encode(Assignment(config=preset("cifar10"), rest="locked")))
    assert told["values"]["train_size"] == "2000" and not told.get("brought")
