"""What a frozen backbone makes of pictures, computed once and kept on disk.

A network whose backbone does not change gives every picture the same features in every epoch and in every run. So they
are computed once; training the head on them takes seconds. The features of a picture are kept under the digest of its
pixels: runs that share pictures share features, whatever the split, and a computation that was cut off goes on.
"""

from __future__ import annotations

import hashlib
import os
import uuid
import zipfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reglab import compat, machine, models
from reglab.data import Split, cache_folder
from reglab.errors import DataError, cause, noted
from reglab.models import pretrained
from reglab.training.events import Event, Preparing, Stopped

if TYPE_CHECKING:
    from reglab.config import RunConfig
    from reglab.models.transfer import Transfer

BATCH = 64  # always as many, the last one padded, so that a picture's features do not depend on its neighbours
CHUNK = 16 * BATCH  # pictures a file
REMEMBERED = (
    256 * 2**20
)  # bytes of features that a process keeps in mind once they were asked for: CIFAR-10 at 1,280 numbers
SHELVES = 2  # backbones that it keeps in mind, with their networks


def featured(
    config: RunConfig, data: Split, stop: Callable[[], bool] = lambda: False, began: str = ""
) -> Generator[Event, None, Split | None]:
    """The split with features (n, 1, 1, F) in float16 in the place of its pictures, as `train` takes it.

    `began` is the precision that a run that goes on began with.

    Yields how far it is. When it was stopped it yields `Stopped` and returns None; what is done is kept.
    """
    parts = {name: getattr(data, name) for name in ("train_images", "val_images", "test_images")}
    shelf = Shelf.of(config, began)
    total = sum(map(len, parts.values()))
    found: dict[str, Any] = {}
    done = 0
    for name, pixels in parts.items():
        for here in shelf.fill(pixels):
            yield Preparing(what="features", done=done + here, total=total)
            if stop():
                yield Stopped(epoch=0, step=0)
                return None
        found[name] = shelf.features(pixels)[:, None, None, :]
        done += len(pixels)
    return replace(data, **found, mean=np.zeros(1), std=np.ones(1))


def features_of(
    config: RunConfig, pixels: np.ndarray, stop: Callable[[], bool] = lambda: False, began: str = ""
) -> np.ndarray:
    """Features (N, F) in float16 of pictures (N, 32, 32, 3) in uint8; those not yet known are computed now.

    `began` is the precision that the run was trained in, where that is known. Raises `Interrupted` when it is stopped.
    """
    from reglab.training.events import Interrupted

    shelf = Shelf.of(config, began)
    for _ in shelf.fill(pixels):
        if stop():
            raise Interrupted
    return shelf.features(pixels)


