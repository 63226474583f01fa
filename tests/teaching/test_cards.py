"""The cards: everything on them comes from the class or from the measurements, and nothing of either is lost."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from conftest import environment, reglab
from pydantic import ValidationError

from reglab import teaching
from reglab.cli import main as cli
from reglab.cli.options import config_values
from reglab.config import RunConfig, flag
from reglab.errors import ConfigError
from reglab.regularizers import CATALOGUE, regularizer
from reglab.teaching.cards import SECTIONS, advice_beside, alone, card, found, markdown_table, network_for
from reglab.teaching.effects import measured

every = pytest.mark.parametrize("key", CATALOGUE)


# ---- from the class ----------------------------------------------------------------------------------------------
@every
def test_a_card_is_whole(key):
    told = card(key)
    for part in ("title", "group", "hint", "idea", "see", "helps", "not_helps", "formula", "pytorch", "keras", "paper"):
        assert getattr(told, part).strip(), f"the card of {key} has no {part}"
    assert "\n" not in told.idea


@every
def test_no_word_of_the_docstring_is_lost(key):
    told = card(key)
    said = [told.idea, *told.notes]
    said += [f"{name} {getattr(told, part)}" for part, name in SECTIONS.items() if getattr(told, part)]
    words = inspect.cleandoc(CATALOGUE[key].__doc__).split()
    assert sorted(" ".join(said).lower().split()) == sorted(" ".join(words).lower().split())


@every
def test_settings_say_what_is_refused(key):
    told = card(key)
    assert [s.name for s in told.settings] == list(CATALOGUE[key].model_fields)
    for s in told.settings:
        usual = regularizer(key).model_dump()[s.name]
        assert usual is not None or s.default == "follows the run; for L2 0.0005"
        assert usual is None or regularizer(key, {s.name: s.default}) == regularizer(
            key, {s.name: regularizer(key).model_dump()[s.name]}
        )
        for beyond in (s.most + 1 if s.most is not None else None, s.least - 1 if s.least is not None else None):
            if beyond is not None:
                with pytest.raises(ValidationError):
                    regularizer(key, {s.name: beyond})
        for bound, refused in ((s.least, s.above), (s.most, s.below)):
            if bound is not None and refused:
                with pytest.raises(ValidationError):
                    regularizer(key, {s.name: bound})
            elif bound is not None:
                regularizer(key, {s.name: bound})
        assert ("more than" in s.range(), "less than" in s.range()) == (s.above, s.below)
        for choice in s.choices:
            regularizer(key, {s.name: choice})


@pytest.mark.parametrize(
    ("bounds", "words"),
    [((0.0, 0.95, False, False), "0 to 0.95"), ((0, 32, True, False), "more than 0, at most 32"),
     ((0, 1, False, True), "0 to less than 1"), ((0, 1, True, True), "more than 0, less than 1"),
     ((0, None, False, False), "0 or more"), ((0, None, True, False), "more than 0"),
     ((None, 2, False, False), "up to 2"), ((None, 2, False, True), "less than 2"),
     ((None, None, False, False), "any")],
)  # fmt: skip
def test_a_range_says_whether_its_bounds_are_in_it(bounds, words):
    least, most, above, below = bounds
    assert replace(card("dropout").settings[0], least=least, most=most, above=above, below=below).range() == words


@every
def test_the_flags_are_those_of_the_command_line(key):
    words = card(key).flags.replace("[", "").replace("]", "").split()
    args = cli.build_parser().parse_args(["train", *words])
    given = config_values(args)
    settings = regularizer(key).model_dump()
    fixed = {f"{key}.{name}" for name, value in settings.items() if value is not None}  # the others follow from the run
    assert given.pop(key) is True and set(given) == fixed
    assert regularizer(key, {name.partition(".")[2]: value for name, value in given.items()}) == regularizer(key)


@every
def test_what_two_techniques_say_of_each_other_stands_on_both_cards(key):
    for i in card(key).interactions:
        back = [j for j in card(i.key).interactions if j.key == key]
        assert (i.sentence, i.refused) in [(j.sentence, j.refused) for j in back]
        assert i.title == CATALOGUE[i.key].title
    told = {(i.key, i.sentence) for i in card(key).interactions}
    own = {*CATALOGUE[key].advice.items(), *CATALOGUE[key].excludes.items()}
    assert own <= told, "about a technique that is not there"


def test_advice_stands_once_for_every_pair_beside_the_one_that_says_it_whatever_the_order():
    keys = list(CATALOGUE)
    beside = advice_beside(keys)
    assert beside == advice_beside(reversed(keys)) == advice_beside([*keys, *keys])
    assert all(sentence in CATALOGUE[key].advice.values() for key, told in beside.items() for sentence in told)
    said = [sentence for told in beside.values() for sentence in told]
    pairs = [(a, b) for a, b in combinations(keys, 2) if b in CATALOGUE[a].advice or a in CATALOGUE[b].advice]
    assert len(said) == len(pairs) > 0
    for a, b in pairs:
        [(says, [sentence])] = advice_beside([b, a]).items()
        assert sentence == CATALOGUE[says].advice.get(b if says == a else a)
    assert advice_beside([]) == advice_beside(keys[:1]) == {}


@every
def test_a_technique_can_be_tried_alone_on_a_network_that_has_a_place_for_it(key):
    base = RunConfig.parse({"dataset": "digits", "regularizers": {"dropout": True, "flip_crop": True}})
    if CATALOGUE[key].group == "Transfer":
        tuned = alone(key, base.override({"width": 0.5}))  # as the page begins with
        assert tuned.pretrained and tuned.finetune == "all" and list(tuned.regularizers) == [key]
    else:
        assert list(alone(key, base).regularizers) == [key]
        assert (
            alone(key, base).model
            == network_for(key, base)
            == ("resnet20" if key == "stochastic_depth" else "basic_cnn")
        )


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("label-smoothing", {"label_smoothing"}),
        ("mixup", {"mixup"}),  # the name of one is that one alone
        ("L2", {"weight_decay", "l2_sp"}),
        ("ridge", {"weight_decay"}),
        ("lasso", {"l1"}),
        ("BN", {"batch_norm"}),
        ("augment", {key for key, t in CATALOGUE.items() if t.group == "Data"}),
        ("noise", {"gaussian_noise", "gradient_noise", "random_erasing"}),
        ("noisy labels", {"mixup", "cutmix", "label_smoothing", "bootstrapping", "early_stopping", "sam"}),
        ("transfer", {"l2_sp", "layer_freezing"}),
        ("fine-tuning freeze", {"layer_freezing"}),
    ],
)
def test_techniques_are_found_by_what_people_call_them(words, keys):
    assert set(found(words)) == keys == set(found(words.upper())) | keys
    assert all(CATALOGUE[key].synonyms for key in CATALOGUE)


def test_what_is_there_against_overfitting_is_found_by_it():
    narrows = set(found("overfit"))
    assert {"dropout", "weight_decay", "flip_crop", "early_stopping", "mixup", "cutmix"} <= narrows
    assert not narrows & {"batch_norm", "gradient_clipping", "gaussian_noise"}, "whose cards say that they do not help"


def test_an_unknown_card_is_a_sentence():
    with pytest.raises(ConfigError, match="did you mean dropout"):
        card("dropuot")


# ---- from the measurements ---------------------------------------------------------------------------------------
def figure(mean: float, sd: float | None) -> dict:
    return {"mean": mean, "sd": sd, "values": [mean]}


def row(
    test: float, sd: float | None = 0.006, n: int = 3, baseline: str | None = "plain", seconds: float = 2.2
) -> dict:
    """Of a technique whose difference from plain has this mean and scatter; plain itself scatters by two points."""
    told = {"n": n, "baseline": baseline, "model": "resnet20" if baseline == "plain:resnet20" else "basic_cnn"}
    told["seconds_per_epoch"] = {"median": seconds, "values": [seconds]}
    scatter = np.random.default_rng(int(1e6 * abs(test))).normal(size=n) if baseline and n > 1 else np.zeros(n)
    if scatter.any():
        scatter = (scatter - scatter.mean()) / scatter.std(ddof=1) * sd
    plain = 0.5 + 0.02 * np.random.default_rng(0).normal(size=n)
    told |= {"seeds": list(range(n)), "test_accuracy": {"values": list(plain + test + scatter)}}
    if baseline:
        told |= {"test_difference": figure(test, sd), "gap_difference": figure(-0.21, 0.011)}
        told |= {"ece_difference": figure(-0.051, 0.004)}
    return told


@pytest.fixture
def effects(tmp_path, monkeypatch):
    """Puts measurements in place of the recorded ones."""

    def write(clean: dict, noise: dict | None = None) -> None:
        n = max((own["n"] for own in clean.values()), default=3)
        plain = {
            "plain": row(0, n=n, baseline=None, seconds=2.0),
            "plain:resnet20": row(0, n=n, baseline=None, seconds=11.0),
        }
        rows = {"clean": plain | clean, "noise": plain | (noise or {})}
        conditions = {"sentence": "basic_cnn on 2,000 images.", "label_noise": 0.3}
        file = tmp_path / "effects.json"
        file.write_text(json.dumps({"conditions": conditions, "rows": rows}))
        monkeypatch.setattr(teaching.effects, "EFFECTS", file)

    return write


def test_a_card_tells_what_was_measured_and_whether_it_helped(effects):
    effects({"dropout": row(0.023), "mixup": row(0.004), "sam": row(-0.02)}, {"dropout": row(0.101)})
    clean, noise = card("dropout").measured.effects
    assert clean.helped and noise.helped and clean.verdict == "Helped here"
    assert clean.sentence() == (
        "+2.3 ± 0.6 points of test accuracy with clean labels (3 seeds), gap −21.0 ± 1.1 points,"
        " calibration error −0.051 ± 0.004, an epoch takes 1.10 times as long."
    )
    assert noise.sentence().startswith("+10.1 ± 0.6 points of test accuracy with 30 % wrong labels (3 seeds)")
    assert "- **Helped here** with clean labels: +2.3 ± 0.6 points of test accuracy.\n" in card("dropout").to_markdown()
    for key, verdict, lead, change in (
        ("mixup", "No clear effect here", "id not clearly help here: ", "+0.4 ± 0.6"),
        ("sam", "Hurt here", "id not help here, it hurt: ", "−2.0 ± 0.6"),
    ):
        [effect] = card(key).measured.effects
        assert not effect.helped and effect.hurt == (key == "sam") and effect.verdict == verdict
        assert effect.sentence().startswith(f"D{lead}{change} points of test accuracy with clean labels (3 seeds)")
        assert f"D{lead}{change}" in " ".join(card(key).to_text().split())
        assert f"- **{verdict}** with clean labels: d{lead}{change} points" in card(key).to_markdown()
        [told] = card(key).to_json()["measured"]["effects"]
        assert (told["helped"], told["hurt"], told["verdict"]) == (False, key == "sam", verdict)
    assert card("label_smoothing").measured is None


@pytest.mark.parametrize(
    ("n", "quantile"),
    [(2, 12.706), (3, 4.303), (4, 3.182), (5, 2.776), (6, 2.571), (7, 2.447), (10, 2.262), (30, 2.045)],
)
def test_a_change_is_clear_where_its_interval_leaves_out_zero(effects, n, quantile):
    """Quantiles of Student's t distribution for 95 %, which a card may exceed but not fall short of; of one technique alone."""
    half = quantile * 0.01 / n**0.5
    verdicts = []
    for change in (-1.3 * half, -0.99 * half, 0.0, 0.99 * half, 1.3 * half):
        effects({"dropout": row(change, sd=0.01, n=n)})
        [effect] = card("dropout").measured.effects
        verdicts.append(effect.verdict)
    assert (verdicts[0], verdicts[-1]) == ("Hurt here", "Helped here")
    assert set(verdicts[1:-1]) <= {"No clear effect here", "Practically no effect here"}


