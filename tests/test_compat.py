"""What `reglab.compat` leans on is still so in the packages that are installed: a new version that changes it fails here."""

from __future__ import annotations

import argparse
import ast
import asyncio
import inspect
import logging
import os
import re
import subprocess
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from conftest import ROOT
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from reglab import compat


# ---- torch -------------------------------------------------------------------------------------------------------
def tensors(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in [(3,), (2, 5), (4, 3, 3, 3)]]


def test_the_operations_on_many_tensors_are_those_on_each():
    others = tensors(1)
    for operation, alone in (
        (lambda each: compat.torch.scale_each(each, 0.3), lambda t, _: t * 0.3),
        (lambda each: compat.torch.add_to_each(each, others, 0.3), lambda t, o: t.add(o, alpha=0.3)),
        (lambda each: compat.torch.move_each(each, others, 0.3), lambda t, o: t.lerp(o, 0.3)),
    ):
        changed = tensors(0)
        operation(changed)
        assert all(torch.equal(c, alone(t, o)) for c, t, o in zip(changed, tensors(0), others, strict=True))


def test_channels_last_changes_how_kernels_lie_and_nothing_else():
    network = nn.Conv2d(3, 8, 3)
    kernels = network.weight.detach().clone()
    moved = compat.torch.channels_last(network)
    assert moved is network and torch.equal(network.weight, kernels)
    assert network.weight.is_contiguous(memory_format=torch.channels_last)


def test_every_layer_that_normalises_by_the_batch_is_found_and_no_other():
    network = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm2d(2), nn.GroupNorm(1, 2), nn.LayerNorm(2), nn.ReLU())
    assert compat.torch.batch_norms(network) == [network[0], network[1]]


def test_autograds_graph_can_be_walked_back_to_where_it_began():
    start = torch.ones(2, requires_grad=True)
    ahead, names = [(start * 2).sum().grad_fn], []
    while ahead:
        node = ahead.pop()
        names.append(type(node).__name__)
        ahead += compat.torch.nodes_before(node)
    assert names == ["SumBackward0", "MulBackward0", "AccumulateGrad"]


def test_power_iterations_find_the_largest_singular_value_and_leave_the_mode():
    torch.manual_seed(0)
    layer = spectral_norm(nn.Linear(6, 4)).eval()
    layer.parametrizations.weight.original.data.normal_()
    compat.torch.iterate_power(layer, 200)
    assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=1e-4)
    assert not layer.training


def test_hooks_are_counted_while_they_listen():
    layer = nn.ReLU()
    hooks = [
        layer.register_forward_pre_hook(lambda *_: None),
        layer.register_forward_hook(lambda *_: None),
        layer.register_full_backward_hook(lambda *_: None),
    ]
    assert compat.torch.count_hooks(layer) == 3
    for hook in hooks:
        hook.remove()
    assert compat.torch.count_hooks(layer) == 0


def test_torchvisions_operations_can_be_had_one_by_one():
    from torchvision.transforms import v2

    augment, images = v2.TrivialAugmentWide(), torch.arange(48, dtype=torch.uint8).view(1, 3, 4, 4)
    assert len(compat.torchvision.operations(augment)) == 14
    assert torch.equal(compat.torchvision.apply_operation(augment, images, "Identity", 0.0), images)
    solarized = compat.torchvision.apply_operation(augment, images, "Solarize", 0.0)
    assert torch.equal(solarized, 255 - images)


def test_a_state_without_what_is_parametrized_is_that_of_the_rest():
    network = nn.Sequential(spectral_norm(nn.Linear(3, 3)), nn.BatchNorm1d(3))
    rest = compat.torch.without_parametrized(network.state_dict())
    assert set(rest) == {"0.bias", *(f"1.{key}" for key in nn.BatchNorm1d(3).state_dict())}
    assert set(compat.torch.without_parametrized(network[0].state_dict())) == {"bias"}


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), "3 8 kernel_size=3 stride=2 padding=1 bias=False"),
        (nn.Conv2d(4, 4, (1, 3), groups=4), "4 4 kernel_size=(1, 3) groups=4"),
        (nn.Linear(3, 2, bias=False), "in_features=3 out_features=2 bias=False"),
        (nn.BatchNorm2d(7), "7"),
        (nn.GroupNorm(2, 4), "2 4"),
        (nn.MaxPool2d(3, stride=2), "kernel_size=3 stride=2"),
        (nn.AdaptiveAvgPool2d(1), "output_size=1"),
        (nn.ReLU(inplace=True), "inplace=True"),
        (nn.Flatten(), ""),
    ],
    ids=repr,
)
def test_a_layer_shows_the_arguments_that_make_it_again(layer, told):
    shown = compat.torch.shown_arguments(type(layer), layer.extra_repr())
    assert sorted(shown) == sorted(re.findall(r"(?:\w+=)?(?:\(.*?\)|\S+)", told))
    again = eval(f"nn.{type(layer).__name__}({', '.join(shown)})", {"nn": nn})  # noqa: S307  the test's own words
    assert repr(again) == repr(layer)


