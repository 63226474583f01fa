"""What the page says of the size that it proposes: what fits this machine, and a press for the next larger one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reglab.config import RunConfig
from reglab.numbers import counted
from reglab.runs.cost import clock
from reglab.teaching.sizes import Size


def sized(sizes: Sequence[Size], chosen: RunConfig) -> dict[str, Any] | None:
    """A sentence on the chosen one, and buttons: one size up, and back to what fits; None where it is none of these."""
    at = next((at for at, size in enumerate(sizes) if size.is_of(chosen)), None)
    if at is None:
        return None
    size, best = sizes[at], next(at for at, size in enumerate(sizes) if size.is_proposed)
    told = f"{_told(size.config)} both networks take about {clock(size.seconds)}"
    sentence = f"Chosen for this machine: with {told}." if size.is_proposed else f"With {told} on this machine."
    ways = [("size", str(best), f"Back to {_told(sizes[best].config)}")] if at != best else []
    if best <= at < len(sizes) - 1:
        larger = sizes[at + 1]
        ways.append(("size", str(at + 1), f"Take {_told(larger.config)} ({clock(larger.seconds)})"))
    return {"sentence": f"{sentence} ", "ways": ways}


def _told(config: RunConfig) -> str:
    return f"{counted(config.train_images, 'image')} at {'full' if config.width == 1 else 'half'} width"
