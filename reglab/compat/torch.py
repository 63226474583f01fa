"""torch: its private fused operations, CUDA graphs, what its stubs do not know, how its layers show themselves, and its words."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    Network = TypeVar("Network", bound=nn.Module)


# ---- before it is imported ---------------------------------------------------------------------------------------
def let_waiting_threads_sleep() -> None:
    """How long a thread that waits for the others spins before it sleeps: libgomp reads it once, when torch is imported.

    On a machine where anything else runs (a browser that shows the curves, say), spinning threads starve the one they
    wait for; sleeping at once costs time when nothing else runs. basic_cnn on two cores, images/s alone (median of 8
    epochs) and beside one busy process (of 4), 2026-11-22: 100,000 turns 2,085 and 315; 10,000 turns 2,277 and 595; none
    1,784 and 750. libgomp's own choice is 300,000. Read in torch 2.11.0, whose Linux wheels bring libgomp.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")


# ---- tensors -----------------------------------------------------------------------------------------------------
def scale_each(tensors: Sequence[Tensor], factor: float | Tensor) -> None:
    """Multiply every tensor by a number, or a tensor without dimensions, in place and in one go. `torch._foreach_mul_`, torch 2.11.0."""
    import torch

    torch._foreach_mul_(list(tensors), factor)


def add_to_each(tensors: Sequence[Tensor], others: Sequence[Tensor], alpha: float) -> None:
    """Add `alpha` times the tensor that belongs to it to each, in place. `torch._foreach_add_`, torch 2.11.0."""
    import torch

    torch._foreach_add_(list(tensors), list(others), alpha=alpha)


def move_each(tensors: Sequence[Tensor], others: Sequence[Tensor], share: float) -> None:
    """Move each tensor that share of the way to the one that belongs to it, in place. `torch._foreach_lerp_`, torch 2.11.0."""
    import torch

    torch._foreach_lerp_(list(tensors), list(others), share)


def nodes_before(node: Any) -> list[Any]:
    """The nodes of autograd's graph that a node passes its gradient on to. `Node.next_functions`, torch 2.11.0."""
    return [before for before, _ in node.next_functions if before is not None]


# ---- networks ----------------------------------------------------------------------------------------------------
def channels_last(network: Network) -> Network:
    """The network with its kernels in memory as (N, H, W, C), which the CPU's and the GPU's convolutions like best.

    The stubs of `nn.Module.to` know `memory_format` from torch 2.12 on; read in 2.11.0.
    """
    import torch

    to: Any = network.to
    moved: Network = to(memory_format=torch.channels_last)
    return moved


def batch_norms(network: nn.Module) -> list[Any]:
    """The layers that normalise by the batch, of any number of dimensions: `_BatchNorm` is their base, torch 2.11.0."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]


def iterate_power(layer: nn.Module, times: int) -> None:
    """So many more power iterations of a layer under spectral normalization.

    A look at its weight in training mode makes the number it was set up with, which is one or more; torch 2.11.0.
    """
    import torch

    training = layer.training
    layer.train()
    with torch.no_grad():
        for _ in range(times):
            _ = layer.weight
    layer.train(training)


def count_hooks(module: nn.Module) -> int:
    """How many functions listen to a module's passes, forward and backward. torch 2.11.0."""
    return len(module._forward_pre_hooks) + len(module._forward_hooks) + len(module._backward_hooks)


