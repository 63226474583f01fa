"""The data sets: how one is loaded, and how it is split into training, validation and test images.

    dataset = load("cifar10")                                    # milliseconds, but for the first time
    split = split(dataset, train_size=5000, val_size=2000, label_noise=0.2, seed=0)

Every set ends up in the same form: uint8 pictures of 32 x 32 pixels with three channels, memory-mapped from disk.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import hashlib
import io
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reglab import download
from reglab.errors import ConfigError, DataError

SIDE = 32  # pixels; smaller pictures are padded or enlarged to this
INSTEAD = "choose the built-in digits (--dataset digits)"  # the way out that needs no network

Progress = download.Progress
"""Called with "downloading", bytes, bytes in all; then with "decoding", pictures, pictures in all."""


@dataclass(frozen=True)
class Source:
    """What is known of a data set before it is loaded."""

    key: str
    title: str
    about: str  # one sentence for the screen
    classes: tuple[str, ...]
    images: int  # the pool that training and validation share
    test_images: int
    megabytes: int = 0  # to download; 0: built in
    repo: str | None = None  # a data set repository on the Hub
    files: Mapping[str, str] = field(default_factory=dict)  # "train" and "test" -> path in the repository
    image_column: str = "image"
    label_column: str = "label"
    side: int = SIDE  # pixels of a picture as it is stored
    repo_type: str = "dataset"
    mirror: bool = True  # is a mirrored picture still of the same class?
    preset: Mapping[str, Any] = field(default_factory=dict)  # what the Train tab takes up when this set is chosen


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set as it lies on disk: read-only, memory-mapped, in its original order."""

    source: Source
    revision: str  # the commit on the Hub
    images: np.ndarray  # (N, 32, 32, 3) uint8
    labels: np.ndarray  # (N,) int64
    test_images: np.ndarray
    test_labels: np.ndarray
    mean: np.ndarray  # (3,) float64, of each channel over the pool, where black is 0 and white is 1
    std: np.ndarray


def load(key: str, progress: Progress | None = None) -> Dataset:
    """Open a data set: decoded before, else from the Hub's cache, else downloaded.

    A file that turns out to be damaged is downloaded anew, each once. What is already here never waits for the network.
    Raises ConfigError for an unknown key, DataError where the set cannot be had.
    """
    known = source(key)
    report = progress or (lambda stage, done, total: None)
    dataset = open_decoded(known)
    if dataset is not None:
        return dataset
    if known.repo is None:
        return keep(known, BUILT_IN, built_in_digits())

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


def source(key: str) -> Source:
    """The data set of that name; ConfigError with the nearest name if there is none."""
    if key in SOURCES:
        return SOURCES[key]
    near = difflib.get_close_matches(str(key), SOURCES, n=1, cutoff=0.4)
    guess = f"did you mean {near[0]}? The choice is" if near else "choose one of"
    raise ConfigError(f"The data set {str(key)[:80]!r} is not known: {guess} {', '.join(SOURCES)}.")


# ----------------------------------------------------------------------------------------------------------------------
# The split


@dataclass(frozen=True, eq=False)
class Split:
    """The images of one run. All pictures are uint8 (n, 32, 32, 3), all labels int64 (n,)."""

    key: str
    classes: tuple[str, ...]
    mirror: bool
    mean: np.ndarray  # of the whole pool, so that it is the same for every split
    std: np.ndarray
    train_images: np.ndarray
    train_labels: np.ndarray  # as given to the network, wrong ones included
    true_labels: np.ndarray  # of the training images
    corrupted: np.ndarray  # (n,) bool: where the two differ
    train_indices: np.ndarray  # rows of the pool, rising
    val_images: np.ndarray
    val_labels: np.ndarray  # always true
    val_indices: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def split(dataset: Dataset, train_size: int | None, val_size: int, label_noise: float, seed: int) -> Split:
    """Choose validation and training images, and put wrong labels on some of the latter.

    `train_size` None takes all that validation leaves. Both sets have the classes in the proportions of the pool.
    The same seed gives the same validation images for every `train_size`, and a smaller training set lies within
    a larger one: curves over `train_size` differ in nothing but the size.

    `label_noise` p: exactly round(p * n) training labels are replaced by a uniformly drawn OTHER class (symmetric
    noise), so with ten classes p = 0.9 is a uniformly random label and tells the network nothing. In the curves:
    validation accuracy peaks early and falls as the network learns the wrong labels by heart.
    """
    known = dataset.source
    train_size = check_sizes(known, train_size, val_size)
    if not 0 <= label_noise <= 1:
        raise ConfigError(
            f"A label noise of {label_noise} was asked for, but it is the share of wrong training labels: "
            "choose a number from 0 (none) to 1 (all)."
        )
    queue = stratified_queue(dataset.labels, generator(seed, "split"))
    val = np.sort(queue[:val_size])
    train = np.sort(queue[val_size : val_size + train_size])
    true_labels = np.array(dataset.labels[train])
    corrupted, noisy = wrong_labels(len(dataset.labels), len(known.classes), label_noise, train, true_labels, seed)
    return Split(
        key=known.key,
        classes=known.classes,
        mirror=known.mirror,
        mean=dataset.mean,
        std=dataset.std,
        train_images=np.array(dataset.images[train]),
        train_labels=noisy,
        true_labels=true_labels,
        corrupted=corrupted,
        train_indices=train,
        val_images=np.array(dataset.images[val]),
        val_labels=np.array(dataset.labels[val]),
        val_indices=val,
        test_images=dataset.test_images,
        test_labels=dataset.test_labels,
    )


