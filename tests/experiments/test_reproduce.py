"""Published results: what each says of itself, every verdict over numbers made by hand, and a small one trained for real."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from reglab.cli.main import main
from reglab.config import RunConfig
from reglab.errors import ConfigError
from reglab.experiments import publications, reproduce
from reglab.experiments.experiment import Experiment
from reglab.experiments.labels import settings
from reglab.experiments.outcome import Outcome
from reglab.experiments.publications import (
    MEASURES,
    PUBLICATIONS,
    RECIPES,
    STATUS,
    Claim,
    Publication,
    Recipe,
    Row,
)
from reglab.experiments.publications.zhang2017 import CROP
from reglab.experiments.reproduce import NOT, NOT_RUN, REPRODUCED, SAME, UNFINISHED, findings
from reglab.regularizers import regularizer
from reglab.runs.files import read_json
from reglab.runs.store import Store
from reglab.training.events import Epoch

UNVERIFIED = {10.63, 9.31, 15.6, 5.25}  # numbers that nobody could find again, so that nobody may cite them here
SMALL = {"dataset": "digits", "train_size": 40, "val_size": 40, "epochs": 2, "batch_size": 20, "width": 0.125}
SMALL |= {"precision": "fp32", "device": "cpu"}
EVERY = [(paper, recipe) for paper in PUBLICATIONS.values() for recipe in RECIPES]
NAMES = [f"{paper.key}-{recipe}" for paper, recipe in EVERY]


# ---- what they say of themselves ---------------------------------------------------------------------------------
@pytest.mark.parametrize(("paper", "recipe"), EVERY, ids=NAMES)
def test_every_recipe_can_be_trained_and_makes_as_many_runs_as_it_has_rows_and_seeds(paper, recipe):
    configs = paper.configs(recipe)
    assert len(configs) == len({c.model_dump_json() for c in configs}) == len(paper.rows) * paper.recipe(recipe).seeds
    assert {c.seed for c in configs[: len(paper.rows)]} == {
        0
    }  # a plan that is broken off is a whole one with fewer seeds
    assert all(reproduce.row_of(paper, recipe, c) for c in configs)
    assert reproduce.row_of(paper, recipe, configs[0].model_copy(update={"epochs": 3})) == ""
    assert all(command.startswith("python -m reglab train --dataset") for command in paper.commands(recipe).values())


@pytest.mark.parametrize("paper", PUBLICATIONS.values(), ids=list(PUBLICATIONS))
def test_every_publication_is_whole_and_says_where_its_numbers_come_from(paper):
    rows = {row.name: row for row in paper.rows}
    assert len(rows) == len(paper.rows) and paper.claims
    assert paper.status in STATUS and "arXiv:" in paper.paper and paper.read and paper.setting.endswith(".")
    assert paper.budget.gives_up and not paper.full.gives_up
    assert all(claim.row in rows and (not claim.against or claim.against in rows) for claim in paper.claims)
    assert all(claim.low > -math.inf or claim.high < math.inf for claim in paper.claims)
    assert set(paper.measures) <= set(MEASURES)
    assert all(row.published and UNVERIFIED.isdisjoint(row.published.values()) for row in paper.rows)
    assert paper.group("full") != paper.group("budget") and paper.group("full").startswith(paper.key)


@pytest.mark.parametrize("paper", PUBLICATIONS.values(), ids=list(PUBLICATIONS))
def test_a_budget_is_smaller_and_is_the_same_experiment(paper):
    full, budget = paper.cells("full"), paper.cells("budget")

    def work(config: RunConfig) -> float:
        return (config.train_size or 50_000 - config.val_size) * config.epochs * config.width

    assert all(work(budget[row]) < work(full[row]) / 5 for row in full)
    for row in paper.rows:
        for name, value in row.changes.items():
            assert settings(full[row.name])[name] == settings(budget[row.name])[name] == value


@pytest.mark.parametrize("paper", PUBLICATIONS.values(), ids=list(PUBLICATIONS))
def test_the_published_numbers_keep_to_what_is_claimed_of_them(paper):
    published = {row.name: row.published for row in paper.rows}
    judged = 0
    for claim in paper.claims:
        told, against = published[claim.row].get(claim.measure), published.get(claim.against, {}).get(claim.measure, 0)
        if told is not None:
            judged += 1
            assert claim.low < told - against < claim.high, claim
    assert judged


def test_a_shift_by_two_pixels_is_a_random_crop_of_28_that_never_sees_a_border():
    crop = regularizer("flip_crop", {name.partition(".")[2]: value for name, value in CROP.items()})
    places = torch.arange(32 * 32, dtype=torch.float).view(1, 1, 32, 32).expand(512, 3, 32, 32) + 1
    seen = crop.augment(places, torch.Generator().manual_seed(0))[..., 2:-2, 2:-2]
    corners = {divmod(int(corner) - 1, 32) for corner in seen[:, 0, 0, 0]}
    assert seen.min() > 0 and corners == {(y, x) for y in range(5) for x in range(5)}
    assert (seen[..., 1:] - seen[..., :-1] == 1).all()  # not mirrored


def test_the_numbers_of_mixup_stand_beside_the_alpha_they_were_measured_with():
    """Zhang et al. 2018, table 2: 5.9/6.4 with alpha 8, 11.3/12.7 and 25.3/30.9 with alpha 32; the slider reaches both."""
    rows = {row.name: row for row in PUBLICATIONS["mixup_noise"].rows}
    told = {
        share: (
            rows[f"{share} % wrong, mixup"].changes["mixup.alpha"],
            *rows[f"{share} % wrong, mixup"].published.values(),
        )
        for share in (20, 50, 80)
    }
    assert told == {20: (8, 5.9, 6.4), 50: (32, 11.3, 12.7), 80: (32, 25.3, 30.9)}
    low, high, _ = type(regularizer("mixup")).model_fields["alpha"].json_schema_extra["slider"]
    assert low == 0 and high == 32


def test_random_labels_are_uniform_over_all_classes():
    zhang = PUBLICATIONS["zhang2017"].cells("full")["Inception, random labels"]
    assert zhang.label_noise == pytest.approx(1 - 1 / 10)


# ---- verdicts ----------------------------------------------------------------------------------------------------
TOY = Publication(
    key="toy",
    title="A toy",
    paper="Nobody 2000, arXiv:0000.00000",
    read="this test",
    status="verified",
    setting="Digits.",
    here="Nothing else.",
    rows=(Row("plain", "basic", {}, {"test": 80.0}), Row("better", "basic", {"dropout.rate": 0.1}, {"test": 85.0})),
    claims=(Claim("Better is better", "test", "better", "plain", low=0), Claim("Plain works", "test", "plain", low=50)),
    full=Recipe({"basic": SMALL}, seeds=3),
    budget=Recipe({"basic": {**SMALL, "epochs": 1}}, seeds=2, gives_up="One epoch instead of two."),
)
GOOD = {"plain": (79.9, 80.1, 80.0), "better": (84.8, 85.3, 85.0)}


def told(accuracies, recipe="full", paper=TOY, failed=()):
    outcomes = {
        row: {seed: outcome(test=value / 100) for seed, value in enumerate(values)}
        for row, values in accuracies.items()
    }
    return findings(paper, recipe, outcomes, failed)


def outcome(test=0.5, ece=0.1, best=None, val=(0.1, 0.5)) -> Outcome:
    history = tuple(
        Epoch(epoch=i, step=10 * i, lr=0.1, train_loss=1, train_accuracy=1, val_loss=1, val_accuracy=v, ece=ece, gap=0)
        for i, v in enumerate(val)
    )
    last = {"test_accuracy": test, "ece": ece}
    return Outcome({"last": last, "best": {**last, "test_accuracy": test if best is None else best}}, history)


@pytest.mark.parametrize(
    ("accuracies", "word", "words"),
    [
        ({}, NOT_RUN, "No run"),
        ({"plain": (80, 80)}, UNFINISHED, "2 runs are finished; a verdict needs every row"),
        ({"plain": (80,), "better": (85,)}, UNFINISHED, "at least two seeds"),
        (GOOD, REPRODUCED, "every published number"),
        ({"plain": (80, 80.1), "better": (85, 85.2)}, SAME, "So far with 2 of 3 seeds."),
        (
            {"plain": (74.9, 75.1, 75.0), "better": (84.8, 85.3, 85.0)},
            SAME,
            "1 of 2 published numbers did not come out, first “plain”: 80 % published, 75.0 % here (3 seeds).",
        ),
        (
            {"plain": (80, 80.1, 80.2), "better": (75, 75.2, 75.3)},
            NOT,
            "1 of 2 claims did not hold. Better is better: test accuracy −4.9 points",
        ),
        (
            {"plain": (80, 84, 80), "better": (84, 80, 85)},
            NOT,
            "1 of 2 claims cannot be told from these runs. Better is better: ",
        ),
        ({"plain": (30, 30.1, 30.2), "better": (35, 35.2, 35.4)}, NOT, "1 of 2 claims did not hold"),
    ],
)
def test_every_verdict_of_the_full_recipe(accuracies, word, words):
    found = told(accuracies)
    assert found.word == word and words in found.sentence


def test_a_budget_earns_the_direction_at_most_and_says_what_it_gave_up():
    found = told(GOOD, "budget")
    assert found.word == SAME
    assert found.sentence.endswith("at this scale, which is all that a budget can show: one epoch instead of two.")
    assert told({"plain": (80, 80, 81), "better": (80, 81, 80)}, "budget").word == NOT


def test_numbers_of_another_experiment_are_not_compared():
    found = told(GOOD, paper=replace(TOY, elsewhere="they are of Mars"))
    assert found.word == SAME and found.sentence.endswith("cannot be compared, for they are of Mars.")


def test_why_runs_failed_is_part_of_the_verdict():
    assert (
        told({}, failed=["Diverged at step 3."]).sentence
        == "No run of this recipe is finished here. 1 failed: Diverged at step 3."
    )


@pytest.mark.parametrize(
    ("low", "high", "values", "state"),
    [
        (-1, 1, (0.1, -0.1, 0.2), "holds"),  # no gain: the whole interval is small
        (-1, 1, (0.5, -0.5, 1.6), "open"),
        (-1, 1, (3.0, 3.1, 3.2), "fails"),
        (0, math.inf, (1.0, 1.0, 1.0), "open"),  # the same each time, from few seeds
        (0, math.inf, (1.0, 1.0, 1.0, 1.0, 1.0), "holds"),
        (0, math.inf, (1.0,), "open"),
        (0, math.inf, (-1.0, -1.1, -0.9), "fails"),
    ],
)
def test_a_claim_is_judged_by_the_whole_interval(low, high, values, state):
    claim = Claim("It is so", "test", "better", "plain", low, high)
    accuracies = {"plain": (50,) * len(values), "better": tuple(50 + v for v in values)}
    (judged,) = told(accuracies, paper=replace(TOY, claims=(claim,))).claims
    assert judged.state == state and judged.published == 5


def test_one_number_may_have_no_spread_at_all():
    claim = Claim("All is learned", "test", "plain", low=99)
    accuracies = {"plain": (100, 100), "better": (100, 100)}
    (judged,) = told(accuracies, paper=replace(TOY, claims=(claim,))).claims
    assert judged.state == "holds" and "test accuracy 100.0 % (80 published)" in str(judged)


def test_measures_are_percentages_of_what_they_are_called():
    own = outcome(test=0.9, ece=0.05, best=0.95)
    numbers = {key: MEASURES[key].of(own, own) for key in ("test", "error", "best_error", "fit", "ece", "steps")}
    assert numbers == pytest.approx({"test": 90, "error": 10, "best_error": 5, "fit": 100, "ece": 5, "steps": 100})


@pytest.mark.parametrize(("val", "share"), [((0.1, 0.6, 0.7), 50), ((0.1, 0.2, 0.3), 100), ((0.6, 0.6, 0.6), 0)])
def test_steps_are_a_share_of_those_the_first_network_took(val, share):
    first = outcome(val=(0.1, 0.2, 0.6))
    assert MEASURES["steps"].of(outcome(val=val), first) == share


def test_everything_told_is_json_and_markdown():
    found = told(GOOD)
    values = json.loads(json.dumps(reproduce.to_json(found), allow_nan=False))
    assert values["verdict"] == REPRODUCED and [row["published"] for row in values["rows"]] == [80, 85]
    assert values["claims"][0]["state"] == "holds" and values["claims"][0]["high"] is None
    text = reproduce.table(values)
    assert (
        "| plain | test accuracy | 80 % | 80.0 % | 79.8 to 80.2 | 3 |" in text
        and "Verdict: **reproduced**. Every claim held" in text
    )
    assert "| better | test accuracy | 85 % |  |  |  |" in reproduce.table(reproduce.to_json(told({})))


def test_a_record_counts_only_for_the_recipe_it_was_made_with(tmp_path, monkeypatch):
    paper = PUBLICATIONS["resnet20"]
    kept = reproduce.to_json(reproduce.look(paper, "budget", []))
    file = tmp_path / "reproduce.json"
    monkeypatch.setattr(reproduce, "RECORDED", file)
    assert reproduce.recorded("resnet20", "budget") == {}
    file.write_text(json.dumps({"resnet20, budget": kept}))
    assert reproduce.recorded("resnet20", "budget") == kept and reproduce.recorded("resnet20", "full") == {}
    kept["claims"][0]["high"] = 11  # another claim, even of the same runs
    file.write_text(json.dumps({"resnet20, budget": kept}))
    assert reproduce.recorded("resnet20", "budget") == {}


def test_what_ships_as_recorded_is_still_what_the_recipes_ask_and_stands_in_the_benchmarks():
    kept = read_json(reproduce.RECORDED)
    page = (reproduce.RECORDED.parent / "README.md").read_text(encoding="utf-8")
    assert kept
    for name, record in kept.items():
        key, recipe = name.split(", ")
        assert reproduce.recorded(key, recipe) == record, f"python benchmarks/reproduce.py {key} --{recipe}"
        assert reproduce.table(record) in page


def test_only_a_relative_measure_waits_for_the_first_row():
    found = told({"better": (85, 86)})
    assert [row.found.mean if row.found else None for row in found.rows] == [None, 85.5]
    paper = replace(TOY, claims=(Claim("It is sooner", "steps", "better", "plain", high=0),))
    assert all(row.found is None for row in told({"better": (85, 86)}, paper=paper).rows if row.measure == "steps")


# ---- the command -------------------------------------------------------------------------------------------------
@pytest.fixture
def toy(monkeypatch) -> Publication:
    monkeypatch.setitem(PUBLICATIONS, "toy", TOY)
    reproduce.cells.cache_clear()
    yield TOY
    reproduce.cells.cache_clear()


def test_the_list_names_every_publication_and_its_status(capsys):
    assert main(["reproduce"]) == 0
    said = capsys.readouterr().out
    assert all(f"{key} " in said for key in PUBLICATIONS) and "secondary; on a budget: not run yet" in said
    assert main(["reproduce", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["name"] == "zhang2017" and lines[0]["verdicts"] == {"budget": NOT_RUN, "full": NOT_RUN}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["zhang"], "did you mean zhang2017?"),
        (["resnet20", "--seeds", "0"], "0 seeds were asked for"),
        (["--budget"], "without a NAME"),
        (["resnet20", "--full", "--budget"], "not allowed with"),
    ],
)
def test_what_cannot_be_reproduced_is_one_sentence(arguments, words, capsys):
    try:
        assert main(["reproduce", *arguments]) == 2
    except SystemExit as end:
        assert end.code == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_a_dry_run_names_the_commands_and_trains_nothing(capsys, tmp_path):
    assert main(["reproduce", "cutout", "--dry-run", "--seeds", "1"]) == 0
    said = capsys.readouterr().out
    assert said.count("python -m reglab train") == 2 and "2 runs to train" in said and "Gives up" not in said
    assert "On a budget: 5,000 images" in said and "Verdict: **not run yet**." in said
    assert not (tmp_path / "runs").exists()


def test_a_small_one_is_trained_judged_and_gone_on_with(toy, capsys, tmp_path):
    runs = str(tmp_path / "mine")
    assert main(["reproduce", "toy", "--seeds", "1", "--runs", runs]) == 0
    said = capsys.readouterr().out
    assert "2 of 2  better, seed 0: test " in said and "**unfinished**. 2 runs are finished" in said
    assert main(["reproduce", "toy", "--json", "--runs", runs]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    store = Store(runs)
    assert len(store.runs()) == 4 and {line["name"] for line in lines[:-1]} == {
        f"{row}, seed {seed}" for row in ("plain", "better") for seed in (0, 1)
    }
    assert lines[-1]["publication"] == "toy" and lines[-1]["seeds"] == 2 and lines[-1]["verdict"] in (SAME, NOT)
    assert {run.described["group"] for run in store.runs()} == {toy.group("budget")}
    written = Experiment.of(store.runs()[0])
    assert (written.kind, written.subject, written.seeds) == ("publication", "toy", (0, 1))
    assert list(written.arms) == ["plain", "better"]
    assert reproduce.look(toy, "full", store.runs()).word == NOT_RUN  # two epochs are another experiment


def test_a_damaged_run_and_one_of_an_older_recipe_are_left_out(toy, store):
    older = store.create(toy.configs("full")[0].model_copy(update={"epochs": 9}), group=toy.group("full"))
    run = store.create(toy.configs("full")[0], group=toy.group("full"))
    (run.path / "config.json").write_text("{")
    assert reproduce.look(toy, "full", [run, older]).word == NOT_RUN
    assert reproduce.runs_of(toy, "full", store) == []


def test_an_unknown_publication_is_refused_with_the_choice():
    with pytest.raises(ConfigError, match="choose from zhang2017, cutout"):
        publications.publication("qqq")
