"""Tensors in a safetensors file that holds its own checksum; the same tensors give the same bytes. Nothing is a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reglab import compat
from reglab.redaction import without_paths

if TYPE_CHECKING:
    from torch import Tensor


HEADER = 4 * 2**20  # bytes; of a network of a thousand tensors it has 100,000, and what is read of a stranger's is JSON


class Damaged(ValueError):
    """The file is not what was written."""


def tensor_bytes(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The file of these tensors, of any shape and type, and of what is said about them."""
    from safetensors.torch import save

    plain, metadata = _plain(tensors), metadata or {}
    return compat.safetensors.in_order(save(plain, {**metadata, "sha256": _digest(plain, metadata)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of such a file, on the CPU, and what is said about them.

    Raises:
        OSError: There is no such file, or it cannot be read.
        Damaged: It is no safetensors file, or its checksum does not fit; in words.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load

    data = path.read_bytes()
    if int.from_bytes(data[:8], "little") > HEADER:
        raise Damaged("its header is longer than any of ours")
    try:
        tensors = load(data)
        with safe_open(path, "pt") as opened:  # reads the header only
            metadata = dict(opened.metadata() or {})
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise Damaged(without_paths(str(error))) from None
    if metadata.pop("sha256", "") != _digest(tensors, metadata):
        raise Damaged("its checksum does not fit")
    return tensors, metadata


def checksum(path: Path) -> str:
    """The checksum that the file says it has, read off its header alone; empty where there is no such file or header."""
    try:
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(size, HEADER)))
        return str(header["__metadata__"]["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 over names, types, shapes and values, and over what is said about them."""
    import torch

    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: tensors[k].detach().cpu().contiguous() for k in sorted(tensors)}
