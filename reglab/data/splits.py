"""The images of one run: which of a data set it trains on, which it is validated on, and which labels are wrong."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from reglab.data.decoded import Dataset
from reglab.data.sources import Source
from reglab.errors import ConfigError


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

    Raises `ConfigError` for sizes that the data set cannot give, and for a share that is none.
    """
    known = dataset.source
    train_size = check_sizes(known, train_size, val_size)
    if not 0 <= label_noise <= 1:
        raise ConfigError(
            f"A label noise of {label_noise} was asked for, but it is the share of wrong training labels: "
            "choose a number from 0 (none) to 1 (all).",
            ["label_noise"],
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
            f"of the {least} classes, out of {whose} {known.images:,} images: ask for {bound}.",
            ["val_size"],
        )
    if train_size is not None and train_size > remain:
        raise ConfigError(
            f"{train_size:,} training images were asked for, but {remain:,} remain when {val_size:,} of {whose} "
            f"{known.images:,} are held out for validation: ask for at most {remain:,}.",
            ["train_size"],
        )
    if train_size is not None and train_size < least:
        raise ConfigError(
            f"{train_size:,} training images were asked for, but {title} has {least} classes: "
            f"ask for at least {least}, one for each.",
            ["train_size"],
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


def spread(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """So many rows, rising, among which every label has (nearly) its share; fewer of them lie within more."""
    return np.sort(stratified_queue(labels, generator(seed, "judged"))[:size])


def wrong_labels(
    pool: int, classes: int, share: float, train: np.ndarray, true_labels: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which training labels are wrong, (n,) as bool, and the labels with the wrong ones put in, (n,) as int64.

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
