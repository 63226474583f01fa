"""python -m reglab evaluate: measure a trained network on all validation and test images."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial

from reglab.cli.options import checkpoint, json_option, runs_option, tenths
from reglab.numbers import percent

ABOUT = "measure a trained network on all validation and test images"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", required=True, metavar="NAME", help="a run, or a network in checkpoints/")
    runs_option(parser)
    json_option(parser)


def run(args: argparse.Namespace) -> int:
    from reglab import data
    from reglab.analysis.evaluate import evaluate, known
    from reglab.analysis.networks import network_of
    from reglab.models import pretrained

    run = checkpoint(args)
    config, source = run.config, data.source(run.config.dataset)
    if config.on_features:  # the run is a head alone; otherwise its own weights are all it needs
        pretrained.fetch(config.model, tenths(pretrained.known(config.model).title))
    network_of(run)  # before the data set is fetched
    data.load(config.dataset, tenths(source.title))
    found = evaluate(run, progress=partial(tenths(source.title), "evaluating"))
    if known(run) != found:
        why = "the run is being trained" if run.is_locked() else "its folder cannot be written to"
        print(f"This is not kept with the run, because {why}.", file=sys.stderr)
    if args.json:
        print(json.dumps(found.to_json()))
        return 0
    low, high = found.interval
    told = {
        "data": f"{source.title} ({found.revision[:12]}), {found.test_images:,} test images",
        "accuracy": f"{percent(found.accuracy)}, 95 % interval {percent(low)} to {percent(high)}",
        "loss": f"{found.loss:.4f}",
        "calibration error": f"{found.ece:.3f}, and {found.ece_calibrated:.3f} at temperature {found.temperature:.2f}",
        "calibrated on": f"the {found.val_images:,} validation images of seed {run.config.seed}",
    }
    shares = {name: "-" if share is None else percent(share) for name, share in found.per_class.items()}
    longest = max(map(len, shares.values()))
    classes = {name: text.rjust(longest) for name, text in shares.items()}
    width = max(map(len, [*told, *classes]))
    print(f"{run.id}  {run.config.title()}  {run.config.recipe()}")
    for part in (told, classes):
        print("\n" + "\n".join(f"{name:<{width}}  {text}" for name, text in part.items()))
    return 0
