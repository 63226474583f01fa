"""The decoded cache: <cache>/<key>-<revision>/ with plain .npy files and info.json, written last.

`open_decoded` opens what is there, `keep` writes it. A folder appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reglab import compat, download
from reglab.data.sources import SIDE, Source
from reglab.errors import DataError, noted

FORMAT = 1  # raise it when the arrays change for the same source; older folders are then decoded anew
ARRAYS = ("images", "labels", "test_images", "test_labels")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set as it lies on disk: read-only, memory-mapped, in its original order."""

    source: Source
    revision: str  # the commit on the Hub, or the edition of a built-in set
    images: np.ndarray  # (N, 32, 32, 3) uint8
    labels: np.ndarray  # (N,) int64
    test_images: np.ndarray
    test_labels: np.ndarray
    mean: np.ndarray  # (3,) float64, of each channel over the pool, where black is 0 and white is 1
    std: np.ndarray


def open_decoded(known: Source) -> Dataset | None:
    """The decoded set, or None where there is none in good order."""
    return next(filter(None, (open_folder(folder, known) for folder in decoded_folders(known))), None)


def open_folder(folder: Path, known: Source) -> Dataset | None:
    """The decoded set in this folder, or None if it is not whole."""
    info = read_info(folder, known)
    if info is None:
        return None
    try:
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS}
    except (OSError, ValueError):
        return None
    if [(array.shape, array.dtype) for array in arrays.values()] != expected_arrays(known):
        return None
    mean, std = np.array(info["mean"]), np.array(info["std"])
    return Dataset(source=known, revision=info["revision"], mean=mean, std=std, **arrays)


def decoded_folders(known: Source) -> list[Path]:
    """Where the decoded set may lie: the revision in the Hub's cache, or, should that be empty, any, newest first."""
    if known.repo is None:
        return [cache_folder() / f"{known.key}-{known.edition}"]
    files = download.cached(known)
    if files is not None:
        return [cache_folder() / f"{known.key}-{files.revision}"]
    return sorted(cache_folder().glob(f"{known.key}-*"), key=lambda folder: folder.stat().st_mtime, reverse=True)


def read_info(folder: Path, known: Source) -> dict[str, Any] | None:
    """The folder's info.json if the folder is complete and of this format, else None."""
    try:
        info = json.loads((folder / "info.json").read_text())
        in_order = (
            info["format"] == FORMAT
            and info["key"] == known.key
            and len(info["mean"]) == len(info["std"]) == 3
            and isinstance(info["revision"], str)
            and all((folder / f"{name}.npy").stat().st_size == info["bytes"][name] for name in ARRAYS)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return info if in_order else None


def expected_arrays(known: Source) -> list[tuple[tuple[int, ...], np.dtype]]:
    """Shape and type of each of ARRAYS."""
    pictures, labels = np.dtype(np.uint8), np.dtype(np.int64)
    return [
        ((known.images, SIDE, SIDE, 3), pictures),
        ((known.images,), labels),
        ((known.test_images, SIDE, SIDE, 3), pictures),
        ((known.test_images,), labels),
    ]


def keep(known: Source, revision: str, arrays: dict[str, np.ndarray]) -> Dataset:
    """Write a decoded set and open it. It appears whole or not at all, also when two processes write at once.

    Raises `DataError` where there is no room for it.
    """
    folder = cache_folder() / f"{known.key}-{revision}"
    half = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    mean, std = channel_statistics(arrays["images"])
    try:
        half.mkdir(parents=True)
        remove_leftovers(half)
        for name in ARRAYS:
            with open(half / f"{name}.npy", "wb") as file:
                np.save(file, arrays[name], allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
        info = {
            "format": FORMAT,
            "key": known.key,
            "revision": revision,
            "mean": mean.tolist(),
            "std": std.tolist(),
            "bytes": {name: (half / f"{name}.npy").stat().st_size for name in ARRAYS},
        }
        with open(half / "info.json", "w") as text:
            json.dump(info, text, indent=1)
            text.flush()
            os.fsync(text.fileno())
        put_in_place(half, folder, known)
    except OSError as error:
        told = DataError(
            f"{known.title} could not be kept in the cache ({download.why(error)}): "
            "free some space there, or name another folder in REGLAB_CACHE."
        )
        raise noted(told, folder.parent) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)
    dataset = open_decoded(known)
    if dataset is None:
        raise DataError(f"{known.title} was changed in the cache while it was being written: try again.")
    return dataset


def put_in_place(half: Path, folder: Path, known: Source) -> None:
    """Rename `half` to `folder`; where another process was first and its copy is whole, leave that one."""
    for attempt in range(3):
        try:
            half.rename(folder)
            break
        except OSError:
            if open_folder(folder, known) is not None:
                return
            if attempt == 2:
                raise
            aside = half.with_name(f"{half.name}.old")  # a damaged or older one is in the way
            with contextlib.suppress(OSError):
                folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
    if os.name == "posix":
        parent = os.open(folder.parent, os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)


def remove_leftovers(half: Path) -> None:
    """Delete what processes that were killed while writing the same set left behind, an hour ago or more."""
    for other in half.parent.glob(f"{half.name.rpartition('.')[0]}.*"):
        with contextlib.suppress(OSError):
            if time.time() - other.stat().st_mtime > 3600:
                shutil.rmtree(other, ignore_errors=True)


def channel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel, (3,) in 0..1, from counts of the 256 values: exact in any order."""
    values = np.arange(256) / 255
    counts = np.stack([np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(3)])
    mean = counts @ values / counts.sum(1)
    return mean, np.sqrt(counts @ values**2 / counts.sum(1) - mean**2)


def cache_folder() -> Path:
    """Where decoded sets are kept: REGLAB_CACHE, else the first writable place beside the Hub's cache or the user's."""
    chosen = os.environ.get("REGLAB_CACHE")
    return Path(os.path.expanduser(chosen)) if chosen else default_cache_folder()


@functools.cache
def default_cache_folder() -> Path:
    """The first writable candidate, decided once: the answer must not change while a process runs.

    Without a home folder, which a user id without an entry in passwd may not have, ~ stays as it is: no absolute path.
    """
    candidates = [
        compat.huggingface_hub.cache_folder().parent / "reglab",
        compat.huggingface_hub.home_folder() / "reglab",
        Path(os.path.expanduser("~/.cache/reglab")),
        compat.python.own_temporary_folder(),
    ]
    return next((folder for folder in candidates if folder.is_absolute() and is_writable(folder)), candidates[-1])


def is_writable(folder: Path) -> bool:
    """Found out by writing, since permission bits say nothing of read-only mounts.

    But what is marked as read-only stays untouched, even by root, whom the bits would not stop.
    """
    try:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        if not there.stat().st_mode & 0o222:
            return False
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:  # also where one may not even look, as into the home of another that HOME names
        return False
