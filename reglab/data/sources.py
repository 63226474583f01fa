"""Which data sets there are, and what is known of each before it is loaded. A new one is an entry in SOURCES."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reglab.errors import ConfigError

SIDE = 32  # pixels; smaller pictures are padded or enlarged to this
INSTEAD = "choose the built-in digits (--dataset digits)"  # the way out that needs no network


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
    edition: str = ""  # of a built-in set: stands in for the commit on the Hub
    caution: str = ""  # what to know of its test accuracy, in one sentence
    preset: Mapping[str, Any] = field(default_factory=dict)  # what the Train tab takes up when this set is chosen


def source(key: str, test_images: int | None = None) -> Source:
    """The data set of that name; ConfigError with the nearest name if there is none.

    A run that saw another number of `test_images` than the set has now began with the earlier edition, and gets that.
    """
    if key in SOURCES:
        known, earlier = SOURCES[key], EARLIER.get(key)
        return earlier if earlier and test_images == earlier.test_images else known
    near = difflib.get_close_matches(str(key), SOURCES, n=1, cutoff=0.4)
    guess = f"did you mean {near[0]}? The choice is" if near else "choose one of"
    raise ConfigError(f"The data set {str(key)[:80]!r} is not known: {guess} {', '.join(SOURCES)}.", ["dataset"])


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


USUAL = {"train_size": 2_000, "label_noise": 0.0, "val_size": 2_000, "width": 0.5, "batch_size": 64}


def hub_files_of(folder: str) -> dict[str, str]:
    """Where a set of one file a split lies in its repository."""
    return {split: f"{folder}/{split}-00000-of-00001.parquet" for split in ("train", "test")}


def near_duplicates(share: str) -> str:
    """What Barz and Denzler found in the test images of both CIFAR sets."""
    return (
        f"About {share} of the test images have a near duplicate among the 50,000 training images"
        " (Barz and Denzler 2020, arXiv:1902.00423)."
    )


SOURCES: dict[str, Source] = {
    known.key: known
    for known in (
        Source(
            key="cifar10",
            title="CIFAR-10",
            about="Small color photographs of ten kinds of animals and vehicles, 5,000 of each to learn from.",
            classes=tuple(CIFAR_10.split()),
            images=50_000,
            test_images=10_000,
            megabytes=144,
            repo="uoft-cs/cifar10",
            files=hub_files_of("plain_text"),
            image_column="img",
            preset=USUAL,
            caution=near_duplicates("3.3 %"),
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
            caution=near_duplicates("10 %"),
        ),
        Source(
            key="fashion_mnist",
            title="Fashion-MNIST",
            about="Gray pictures of clothes, shoes and bags; easier than CIFAR-10 and quick to learn.",
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
            images=1_287,
            test_images=510,
            mirror=False,
            edition="by-writer",
            caution="The test images are by four writers of whom no other image is in the set; validation and training"
            " share ten others, so that validation accuracy is higher.",
            preset={
                "train_size": 300,
                "label_noise": 0.3,
                "val_size": 300,
                "width": 1.0,
                "epochs": 20,
                "batch_size": 32,
            },
        ),
    )
}

# What a set was before it was divided otherwise: a run that began so is judged, and goes on, so. Until 0.1.0 the digits were
# cut ten rows late, through a writer.
EARLIER: dict[str, Source] = {
    "digits": replace(SOURCES["digits"], images=1_297, test_images=500, edition="built-in", caution="")
}