def test_of_many_techniques_that_do_nothing_none_is_said_to_help(effects):
    """Alone the first would: +1 point at a standard error of 0.35 is t = 2.9 with 4 degrees of freedom, p = 0.045."""
    others = [key for key in CATALOGUE if key not in ("dropout", "stochastic_depth")]
    effects({"dropout": row(0.01, 0.0078, 5)})
    assert card("dropout").measured.effects[0].helped
    nothing = {key: row(0.0001 * (i + 1), 0.0078, 5) for i, key in enumerate(others)}
    effects({"dropout": row(0.01, 0.0078, 5), **nothing, "stochastic_depth": row(0, 0.0078, 5, "plain:resnet20")})
    [effect] = card("dropout").measured.effects
    assert not effect.helped and effect.verdict == "No clear effect here" and effect.judged.of == len(others) + 2
    effects({"dropout": row(0.0, 0.002, 10)})
    assert card("dropout").measured.effects[0].verdict == "Practically no effect here"


def test_one_seed_is_called_one_seed_and_another_network_by_its_name(effects):
    effects({"dropout": row(0.02, sd=None, n=1)})
    [effect] = card("dropout").measured.effects
    assert effect.verdict == "One seed only, so not certain" and not effect.helped and not effect.hurt
    assert effect.sentence().startswith("+2.0 points")
    assert "- **One seed only, so not certain** with clean labels: +2.0 points" in card("dropout").to_markdown()
    assert "+2.0 points" in effect.sentence() and "one seed, so chance is not ruled out" in effect.sentence()
    effects({"dropout": row(-0.02, sd=None, n=1)})
    assert card("dropout").measured.effects[0].sentence().startswith("Did not help here: −2.0 points")
    effects({"stochastic_depth": row(0.03, baseline="plain:resnet20", seconds=5.5)})
    [effect] = card("stochastic_depth").measured.effects
    assert effect.time == 0.5 and "with clean labels on resnet20" in effect.sentence()


