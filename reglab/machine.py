"""What this machine can do: the device, the precision it has natively, the threads."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any

from reglab import compat
from reglab.errors import ConfigError
from reglab.numbers import counted

if TYPE_CHECKING:
    import torch


def has_cuda() -> bool:
    """Whether there is a GPU here and now. On ZeroGPU that is so within a slice; elsewhere torch only believes it."""
    import torch

    return compat.spaces.has_gpu() and torch.cuda.is_available()


def choose_device(asked: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises `ConfigError` when what was asked is not there."""
    import torch

    if asked == "auto":
        return torch.device("cuda" if has_cuda() else "cpu")
    if asked.startswith("cuda") and not has_cuda():
        raise ConfigError("device cuda was asked for, but torch finds no CUDA device here: use --device cpu or auto.")
    return torch.device(asked)


def has_native_bf16(device: torch.device) -> bool:
    """Whether bfloat16 products run in hardware; emulated ones are slower than float32."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    return compat.torch.cpu_has_bf16()


def choose_precision(asked: str, device: torch.device) -> str:
    """`auto` is bf16 where the device has it natively, fp32 elsewhere."""
    if asked != "auto":
        return asked
    return "bf16" if has_native_bf16(device) else "fp32"


def autocast(device: torch.device, precision: str) -> Any:
    """A context in which products are computed in that precision: bf16, fp16 or fp32."""
    import torch

    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "fp32")


def replays(device: torch.device) -> bool:
    """Whether the steps of a training are recorded and replayed there: on a GPU, unless REGLAB_GRAPHS is 0. The numbers are the same."""
    return device.type == "cuda" and os.environ.get("REGLAB_GRAPHS") != "0"


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