def without_parametrized(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A `state_dict()` without what stands for a parametrized weight: `NAME.parametrizations.weight...`, torch 2.11.0."""
    return {key: value for key, value in state.items() if ".parametrizations." not in f".{key}"}


def shown_arguments(kind: type, shown: str) -> list[str]:
    """The arguments of a layer of torch, read from its `extra_repr()`, without those that need not be said; torch 2.11.0.

    >>> from torch import nn
    >>> shown_arguments(nn.Conv2d, "3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1)")
    ['3', '8', 'kernel_size=3', 'padding=1']
    """
    import ast
    import inspect

    tree = ast.parse(f"layer({shown})", mode="eval").body
    assert isinstance(tree, ast.Call)
    usual = {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}
    told = [ast.unparse(value) for value in tree.args]
    for keyword in tree.keywords:
        value = ast.literal_eval(keyword.value)
        if isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]
        if keyword.arg is not None and usual[keyword.arg] != value:
            told.append(f"{keyword.arg}={value!r}")
    return told


def is_written_down() -> bool:
    """Whether the operations of a network are being written into a file, which knows no other for other pictures."""
    import torch

    return torch.onnx.is_in_onnx_export() or torch.compiler.is_compiling()


def write_onnx(network: nn.Module, path: Path, example: Tensor, input_name: str, output_name: str) -> None:
    """The network as an ONNX file for any number of pictures, with torch's older exporter.

    That needs onnx alone and takes a tenth of the newer one's time (0.7 against 8.5 s), but is on its way out: it warns of
    itself, and prints the graph that it fails on. Read in torch 2.11.0.
    """
    import torch

    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")  # that it is the older one, and on sizes that are constant here
        torch.onnx.export(
            network,
            (example,),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=[input_name],
            output_names=[output_name],
            dynamic_axes={input_name: {0: "batch"}, output_name: {0: "batch"}},
        )


# ---- on a GPU ----------------------------------------------------------------------------------------------------
def compute_exactly(device: torch.device) -> None:
    """The same numbers each time, and fp32 means fp32; on the CPU both are so anyway.

    torch lets convolutions multiply in TF32, with 10 bits of the 23 after the point, and says that they are float32. The older of
    its two ways to say so is the one that torch 2.8 has, and 2.11.0 still.
    """
    import torch

    if device.type != "cuda":
        return
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


# ---- CUDA graphs -------------------------------------------------------------------------------------------------
# All of it read in torch 2.11.0: torch/cuda/graphs.py, aten/src/ATen/cuda/CUDAGraph.cpp and CUDAGeneratorImpl.cpp. On the
# CPU, which has no graphs, what is done is done at once.
def operations(hear: Callable[[str, Any, Any], None]) -> AbstractContextManager[Any]:
    """A context in which every operation is told of before it is done, those of the backward pass too. `TorchDispatchMode`."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Told(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            hear(str(func), args, kwargs or {})
            return func(*args, **(kwargs or {}))

    return Told()


def make_recordable(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Learning rates as tensors, which the fused kernels read on the GPU; and AdamW lets itself be recorded."""
    import torch

    for group in optimizer.param_groups:
        group["lr"] = torch.full((), group["lr"], dtype=torch.float32, device=device)
        if "capturable" in group:
            group["capturable"] = True


def recording_stream(device: torch.device) -> torch.cuda.Stream | None:
    """Where steps are recorded: on the stream that is current, or beside the default one, on which nothing can be recorded.

    Not on the one that all recordings of torch share: what cuBLAS computes in belongs to a stream, and graphs of two runs that are
    replayed at once must not share it.
    """
    import torch

    if device.type != "cuda":
        return None
    current = torch.cuda.current_stream(device)
    return torch.cuda.Stream(device) if current == torch.cuda.default_stream(device) else current


@contextmanager
def beside(stream: torch.cuda.Stream | None) -> Iterator[None]:
    """Work on that stream, after what waits on the current one, and before what comes there."""
    import torch

    if stream is None:
        yield
        return
    current = torch.cuda.current_stream(stream.device)
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        yield
    current.wait_stream(stream)


@contextmanager
def own_global_generator(device: torch.device) -> Iterator[None]:
    """The global generator of the GPU has a state of its own in here, and the usual one again afterwards.

    A recorded step reads its seeds from memory that belongs to the state: two that share one would overwrite each other's.
    """
    import torch

    if device.type != "cuda":
        yield
        return
    everybodys = _global_generator(device)
    usual = everybodys.graphsafe_get_state()
    everybodys.graphsafe_set_state(torch.Generator(device))
    try:
        yield
    finally:
        everybodys.graphsafe_set_state(usual)


def draw_globally_from(generator: torch.Generator, seed: int) -> None:
    """Let the global generator of its device draw what that one does, which was seeded so; on a GPU both advance.

    The host's is seeded in any case: layers on a GPU may draw there, too. While a step is recorded no seed can be asked for.
    """
    import torch

    torch.default_generator.manual_seed(seed)
    if generator.device.type == "cuda":
        _global_generator(generator.device).graphsafe_set_state(generator.graphsafe_get_state())


def has_drawn(generator: torch.Generator) -> bool:
    """Whether it has drawn since it was seeded; on the CPU, which cannot tell, yes."""
    return generator.device.type != "cuda" or generator.get_offset() > 0


def record(
    step: Callable[[], None], generators: Sequence[torch.Generator], stream: torch.cuda.Stream | None
) -> Callable[[], None]:
    """Record what a function does on the GPU, without doing it; what comes back does it, on whichever stream is current.

    All generators that draw in it must be named. Raises RuntimeError where an operation cannot be recorded.
    """
    import torch

    if stream is None:
        return step
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator.graphsafe_get_state())  # it takes no subclass of Generator
    # The outer context goes back to the current stream also where the inner one breaks off. What other threads do on the GPU
    # meanwhile is their own matter.
    with torch.cuda.stream(stream), torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        step()
    return graph.replay


def _global_generator(device: torch.device) -> torch.Generator:
    import torch

    return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]


# ---- the machine -------------------------------------------------------------------------------------------------
def cpu_has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware, and torch uses it. Private probes of `torch.cpu`, torch 2.11.0.

    They ask the processor, also where torch was told to do without AVX-512 (`ATEN_CPU_CAPABILITY=avx2`).
    """
    import torch

    if "AVX512" not in torch.backends.cpu.get_cpu_capability():
        return False
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


def lacks_memory(error: BaseException) -> bool:
    """Whether there was too little memory. torch 2.11.0 says so in words alone: one sentence for GPUs, one for the CPU.

    The libraries of CUDA say it as a status: CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED, ..._ALLOCATION_FAILED.
    """
    words, said = str(error).lower(), ("out of memory", "allocate memory", "alloc_failed", "allocation_failed")
    return isinstance(error, MemoryError) or any(each in words for each in said)
