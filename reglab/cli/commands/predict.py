"""python -m reglab predict: classify pictures with a trained network."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from reglab.cli.options import json_option, runs_option, store_of
from reglab.errors import ConfigError

ABOUT = "classify pictures with a trained network"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture file")
    parser.add_argument("--checkpoint", required=True, metavar="NAME", help="a run, or a network in checkpoints/")
    parser.add_argument("--top", type=int, default=3, help="classes to show (default 3)")
    parser.add_argument(
        "--how",
        choices=("crop", "fit"),
        default="crop",
        help="crop: the middle square (default); fit: the whole picture with grey bars beside it",
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
    from reglab.analysis.pictures import open_picture, overlay
    from reglab.analysis.predict import Answer, answer_file
    from reglab.runs.store import checkpoints_store, find

    run = find(args.checkpoint, store_of(args), checkpoints_store())
    if args.explain and (len(args.images) > 1 or Path(args.explain).suffix.lower() != ".png"):
        raise ConfigError(f"--explain {args.explain} cannot be written: give one IMAGE and a name that ends in .png.")
    for image in args.images:
        open_picture(Path(image))  # all of them are looked at before the first is answered

    def tell(image: str, answer: Answer) -> None:
        spread = dict(zip(answer.classes, answer.spread, strict=True)) if answer.spread else {}
        shown = [
            f"{label} {p:.1%}" + (f" ± {spread[label]:.1%}" if spread else "") for label, p in answer.top(args.top)
        ]
        print(f"{image}: {', '.join(shown)}")
        if args.dropout_passes and not spread:
            print("  This network has no dropout to leave on: there is no spread.")
        if answer.unlike:
            print(f"  {answer.unlike}")

    args.top = max(1, args.top)
    for image in args.images:
        answer, seen = answer_file(
            str(run.path),
            image,
            args.how,
            cam=bool(args.explain),
            dropout_passes=args.dropout_passes,
            tta=args.tta,
        )
        if args.json:
            print(json.dumps({"image": image, "checkpoint": run.id, **answer.to_json()}))
        else:
            tell(image, answer)
        if args.explain and answer.cam is not None:
            try:
                overlay(seen, answer.cam).save(args.explain, "PNG")
            except OSError as error:
                raise ConfigError(
                    f"{args.explain} cannot be written ({error.strerror}): choose another place."
                ) from None
    return 0
