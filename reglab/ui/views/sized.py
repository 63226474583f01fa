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
    at = next((at for at, size in enumerate(sizes) if _is_as_large(size.config, chosen)), None)
    if at is None:
        return None
    size, best = sizes[at], next(at for at, size in enumerate(sizes) if size.is_proposed)
    images, takes = counted(size.config.train_images, "image"), f"about {clock(size.seconds)} on this machine"
    sentence = f"With {images} both networks take {takes}."
    if size.is_proposed:
        sentence = f"Chosen for this machine: with {images} both networks take about {clock(size.seconds)}."
    ways = [("size", str(best), _offer(sizes[best], "Back to"))] if at != best else []
    if at + 1 < len(sizes) and at >= best:
        ways.append(("size", str(at + 1), _offer(sizes[at + 1], "Take")))
    return {"sentence": f"{sentence} ", "ways": ways}


def _offer(size: Size, word: str) -> str:
    width = "" if size.config.width == 1 else ", narrow network"
    return f"{word} {counted(size.config.train_images, 'image')}{width} ({clock(size.seconds)})"


def _is_as_large(one: RunConfig, other: RunConfig) -> bool:
    names = ("train_images", "width", "epochs", "dataset")
    return all(getattr(one, name) == getattr(other, name) for name in names)
