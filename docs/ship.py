"""Copies a finished run to the networks that ship: as float16, measured again, with its card.

python docs/ship.py runs/RUN checkpoints/NAME
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from reglab.analysis.evaluate import evaluate
from reglab.publishing.model_card import model_card
from reglab.runs.files import read_json, write_bytes, write_json
from reglab.runs.recording import seal
from reglab.runs.run import RIGHT, Run
from reglab.runs.tensors import tensor_bytes

if TYPE_CHECKING:
    from torch import Tensor

MOST = 10_000_000  # bytes of a folder that ships


def ship(source: Path, target: Path) -> None:
    """Copy a finished run under a name instead of a time, without what is only needed to go on.

    The weights become float16, half the size, and what the card says of them is measured on the shipped file.
    """
    if target.exists():
        raise SystemExit(f"{target} is there already: remove it first, or ship under another name.")
    finished = Run(source)
    if finished.status() != "finished":
        raise SystemExit(f"{source} is {finished.status()}: ship a finished run.")
    weights = in_half(finished.weights())
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".shipped-") as folder:
        half = Path(folder) / target.name
        half.mkdir()
        for name in ("metrics.jsonl", "timing.jsonl", RIGHT, "name"):
            if (source / name).exists():
                shutil.copyfile(source / name, half / name)
        write_bytes(half / "model.safetensors", tensor_bytes(weights))
        write_json(half / "config.json", {**read_json(source / "config.json"), "run": target.name})
        refuse_large(half)  # before the work
        run = Run(half)
        seal(run)
        evaluate(run)
        (half / ".lock").unlink(missing_ok=True)
        (run.path / "README.md").write_text(model_card(run), encoding="utf-8")
        refuse_large(half)
        half.rename(target)


def refuse_large(folder: Path) -> None:
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > MOST:
        raise SystemExit(
            f"{folder.name} would be {size / 1e6:.1f} MB, more than the {MOST / 1e6:.0f} MB that may ship:"
            " ship a narrower network."
        )


def in_half(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every float as float16, whole numbers as they are. SystemExit where a number is too large for that."""
    import torch

    halved = {name: t.half() if t.is_floating_point() else t for name, t in weights.items()}
    for name, t in halved.items():
        if not torch.isfinite(t).all():
            raise SystemExit(f"{name} has numbers that float16 cannot hold: ship another run.")
    return halved


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    ship(asked.run, asked.folder)