def test_without_measurements_a_card_says_nothing_of_them(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    assert measured("dropout", tmp_path / "missing.json") is measured("dropout", tmp_path / "broken.json") is None


def test_the_table_has_columns_for_what_was_measured(effects, tmp_path, monkeypatch):
    effects({"dropout": row(0.023)}, {"dropout": row(-0.002)})
    head, _, *rows = markdown_table().split("\n\n")[0].splitlines()
    assert "| test, clean | test, 30 % wrong labels |" in head
    [dropout] = [r for r in rows if "`--dropout`" in r]
    assert "| +2.3 ± 0.6 | −0.2 ± 0.6 |" in dropout
    assert all(r.count("|") == head.count("|") for r in rows) and len(rows) == len(CATALOGUE)
    assert markdown_table().endswith("basic_cnn on 2,000 images.")
    monkeypatch.setattr(teaching.effects, "EFFECTS", tmp_path / "missing.json")
    assert "test, clean" not in markdown_table() and len(markdown_table().splitlines()) == len(CATALOGUE) + 2


# ---- printed -----------------------------------------------------------------------------------------------------
@every
def test_all_forms_of_a_card_say_the_same(key, capsys):
    told = card(key)
    assert cli.main(["cards", key.replace("_", "-"), "--json"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line) == json.loads(json.dumps(told.to_json()))
    text, page = " ".join(told.to_text().split()), told.to_markdown()
    for part in (told.idea, told.see, told.helps, told.not_helps, told.formula, *told.notes):
        assert " ".join(part.split()) in text and part in page
    for s in told.settings:
        assert f"{s.flag} {s.default} ({s.range()})" in text and f"| {s.title} | {s.default} | {s.range()} |" in page
    for i in told.interactions:
        assert " ".join(i.sentence.split()) in text and i.sentence in page
    assert f"```python\n{told.pytorch}\n```" in page and flag(key) in text


def test_one_card_is_printed_and_an_unknown_one_refused(capsys):
    assert cli.main(["cards", "label-smoothing"]) == 0
    assert capsys.readouterr().out.startswith("Label smoothing (--label-smoothing [--label-smoothing.smoothing 0.1])\n")
    assert cli.main(["cards", "label_smoothing", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("## Label smoothing\n")
    assert cli.main(["cards", "augment", "--json"]) == 0
    assert [json.loads(line)["key"] for line in capsys.readouterr().out.splitlines()] == found("augment")
    done = reglab("cards", "dropuot")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "There is no regularizer called 'dropuot': did you mean dropout?\n"


def test_python_that_leaves_out_docstrings_prints_the_same_cards():
    done = subprocess.run(
        [sys.executable, "-OO", "-m", "reglab", "cards", "--json"], env=environment(), capture_output=True, text=True
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told == [json.loads(json.dumps(card(key).to_json())) for key in CATALOGUE], done.stderr


def test_cards_and_lessons_wait_for_neither_torch_nor_gradio():
    script = "import sys, reglab.teaching.cards, reglab.teaching.lessons; reglab.teaching.cards.markdown_table();"
    script += "sys.exit(len({'torch', 'gradio'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], env=environment()).returncode == 0
