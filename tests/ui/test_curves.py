"""What the screen is told of runs: the chart's dictionary for one run, two, five, and under label noise; its colours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import combinations
from typing import Any

import gradio as gr
import numpy as np
import pytest
from conftest import tiny_config

from reglab.colours import COLOURS, ROLES, css
from reglab.jobs.queue import Jobs
from reglab.runs.clock import Clock
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.events import Epoch, Finished, Step
from reglab.ui.components.chart import as_text
from reglab.ui.page import Page
from reglab.ui.services.lab import Lab
from reglab.ui.views import curves as view
from reglab.ui.views.assets import STATIC
from reglab.ui.views.terms import TERMS


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store)


@pytest.fixture
def a_history(store: Store) -> Callable[..., Run]:
    """A run that has three epochs behind it; `memorised` of each of them for labels that are wrong on purpose."""

    def make(memorised: Any = (None, None, None), **config: Any) -> Run:
        run = store.create(tiny_config(**config))
        lines = [
            Epoch(
                epoch=e, step=4 * e, lr=0.1, train_loss=2.0 - e, train_accuracy=0.1 + 0.2 * e, val_loss=2.0,
                val_accuracy=0.1, ece=0.1, gap=0.2 * e, memorised=learned,
            )
            for e, learned in enumerate(memorised)
        ]  # fmt: skip
        (run.path / "metrics.jsonl").write_text("".join(json.dumps(e.to_json()) + "\n" for e in lines))
        return run

    return make


def chart_of(runs: list[Run], jobs: Jobs, **more: Any) -> dict[str, Any]:
    return view.chart_of([jobs.view(run) for run in runs], **more)


def curve(chart: dict[str, Any], kind: str, run: int, split: str) -> dict[str, Any]:
    [found] = [each for each in chart[kind] if (each["run"], each["split"]) == (run, split)]
    return found


# ---- names, colours, order ---------------------------------------------------------------------------------------
def test_two_runs_without_names_are_plain_and_regularized_in_that_order(a_history, jobs):
    regularized, plain = a_history(regularizers={"dropout": {}}), a_history()
    chart = chart_of([regularized, plain], jobs)
    assert [(run["role"], run["name"]) for run in chart["runs"]] == [("plain", "plain"), ("regularized", "regularized")]


def test_runs_with_names_keep_their_order_and_get_a_colour_each(a_history, jobs):
    rates = (0.5, 0.1, 0.7, 0.3, 0.2)
    runs = [a_history(regularizers={"dropout": {"rate": rate}}) for rate in rates]
    names = {run.id: f"rate {rate}" for run, rate in zip(runs, rates, strict=True)}
    chart = chart_of(runs, jobs, names=names)
    assert [run["name"] for run in chart["runs"]] == [f"rate {rate}" for rate in rates]
    assert [run["role"] for run in chart["runs"]] == list("abcde")
    assert len(chart["accuracy"]) == len(chart["loss"]) == 10 and len(chart["gaps"]) == len(chart["diagnosis"]) == 5
    assert "verdict" not in chart


def test_runs_opened_again_have_names_of_their_own_unless_plain_and_regularized_tell_them_apart(
    a_history, store, tmp_path
):
    lab = Lab(store, Store(tmp_path / "shipped"))
    with gr.Blocks():
        page = Page(lab)
    plain, *dropouts = a_history(), *(a_history(regularizers={"dropout": {"rate": 0.1 * n}}) for n in range(1, 6))
    for n, run in enumerate(dropouts, 1):
        run.rename(f"rate 0.{n}")

    def shown(*runs: Run) -> list[tuple[str, str]]:
        return [(run["role"], run["name"]) for run in page.chart_of(lab.training.views(runs))["runs"]]

    assert shown(*dropouts[:3]) == [("a", "rate 0.1"), ("b", "rate 0.2"), ("c", "rate 0.3")]
    assert shown(*dropouts[:2]) == [("a", "rate 0.1"), ("b", "rate 0.2")]
    assert shown(dropouts[0], plain, dropouts[1]) == [("a", "rate 0.1"), ("b", plain.name), ("c", "rate 0.2")]
    assert shown(dropouts[0], plain) == [("plain", "plain"), ("regularized", "regularized")]
    other = a_history(lr=0.01, regularizers={"dropout": {}})  # the learning rate may have done it as well
    other.rename("faster")
    assert shown(other, plain) == [("a", "faster"), ("b", plain.name)]
    assert shown(dropouts[0]) == [("a", "rate 0.1")]  # alone, nothing but its name tells it from the others
    assert shown(plain) == [("plain", "plain")]
    assert [role for role, _ in shown(plain, *dropouts)] == list("abcde")
    assert page.chart_of(lab.training.views([plain, *dropouts]))["note"] == "The first 5 of 6 runs."


def test_a_run_that_cannot_be_read_does_not_change_the_colours_of_the_others(a_history, jobs):
    runs = [a_history() for _ in range(3)]
    names = {run.id: run.id for run in runs}
    (runs[0].path / "config.json").write_text("{")
    chart = chart_of([Run(run.path) for run in runs], jobs, names=names)
    assert [(run["role"], run["name"]) for run in chart["runs"]] == [("b", runs[1].id), ("c", runs[2].id)]
    assert {each["run"] for each in chart["accuracy"]} == {0, 1}


# ---- labels that are wrong on purpose ----------------------------------------------------------------------------
def test_without_wrong_labels_there_are_two_curves_and_no_other_words(a_history, jobs):
    chart = chart_of([a_history()], jobs)
    assert [(each["split"], "label" in each) for each in chart["accuracy"]] == [("train", False), ("val", False)]
    assert "memorised" not in chart


def test_wrong_labels_have_a_curve_of_their_own_beside_the_true_ones(a_history, jobs):
    chart = chart_of([a_history(memorised=(0.1, None, 0.9), label_noise=0.3)], jobs)
    wrong, true = curve(chart, "accuracy", 0, "corrupted"), curve(chart, "accuracy", 0, "train")
    assert wrong["x"] == [0, 1, 2] and wrong["y"] == [0.1, None, 0.9]
    assert (wrong["label"], true["label"]) == ("wrong labels", "true labels")
    assert true["y"] == [0.1, 0.3, 0.5] and len({wrong["hint"], true["hint"]}) == 2
    assert [each["split"] for each in chart["loss"]] == ["train", "val"]
    assert chart["memorised"] == [{"run": 0, "value": 0.9, "text": "90 %"}]
    assert json.loads(as_text(chart)) == chart


def test_a_word_of_the_trade_is_explained_in_the_chart_as_everywhere_else_on_the_page():
    for term in ("val", "gap", "calibration error"):
        assert view.HINTS[term] == TERMS[term]


def test_the_curves_of_a_noisy_run_are_announced_before_its_first_epoch(a_history, jobs):
    chart = chart_of([a_history(memorised=(), label_noise=0.3)], jobs)
    assert [(each["split"], each["y"]) for each in chart["accuracy"]] == [("train", []), ("corrupted", []), ("val", [])]


def test_one_run_with_wrong_labels_beside_one_without(a_history, jobs):
    clean, noisy = a_history(), a_history(memorised=(0.1, 0.2, 0.3), label_noise=0.3)
    chart = chart_of([clean, noisy], jobs, names={clean.id: "true", noisy.id: "30 % wrong"})
    assert [each["run"] for each in chart["accuracy"] if each["split"] == "corrupted"] == [1]
    assert "label" not in curve(chart, "accuracy", 0, "train")
    assert [each["run"] for each in chart["memorised"]] == [1]


def test_a_finished_run_with_wrong_labels_tells_of_them_in_the_table(finished):
    chart = chart_of([finished], Jobs(Store(finished.path.parent)), names={finished.id: "mine"})
    assert chart["table"]["columns"][-1] == "wrong labels memorized"
    assert chart["table"]["rows"][0]["cells"][0] == "mine" and chart["table"]["rows"][0]["cells"][-1].endswith(" %")
    shown = curve(chart, "accuracy", 0, "corrupted")["y"]
    assert shown == [round(e.memorised, 4) for e in finished.history()]


# ---- colours -----------------------------------------------------------------------------------------------------
def five_colours(theme: str) -> dict[str, np.ndarray]:
    """The five colours of a theme, light or dark, in linear light."""
    return {role: linear(getattr(COLOURS[role], theme)[1:]) for role in ROLES}


def linear(code: str) -> np.ndarray:
    channels = np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """WCAG 2.1."""
    high, low = sorted((float(c @ [0.2126, 0.7152, 0.0722]) for c in (one, other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def oklab(colour: np.ndarray) -> np.ndarray:
    """https://bottosson.github.io/posts/oklab: equal distances look about equally far apart."""
    cones = np.array(
        [[0.4122215, 0.5363325, 0.0514460], [0.2119035, 0.6806995, 0.1073970], [0.0883025, 0.2817188, 0.6299787]]
    )
    opponent = np.array(
        [[0.2104543, 0.7936178, -0.0040720], [1.9779985, -2.4285922, 0.4505937], [0.0259040, 0.7827718, -0.8086758]]
    )
    return opponent @ np.cbrt(np.maximum(cones @ colour, 0))