class Shelf:
    """The features that one backbone gives, at one size and precision."""

    def __init__(
        self,
        folder: Path,
        network: Callable[[], Transfer],
        normalize: tuple[np.ndarray, np.ndarray],
        precision: str = "fp32",
    ) -> None:
        self.folder, self._network, self._normalize, self._precision = folder, network, normalize, precision
        self._built: Transfer | None = None
        self._rows: dict[bytes, np.ndarray] = {}
        self._unsaved: set[bytes] = set()  # computed, and not in a file yet
        self._read: set[str] = set()

    @classmethod
    def of(cls, config: RunConfig, began: str = "") -> Shelf:
        """The one shelf of this process for that backbone. Raises DataError where the weights are not on this machine."""
        import torch

        known = pretrained.known(config.model)
        spec = config.spec(2).replace(head_only=False, dropout=0.0)
        side = pretrained.side_of(config.model, config.side)
        revision = pretrained.cached_file(config.model).parent.name[:12]
        device = machine.choose_device(config.device)
        precision = machine.choose_precision(config.precision, device, known.depthwise, began)
        folder = cache_folder() / "features" / f"{known.timm}-{revision}-{side}px-{precision}"

        def network() -> Transfer:
            compat.torch.compute_exactly(device)
            torch.manual_seed(0)
            return compat.torch.channels_last(models.build(spec).to(device)).eval()  # type: ignore[return-value]

        shelf = KEPT.pop(folder, None)
        if shelf is None:
            shelf = cls(folder, network, (np.asarray(known.mean), np.asarray(known.std)), precision)
        KEPT[folder] = shelf  # the one asked for last comes last
        while len(KEPT) > SHELVES:
            del KEPT[next(iter(KEPT))]
        return shelf

    def features(self, pixels: np.ndarray) -> np.ndarray:
        """(N, F) in float16, once `fill` has gone through these pictures."""
        keys = digests(pixels)
        if any(key not in self._rows for key in keys):
            self._look()  # somebody else's pictures have driven them out since
        found = np.stack([self._rows[key] for key in keys])
        if len(self._rows) * found[0].nbytes > REMEMBERED:
            self._rows = {key: self._rows[key] for key in self._unsaved}
            self._read.clear()  # the files have the others
        return found

    @property
    def remembered(self) -> int:
        """How many pictures' features are in mind."""
        return len(self._rows)

    def fill(self, pixels: np.ndarray) -> Iterator[int]:
        """Compute what is missing of pictures (N, H, W, 3), a batch at a time; yields how many of them are known.

        Two that fill in turn, as compared runs do, share the work: whatever one has computed the other finds.
        """
        self._look()
        keys = digests(pixels)
        row_of = {key: row for row, key in enumerate(keys)}
        missing = [key for key in row_of if key not in self._rows]
        done = len(row_of) - len(missing)
        new: list[bytes] = []
        yield len(keys) if not missing else done
        try:
            for start in range(0, len(missing), BATCH):
                batch = [key for key in missing[start : start + BATCH] if key not in self._rows]
                if batch:
                    computed = self.compute(pixels[[row_of[key] for key in batch]])
                    self._rows.update(zip(batch, computed, strict=True))
                    self._unsaved.update(batch)
                    new += batch
                if len(new) >= CHUNK:
                    self._keep(new)
                    new = []
                last = start + BATCH >= len(missing)
                yield len(keys) if last else done + start + BATCH
        finally:
            if new:
                self._keep(new)

    def compute(self, pixels: np.ndarray) -> np.ndarray:
        """Features (n, F) in float16 of at most BATCH pictures (n, 32, 32, 3) in uint8, through the backbone."""
        import torch

        from reglab.training.batches import ImageSet, Normalize

        self._built = self._built or self._network()
        device = next(self._built.parameters()).device
        padded = np.concatenate([pixels, np.repeat(pixels[:1], BATCH - len(pixels), 0)])
        images = ImageSet.to_device(padded, np.zeros(BATCH, dtype=np.int64), device).images(slice(None))
        with torch.inference_mode(), machine.autocast(device, self._precision):
            out = self._built.features(Normalize.to_device(*self._normalize, device)(images))
        return out[: len(pixels)].float().cpu().numpy().astype(np.float16)

    def _look(self) -> None:
        """Read the files that others, or earlier runs, have written."""
        for path in sorted(self.folder.glob("*.npz")):
            if path.name in self._read:
                continue
            try:
                with np.load(path, allow_pickle=False) as kept:
                    keys, rows, digest = kept["keys"], kept["rows"], bytes(kept["digest"])
                if digest != _digest(keys, rows):
                    raise ValueError("its checksum does not fit")
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                path.unlink(missing_ok=True)  # torn or damaged: computed again
                continue
            self._read.add(path.name)
            self._rows.update(zip(map(bytes, keys), rows, strict=True))

    def _keep(self, keys: list[bytes]) -> None:
        rows = np.stack([self._rows[key] for key in keys])
        packed = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1)
        name = f"{uuid.uuid4().hex}.npz"
        temporary = self.folder / f".{name}.tmp"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as out:
                np.savez(out, keys=packed, rows=rows, digest=np.frombuffer(_digest(packed, rows), np.uint8))
            os.replace(temporary, self.folder / name)
        except OSError as error:
            told = DataError(
                f"The features cannot be kept in the cache ({cause(error)}): free some space there, or name another"
                " folder in REGLAB_CACHE."
            )
            raise noted(told, self.folder) from None
        self._read.add(name)
        self._unsaved.difference_update(keys)


KEPT: dict[Path, Shelf] = {}  # of this process


def digests(pixels: np.ndarray) -> list[bytes]:
    """16 bytes for each picture of (N, H, W, 3) that are a function of its pixels."""
    return [hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in pixels]


def _digest(keys: np.ndarray, rows: np.ndarray) -> bytes:
    return hashlib.sha256(keys.tobytes() + rows.tobytes()).digest()
