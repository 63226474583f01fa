"""The data sets: how one is loaded, and how it is split into training, validation and test images.

Read first: `datasets.py`. Everything is uint8 pictures of 32 x 32 pixels, memory-mapped from a folder of decoded arrays.
May import: the ground floor (`errors`, `machine`, `download`, `compat`).
"""

from reglab.data.datasets import (
    FORMAT,
    INSTEAD,
    SIDE,
    SOURCES,
    Dataset,
    Source,
    Split,
    cache_folder,
    check_sizes,
    default_cache_folder,
    fetch,
    is_local,
    is_writable,
    load,
    looks_whole,
    open_decoded,
    source,
    split,
    wrong_labels,
)

__all__ = [
    "FORMAT",
    "INSTEAD",
    "SIDE",
    "SOURCES",
    "Dataset",
    "Source",
    "Split",
    "cache_folder",
    "check_sizes",
    "default_cache_folder",
    "fetch",
    "is_local",
    "is_writable",
    "load",
    "looks_whole",
    "open_decoded",
    "source",
    "split",
    "wrong_labels",
]