# How the three kinds of dichromats see a colour in linear light: Machado, Oliveira and Fernandes 2009, severity 1.
SIGHT = {
    "usual": np.eye(3),
    "protan": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    "deutan": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
    "tritan": np.array([[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]]),
}


@pytest.mark.parametrize(("theme", "ground"), [("light", "ffffff"), ("dark", "0d1321")])
def test_the_five_colours_can_be_read_and_told_apart_by_everybody(theme, ground):
    five = five_colours(theme)
    assert sorted(five) == list("abcde")
    for role, colour in five.items():
        assert contrast(colour, linear(ground)) >= 4.5, role
    for sight, matrix in SIGHT.items():
        seen = {role: oklab(np.clip(matrix @ colour, 0, 1)) for role, colour in five.items()}
        least = 0.18 if sight == "usual" else 0.1
        for one, other in combinations(seen, 2):
            assert np.linalg.norm(seen[one] - seen[other]) >= least, (sight, one, other)


def test_the_page_has_every_colour_by_its_name():
    sheet = css()
    light, dark = re.findall(r"--reglab-plain: (#\w{6});", sheet)
    assert (light, dark) == COLOURS["plain"] == COLOURS["a"]
    assert '[data-role="e"] { --run: var(--reglab-e); }' in sheet


def test_numbers_that_json_does_not_have_break_the_line_and_those_of_numpy_are_numbers():
    told = {
        "y": [0.5, float("nan"), np.float32(0.25), np.int64(7)],
        "array": np.array([1.0, np.inf]),
        "nested": ({"π": -np.inf},),
    }
    assert as_text(told) == '{"y":[0.5,null,0.25,7],"array":[1.0,null],"nested":[{"π":null}]}'
    assert json.loads(as_text(None)) == {"runs": []}


