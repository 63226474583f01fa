"""An exported file answers as the network does, in a runtime that knows nothing of the lab."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from conftest import tiny_config

from reglab import models
from reglab.analysis.networks import logits_of
from reglab.cli import main as cli
from reglab.errors import ConfigError, RunError
from reglab.models import ModelSpec
from reglab.publishing import export
from reglab.runs.run import Run
from reglab.runs.tensors import tensor_bytes

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
IMAGES = PIXELS.transpose(0, 3, 1, 2).astype(np.float32) / 255  # what a stranger would do with the pixels


def in_onnxruntime(path, images: np.ndarray) -> tuple[np.ndarray, dict[str, str]]:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})[0], session.get_modelmeta().custom_metadata_map


def test_onnx_answers_as_the_lab_does_for_any_number_of_pictures(finished, tmp_path):
    made = export.export(finished, tmp_path / "net.onnx")
    assert made.bytes == made.path.stat().st_size and made.difference < 1e-4
    expected = logits_of(finished, PIXELS).numpy()
    logits, told = in_onnxruntime(made.path, IMAGES)
    assert np.abs(logits - expected).max() < 1e-4
    assert np.abs(in_onnxruntime(made.path, IMAGES[:1])[0] - expected[:1]).max() < 1e-4
    assert told["run"] == finished.id and json.loads(told["classes"]) == list(map(str, range(10)))
    assert json.loads(told["mean"]) == finished.described["normalization"]["mean"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.onnx", "runs"]


def test_pt2_answers_as_the_lab_does_for_any_number_of_pictures(finished, tmp_path):
    made = export.export(finished, tmp_path / "net.pt2")
    told = {"reglab.json": ""}
    program = torch.export.load(made.path, extra_files=told).module()  # ours, written a line ago
    expected = logits_of(finished, PIXELS)
    with torch.no_grad():
        assert torch.allclose(program(torch.from_numpy(IMAGES)), expected, atol=1e-5)
        assert torch.allclose(program(torch.from_numpy(IMAGES[:1])), expected[:1], atol=1e-5)
    assert json.loads(told["reglab.json"])["run"] == finished.id


def a_run(store, weights, **config) -> Run:
    """A run with these weights that was never trained."""
    run = store.create(tiny_config(**config))
    (run.path / "model.safetensors").write_bytes(tensor_bytes(weights))
    described = json.loads((run.path / "config.json").read_text())
    described["normalization"] = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.2]}
    (run.path / "config.json").write_text(json.dumps(described))
    return Run(run.path)


def test_a_residual_network_with_spectral_normalization_is_exported_with_plain_weights(store, tmp_path):
    torch.manual_seed(0)
    config = {"model": "resnet20", "width": 0.25, "regularizers": {"spectral_norm": True, "stochastic_depth": True}}
    spec = tiny_config(**config).spec(10)
    network = models.build(spec)
    network.train()(torch.randn(4, 3, 32, 32))
    run = a_run(store, network.state_dict(), **config)
    before = logits_of(run, PIXELS).numpy()
    made = export.export(run, tmp_path / "net.onnx")
    assert np.abs(in_onnxruntime(made.path, IMAGES)[0] - before).max() < 1e-4
    assert np.array_equal(logits_of(run, PIXELS).numpy(), before)  # the lab's own network is as it was


# ---- what cannot be ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("below", [1.0, 0.116])
@pytest.mark.parametrize("name", ["net.onnx", "net.pt2"])
def test_a_network_that_answers_by_several_views_is_exported_with_them(name, below, store, tmp_path):
    if name.endswith("onnx"):
        pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    network = models.build(ModelSpec(width=0.125, norm="batch"))
    config = {"width": 0.125, "regularizers": {"batch_norm": {}, "test_time_augmentation": {"below": below}}}
    run = a_run(store, network.state_dict(), **config)
    assert export.export(run, tmp_path / name).difference < 1e-5


def test_what_cannot_be_written_is_refused_in_one_sentence(finished, tmp_path):
    with pytest.raises(ConfigError, match=r"^net\.h5 cannot be exported to: the file must end in \.onnx or \.pt2\.$"):
        export.export(finished, tmp_path / "net.h5")
    with pytest.raises(ConfigError, match="its folder does not exist"):
        export.export(finished, tmp_path / "nowhere" / "net.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ConfigError, match="it is a folder"):
        export.export(finished, tmp_path / "folder.onnx")
    (finished.path / "model.safetensors").unlink()
    with pytest.raises(RunError, match="has no weights yet"):
        export.export(finished, tmp_path / "net.pt2")


def test_a_missing_package_is_named_with_the_command(finished, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(
        ConfigError, match=r"need onnxruntime: install with `pip install onnx onnxruntime`, or export to"
    ):
        export.export(finished, tmp_path / "net.onnx")


def test_a_file_that_disagrees_is_not_left_behind(finished, tmp_path, monkeypatch):
    (tmp_path / "net.pt2").write_bytes(b"older")
    monkeypatch.setitem(export.WRITERS, ".pt2", lambda network, path, told: lambda images: network(images) + 0.1)
    with pytest.raises(RunError, match=r"net\.pt2 was not written: its answers differ .* by 0\.1"):
        export.export(finished, tmp_path / "net.pt2")
    assert (tmp_path / "net.pt2").read_bytes() == b"older"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.pt2", "runs"]


def test_the_command_says_where_and_how_well(store, tmp_path, capsys):
    weights = models.build(ModelSpec(width=0.125)).state_dict()
    run = a_run(store, weights, width=0.125)
    assert cli.main(["export", run.id, str(tmp_path / "net.onnx")]) == 0
    assert "on 5 pictures its answers differ from the network's by at most" in capsys.readouterr().out
    assert cli.main(["export", run.id, str(tmp_path / "net.onnx"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == (tmp_path / "net.onnx").stat().st_size
    assert cli.main(["export", run.id, "net.txt"]) == 2
    assert cli.main(["export", "nothing", "net.onnx"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
