"""python -m reglab predict: classify pictures with a trained network."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reglab.cli.options import checkpoint, json_option, matching, runs_option
from reglab.errors import ConfigError, cause
from reglab.numbers import percent

if TYPE_CHECKING:
    import numpy as np

    from reglab.analysis.predict import Answer

ABOUT = "classify pictures with a trained network"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture file; *.png takes all of a folder")
    parser.add_argument("--checkpoint", required=True, metavar="NAME", help="a run, or a network in checkpoints/")
    parser.add_argument("--top", type=int, default=3, help="classes to show (default 3)")
    parser.add_argument(
        "--how",
        choices=("crop", "fit"),
        default="crop",
        help="crop: the middle square (default); fit: the whole picture with gray bars beside it",
    )
    parser.add_argument("--tta", action="store_true", help="the mean over slightly shifted and mirrored views")
    parser.add_argument(
        "--dropout-passes", type=int, default=0, metavar="N", help="show the spread over N passes with dropout left on"
    )
    parser.add_argument(
        "--explain", metavar="FILE.png", help="write a picture of where the network looks (Grad-CAM); for one IMAGE"
    )
    runs_option(parser)
    json_option(parser)


def run(args: argparse.Namespace) -> int:
    from reglab.analysis.pictures import open_picture
    from reglab.analysis.predict import answer_file

    run, images = checkpoint(args), matching(args.images)
    if args.explain and (len(images) > 1 or Path(args.explain).suffix.lower() != ".png"):
        raise ConfigError(f"--explain {args.explain} cannot be written: give one IMAGE and a name that ends in .png.")
    for image in images:
        open_picture(Path(image))  # all of them are looked at before the first is answered
    answer_one = partial(
        answer_file, how=args.how, cam=bool(args.explain), dropout_passes=args.dropout_passes, tta=args.tta
    )
    for image in images:
        answer, seen = answer_one(str(run.path), image)
        if args.json:
            print(json.dumps({"image": image, "checkpoint": run.id, **answer.to_json()}))
        else:
            print("\n".join(_in_words(image, answer, max(1, args.top), args.dropout_passes)))
        if args.explain and answer.cam is not None:
            _draw(seen, answer, args.explain)
    if not args.json:
        print(answer.no_warning)  # the same for all: it is about the network
    return 0


def _in_words(image: str, answer: Answer, top: int, passes: int) -> Iterator[str]:
    """The likeliest classes in a line, and what there is to say about them."""
    spread = dict(zip(answer.classes, answer.spread, strict=True)) if answer.spread else {}
    shown = [
        f"{label} {percent(p)}" + (f" ± {percent(spread[label])}" if spread else "") for label, p in answer.top(top)
    ]
    yield f"{image}: {', '.join(shown)}"
    if passes and not spread:
        yield "  This network has no dropout to leave on: there is no spread."
    if answer.unlike:
        yield f"  {answer.unlike}"


def _draw(seen: np.ndarray, answer: Answer, file: str) -> None:
    """The map over the picture, with its scale. Raises `ConfigError` where the file cannot be written."""
    from reglab.analysis.pictures import overlay, with_scale

    assert answer.cam is not None
    try:
        with_scale(overlay(seen, answer.cam), f"evidence for {answer.label}: none .. most").save(file, "PNG")
    except OSError as error:
        raise ConfigError(f"{file} cannot be written ({cause(error)}): choose another place.") from None
