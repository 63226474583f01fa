"""The pages of Predict and of Errors as text: what they say, and that the words of others stay text."""

from __future__ import annotations

import html
import re
from typing import Any

import numpy as np

from reglab.analysis.mistakes import Answered, Mistakes
from reglab.analysis.predict import Answer
from reglab.numbers import sure
from reglab.ui.views import errors
from reglab.ui.views.answers import CALIBRATING, WAITING, Panel, imagenet, page
from reglab.ui.views.templates import TEMPLATES

HOSTILE = "<img src=x onerror=alert(1)>"
SEEN = np.zeros((32, 32, 3), dtype=np.uint8)


def an_answer(**changes: Any) -> Answer:
    usual: dict[str, Any] = {
        "classes": ("cat", "dog", "ship"),
        "probabilities": (0.6, 0.3, 0.1),
        "raw": (0.9, 0.08, 0.02),
        "temperature": 2.5,
        "entropy": 1.295,
        "energy": 3.0,
        "cam": np.ones((32, 32), dtype=np.float32),
        "cam_layer": "features.3 (ReLU)",
        "seconds": 0.0123,
    }
    return Answer(**usual | changes)


def a_panel(**changes: Any) -> Panel:
    usual: dict[str, Any] = {"run": "one", "role": "plain", "name": "plain", "answer": an_answer(), "seen": SEEN}
    return Panel(**usual | changes)


def words(text: str) -> str:
    text = re.sub(r'<button type="button" class="reglab-term"[^>]*>([^<]*)</button>', r"\1", text)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def test_a_panel_says_what_it_is_how_sure_and_on_what_grounds():
    text = page([a_panel()])
    for told in (
        "plain cat 60.0 %",
        "What it sees: 32 × 32 pixels",
        "0 1 Evidence for cat, at features.3 (ReLU) (Grad-CAM)",
        "cat 60.0 % raw 90.0 % dog 30.0 % raw 8.0 % ship 10.0 % raw 2.0 %",
        "Temperature 2.50 above 1: it was too sure",
        "Entropy 1.29 of 1.58 bits",
        "Time 12 ms",
    ):
        assert told in words(text), told
    assert "data-run" not in text and 'class="warning"' not in text


def test_a_map_without_anything_in_it_says_so():
    empty = an_answer(cam=np.zeros((32, 32), dtype=np.float32))
    assert "No evidence for cat, at features.3 (ReLU)" in words(page([a_panel(answer=empty)]))


def test_an_example_shows_at_a_glance_whether_the_answer_is_right():
    """In words and signs, not by colour alone; of an upload nobody knows."""
    assert "cat 60.0 % ✓ right" in words(page([a_panel(truth="cat")]))
    assert "cat 60.0 % ✗ wrong, true class: ship" in words(page([a_panel(truth="ship")]))
    assert "✗ it is 7, a class that this network does not know" in words(page([a_panel(truth="7")]))
    upload = words(page([a_panel()]))
    assert "right" not in upload and "wrong" not in upload


def test_bars_of_all_networks_have_one_scale_with_a_tick_for_the_raw_probability():
    text = page([a_panel(), a_panel(role="regularized")])
    assert re.findall(r'<b style="width:([\d.]+)%"', text) == ["60.00", "30.00", "10.00"] * 2
    assert re.findall(r'<s style="left:([\d.]+)%"', text) == ["90.00", "8.00", "2.00"] * 2
    assert re.findall(r'section data-role="(\w+)"', text) == ["plain", "regularized"]


def test_a_spread_is_a_line_that_stays_within_the_bar():
    text = page([a_panel(answer=an_answer(spread=(0.1, 0.02, 0.2)))], with_spread=True)
    assert "60.0 % ± 10.0" in words(text)
    assert 'left:50.00%;width:20.00%"' in text and 'left:0.00%;width:30.00%"' in text
    assert "this network has no dropout" in page([a_panel()], with_spread=True)
    assert "dropout" not in page([a_panel()])


def test_a_network_that_was_not_calibrated_says_so_and_offers_it():
    answer = an_answer(temperature=None, probabilities=(0.9, 0.08, 0.02))
    text = page([a_panel(answer=answer)])
    assert "not calibrated" in text and 'data-run="one"' in text and "<s " not in text and "raw 9" not in text
    going = page([a_panel(answer=answer, is_calibrating=True)])
    assert CALIBRATING in going and "data-run" not in going


def test_an_unlike_picture_is_warned_of_in_its_panel():
    text = page([a_panel(answer=an_answer(unlike="Unlike Digits: more color.")), a_panel()])
    assert text.count('class="warning"') == 1 and "Unlike Digits: more color." in words(text)
    assert words(text).count("Unfamiliar? yes, see below") == words(text).count("Unfamiliar? nothing noticed") == 1
    assert "Unfamiliar? nothing noticed No warning means nothing." in words(
        page([a_panel(answer=an_answer(no_warning="No warning means nothing."))])
    )


