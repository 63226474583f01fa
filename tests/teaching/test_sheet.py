"""A lesson sheet: made from a run, read from anything, and checked against itself, its assignment, its run and a training."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import shutil
import sys
import unicodedata
from pathlib import Path

import pytest
from conftest import tiny_config
from hypothesis import given, settings
from hypothesis import strategies as st
from test_config import anything

from reglab.cli import main as cli
from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.teaching import sheet
from reglab.teaching.assignments import Assignment
from reglab.teaching.links import decode, encode
from reglab.teaching.sheet import Prediction, Sheet

GUESS = Prediction(of="gap", value=0.1, reason="dropout is on")


@pytest.fixture(scope="module")
def made(trained) -> Sheet:
    return sheet.make(Run(trained["path"]), "Ada Lovelace")


def changed(made: Sheet, path: str, value) -> Sheet:
    """The sheet with one value of its JSON changed."""
    values = json.loads(made.to_json())
    *parts, last = path.split(".")
    inner = values
    for part in parts:
        inner = inner[part]
    inner[last] = value
    return sheet.read(json.dumps(values).encode())


def link(config: RunConfig, **rules) -> str:
    return encode(Assignment.parse({"config": config, **rules}))


def wrong(findings) -> list[str]:
    return [f.sentence for f in findings if f.holds is False]


# ---- made and read -----------------------------------------------------------------------------------------------
def test_a_sheet_says_what_its_run_says(made, trained):
    summary = trained["summary"]
    assert sheet.read(made.to_json().encode()) == made
    assert {
        key: getattr(made.result, key) for key in ("gap", "val_accuracy", "test_accuracy", "device", "threads")
    } == {key: summary[key] for key in ("gap", "val_accuracy", "test_accuracy", "device", "threads")}
    assert (made.run, made.result.epochs, made.name) == (summary["run"], 2, "Ada Lovelace")
    assert len(made.to_json()) < 4_000


def test_its_file_is_named_after_the_pupil_and_after_nothing_else(made):
    names = {
        "Ada Lovelace": "Ada-Lovelace",
        "../../etc/passwd": "etc-passwd",
        "Ωμέγα": "Ωμέγα",
        "王芳": "王芳",
        "CON": "CON",
    }
    for name, words in {**names, "परीक्षण": "परीक्षण", "!!!": made.run, "a\u202eb": "ab"}.items():
        assert re.fullmatch(f"sheet-{words}-[0-9a-f]{{6}}.json", changed(made, "name", name).file_name)
    assert changed(made, "name", "").file_name == f"sheet-{made.run}.json"


def test_signatures_that_look_alike_are_files_of_their_own(made):
    """Also on disks that know no capitals and no accents, as those of Windows and macOS do not."""
    signed = ["José", "Jose", "JOSE", "Jöse", "Ада", "Ada", "ada", "!!!", "???", "а", "a"]
    files = [changed(made, "name", name).file_name for name in signed]
    plain = [unicodedata.normalize("NFKD", file).encode("ascii", "ignore").lower() for file in files]
    assert len(set(plain)) == len(signed)
    assert changed(made, "name", "Jose\u0301").file_name == files[0], "the same name, typed on another keyboard"
    assert changed(changed(made, "name", "José"), "run", "another").file_name != files[0]


def test_a_sheet_of_sizes_that_are_refused_today_is_still_read(made):
    values = json.loads(made.to_json())
    values["config"]["train_size"] = 997  # all that 300 for validation left, until the test set took ten more
    del values["result"]["test_images"]
    old = sheet.read(json.dumps(values).encode())
    assert (old.config.train_size, old.source.test_images) == (997, 500)
    with pytest.raises(ConfigError, match="saw 500 test images"):
        sheet.check_trainable(old)


def test_only_a_finished_run_has_a_sheet(store):
    run = store.create(tiny_config())
    with pytest.raises(RunError, match="is interrupted: train it to its end"):
        sheet.make(run)


def test_a_name_that_is_too_long_is_answered(trained):
    with pytest.raises(ConfigError, match="name"):
        sheet.make(Run(trained["path"]), "x" * 61)


REFUSED = [
    (b"", "not JSON"),
    (b"\xff\xfe", "not JSON"),
    (b"[" * 50_000, "not JSON"),
    (b" " * (sheet.LARGEST + 1), "larger than"),
    (b"[]", "format"),
    (b'{"format": "reglab lesson sheet 2"}', "format"),
    (b'{"format": "reglab lesson sheet 1"}', "reglab"),
]


@pytest.mark.parametrize(("raw", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_is_no_sheet_is_told_why(raw, words):
    with pytest.raises(ConfigError, match=words) as refused:
        sheet.read(raw)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500


BAD = [
    ("config.epochs", 0),
    ("config.model", "timm/convnext_base"),
    ("config.zzz", 1),
    ("config", []),
    ("result.gap", 7),
    ("result.test_accuracy", -0.1),
    ("result.test_loss", None),
    ("result.epochs", "many"),
    ("run", "../../etc"),
    ("run", "x" * 65),
    ("metrics_sha256", "zz"),
    ("name", "x" * 10_000),
    ("assignment", "x" * 5_000),
    ("prediction", {"of": "luck", "value": 0}),
    ("more", "\ud800" * 5),
]


@pytest.mark.parametrize(("path", "value"), BAD, ids=[path for path, _ in BAD])
def test_a_value_that_cannot_be_is_told_in_a_sentence(made, path, value):
    with pytest.raises(ConfigError) as refused:
        changed(made, path, value)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500


@given(value=anything, path=st.sampled_from(sorted({path for path, _ in BAD})))
@settings(max_examples=200, deadline=None)
def test_no_json_breaks_the_reading(made, value, path):
    try:
        found = changed(made, path, value)
    except ConfigError as refused:
        assert len(str(refused)) < 500
    else:
        sheet.row("file", found, sheet.check(found))


def test_what_a_pupil_writes_cannot_disturb_a_terminal(made):
    found = changed(made, "name", "\x1b[31mAda\u202e\nGrace  fine\n")
    assert found.name == "[31mAda Grace fine"


# ---- whether it holds --------------------------------------------------------------------------------------------
def test_an_honest_sheet_holds_and_its_run_is_compared(made, trained, tmp_path):
    store = Store(trained["path"].parent)
    found = {f.about: f.holds for f in sheet.check(made, [store])}
    assert found == {"numbers": True, "assignment": None, "run": True}
    assert {f.about: f.holds for f in sheet.check(made, [Store(tmp_path)])}["run"] is None


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("result.gap", 0.9, "the gap is 0.9000, but train minus validation is"),
        ("result.val_accuracy", 0.123456, "no number of 60 validation images"),
        ("result.test_accuracy", 0.8765, "no number of 510 test images"),
        ("result.epochs", 1, "1 epochs were trained, but 2 were asked for"),
        ("result.epochs", 3, "3 epochs were trained"),
        ("result.best_epoch", 3, "epoch 3 of 2 cannot be the best"),
    ],
)
def test_numbers_that_do_not_fit_are_found(made, path, value, words):
    assert words in " ".join(wrong(sheet.check(changed(made, path, value))))


def test_a_run_that_ends_itself_may_have_fewer_epochs(made):
    found = changed(changed(made, "config.regularizers.early_stopping", {}), "result.epochs", 1)
    assert not any("were asked for" in sentence for sentence in wrong(sheet.check(found)))


def test_another_run_under_the_same_id_is_found(made, trained):
    found = changed(made, "config.seed", 7)
    assert wrong(sheet.check(found, [Store(trained["path"].parent)])) == ["it is here, but has another config."]


def test_a_broken_lock_and_a_missing_prediction_are_found(made):
    rules = {"rest": "locked", "open": ["dropout"], "predict": "gap", "max_epochs": 2}
    kept, broken = link(made.config, **rules), link(made.config.override({"lr": 0.01}), **rules)
    fine = made.model_copy(update={"assignment": kept, "prediction": GUESS})
    assert wrong(sheet.check(fine)) == []
    assert wrong(sheet.check(made.model_copy(update={"assignment": kept}))) == [
        "the assignment asks to predict the gap between training and validation accuracy, but the sheet does not."
    ]
    said = wrong(sheet.check(fine.model_copy(update={"assignment": broken})))
    assert said == ["Learning rate is 0.001, but the assignment keeps it at 0.01."]


def test_the_teachers_own_link_counts(made):
    mine, easier = link(made.config, rest="locked"), link(made.config)
    for own in (None, easier):
        said = wrong(sheet.check(made.model_copy(update={"assignment": own}), assignment=decode(mine)))
        assert said == ["the run was started without this assignment, or under another one."]
    assert wrong(sheet.check(made.model_copy(update={"assignment": mine}), assignment=decode(mine))) == []


def test_a_link_that_is_none_does_not_hold(made):
    assert "damaged" in wrong(sheet.check(made.model_copy(update={"assignment": "1xyz!"})))[0]


# ---- trained again -----------------------------------------------------------------------------------------------
def test_the_same_bytes_are_recognised_and_other_numbers_are_not_believed(made, finished):
    assert sheet.trained_again(made, finished).sentence == "the same bytes."
    better = made.result.model_copy(update={"test_accuracy": 0.9})
    assert sheet.trained_again(made.model_copy(update={"result": better}), finished).holds is False


def test_elsewhere_numbers_may_be_a_little_off(made, finished):
    elsewhere = made.model_copy(update={"metrics_sha256": "0" * 64})
    near = made.result.model_copy(update={"test_accuracy": made.result.test_accuracy + 0.07})
    far = made.result.model_copy(update={"test_accuracy": made.result.test_accuracy + 0.09})
    assert sheet.trained_again(elsewhere.model_copy(update={"result": near}), finished).holds is True
    found = sheet.trained_again(elsewhere.model_copy(update={"result": far}), finished)
    assert found.holds is False and "beyond 8 points" in found.sentence


def test_a_stranger_cannot_have_us_train_for_days(made):
    with pytest.raises(ConfigError, match="more than 5,000,000 are not trained"):
        sheet.check_trainable(made.model_copy(update={"config": RunConfig(epochs=1_000)}))
    sheet.check_trainable(made.model_copy(update={"config": RunConfig(epochs=100)}))


# ---- the command -------------------------------------------------------------------------------------------------
def written(folder: Path, name: str, found: Sheet) -> Path:
    path = folder / name
    path.write_text(found.to_json(), "utf-8")
    return path


def test_a_class_is_a_line_each_and_a_list(made, tmp_path, capsys):
    rule = link(made.config, rest="locked", open=["seed"], predict="gap")
    handed_in = made.model_copy(update={"assignment": rule, "prediction": GUESS, "name": "=Ada"})
    good = written(tmp_path, "good.json", handed_in)
    bad = written(tmp_path, "bad.json", changed(changed(handed_in, "result.gap", 0.5), "run", "other-run"))
    rubbish = tmp_path / "rubbish.json"
    rubbish.write_bytes(b"\x00\x01")

    assert cli.main(["check", str(good), "--assignment", f"https://lab.example/?cfg={rule}"]) == 0
    assert "=Ada" in (line := capsys.readouterr().out) and "predicted 10.0 and came" in line and line.count("\n") == 1

    assert cli.main(["check", str(good), str(bad), str(rubbish), "--csv", str(tmp_path / "class.csv")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines if not line.startswith("  ")] == ["fine", "hold", "hold"]
    assert (tmp_path / "class.csv").read_bytes().startswith(codecs.BOM_UTF8), "without it a spreadsheet shows ü as Ã¼"
    rows = list(csv.DictReader(io.StringIO((tmp_path / "class.csv").read_text("utf-8-sig"))))
    assert [row["fine"] for row in rows] == ["True", "False", "False"]
    assert rows[0]["name"] == "'=Ada" and float(rows[0]["off"]) == pytest.approx(abs(made.result.gap - 0.1))
    assert "numbers: the gap is" in rows[1]["findings"] and "not JSON" in rows[2]["findings"]


def test_a_sheet_signed_in_any_script_and_saved_by_any_editor_is_checked_on_any_console(made, tmp_path, monkeypatch):
    file = written(tmp_path, "1.json", made.model_copy(update={"name": "张伟"}))
    file.write_bytes(codecs.BOM_UTF8 + file.read_bytes())
    printed = io.TextIOWrapper(io.BytesIO(), "cp1252")
    monkeypatch.setattr(sys, "stdout", printed)
    assert cli.main(["check", str(tmp_path / "*.json")]) == 0
    printed.flush()
    assert printed.buffer.getvalue().startswith(b"?? ") and b"fine" in printed.buffer.getvalue()


def test_the_same_run_in_two_sheets_is_told_of_both(made, tmp_path, capsys):
    files = [written(tmp_path, f"{n}.json", made.model_copy(update={"name": n})) for n in ("a", "b")]
    assert cli.main(["check", *map(str, files), "--json"]) == 1
    *rows, summary = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert summary == {"sheets": 2, "fine": 0}
    assert [row["findings"][-1]["sentence"] for row in rows] == [f"the same run is in {f}." for f in files[::-1]]


def test_it_trains_again(made, tmp_path, capsys):
    honest, boasted = made, changed(made, "result.test_accuracy", round(made.result.test_accuracy * 510 + 60) / 510)
    files = [written(tmp_path, "1.json", honest), written(tmp_path, "2.json", changed(boasted, "run", "another"))]
    assert cli.main(["check", "--train", *map(str, files)]) == 1
    out = capsys.readouterr().out
    assert out.count("trained again:") == 2 and "fine\n    trained again: " in out
    assert list((tmp_path / "runs").glob("*")) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.json"], "nowhere.json cannot be read"),
        (["nowhere.json", "--assignment", "1"], "says a set-up without rules"),
        (["nowhere.json", "--assignment", "https://lab.example"], "says no set-up"),
    ],
)
def test_what_cannot_be_asked_is_answered(arguments, words, capsys):
    assert cli.main(["check", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_finished_run_that_lost_its_numbers_has_no_sheet(trained, tmp_path):
    run = Run(Path(shutil.copytree(trained["path"], tmp_path / "runs" / "damaged")))
    (run.path / "metrics.jsonl").write_text('{"event": "finished", "epochs": 2}\n')
    with pytest.raises(ConfigError):
        sheet.make(run)
