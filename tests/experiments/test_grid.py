"""A sweep as cells over its settings: which settings are axes, what a cell holds, and how each is drawn."""

from __future__ import annotations

import itertools
import re
import time

import pytest

from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.experiments import axes
from reglab.experiments import factorial as factorials
from reglab.experiments.grid import Grid, grid
from reglab.experiments.sweep import sweep
from reglab.ui.views import sweep as sweeping

BASE = RunConfig.parse({"dataset": "digits", "train_size": 300, "epochs": 2})


def told(*over: str, seeds: int = 2, factorial=(), **changes) -> list[tuple[RunConfig, dict]]:
    """A plan's configs with made-up summaries: a finished run each, a little better from cell to cell."""
    base = BASE.override(changes)
    varied = [axes.axis(text) for text in over]
    configs = (factorials.factorial(base, factorial, seeds) if factorial else sweep(base, varied, seeds)).configs
    cells = list({c.model_copy(update={"seed": 0}).model_dump_json() for c in configs})
    place = {
        key: n
        for n, key in enumerate(dict.fromkeys(c.model_copy(update={"seed": 0}).model_dump_json() for c in configs))
    }
    assert len(cells) == len(place)
    return [
        (c, summary(n, c, place[c.model_copy(update={"seed": 0}).model_dump_json()])) for n, c in enumerate(configs)
    ]


def summary(n: int, config: RunConfig, place: int, **changes) -> dict:
    accuracy = 0.5 + 0.01 * place + 0.002 * config.seed + 0.0003 * ((n * 7) % 5)
    usual = {
        "run": f"20260101-000000-{n:06x}", "status": "finished", "seed": config.seed, "test_accuracy": accuracy,
        "train_accuracy": accuracy + 0.1, "val_accuracy": accuracy, "gap": 0.1, "ece": 0.05, "test_loss": 1.0,
        "seconds": 2.0 + place,
    }  # fmt: skip
    return {**usual, **changes}


def shape(g: Grid) -> dict[str, tuple[str, ...]]:
    return {axis.title: axis.shown for axis in g.axes}


# ---- which settings are axes -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("over", "expected"),
    [
        (["dropout.rate=0.5,0,0.25"], {"dropout rate": ("0", "0.25", "0.5")}),
        (
            ["batch_norm=on,off", "lr=0.1,0.01"],
            {"learning rate": ("0.01", "0.1"), "batch normalization": ("off", "on")},
        ),
        (["optimizer=sgd,adamw"], {"learning rate + optimizer": ("0.001", "0.05")}),  # its own: one axis, not two
        (["dropout=off,on", "dropout.rate=0.2,0.4"], {"dropout": ("off", "on"), "dropout rate": ("off", "0.2", "0.4")}),
        (["train_size=100,all"], {"training images": ("100", "all")}),
        (["label_noise=0,0.2", "epochs=1,2", "width=0.5,1"], None),
        (["dropout.rate=0.3"], {}),
    ],
)
def test_the_axes_are_the_settings_that_differ(over, expected):
    g = grid(told(*over))
    if expected is None:
        assert len(g.axes) == 3 and len(g.cells) == 8
    else:
        assert shape(g) == expected or set(shape(g)) == set(expected)
    assert all(len(cell.runs) == 2 for cell in g.cells)
    assert len({cell.place for cell in g.cells}) == len(g.cells)


def test_a_factorial_is_told_from_a_grid():
    assert grid(told(factorial=("dropout", "batch_norm"))).is_factorial
    assert not grid(told("dropout.rate=0,0.5", "batch_norm=off,on")).is_factorial


def test_a_fork_is_an_axis_too():
    pair = [(c, summary(n, c, n)) for n, c in enumerate((BASE, BASE.forked(1, {"dropout": True})))]
    assert len(grid(pair).cells) == 2


def test_of_two_runs_of_a_cell_and_seed_the_finished_one_counts():
    config = BASE
    pair = [(config, summary(0, config, 0)), (config, summary(1, config, 0, status="stopped"))]
    assert [s["status"] for s in grid(pair).cells[0].runs] == ["finished"]


def test_no_runs_are_one_sentence():
    with pytest.raises(ConfigError, match="There is no run in this sweep"):
        grid([])


