"""The model card says what the run's files say, and its code loads the network where there is no reglab."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT
from PIL import Image

from reglab import data, models
from reglab.analysis import evaluate
from reglab.analysis.predict import answer
from reglab.compat.torch import shown_arguments
from reglab.models import ModelSpec
from reglab.numbers import counted, percent
from reglab.publishing.model_card import model_card, snippet
from reglab.publishing.plain_code import plain_code
from reglab.runs.run import Run

NO_LAB = "import sys; sys.modules['reglab'] = None; import runpy; runpy.run_path('load.py')"


def front(card: str) -> dict:
    """The front matter as the Hub reads it."""
    return yaml.safe_load(card.split("---\n")[1])


def without_the_lab(folder: Path, code: str) -> list[tuple[float, str]]:
    """What the code prints in a process of its own, isolated from reglab: (probability, class)."""
    (folder / "load.py").write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", "-c", NO_LAB], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    rows = (line.split(" ", 1) for line in done.stdout.splitlines())
    return [(float(p), name) for p, name in rows]


def test_the_card_says_what_the_summary_says(finished):
    card, s = model_card(finished), finished.summary()
    assert model_card(Run(finished.path)) == card
    assert f"```sh\n{finished.config.command()}\n```" in card
    for epoch in (s["last"], s["best"]):
        assert f"| {epoch['epoch']} | {percent(epoch['train_accuracy'])} | {percent(epoch['val_accuracy'])} |" in card
    told = front(card)
    assert told["library_name"] == "pytorch" and told["license"] == "mit" and "batch_norm" in told["tags"]
    (result,) = told["model-index"][0]["results"]
    assert result["dataset"] == {"name": data.source("digits").title, "type": "digits", "split": "test"}
    assert result["metrics"] == [{"type": "accuracy", "value": round(s["best"]["test_accuracy"], 4)}]
    assert "20 % of its training labels were made wrong" in card and "not been calibrated" in card
    assert f", {counted(s['threads'], 'thread')}, " in card


def test_an_accuracy_on_some_of_the_test_images_is_told_with_their_number_and_is_no_result(finished):
    *lines, end = finished.lines()[0]
    end["best"]["test_images"] = 100
    (finished.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, end]))
    card = model_card(Run(finished.path))
    assert "Its best epoch was judged on 60 training, 60 validation and 100 test images." in card
    assert "model-index" not in front(card)


def test_an_evaluation_is_told_class_by_class_and_goes_before_what_training_measured(finished):
    measured = evaluate.evaluate(finished)
    card = model_card(finished, "someone/digits-net")
    assert f"accuracy **{percent(measured.accuracy)}**" in card and f"temperature of {measured.temperature:.3f}" in card
    for name, share in measured.per_class.items():
        assert f"| {name} | {percent(share)} |" in card
    (model,) = front(card)["model-index"]
    assert model["name"] == "digits-net" and "python -m reglab pull someone/digits-net" in card
    assert model["results"][0]["metrics"][0]["value"] == round(measured.accuracy, 4)


def test_the_code_of_the_card_answers_as_the_lab_does(finished):
    evaluate.evaluate(finished)
    seen = np.random.default_rng(3).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(seen).save(finished.path / "picture.png")
    (code,) = re.findall(r"```python\n(.*?)```", model_card(finished), re.DOTALL)
    assert code == snippet(finished) and "reglab" not in code
    expected = answer(str(finished.path), seen, cam=False)
    assert expected.temperature is not None
    told = without_the_lab(finished.path, code)
    assert [name for _, name in told] == [name for name, _ in expected.top(3)]
    assert [p for p, _ in told] == pytest.approx([p for _, p in expected.top(3)], abs=1e-4)


def test_a_network_that_was_not_evaluated_is_not_calibrated(finished):
    assert "logits = network((images - mean) / std)[0]\n" in snippet(finished)


EVERYTHING = {"norm": "batch", "dropout": 0.5, "spatial_dropout": 0.1, "dropblock": 0.1}
SPECTRAL = {"norm": "group", "spectral_norm": 1}


@pytest.mark.parametrize("name", models.MODELS)
@pytest.mark.parametrize("shaped", [{}, EVERYTHING, SPECTRAL], ids=["plain", "everything", "spectral"])
def test_plain_code_builds_every_network(name, shaped, tmp_path):
    torch.manual_seed(0)
    same_network(models.build(ModelSpec(name=name, width=0.125, **shaped)), tmp_path)


def test_plain_code_builds_residual_networks_with_stochastic_depth(tmp_path):
    same_network(models.build(ModelSpec(name="resnet20", width=0.5, stochastic_depth=0.2)), tmp_path)


@pytest.mark.parametrize("below", [1.0, 0.3])
def test_plain_code_answers_by_several_views_where_the_network_does(below, tmp_path):
    settings = {"view_below": below, "view_shift": 1, "view_mirror": True}
    same_network(models.build(ModelSpec(name="resnet20", width=0.5, spectral_norm=1, **settings)), tmp_path)


def test_plain_code_builds_a_network_of_timm(tmp_path):
    same_network(models.build(ModelSpec(name="timm/resnet18", dropout=0.1, side=32)), tmp_path)


def same_network(network: torch.nn.Module, folder: Path) -> None:
    """The code has the same weights by the same names, and with them gives the same logits to the last bit."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():  # zeros and ones, as a new network has, would hide a lost layer
                tensor.uniform_(0.5, 1.5) if name.endswith("_var") else tensor.add_(torch.randn(tensor.shape) * 0.1)
    code = folder / "network.py"
    code.write_text(plain_code(network.eval()), encoding="utf-8")
    other = runpy.run_path(str(code))["network"]
    assert list(other.state_dict()) == list(network.state_dict())
    other.load_state_dict(network.state_dict())
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(other.eval()(images), network(images))