def check_sizes(known: Source, train_size: int | None, val_size: int) -> int:
    """The number of training images, or a ConfigError where the sizes cannot be. Needs no data, only what is known."""
    title, least, remain = known.title, len(known.classes), known.images - val_size
    whose = f"{title}'" if title.endswith("s") else f"{title}'s"
    if val_size < least or remain < least:
        bound = f"at least {least:,}" if val_size < least else f"at most {known.images - least:,}"
        raise ConfigError(
            f"{val_size:,} validation images were asked for, but validation and training need one each for every one "
            f"of the {least} classes, out of {whose} {known.images:,} images: ask for {bound}."
        )
    if train_size is not None and train_size > remain:
        raise ConfigError(
            f"{train_size:,} training images were asked for, but {remain:,} remain when {val_size:,} of {whose} "
            f"{known.images:,} are held out for validation: ask for at most {remain:,}."
        )
    if train_size is not None and train_size < least:
        raise ConfigError(
            f"{train_size:,} training images were asked for, but {title} has {least} classes: "
            f"ask for at least {least}, one for each."
        )
    return remain if train_size is None else train_size


def stratified_queue(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All rows in a random order of which every prefix (nearly) has the proportions of the whole.

    The r-th of a class's n rows stands at (r + 1/2) / n, and all classes queue up together. A prefix is then the
    Sainte-Lague apportionment of its length. Largest remainders would not do: they can give a class fewer seats in a
    larger set (the Alabama paradox), and then a smaller training set would not lie within a larger one.
    """
    shuffled = rng.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        rows = shuffled[labels[shuffled] == label]
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.lexsort((labels, place))


def wrong_labels(
    pool: int, classes: int, share: float, train: np.ndarray, true_labels: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which training labels are wrong, and the labels with the wrong ones put in.

    Every picture of the pool has a fixed turn and one fixed wrong label, so that more noise or more images
    add wrong labels rather than draw all of them afresh.
    """
    rng = generator(seed, "noise")
    turn, shift = rng.permutation(pool)[train], rng.integers(1, classes, size=pool)[train]
    corrupted = np.zeros(len(train), dtype=bool)
    corrupted[np.argsort(turn)[: round(share * len(train))]] = True
    return corrupted, np.where(corrupted, (true_labels + shift) % classes, true_labels)


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Random numbers that depend on the seed and on what they are for, alike in every process and on every machine."""
    digest = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


# ----------------------------------------------------------------------------------------------------------------------
# The decoded cache: <cache>/<key>-<revision>/ with plain .npy files and info.json, written last

FORMAT = 1  # raise it when the arrays change for the same source; older folders are then decoded anew
ARRAYS = ("images", "labels", "test_images", "test_labels")


def cache_folder() -> Path:
    """Where decoded sets are kept: REGLAB_CACHE, else the first writable place beside the Hub's cache or the user's."""
    chosen = os.environ.get("REGLAB_CACHE")
    return Path(chosen).expanduser() if chosen else default_cache_folder()


@functools.cache
def default_cache_folder() -> Path:
    """The first writable candidate, decided once: the answer must not change while a process runs."""
    from huggingface_hub import constants

    user = getattr(os, "getuid", int)()  # Windows has a temporary folder for each user anyway
    candidates = [
        Path(constants.HF_HUB_CACHE).parent / "reglab",
        Path(constants.HF_HOME) / "reglab",
        Path("~/.cache/reglab").expanduser(),
        Path(tempfile.gettempdir()) / f"reglab-{user}",
    ]
    return next((folder for folder in candidates if folder.is_absolute() and is_writable(folder)), candidates[-1])


def is_writable(folder: Path) -> bool:
    """Found out by writing, since permission bits say nothing of read-only mounts; but what is marked as read-only stays
    untouched, even by root, whom the bits would not stop."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.stat().st_mode & 0o222:
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def fetch(
    key: str, progress: Progress | None = None, timeout: float = 900, anew: Path | None = None
) -> download.HubFiles:
    """Download a set into the Hub's cache; DataError after `timeout` seconds, or within 5 if there is no network.

    `anew` is a damaged file in the Hub's cache to download again although it is there.
    """
    return download.fetch(source(key), INSTEAD, progress, timeout, anew)


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
        return [cache_folder() / f"{known.key}-{BUILT_IN}"]
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
    """Write a decoded set and open it. It appears whole or not at all, also when two processes write at once."""
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
        raise DataError(
            f"{known.title} could not be kept in {folder.parent} ({download.why(error)}): "
            "free some space there, or name another folder in REGLAB_CACHE."
        ) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)
    dataset = open_decoded(known)
    if dataset is None:
        raise DataError(f"{known.title} was changed in {folder.parent} while it was being written: try again.")
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


