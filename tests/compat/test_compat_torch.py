"""What `reglab.compat.torch` leans on is still so in the version of torch that is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, environment
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from reglab import compat
from reglab.training.replay import BRINGS, WAITS


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


def test_many_tensors_are_scaled_by_a_tensor_as_by_its_number():
    changed, factor = tensors(0), torch.tensor(1 - 0.3 * 0.7, dtype=torch.double)
    compat.torch.scale_each(changed, factor)
    assert all(torch.equal(c, t * (1 - 0.3 * 0.7)) for c, t in zip(changed, tensors(0), strict=True))


def test_every_operation_is_told_those_of_the_backward_pass_too_and_those_that_ask():
    heard = []
    weight = torch.ones(3, requires_grad=True)
    with compat.torch.operations(lambda name, args, kwargs: heard.append(name)):
        weight.exp().sum().backward()
        torch.tensor([1.0])
        weight.detach().sum().item()
    assert {"aten.exp.default", "aten.sum.default", "aten.mul.Tensor", WAITS, BRINGS} <= set(heard)


def test_fp32_on_a_gpu_is_not_tf32_and_the_cpu_is_left_as_it_is():
    def switches() -> list[bool]:
        convolutions = torch.backends.cudnn
        return [torch.backends.cuda.matmul.allow_tf32, convolutions.allow_tf32, not convolutions.deterministic]

    before = switches()
    try:
        compat.torch.compute_exactly(torch.device("cpu"))
        assert switches() == before
        compat.torch.compute_exactly(torch.device("cuda"))
        assert switches() == [False, False, False]
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before[:2]
        torch.backends.cudnn.deterministic = not before[2]


def test_without_a_gpu_a_step_is_recorded_as_itself():
    cpu, steps = torch.device("cpu"), []
    assert compat.torch.recording_stream(cpu) is None
    with compat.torch.beside(None), compat.torch.own_global_generator(cpu):
        compat.torch.record(lambda: steps.append(1), [], None)()
    assert steps == [1]


def test_the_global_generator_draws_what_another_would():
    own = torch.Generator().manual_seed(3)
    compat.torch.draw_globally_from(own, 3)
    assert torch.equal(torch.rand(4), torch.rand(4, generator=own))


def test_learning_rates_become_tensors_of_the_same_value():
    weights = [nn.Parameter(t) for t in tensors(0)]
    for optimizer in (torch.optim.AdamW(weights, lr=0.25, fused=True), torch.optim.SGD(weights, lr=0.25)):
        compat.torch.make_recordable(optimizer, torch.device("cpu"))
        [group] = optimizer.param_groups
        assert group["lr"].item() == 0.25 and group.get("capturable", True)


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


def test_a_torch_that_was_told_to_do_without_avx_512_has_no_native_bfloat16():
    told = [sys.executable, "-c", "from reglab import compat; print(compat.torch.cpu_has_bf16())"]
    plain = environment() | {"ATEN_CPU_CAPABILITY": "avx2"}
    assert subprocess.run(told, env=plain, capture_output=True, text=True, check=True).stdout == "False\n"


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
