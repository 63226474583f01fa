"""What a run asks of a cluster, CPUs and GPUs, and how many of them fit there at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reglab.config import RunConfig
from reglab.errors import ConfigError

CPUS = 1  # a run, and as many threads: runs side by side use the cores better than threads of one run do


def needed(config: RunConfig, gpus: float | None, there: float) -> dict[str, float]:
    """What to ask Ray for, for a run of that config. Raises `ConfigError`."""
    if gpus is not None and not 0 <= gpus <= 1:
        raise ConfigError(f"{gpus:g} GPUs per run were asked for, but a run trains on one: give a share from 0 to 1.")
    if config.device == "cpu":
        gpus = 0.0
    elif gpus is None:
        gpus = 1.0 if there or config.device != "auto" else 0.0
    if config.device not in ("cpu", "auto") and not gpus:
        raise ConfigError(f"device {config.device} was asked for, but no GPU for each run: give --gpus-per-run.")
    return {"num_cpus": CPUS, "num_gpus": gpus}


def places_for(need: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> int:
    """How many such runs fit at once. Raises `ConfigError` where none does, since Ray would wait for ever."""
    cpus, gpus = need["num_cpus"], need["num_gpus"]
    places = sum(
        int(min(node.get("CPU", 0) / cpus, node.get("GPU", 0) / gpus + 1e-9 if gpus else 1e9)) for node in nodes
    )
    if not places:
        asked = f"{cpus:g} CPU and {gpus:g} GPU" if gpus else f"{cpus:g} CPU"
        instead = "choose --device auto or cpu, or --gpus-per-run 0" if gpus else "add a node that has one"
        raise ConfigError(f"Each run asks for {asked}, but no node of the cluster has that: {instead}.")
    return places