def test_the_older_exporter_of_onnx_is_quiet_and_takes_any_number_of_pictures(tmp_path, capsys):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 2)).eval()
    with warnings.catch_warnings(action="error"):
        compat.torch.write_onnx(network, tmp_path / "a.onnx", torch.rand(2, 3, 8, 8), "images", "logits")
    assert capsys.readouterr().out == ""
    session = runtime.InferenceSession(str(tmp_path / "a.onnx"), providers=["CPUExecutionProvider"])
    for n in (1, 5):
        images = torch.rand(n, 3, 8, 8)
        [found] = session.run(["logits"], {"images": images.numpy()})
        np.testing.assert_allclose(found, network(images).detach().numpy(), atol=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a processor can do")
def test_native_bfloat16_is_what_the_processor_says_of_itself():
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    assert compat.torch.cpu_has_bf16() == ("avx512_bf16" in flags or "amx_tile" in flags)


def test_torch_says_that_memory_is_lacking_in_the_words_that_are_looked_for():
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**60, dtype=torch.uint8)
    assert compat.torch.lacks_memory(refused.value) and compat.torch.lacks_memory(MemoryError())
    assert issubclass(torch.OutOfMemoryError, RuntimeError)
    assert compat.torch.lacks_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB."))
    with pytest.raises(RuntimeError) as other:
        torch.zeros(2) + torch.zeros(3)
    assert not compat.torch.lacks_memory(other.value)


def test_waiting_threads_sleep_unless_whoever_starts_the_program_says_otherwise():
    code = "import os, reglab; print(os.environ['OMP_WAIT_POLICY'], os.environ['GOMP_SPINCOUNT'])"
    environment = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}

    def told(**more: str) -> str:
        return subprocess.check_output(
            [sys.executable, "-c", code], cwd=ROOT, env={**environment, **more}, text=True
        ).strip()

    assert told() == "PASSIVE 10000"
    assert told(GOMP_SPINCOUNT="5") == "PASSIVE 5"


@pytest.mark.skipif(sys.platform != "linux", reason="torch brings libgomp for Linux")
def test_torch_waits_with_the_library_that_reads_these_settings():
    from threadpoolctl import threadpool_info

    mine = [i for i in threadpool_info() if i["user_api"] == "openmp" and "torch" in str(i["filepath"])]
    assert mine and all(i["prefix"] == "libgomp" for i in mine)


# ---- timm --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["test_resnet", "vgg11", "vgg11_bn", "inception_v3", "tf_efficientnet_lite0"])
def test_a_backbone_ends_in_feature_maps_and_has_no_classifier(name):
    with torch.device("meta"):
        backbone = compat.timm.create_backbone(name, 0.0)
        maps = backbone.eval().forward_features(torch.zeros(1, 3, 96, 96))
    assert maps.ndim == 4 and maps.shape[1] == backbone.num_features
    assert not any(p.shape[0] == 1000 for p in backbone.parameters())
    assert compat.timm.architecture_of(backbone) == name


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "vgg11_bn", "inception_v3", "tf_efficientnet_lite0"])
def test_the_stages_of_a_backbone_all_come_before_its_last_maps_and_in_order(name):
    with torch.device("meta"):
        backbone = compat.timm.create_backbone(name, 0.0).eval()
        stages, reached = compat.timm.stage_modules(backbone), []
        for stage in stages:
            stage.register_forward_hook(lambda module, inputs, maps: reached.append((module, maps.shape[2])))
        backbone.forward_features(torch.zeros(1, 3, 96, 96))
    assert [module for module, _ in reached] == stages and len(stages) >= 5
    sides = [side for _, side in reached]
    assert sides == sorted(sides, reverse=True)


def test_a_network_that_tells_no_stages_has_none():
    assert compat.timm.stage_modules(torch.nn.Linear(1, 1)) == []


