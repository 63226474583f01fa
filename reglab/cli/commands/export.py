"""python -m reglab export: write a trained network as an ONNX file or as torch's .pt2."""

from __future__ import annotations

import argparse
import json

from reglab.cli.options import checkpoint, in_bytes, json_option, runs_option

ABOUT = "write a trained network as an ONNX file or as torch's .pt2"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="RUN", help="a run, or a network in checkpoints/")
    parser.add_argument("file", metavar="FILE", help="a name that ends in .onnx or .pt2")
    runs_option(parser)
    json_option(parser)


def run(args: argparse.Namespace) -> int:
    from reglab.publishing.export import export

    run = checkpoint(args)
    made = export(run, args.file)
    if args.json:
        told = {"file": str(made.path), "bytes": made.bytes, "difference": made.difference, "pictures": made.pictures}
        print(json.dumps({"run": run.id, **told}))
    else:
        print(
            f"{made.path}: {in_bytes(made.bytes)}; on {made.pictures} pictures its answers differ from the network's"
            f" by at most {made.difference:.1g}."
        )
    return 0
