"""Reading a set from its parquet files: every picture decoded, and damage told from other content than expected."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reglab import download
from reglab.data.sources import INSTEAD, SIDE, Source
from reglab.errors import DataError

FORMATS = ("PNG", "JPEG")  # what the Hub's image sets hold; no other decoder is let at what comes from there


def read(known: Source, files: download.HubFiles, report: download.Progress) -> dict[str, np.ndarray]:
    """Decode all pictures: ARRAYS by name. Raises Damaged, or DataError for files with other content than expected."""
    total = known.images + known.test_images
    images, labels = read_parquet(
        known, files.paths["train"], known.images, lambda done: report("decoding", done, total)
    )
    test_images, test_labels = read_parquet(
        known, files.paths["test"], known.test_images, lambda done: report("decoding", known.images + done, total)
    )
    return {"images": images, "labels": labels, "test_images": test_images, "test_labels": test_labels}


def read_parquet(known: Source, path: Path, count: int, report: Callable[[int], None]) -> tuple[np.ndarray, np.ndarray]:
    """The pictures (count, 32, 32, 3) as uint8 and the labels (count,) as int64 of one file.

    Grey pictures become three equal channels, small ones get a black border.
    """
    import pyarrow
    import pyarrow.parquet

    images, labels = np.zeros((count, SIDE, SIDE, 3), np.uint8), np.empty(count, np.int64)
    inner = slice((SIDE - known.side) // 2, (SIDE + known.side) // 2)
    row = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            check_schema(known, path, file.schema_arrow)
            if file.metadata.num_rows != count:
                raise unusable(known, path, f"{file.metadata.num_rows:,} pictures", f"{count:,}")
            for batch in file.iter_batches(batch_size=1000, columns=[known.image_column, known.label_column]):
                column = batch.column(known.label_column)
                if column.null_count:
                    raise unusable(known, path, "a picture without a label", "one for each")
                labels[row : row + len(batch)] = column.to_numpy(zero_copy_only=False)
                for data in batch.column(known.image_column).field("bytes").to_pylist():
                    images[row, inner, inner] = decode(known, path, data)
                    row += 1
                report(row)
    except (pyarrow.ArrowException, OSError) as error:
        raise Damaged(path, known, download.why(error)) from error
    if row != count:
        raise Damaged(path, known, f"it breaks off after {row:,} of {count:,} pictures")
    classes = len(known.classes)
    if labels.min() < 0 or labels.max() >= classes:
        raise unusable(known, path, f"labels from {labels.min()} to {labels.max()}", f"0 to {classes - 1}")
    return images, labels


def decode(known: Source, path: Path, data: bytes | None) -> np.ndarray:
    """One picture, uint8 (side, side, 3)."""
    from PIL import Image

    size = (known.side, known.side)
    try:
        with Image.open(io.BytesIO(data or b""), formats=FORMATS) as image:
            found = image.size
            pixels = np.asarray(image.convert("RGB")) if found == size else None  # a larger one is not decoded at all
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error ... for broken pictures
        raise Damaged(path, known, "a picture in it cannot be decoded") from error
    if pixels is None:
        raise unusable(known, path, f"a picture of {found[0]} x {found[1]} pixels", f"{known.side} x {known.side}")
    return pixels


def check_schema(known: Source, path: Path, schema: Any) -> None:
    """DataError unless the columns are those that the Hub's image sets have: struct<bytes, path> and an integer."""
    from pyarrow import types

    kinds = {column.name: column.type for column in schema}
    image, label = kinds.get(known.image_column), kinds.get(known.label_column)
    holds_bytes = image is not None and types.is_struct(image) and image.get_field_index("bytes") >= 0
    if not holds_bytes or label is None or not types.is_integer(label):
        found = ", ".join(f"{name}: {kind}" for name, kind in kinds.items())
        expected = f"{known.image_column}: struct<bytes, path>, {known.label_column}: int64"
        raise unusable(known, path, f"the columns {found}", expected)


def looks_whole(path: Path) -> bool:
    """Whether a file begins and ends as a parquet file does; a download that broke off does not."""
    try:
        with open(path, "rb") as file:
            head = file.read(4)
            file.seek(-4, os.SEEK_END)
            return head == file.read(4) == b"PAR1"
    except OSError:
        return False


class Damaged(DataError):
    """A file that a new download may mend. Reads on in a longer sentence, so it has neither advice nor full stop."""

    def __init__(self, path: Path, known: Source, reason: str):
        super().__init__(f"{path.name} of {known.title} is damaged ({reason})")
        self.path = path


def unusable(known: Source, path: Path, found: str, expected: str) -> DataError:
    """The error for a whole file with other content than expected, which a new download would not mend."""
    return DataError(f"{path.name} of {known.title} holds {found} where {expected} was expected: {INSTEAD}.")