def test_runs_of_one_network_with_and_without_pretraining_are_called_so(store):
    timm = {"model": "timm/resnet18", "side": 32}
    pretrained = tiny_config(**timm, pretrained=True, regularizers={"dropout": True})
    configs = [pretrained.plain(), pretrained, pretrained.from_scratch()]
    runs = [store.view(store.create(c)) for c in configs]
    assert list(view.names_of(runs).values()) == ["pretrained, plain", "pretrained", "random weights"]
    assert list(view.names_of(runs[1:]).values()) == ["pretrained", "random weights"]
    assert view.names_of(runs[:2]) is None  # plain and regularized say it


def test_a_head_that_has_no_twin_from_random_weights_is_shown_beside_others_all_the_same(store):
    timm = {"model": "timm/resnet18", "side": 32}
    head = tiny_config(**timm, pretrained=True, batch_size=1)  # whole, it would be normalised by batches of one
    runs = [store.view(store.create(config)) for config in (head, tiny_config(**timm))]
    assert view.names_of(runs) == {each.run.id: each.name for each in runs}


def test_a_run_that_prepares_says_how_far_it_is(store):
    run = store.create(tiny_config())
    clock = Clock(run)
    clock.preparing = {"preparing": "features", "done": 1_200, "of": 14_000}
    clock.write()
    [shown] = chart_of([run], Jobs(store))["runs"]
    assert shown["preparing"] == "features 9 %"


def test_the_parts_of_the_script_hold_functions_only():
    """They are run after chart.js, as one text with it: a constant of theirs would not be there yet when it draws."""
    first, *parts = sorted(path.name for path in STATIC.glob("chart*.js"))
    assert first == "chart.js" and len(parts) == 9
    for name in parts:
        outside = [line for line in (STATIC / name).read_text("utf-8").splitlines() if re.match(r"[^\s}/]", line)]
        assert outside and all(re.match("(async )?function ", line) for line in outside), name