def test_arguments_that_are_usual_are_left_out():
    assert shown_arguments(torch.nn.GELU, torch.nn.GELU().extra_repr()) == []
    assert shown_arguments(torch.nn.BatchNorm2d, torch.nn.BatchNorm2d(8).extra_repr()) == ["8"]
    odd = torch.nn.Conv2d(3, 8, (1, 3), padding=(0, 1), bias=False)
    assert shown_arguments(torch.nn.Conv2d, odd.extra_repr()) == [
        "3",
        "8",
        "kernel_size=(1, 3)",
        "padding=(0, 1)",
        "bias=False",
    ]


# ---- what ships --------------------------------------------------------------------------------------------------
SHIP = runpy.run_path(str(ROOT / "docs" / "ship.py"))


def test_what_ships_is_half_as_large_and_judged_as_it_ships(finished, tmp_path):
    target = tmp_path / "shipped" / "digits-net"
    finished.rename("digits")
    SHIP["ship"](finished.path, target)
    run, before = Run(target), finished.weights()
    for name, tensor in run.weights().items():
        assert tensor.dtype == (torch.float16 if before[name].is_floating_point() else before[name].dtype)
    assert (target / "model.safetensors").stat().st_size < 0.55 * (finished.path / "model.safetensors").stat().st_size
    known = evaluate.known(run)
    assert known is not None and known.accuracy == pytest.approx(finished.summary()["best"]["test_accuracy"], abs=0.01)
    card = (target / "README.md").read_text(encoding="utf-8")
    assert card == model_card(run) and "stored as float16" in card and f"**{percent(known.accuracy)}**" in card
    assert json.loads((target / "summary.json").read_text()) == run.summary()
    assert not (target / ".lock").exists() and not (target / "last.safetensors").exists()
    with pytest.raises(SystemExit, match="there already"):
        SHIP["ship"](finished.path, target)


def test_what_is_too_large_does_not_ship(finished, tmp_path, monkeypatch):
    finished.rename("digits")
    monkeypatch.setitem(SHIP["ship"].__globals__, "MOST", 1_000_000)
    with pytest.raises(
        SystemExit, match=r"would be 1\.\d MB, more than the 1 MB that may ship: ship a narrower network\."
    ):
        SHIP["ship"](finished.path, tmp_path / "shipped")
    assert not (tmp_path / "shipped").exists()
