"""The best of a sweep: validation chooses, the test images judge; an exact tie has no winner."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from test_grid import grid, told

from reglab.experiments.choice import ON_TEST, choose, warning
from reglab.experiments.compare import METRICS
from reglab.ui.views import sweep as sweeping


class Arm:
    """Runs with these shares, by metric; a list has a value for each seed."""

    def __init__(self, label: str, **values: list[float]) -> None:
        self.label, self.told = label, values

    def values(self, metric: str) -> dict[int, float]:
        scale = METRICS[metric].scale
        return {seed: value * scale for seed, value in enumerate(self.told.get(metric, []))}

    def answers(self, metric: str) -> dict[int, np.ndarray]:
        return {}


def arm(label: str, val: list[float], test: list[float], gap: float = 0.1) -> Arm:
    return Arm(label, val_accuracy=val, test_accuracy=test, gap=[gap] * len(val), test_loss=[1.0] * len(val))


A, B, C = arm("a", [0.60, 0.62], [0.50, 0.52], 0.3), arm("b", [0.58, 0.59], [0.55, 0.57], 0.2), arm("c", [0.1], [0.1])


# ---- who is chosen -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("metric", ON_TEST)
def test_validation_chooses_whatever_the_test_images_say(metric):
    found = choose([C, B, A], metric)
    assert found.chosen is A and found.next is B and (found.by, found.of) == ("val_accuracy", 3)


def test_what_is_reported_is_the_test_number_of_the_chosen():
    said = choose([A, B, C]).sentence()
    assert said.startswith("Highest validation accuracy: a (61.0 %); its test accuracy is 51.0 %.")
    assert "Its test accuracy minus that of the next, b: \u22125.0 points" in said
    assert choose([A, B]).to_json() == {"by": "val_accuracy", "value": 61.0, "chosen": "a", "test_accuracy": 51.0}


def test_a_number_that_is_not_of_the_test_images_chooses_for_itself():
    said = choose([A, B, C], "gap").sentence()
    assert said.startswith("Lowest gap: c (10.0 points); its test accuracy is 10.0 %.")
    assert choose([A, B], "gap").chosen is B
    assert choose([A, B], "val_accuracy").sentence() == choose([A, B]).sentence()


def test_where_there_is_no_next_nothing_is_chosen():
    assert choose([A]) is None and choose([]) is None and choose([A, Arm("without any")]) is None


# ---- an exact tie ------------------------------------------------------------------------------------------------
def test_set_ups_that_are_all_at_chance_level_have_no_highest():
    dead = [arm(f"lr {n}", [0.1, 0.1], [0.1, 0.1]) for n in range(5)]
    found = choose(dead)
    assert found.chosen is None and found.next is None
    assert found.sentence() == "A tie for the highest validation accuracy (10.0 %): lr 0, lr 1 and 3 more."
    assert found.to_json()["chosen"] is None and len(found.to_json()["shared_by"]) == 5
    assert choose([*dead, A]).chosen is A and choose([*dead, A]).next in dead


def test_the_same_seeds_in_another_order_are_a_tie_too():
    found = choose([arm("a", [0.1, 0.2, 0.3], [0.5] * 3), arm("b", [0.3, 0.2, 0.1], [0.4] * 3), C])
    assert found.chosen is None and found.sentence().startswith("A tie for the highest validation accuracy (20")


# ---- told --------------------------------------------------------------------------------------------------------
def swapped(*over: str, seeds: int = 2, dead: bool = False) -> list:
    """Runs whose test accuracy falls where validation rises; with `dead`, all are at chance level."""

    def turned(s: dict) -> dict:
        return s | ({"val_accuracy": 0.1, "test_accuracy": 0.1} if dead else {"test_accuracy": 1 - s["val_accuracy"]})

    return [(c, turned(s)) for c, s in told(*over, seeds=seeds)]


def test_the_page_names_the_chosen_cell_and_marks_it_and_warns_whoever_sorts_by_test():
    runs = swapped("dropout.rate=0,0.25,0.5", "weight_decay.strength=0,0.1")
    shown = " ".join(sweeping.page(grid(runs)).split())
    name = "dropout rate 0.5, weight decay strength 0.1"
    assert f"Highest validation accuracy: <b>{name}</b> (55" in shown and "The best of 6 had lucky seeds" in shown
    [marked] = re.findall(r'class="cell best"[^>]*aria-label="([^"]*)"', shown)
    assert marked.startswith(name) and marked.endswith("the chosen one")
    assert "Sorted by test accuracy: the first of 6 owes its place partly to luck" in shown
    assert shown.index("dropout rate 0, weight decay strength 0</button>") < shown.index(f"{name}</button>")
    assert "Sorted by" not in sweeping.page(grid(runs), "gap")


def test_the_page_of_a_sweep_at_chance_level_names_and_marks_none():
    shown = sweeping.page(grid(swapped("dropout.rate=0,0.25,0.5", "weight_decay.strength=0,0.1", dead=True)))
    assert (
        "A tie for the highest validation accuracy" in shown
        and "cell best" not in shown
        and "the chosen one" not in shown
    )


def test_the_words_are_the_same_on_page_and_command_line():
    made = grid(swapped("dropout.rate=0,0.5"))
    [note] = re.findall(r'<p class="reglab-note">(.*?)</p>', sweeping.page(made, "test_accuracy"), re.DOTALL)
    assert re.sub("</?b>", "", note).strip() == choose(made.cells).sentence()
    json.dumps(choose(made.cells).to_json(), allow_nan=False)


def test_numbers_that_are_not_of_the_test_images_need_no_warning():
    assert {metric for metric in METRICS if warning(metric, 5)} == set(ON_TEST) and not warning("test_accuracy", 1)


# ---- what choosing costs -----------------------------------------------------------------------------------------
def test_choosing_by_validation_halves_what_the_winner_is_flattered_by_and_new_seeds_end_it():
    """Twelve equal set-ups, three seeds that scatter by 0.7 points on 10,000 test images, 2,000 validation images."""
    rng = np.random.default_rng(0)
    of_image = 0.12**0.5 * 100  # the scatter of one answer between seeds, where networks are right at 57 %
    luck = rng.normal(0, (0.7**2 - of_image**2 / 10_000) ** 0.5, (20_000, 12, 3))
    test = (luck + rng.normal(0, of_image / 10_000**0.5, luck.shape)).mean(-1)
    val = (luck + rng.normal(0, of_image / 2_000**0.5, luck.shape)).mean(-1)
    again = rng.normal(0, 0.7, luck.shape).mean(-1)
    chosen = val.argmax(1)[:, None]
    assert test.max(1).mean() == pytest.approx(0.66, abs=0.01)
    assert np.take_along_axis(test, chosen, 1).mean() == pytest.approx(0.36, abs=0.02)
    assert abs(np.take_along_axis(again, chosen, 1).mean()) < 0.01