def test_what_is_wrong_with_the_picture_is_said_once_and_a_network_that_fails_leaves_the_other():
    wrong = a_panel(answer=None, problem="rubbish.png is not a picture.")
    assert words(page([wrong, wrong])) == "rubbish.png is not a picture."
    text = page([a_panel(answer=None, problem="Run two is damaged."), a_panel()])
    assert text.count("<section") == 1 and "Run two is damaged." in text
    assert WAITING in page([])


def test_probabilities_are_never_rounded_to_what_they_are_not():
    assert [sure(p) for p in (1.0, 0.99999, 0.5, 0.0004, 0.0)] == ["100.0 %", "> 99.9 %", "50.0 %", "< 0.1 %", "0.0 %"]


def test_words_of_others_stay_text():
    answer = an_answer(classes=(HOSTILE, "dog", "ship"), cam_layer=HOSTILE, unlike=HOSTILE, no_warning=HOSTILE)
    for text in (
        page([a_panel(name=HOSTILE, run=f'"{HOSTILE}', answer=answer)]),
        page([a_panel(name=HOSTILE, run=f'"{HOSTILE}', answer=an_answer(temperature=None))]),
        page([a_panel(answer=None, problem=HOSTILE)]),
        page([a_panel(truth=HOSTILE)]),
        imagenet(HOSTILE, [(HOSTILE, 0.5)]),
        TEMPLATES.get_template("macros.html").module.bar(HOSTILE, 0.5, ""),
        errors.table(mistakes(classes=(HOSTILE, "b")), "plain", (0, 1)),
        errors.page(mistakes(classes=(HOSTILE, "b")), "plain", HOSTILE),
        errors.cell(mistakes(classes=(HOSTILE, "b")), 0, 1, [Answered(SEEN, HOSTILE, HOSTILE, 0.5, 0.5)]),
    ):
        assert HOSTILE not in text and "img src=x" in text


# ---- errors ------------------------------------------------------------------------------------------------------
def mistakes(**changes: Any) -> Mistakes:
    one = {"count": 4, "confidence": 0.95, "accuracy": 0.5}
    sureness = {"ece": 0.25, "confidence": 0.95, "reliability": [one | {"count": 0}] * 14 + [one]}
    usual: dict[str, Any] = {
        "run": "one",
        "dataset": "Digits",
        "classes": ("zero", "one"),
        "counts": ((30, 10), (0, 8)),
        "per_class": (0.75, 1.0),
        "images": 48,
        "accuracy": 38 / 48,
        "temperature": 2.0,
        "raw": sureness,
        "calibrated": sureness | {"ece": 0.125},
        "surest": (Answered(SEEN, "zero", "one", 0.99999, 0.8),),
    }
    return Mistakes(**usual | changes)


def test_the_table_names_its_rows_and_columns_and_every_number_in_it():
    text = errors.table(mistakes(), "plain", (0, 1))
    assert re.findall(r'scope="(\w+)"[^>]*>(?:<span>)?(\w+)', text) == [
        ("col", "zero"), ("col", "one"), ("row", "zero"), ("row", "one"),
    ]  # fmt: skip
    assert re.findall(r'aria-pressed="(\w+)" aria-label="([^"]*)"', text) == [
        ("false", "30 of 40 zero recognized, 75.0 %"),
        ("true", "10 of 40 zero taken for one, 25.0 %"),
        ("false", "8 of 8 one recognized, 100.0 %"),
    ]
    assert "<td>0</td>" in text, "nothing to press where there are no pictures"
    # Mistakes by their share of the row, the darkest is the largest; what is right by its own share.
    assert re.findall(r'class="(right|wrong)" style="--share:(\d+)%"', text) == [
        ("right", "75"), ("wrong", "100"), ("right", "100"),
    ]  # fmt: skip


def test_the_most_frequent_confusion_is_shown_first_and_nothing_breaks_without_one():
    assert errors.commonest(mistakes()) == (0, 1)
    perfect = mistakes(counts=((4, 0), (0, 4)), surest=())
    assert errors.commonest(perfect) == (0, 0)
    assert "There are none." in errors.page(perfect, "plain", "plain")
    nobody = mistakes(counts=((0, 0), (0, 4)), per_class=(None, 1.0))
    assert "no images" in errors.page(nobody, "plain", "plain") and errors.table(nobody, "plain", (0, 0))


def test_pictures_come_with_what_they_are_what_they_are_taken_for_and_how_surely():
    assert words(errors.cell(mistakes(), 0, 1, mistakes().surest * 3)) == (
        "Zero taken for one All 10, the surest first." + " zero, taken for one > 99.9 % sure; calibrated 80.0 %" * 3
    )
    many = mistakes(counts=((30, 50), (0, 8)))
    assert "The 20 surest of 50." in errors.cell(many, 0, 1, many.surest * 20)


def test_reliability_is_drawn_before_and_after_the_temperature():
    text = errors.page(mistakes(), "plain", "plain")
    assert re.findall(r"calibration error ([\d.]+)<", text) == ["0.250", "0.125"]
    assert "the temperature 2.00" in words(text)