def test_a_backbone_drops_branches_where_timm_can():
    assert compat.timm.accepts_drop_path("test_resnet") and not compat.timm.accepts_drop_path("vgg11")
    backbone = compat.timm.create_backbone("test_resnet", 0.1)
    dropping = {type(m).__name__ for m in backbone.modules() if getattr(m, "drop_prob", 0)}
    assert dropping and dropping <= compat.timm.DROP_LAYERS


def test_every_parameter_of_a_backbone_lies_somewhere_and_the_first_layer_first():
    with torch.device("meta"):
        backbone = compat.timm.create_backbone("test_resnet", 0.0)
    depth = compat.timm.depth_of_parameters(backbone)
    assert depth.keys() == dict(backbone.named_parameters()).keys()
    assert depth[next(iter(depth))] == min(depth.values()) == 0
    assert max(depth.values()) == max(d for name, d in depth.items() if name.startswith("layer4"))


def test_timms_layers_that_drop_are_called_so():
    from timm import layers

    assert all(hasattr(getattr(layers, name)(0.5), "drop_prob") for name in compat.timm.DROP_LAYERS)


def test_a_tag_that_timm_does_not_have_has_no_config():
    assert compat.timm.config_of("resnet18").hf_hub_id == "timm/resnet18.a1_in1k"
    assert compat.timm.config_of("resnet18.nosuch") is None


# ---- Gradio ------------------------------------------------------------------------------------------------------
def test_a_page_has_a_queue_that_can_sleep_longer():
    import gradio as gr

    with gr.Blocks() as page:
        gr.Textbox()
    page.queue()
    compat.gradio.let_idle_queue_sleep(page)
    assert (page._queue.sleep_when_free, page._queue.progress_update_sleep_when_free) == (0.02, 0.05)


def test_an_event_hands_over_what_the_page_told():
    import gradio as gr

    assert compat.gradio.told(gr.EventData(None, {"run": "a"})) == {"run": "a"}
    assert compat.gradio.told(gr.EventData(None, None)) == compat.gradio.told(gr.EventData(None, ["run"])) == {}


def test_components_hand_values_over_in_their_own_way():
    import gradio as gr

    with gr.Blocks() as page:
        box = compat.gradio.shows(compat.gradio.takes(gr.Slider(0, 1), lambda value: [value]), str)
        box.change(lambda value: value, box, box, api_name="echo")
    [function] = page.fns.values()
    # What a slider would refuse: 7 lies outside.
    answer = asyncio.run(page.process_api(function, [7]))
    assert answer["data"] == ["[7]"]


def test_a_file_that_nobody_uploaded_is_not_handed_over(tmp_path, monkeypatch):
    import gradio as gr
    from gradio.data_classes import ImageData

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    with gr.Blocks():
        picture = compat.gradio.takes_uploads(gr.Image(), lambda: gr.Error("Upload it."))
    inside, outside = tmp_path / "cache" / "a.png", tmp_path / "b.png"
    assert picture.preprocess(ImageData(path=str(inside))) == str(inside)
    assert picture.preprocess(None) is picture.preprocess(ImageData(url="http://localhost")) is None
    for path in (outside, tmp_path / "cache" / ".." / "b.png"):
        with pytest.raises(gr.Error, match="Upload it"):
            picture.preprocess(ImageData(path=str(path)))


def test_values_that_do_not_fit_an_endpoint_are_answered_in_words():
    import gradio as gr

    with gr.Blocks() as page:
        picture, text = gr.Image(), gr.Textbox()
        gr.Button().click(lambda *values: "", [picture, text], text, api_name="told")
        gr.Button().click(lambda *values: "", [picture, text], text, api_visibility="private")
    compat.gradio.takes_uploads(picture, lambda: gr.Error("Upload it."))
    compat.gradio.answer_in_words(page, lambda: gr.Error("Two values."))
    told, private = page.fns.values()
    for values in ([], [7, "a"], [["a"], "b"], ["a", "b"]):
        with pytest.raises(gr.Error, match="Two values"):
            asyncio.run(page.process_api(told, values))
    with pytest.raises(gr.Error, match="Upload it"):
        asyncio.run(page.process_api(told, [{"path": __file__}, "a"]))
    with pytest.raises(ValueError, match="didn't receive enough"):
        asyncio.run(page.process_api(private, []))
    assert asyncio.run(page.process_api(told, [None, "a"]))["data"] == [""]


