"""The data sets: how one is loaded, and how it is split into training, validation and test images.

    sources.py     which sets there are; a new one is an entry here
    datasets.py    `load`: decoded before, else from the Hub's cache, else downloaded
    decoded.py     a `Dataset`, and the folder of plain arrays that it is memory-mapped from
    parquet.py     reading the Hub's files; digits.py: the set that needs no network
    splits.py      the images of one run, with wrong labels put on some

Read first: `sources.py`, then `datasets.py`. Everything is uint8 pictures of 32 x 32 pixels.
May import: the ground floor (`errors`, `machine`, `download`, `compat`).
"""

from reglab.data.datasets import fetch, is_local, load
from reglab.data.decoded import FORMAT, Dataset, cache_folder, default_cache_folder, is_writable, open_decoded
from reglab.data.parquet import looks_whole
from reglab.data.sources import EARLIER, INSTEAD, SIDE, SOURCES, Source, source
from reglab.data.splits import Split, check_sizes, split, spread, wrong_labels

__all__ = [
    "EARLIER",
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
    "spread",
    "wrong_labels",
]
