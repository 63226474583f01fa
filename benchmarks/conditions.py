"""What stands beside a measurement: the machine and its kind, threads, precision, versions, load, date; and where it is kept."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch

from reglab import __version__, machine
from reglab.runs.files import read_json, write_json

CPU = torch.device("cpu")


def conditions(device: torch.device = CPU, precision: str = "") -> dict[str, Any]:
    """Of a measurement that begins now; more than one machine's results stand apart by `kind`."""
    told = {
        "machine": machine.device_name(CPU),
        "kind": kind(device),
        "device": machine.device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "load average at the start": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "reglab": __version__,
        "date": date.today().isoformat(),
    }
    return told | ({"precision": precision} if precision else {})


def kind(device: torch.device = CPU) -> str:
    """`AMD EPYC, 2 cores, AVX512, native bf16` or the name of the GPU: what a rate holds for."""
    if device.type == "cuda":
        return machine.device_name(device)
    bf16 = "native bf16" if "bf16" in machine.native_precisions(CPU) else "no native bf16"
    return f"{machine.device_name(CPU)}, {torch.backends.cpu.get_cpu_capability()}, {bf16}"


def sentence(told: dict[str, Any]) -> str:
    """For below a table."""
    at = f"{told['kind']}, {told['threads']} thread{'s' * (told['threads'] > 1)}"
    return (
        f"{at}; torch {told['torch']}, load average at the start {told['load average at the start']}; {told['date']}."
    )


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most, to four digits."""
    return {
        name: float(f"{of(values):.4g}") for name, of in (("median", statistics.median), ("min", min), ("max", max))
    }


def kept(file: Path | None, entry: dict[str, Any]) -> dict[str, Any]:
    """The entry beside those of other kinds of machine that the file has; written there as well, unless it is None."""
    told = read_json(file) if file else {}
    told = {"machines": {**told.get("machines", {}), entry["conditions"]["kind"]: entry}}
    if file:
        write_json(file, told)
    return told