# ----------------------------------------------------------------------------------------------------------------------
# Reading a set: the parquet files in the Hub's cache, or the digits that come with scikit-learn


class Damaged(DataError):
    """A file that a new download may mend. Reads on in a longer sentence, so it has neither advice nor full stop."""

    def __init__(self, path: Path, known: Source, reason: str):
        super().__init__(f"{path.name} of {known.title} is damaged ({reason})")
        self.path = path


def looks_whole(path: Path) -> bool:
    """Whether a file begins and ends as a parquet file does; a download that broke off does not."""
    try:
        with open(path, "rb") as file:
            head = file.read(4)
            file.seek(-4, os.SEEK_END)
            return head == file.read(4) == b"PAR1"
    except OSError:
        return False


def read(known: Source, files: download.HubFiles, report: Progress) -> dict[str, np.ndarray]:
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
    """The pictures and labels of one file. Grey pictures become three equal channels, small ones get a black border."""
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

    try:
        with Image.open(io.BytesIO(data or b"")) as image:
            size, pixels = image.size, np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error ... for broken pictures
        raise Damaged(path, known, "a picture in it cannot be decoded") from error
    if size != (known.side, known.side):
        raise unusable(known, path, f"a picture of {size[0]} x {size[1]} pixels", f"{known.side} x {known.side}")
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


def unusable(known: Source, path: Path, found: str, expected: str) -> DataError:
    """The error for a whole file with other content than expected, which a new download would not mend."""
    return DataError(f"{path.name} of {known.title} holds {found} where {expected} was expected: {INSTEAD}.")


BUILT_IN = "built-in"  # stands in for the revision of a set that is not on the Hub


def built_in_digits() -> dict[str, np.ndarray]:
    """Scikit-learn's handwritten digits: 8 x 8 pixels of 0..16, enlarged to 32 x 32 of 0..255 with bicubic curves.

    The last 500 of the 1,797 are the test set, for every seed: the original order goes by writer, so that the test
    shows hands that training never saw. The other 1,297 are the pool.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.round(digits.images * (255 / 16)).clip(0, 255).astype(np.uint8)
    large = [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in grey]
    images = np.repeat(np.stack(large)[..., None], 3, axis=3)
    labels = digits.target.astype(np.int64)
    test = SOURCES["digits"].test_images
    return {
        "images": images[:-test],
        "labels": labels[:-test],
        "test_images": images[-test:],
        "test_labels": labels[-test:],
    }


# ----------------------------------------------------------------------------------------------------------------------
# The sets themselves

CIFAR_10 = "airplane automobile bird cat deer dog frog horse ship truck"
CIFAR_100 = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man
    maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail
    snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout
    tulip turtle wardrobe whale willow_tree wolf woman worm
"""
FASHION = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
USUAL = {"train_size": 5_000, "label_noise": 0.0, "val_size": 2_000}


def hub_files_of(folder: str) -> dict[str, str]:
    """Where a set of one file a split lies in its repository."""
    return {split: f"{folder}/{split}-00000-of-00001.parquet" for split in ("train", "test")}


SOURCES: dict[str, Source] = {
    known.key: known
    for known in (
        Source(
            key="cifar10",
            title="CIFAR-10",
            about="Small colour photographs of ten kinds of animals and vehicles, 5,000 of each to learn from.",
            classes=tuple(CIFAR_10.split()),
            images=50_000,
            test_images=10_000,
            megabytes=144,
            repo="uoft-cs/cifar10",
            files=hub_files_of("plain_text"),
            image_column="img",
            preset=USUAL,
        ),
        Source(
            key="cifar100",
            title="CIFAR-100",
            about="Like CIFAR-10 with a hundred classes and 500 pictures of each: networks overfit it sooner.",
            classes=tuple(name.replace("_", " ") for name in CIFAR_100.split()),
            images=50_000,
            test_images=10_000,
            megabytes=142,
            repo="uoft-cs/cifar100",
            files=hub_files_of("cifar100"),
            image_column="img",
            label_column="fine_label",
            preset=USUAL,
        ),
        Source(
            key="fashion_mnist",
            title="Fashion-MNIST",
            about="Grey pictures of clothes, shoes and bags; easier than CIFAR-10 and quick to learn.",
            classes=FASHION,
            images=60_000,
            test_images=10_000,
            megabytes=36,
            repo="zalando-datasets/fashion_mnist",
            files=hub_files_of("fashion_mnist"),
            side=28,  # padded to 32, as LeNet was fed: interpolated pixels would blur the edges
            preset=USUAL,
        ),
        Source(
            key="digits",
            title="Digits",
            about="1,797 handwritten digits that need no download, enlarged from 8 x 8 pixels: a run takes seconds.",
            classes=tuple("0123456789"),
            images=1_297,
            test_images=500,
            mirror=False,
            preset={"train_size": 300, "label_noise": 0.3, "val_size": 300, "epochs": 20, "batch_size": 32},
        ),
    )
}
