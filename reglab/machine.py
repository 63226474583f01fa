"""What this machine can do: the device, the precisions it has natively, the threads, the memory."""

from __future__ import annotations

import contextlib
import gc
import os
import platform
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from reglab import compat
from reglab.errors import ConfigError, setting
from reglab.numbers import counted

if TYPE_CHECKING:
    import torch


def has_cuda() -> bool:
    """Whether there is a GPU here and now. On ZeroGPU that is so within a slice; elsewhere torch only believes it."""
    import torch

    return compat.spaces.has_gpu() and torch.cuda.is_available()


def choose_device(asked: str, *, goes_on: bool = False) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises `ConfigError` when what was asked is not there."""
    import torch

    here = "cuda" if has_cuda() else "cpu"
    check_device(asked, here, goes_on=goes_on)
    return torch.device(here if asked == "auto" else asked)


def check_device(asked: str, here: str, *, goes_on: bool = False) -> None:
    """Raises `ConfigError` where a GPU is asked for and there is none. `here` is the best device that there is.

    `goes_on` says that it is for a run that has begun, whose device stays what it was asked to be.
    """
    if asked in ("auto", "cpu", here):
        return
    instead = "go on where there is one, or train it anew with auto" if goes_on else "use auto or cpu"
    raise ConfigError(f"{setting('device')} {asked} was asked for, but torch finds no GPU here: {instead}.")


# ---- the precision -----------------------------------------------------------------------------------------------
def native_precisions(device: torch.device) -> tuple[str, ...]:
    """Those whose products run in hardware, the best first; emulated ones are slower than fp32, which is always there.

    fp16 is for GPUs (from Volta on): on a CPU it has the range of fp16 without its speed.
    """
    import torch

    if device.type == "cuda":
        generation = torch.cuda.get_device_capability(device)[0]
        return (*(["bf16"] if generation >= 8 else []), *(["fp16"] if generation >= 7 else []), "fp32")
    return ("bf16", "fp32") if compat.torch.cpu_has_bf16() else ("fp32",)


def check_precision(asked: str, native: Sequence[str], device: str, *, goes_on: bool = False) -> None:
    """Raises `ConfigError` where one is asked for that the device ("cpu" or "cuda") has not natively.

    `goes_on` says that it is for a run that has begun, whose precision stays what it was asked to be.
    """
    if asked == "auto" or asked in native:
        return
    what = "GPU" if device == "cuda" else "CPU"
    *others, last = native if goes_on else ["auto", *native]
    able = f"{', '.join(others)} or {last}" if others else last
    instead = f"go on where there is one, or train it anew in {able}" if goes_on else f"use {able}"
    raise ConfigError(
        f"{setting('precision')} {asked} was asked for, but this {what} has no arithmetic of its own for it and would be"
        f" slower than in fp32: {instead}."
    )


def choose_precision(asked: str, device: torch.device, depthwise: bool = False, began: str = "") -> str:
    """The best that the device has, where `auto` is asked for. Raises `ConfigError` where it has not what is asked for.

    Networks with depthwise convolutions train faster in fp32 on a CPU (`benchmarks/precision.py`). A run that goes on keeps
    what it `began` with, unless the device has not even that.
    """
    native = native_precisions(device)
    check_precision(asked, native, device.type)
    return began if asked == "auto" and began in native else best_precision(asked, native, device.type, depthwise)


def best_precision(asked: str, native: Sequence[str], device: str, depthwise: bool) -> str:
    """The same for a device ("cpu" or "cuda") that was looked at before."""
    if asked != "auto":
        return asked
    return "fp32" if depthwise and device == "cpu" else native[0]


def why_precision(asked: str, chosen: str, depthwise: bool) -> str:
    """What stands behind the precision of a run where `auto` has chosen by its network; nothing elsewhere."""
    if asked == "auto" and depthwise and chosen == "fp32":
        return "depthwise convolutions train faster in it on a CPU than in bf16"
    return ""


def autocast(device: torch.device, precision: str) -> Any:
    """A context in which products are computed in that precision: bf16, fp16 or fp32."""
    import torch

    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "fp32")


def replays(device: torch.device) -> bool:
    """Whether the steps of a training are recorded and replayed there: on a GPU, unless REGLAB_GRAPHS is 0. The numbers are the same."""
    return device.type == "cuda" and os.environ.get("REGLAB_GRAPHS") != "0"


def lane(device: torch.device) -> AbstractContextManager[Any]:
    """Where a run's work waits for the device: on a GPU a stream of its own, so that the work of others need not wait for it.

    It can be entered again and again. On the CPU there is nothing to wait for.
    """
    import torch

    return torch.cuda.stream(torch.cuda.Stream(device)) if device.type == "cuda" else nullcontext()


def free_memory(device: torch.device) -> int:
    """Bytes of the device's own memory that nobody has taken; 0 where it has none of its own, as on the CPU."""
    import torch

    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


def memory_taken(device: torch.device) -> int:
    """Bytes of it that this process had at the most since `give_memory_back`; 0 where it has none of its own."""
    import torch

    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0


def give_memory_back() -> None:
    """Let others have what was freed here."""
    import torch

    compat.python.give_memory_back()
    if torch.cuda.is_initialized():
        gc.collect()  # a network and its hooks may hold each other
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


# ---- the processor -----------------------------------------------------------------------------------------------
def cpu_count() -> int:
    """The cores this process may use.

    In a container with a quota that is fewer than the machine shows, and a thread for each of the others would only get
    in the way.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as f:  # "200000 100000" or "max 100000"
            quota, period = f.read().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return cores


def memory(device: torch.device) -> int:
    """Bytes in all that the device has, or the container may use of them; 0 where nobody can tell, as on Windows."""
    import torch

    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    try:
        known = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 0
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):  # cgroups v2, v1
        with contextlib.suppress(OSError, ValueError), open(limit, encoding="ascii") as f:
            known.append(int(f.read()))  # or "max"
    return min(known)


def device_name(device: torch.device) -> str:
    """What to write beside a measurement: the GPU's name, or the processor's and how many cores."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {counted(cpu_count(), 'core')}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