# ---- the Hub -----------------------------------------------------------------------------------------------------
def test_what_the_hub_read_when_it_was_imported_is_where_it_looks(monkeypatch, tmp_path):
    from huggingface_hub import constants, try_to_load_from_cache

    commit = "c" * 40
    file = tmp_path / "models--some--one" / "snapshots" / commit / "deep" / "file.bin"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    (tmp_path / "models--some--one" / "refs").mkdir()
    (tmp_path / "models--some--one" / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert compat.huggingface_hub.cache_folder() == tmp_path
    found = try_to_load_from_cache("some/one", "deep/file.bin")
    assert found == str(file) and compat.huggingface_hub.commit_of(file, "deep/file.bin") == commit
    assert compat.huggingface_hub.home_folder() == Path(constants.HF_HOME)
    for said in (True, False):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", said)
        assert compat.huggingface_hub.is_offline() is said


def test_the_size_of_the_pieces_is_a_number_that_can_be_set(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", constants.DOWNLOAD_CHUNK_SIZE)  # put back at the end
    assert constants.DOWNLOAD_CHUNK_SIZE > 256 * 1024
    compat.huggingface_hub.read_in_small_pieces()
    assert constants.DOWNLOAD_CHUNK_SIZE == 256 * 1024


def test_a_large_file_is_called_by_its_digest(tmp_path):
    blob = tmp_path / ("ab" * 32)
    blob.write_bytes(b"1")
    (tmp_path / "model.safetensors").symlink_to(blob)
    assert compat.huggingface_hub.digest_in_name(tmp_path / "model.safetensors") == "ab" * 32
    assert compat.huggingface_hub.digest_in_name(tmp_path / "config.json") is None


def test_bars_of_the_hub_tell_bytes_and_draw_nothing(capsys):
    told: list[int] = []
    bar, made = compat.huggingface_hub.bars(told.append)
    with bar(total=10, initial=2, unit="B", desc="file") as shown, bar(total=10) as other:
        shown.update(3)
        other.update(9)
        shown.update(None)
    assert told == [5, 9, 9] and len(made) == 2
    assert capsys.readouterr() == ("", "")


def test_an_answer_of_the_hub_has_a_number():
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    request = httpx2.Request("GET", "https://example.com")
    error = HfHubHTTPError("no", response=httpx2.Response(404, request=request))
    assert compat.huggingface_hub.status_of(error) == 404
    assert compat.huggingface_hub.status_of(OSError()) is None


# ---- Ray ---------------------------------------------------------------------------------------------------------
def test_ray_takes_the_options_of_a_stream():
    ray = pytest.importorskip("ray")

    @ray.remote(**compat.ray.streaming(16))
    def told():
        yield 1

    assert told  # Ray refuses options that it does not know: here, and for another name below
    with pytest.raises(ValueError, match="Invalid option keyword"):
        ray.remote(_generator_backpressure_objects=16)(lambda: None)


def test_rays_clients_are_answered_by_a_method_of_that_name():
    pytest.importorskip("ray")
    from ray.core.generated import ray_client_pb2

    service = ray_client_pb2.DESCRIPTOR.services_by_name["RayletDriver"]
    assert f"/{service.full_name}/ClusterInfo" == compat.ray.CLUSTER_INFO
    assert "ClusterInfo" in service.methods_by_name


def test_ray_reads_these_names_in_its_environment(monkeypatch):
    ray = pytest.importorskip("ray")
    from ray._common import usage
    from ray._private import accelerators

    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        monkeypatch.delenv(name, raising=False)
    compat.ray.set_environment()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] == "0"
    source = "".join(
        path.read_text(encoding="utf-8")
        for package in (usage, accelerators, ray._private)
        for path in Path(package.__path__[0]).glob("*.py")
    )
    assert "RAY_USAGE_STATS_ENABLED" in source and "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO" in source


def test_rays_loggers_have_these_names():
    ray = pytest.importorskip("ray")
    import ray.util.client.logsclient as logs

    before = logging.getLogger("ray").level, logs.logger.disabled
    try:
        compat.ray.be_quiet()
        assert logs.logger.name == "ray.util.client.logsclient" and logs.logger.disabled
        assert logging.getLogger(ray.__name__).level == logging.ERROR
    finally:
        logging.getLogger("ray").setLevel(before[0])
        logs.logger.disabled = before[1]


def test_of_a_long_error_the_line_that_says_what_happened_is_told():
    trace = 'ray::told()\n  File "a.py", line 1\n    raise ValueError\nValueError: no.\n'
    assert compat.ray.last_word(RuntimeError(trace)) == "ValueError: no"
    assert compat.ray.last_word(RuntimeError("The node died.\nSee the log.")) == "The node died"
    assert compat.ray.last_word(RuntimeError()) == "RuntimeError"


# ---- others ------------------------------------------------------------------------------------------------------
def test_runs_of_trackio_go_side_by_side(monkeypatch):
    trackio = pytest.importorskip("trackio")
    from trackio import context_vars

    asked = {"project", "name", "config", "resume", "embed", "auto_log_gpu", "auto_log_cpu"}
    assert asked <= set(inspect.signature(trackio.init).parameters)
    assert isinstance(context_vars.current_run, ContextVar)
    seen = []

    def init(**settings):
        seen.append((settings, mark.get()))
        mark.set(settings["name"])
        return settings["name"]

    mark: ContextVar[str] = ContextVar("mark", default="nobody")
    monkeypatch.setattr(trackio, "init", init)
    assert [compat.trackio.begin(name=name) for name in ("a", "b")] == ["a", "b"]
    assert [before for _, before in seen] == ["nobody", "nobody"] and mark.get() == "nobody"


def test_bounds_are_those_that_the_field_was_made_with():
    class Model(BaseModel):
        share: float = Field(0.5, ge=0, lt=1)
        choice: Literal["a"] = "a"
        above: int | None = Field(None, gt=3, le=9)

    bounds = {name: compat.pydantic.bounds_of(info) for name, info in Model.model_fields.items()}
    assert bounds == {"share": {"ge": 0, "lt": 1}, "choice": {}, "above": {"gt": 3, "le": 9}}


def test_a_frozen_model_can_be_changed_while_it_is_made_and_not_after():
    class Model(BaseModel):
        model_config = ConfigDict(frozen=True)
        value: int = 1

        @model_validator(mode="after")
        def double(self):
            compat.pydantic.set_while_made(self, "value", 2 * self.value)
            return self

    made = Model(value=4)
    assert made.value == 8 and made.model_dump() == {"value": 8}
    with pytest.raises(ValueError, match="frozen"):
        made.value = 1


def test_a_file_of_tensors_is_the_same_in_order():
    from safetensors.torch import load, save

    metadata = {name: name * 3 for name in "zyxabc"}
    files = {compat.safetensors.in_order(save({"w": torch.arange(6.0)}, metadata)) for _ in range(5)}
    [data] = files
    assert torch.equal(load(data)["w"], torch.arange(6.0))
    header = data[8 : 8 + int.from_bytes(data[:8], "little")]
    assert [header.index(name.encode()) for name in ('"a"', '"b"', '"x"')] == sorted(
        header.index(name.encode()) for name in ('"a"', '"b"', '"x"')
    )


def test_the_processes_of_a_pool_can_be_ended_whatever_they_do():
    pool = ProcessPoolExecutor(1)
    future = pool.submit(time.sleep, 600)
    while not future.running():
        time.sleep(0.01)
    compat.python.kill_workers(pool)
    with pytest.raises(BrokenProcessPool):
        future.result(timeout=60)
    pool.shutdown(wait=False)


def test_the_options_of_a_command_line_are_listed_in_order():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument_group("more").add_argument("--dry-run", action="store_true", help="only say")
    found = compat.python.options_of(parser)
    assert [(option.dest, option.help) for option in found[1:]] == [("file", None), ("dry_run", "only say")]


# ---- and nothing else does ---------------------------------------------------------------------------------------
def private_uses(tree: ast.AST) -> set[str]:
    """What a file takes of others that begins with one underscore, other than of itself (`self._lock`)."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        ):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("reglab"):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr"):
            found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
    return {name for name in found if re.match(r"_(?!_)", name)}


def own_names(tree: ast.AST) -> set[str]:
    """What a file itself defines."""
    named = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    named |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return named | {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


def test_private_parts_of_other_packages_are_used_nowhere_else():
    files = [*(ROOT / "reglab").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py"), ROOT / "docs" / "make.py"]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files if "compat" not in path.parts}
    own = set().union(*map(own_names, trees.values()))
    used = {path.relative_to(ROOT): names for path, tree in trees.items() if (names := private_uses(tree) - own)}
    assert not used