# ---- on how many images, and within an epoch ---------------------------------------------------------------------
def test_each_point_of_an_accuracy_has_its_standard_error_and_the_end_that_of_everything(a_history, jobs):
    run = a_history(memorised=(0.1, 0.2, 0.3), label_noise=0.2, train_size=1_000, val_size=200, judged_size=100)
    chart = chart_of([run], jobs)
    errors = {split: curve(chart, "accuracy", 0, split)["se"] for split in ("train", "val", "corrupted")}
    assert [len(each) for each in errors.values()] == [3, 3, 3] and "se" not in curve(chart, "loss", 0, "val")
    assert errors["val"][2] == pytest.approx((0.1 * 0.9 / 100) ** 0.5, rel=0.1)
    assert errors["corrupted"][2] == pytest.approx((0.3 * 0.7 / 20) ** 0.5, rel=0.1), "of the wrong labels alone"
    assert chart["judged"] == (
        "Each point is judged on 100 training and 100 validation images; the epoch that the run reports, on 1,000 and 200."
    )
    last = {"epoch": 2, "train_accuracy": 0.5, "val_accuracy": 0.4, "gap": 0.1, "test_accuracy": 0.38, "ece": 0.2}
    best = {**last, "test_accuracy": 0.3, "epoch": 1, "test_images": 500}
    end = Finished(epochs=2, reported="last", best=best, last=last)
    with open(run.path / "metrics.jsonl", "a") as out:
        out.write(json.dumps(end.to_json()) + "\n")
    chart = chart_of([run], jobs)
    val = curve(chart, "accuracy", 0, "val")
    assert val["y"] == [0.1, 0.1, 0.4] and val["se"][0] == errors["val"][0]
    assert val["se"][2] == pytest.approx((0.4 * 0.6 / 200) ** 0.5, rel=0.1)
    assert chart["gaps"][0]["text"] == "10.0 points", "what the table says"
    assert "plain 30.0 ± 2.1 % (epoch 1, 500 test images)" in chart["table"]["caption"]


def test_within_an_epoch_a_curve_goes_on_to_where_it_is_by_now(a_history, jobs):
    run = a_history()
    clock = Clock(run)
    clock.spent(Step(epoch=3, batch=1, batches=4, images=16, running_loss=1.5, running_accuracy=0.45), 0.1)
    clock.write()
    with run.locked():
        chart = chart_of([run], jobs)
        assert curve(chart, "accuracy", 0, "train")["tip"] == [(2, 0.5), (2.25, 0.45)]
        assert curve(chart, "loss", 0, "train")["tip"] == [(2, 0.0), (2.25, 1.5)]
        assert chart["runs"][0]["epoch"] == 2.25 and "tip" not in curve(chart, "accuracy", 0, "val")
        told = {"val_loss": 1.25, "val_accuracy": 0.2}
        clock.spent(Step(epoch=3, batch=2, batches=4, images=16, running_loss=1.4, running_accuracy=0.5, **told), 0.1)
        clock.write()
        chart = chart_of([run], jobs)
        assert curve(chart, "accuracy", 0, "val")["tip"] == [(2, 0.1), (2.5, 0.2)]
        assert curve(chart, "loss", 0, "val")["tip"] == [(2, 2.0), (2.5, 1.25)]
    assert not any("tip" in each for each in chart_of([run], jobs)["accuracy"]), "nobody trains it any more"


def test_where_labels_are_wrong_the_steps_say_nothing_of_the_true_ones(a_history, jobs):
    run = a_history(memorised=(0.1, 0.2, 0.3), label_noise=0.3)
    clock = Clock(run)
    clock.spent(Step(epoch=3, batch=1, batches=4, images=16, running_loss=1.5, running_accuracy=0.45), 0.1)
    clock.write()
    with run.locked():
        assert not any("tip" in each for kind in ("accuracy", "loss") for each in chart_of([run], jobs)[kind])


# ---- changed while it trained ------------------------------------------------------------------------------------
def test_a_fork_is_drawn_from_where_it_leaves_the_run_beside_it_with_what_was_changed_there(a_history, jobs, store):
    plain, parent = a_history(), a_history(regularizers={"l1": {}})
    config = parent.config.forked(1, {"dropout.rate": 0.5, "l1": False})
    fork = store.create(config, parent=parent.id)
    (fork.path / "metrics.jsonl").write_bytes((parent.path / "metrics.jsonl").read_bytes())
    views = [jobs.view(run) for run in (plain, parent, fork)]
    names = view.names_of(views)
    assert list(names.values()) == ["plain", "regularized", "+ dropout 0.5, \N{MINUS SIGN} L1 penalty"]
    chart = view.chart_of(views, names=names)
    assert chart["changes"] == [{"run": 2, "epoch": 1, "text": names[fork.id]}]
    assert curve(chart, "accuracy", 2, "val")["x"] == [1, 2] and curve(chart, "loss", 1, "val")["x"] == [0, 1, 2]
    alone = view.chart_of(views[2:])
    assert not alone["changes"] and curve(alone, "accuracy", 0, "val")["x"] == [0, 1, 2], "without the other, all of it"


def test_what_a_fork_changes_is_told_in_a_few_words():
    from reglab.experiments.labels import change

    before = tiny_config(regularizers={"dropout": {"rate": 0.3}, "l1": {}}).regularizers
    after = tiny_config(regularizers={"dropout": {"rate": 0.5}, "flip_crop": {}, "cutout": {}}).regularizers
    assert change(before, after) == "dropout rate 0.3 → 0.5, + flip and crop, + cutout 16, \N{MINUS SIGN} L1 penalty"
