"""Opening a data set: decoded before, else from the Hub's cache, else downloaded.

    dataset = load("cifar10")                                    # milliseconds, but for the first time
    split = split(dataset, train_size=5000, val_size=2000, label_noise=0.2, seed=0)

Every set ends up in the same form: uint8 pictures of 32 x 32 pixels with three channels, memory-mapped from disk.
"""

from __future__ import annotations

from pathlib import Path

from reglab import download
from reglab.data.decoded import Dataset, decoded_folders, keep, open_decoded, read_info
from reglab.data.digits import built_in_digits
from reglab.data.parquet import Damaged, looks_whole, read
from reglab.data.sources import INSTEAD, source
from reglab.errors import DataError


def load(key: str, progress: download.Progress | None = None, test_images: int | None = None) -> Dataset:
    """Open a data set: decoded before, else from the Hub's cache, else downloaded.

    A file that turns out to be damaged is downloaded anew, each once. What is already here never waits for the network.
    `progress` is called with "downloading", bytes, bytes in all; then with "decoding", pictures, pictures in all.
    With the `test_images` of a run it is the edition that the run began with.
    Raises ConfigError for an unknown key, DataError where the set cannot be had.
    """
    known = source(key, test_images)
    report = progress or (lambda stage, done, total: None)
    dataset = open_decoded(known)
    if dataset is not None:
        return dataset
    if known.repo is None:
        return keep(known, known.edition, built_in_digits(known.images))

    files = download.cached(known) or fetch(key, report)
    renewed: set[str] = set()
    while True:
        try:
            return keep(known, files.revision, read(known, files, report))
        except Damaged as damage:
            if damage.path.name in renewed:
                raise DataError(f"{damage} even after a new download: {INSTEAD}, or try again later.") from damage
            renewed.add(damage.path.name)
            try:
                files = fetch(key, report, anew=damage.path)
            except DataError as error:
                raise DataError(f"{damage}, and {error}") from error


def is_local(key: str) -> bool:
    """Whether `load` would succeed without a download; looks at a few small files only, never at the network."""
    known = source(key)
    if known.repo is None or any(read_info(folder, known) for folder in decoded_folders(known)):
        return True
    files = download.cached(known)
    return files is not None and all(looks_whole(path) for path in files.paths.values())


def fetch(
    key: str, progress: download.Progress | None = None, timeout: float = 900, anew: Path | None = None
) -> download.HubFiles:
    """Download a set into the Hub's cache; DataError after `timeout` seconds, or within 5 if there is no network.

    `anew` is a damaged file in the Hub's cache to download again although it is there.
    """
    return download.fetch(source(key), INSTEAD, progress, timeout, anew)