def test_effects_of_a_factorial_are_those_of_statistics():
    g = grid(told(factorial=("dropout", "batch_norm", "flip_crop"), seeds=2))
    effects = {e.names: e.mean for e in g.effects("test_accuracy")}
    assert len(effects) == 6 and all(e.n == 16 for e in g.effects("seconds"))
    values = {tuple(cell.place): sum(cell.values("test_accuracy").values()) / 2 for cell in g.cells}
    for at, axis in enumerate(g.axes):
        on = [v for place, v in values.items() if place[at] == 1]
        off = [v for place, v in values.items() if place[at] == 0]
        assert effects[(axis.name,)] == pytest.approx(sum(on) / len(on) - sum(off) / len(off))


# ---- drawn -------------------------------------------------------------------------------------------------------
def test_one_axis_is_a_line_with_a_band_two_are_a_heat_map_and_more_are_parallel():
    one = sweeping.page(grid(told("dropout.rate=0,0.25,0.5")))
    assert 'class="band"' in one and "training accuracy" in one and '<table class="heat"' not in one
    two = sweeping.page(grid(told("dropout.rate=0,0.25,0.5", "weight_decay.strength=0,0.1")))
    assert len(re.findall(r'class="cell(?: best)?"', two)) == 6 and two.count('cell best"') == 1
    three = sweeping.page(grid(told("dropout.rate=0,0.5", "weight_decay.strength=0,0.1", "lr=0.1,0.01")))
    assert three.count('class="touch"') == 8
    many = sweeping.page(
        grid(told("dropout.rate=0,0.1,0.2,0.3", "weight_decay.strength=0,0.1,0.2,0.3", "lr=0.1,0.2,0.3,0.4,0.5"))
    )
    assert many.count('class="touch"') == many.count('class="open"') == 80, "each line has its number in the table"
    factorial = sweeping.page(grid(told(factorial=("dropout", "batch_norm", "flip_crop"))))
    assert "What did each one buy?" in factorial and factorial.count('class="verdict') == 3
    assert factorial.count('data-role="b" style="--share') + factorial.count('data-role="a" style="--share') == 3
    assert "s for each point" in factorial


def test_a_cell_says_why_it_has_no_number():
    runs = told("batch_norm=off,on", "lr=0.1,0.5", seeds=1)
    states = [
        {"status": "failed", "reason": "Diverged at step 3 (epoch 1): the loss is no longer a finite number."},
        {"status": "queued"}, {"status": "running"}, {"status": "stopped", "reason": "Pruned after epoch 1 of 9: ..."},
    ]  # fmt: skip
    runs = [
        (c, {k: v for k, v in s.items() if k in ("run", "seed")} | state)
        for (c, s), state in zip(runs, states, strict=True)
    ]
    shown = sweeping.page(grid(runs), told=[s for _, s in runs])
    for words in ("diverged", "waiting", "training", "pruned", "0 of 4 runs finished, 1 running, 1 waiting, 1 failed"):
        assert words in shown, words


def test_what_strangers_wrote_stays_text():
    hostile = "<img src=x onerror=alert(1)>"
    runs = [(c, s | {"status": "failed", "reason": hostile}) for c, s in told("dropout.rate=0,0.5")]
    assert hostile not in sweeping.page(grid(runs), told=[s for _, s in runs])


def test_a_heat_map_of_many_cells_is_drawn_again_in_a_fifth_of_a_second():
    runs = told("dropout.rate=lin:0:0.9:10", "weight_decay.strength=lin:0:0.9:10", seeds=3)
    began = time.process_time()
    shown = sweeping.page(grid(runs), told=[s for _, s in runs])
    assert time.process_time() - began < 0.2 * 3, "three times the limit, for a machine that has other work"
    assert shown.count('type="button" class="cell') == 100


@pytest.mark.parametrize("name", axes.names())
def test_the_values_that_are_proposed_can_be_swept(name):
    if values := axes.usual_values(name):
        assert axes.axis(f"{name}={values}").values


def test_every_question_is_a_plan():
    from reglab.teaching.presets import QUESTIONS

    for question in QUESTIONS:
        base = RunConfig.parse({"dataset": "digits"}).override(question.changes)
        varied = [axes.axis(text) for text in question.over]
        configs = sweep(base, varied, 3).configs
        assert len(configs) == 3 * len(list(itertools.product(*(a.values for a in varied))))
