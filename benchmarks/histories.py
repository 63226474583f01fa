"""Train the histories again that the diagnosis is tested on, and compare the word that it has for each with the right one.

    python benchmarks/histories.py             # about ten minutes on one core
    python benchmarks/histories.py --only digits
    python benchmarks/histories.py --write     # keep the new curves in tests/training/histories.json

The right word was decided from the curves, before the diagnosis was run on them. Whoever writes new curves looks at them
first: another version of a network may do something else.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import data
from reglab.config import RunConfig
from reglab.training.diagnosis import diagnose
from reglab.training.events import Epoch, Failed
from reglab.training.fork import train_fork

HISTORIES = Path(__file__).resolve().parent.parent / "tests" / "training" / "histories.json"
COLUMNS = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "fit_loss", "fit_accuracy", "memorised")


def main() -> int:
    """Exit status 1 where the diagnosis has the wrong word."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORDS", help="histories with these words in their name")
    parser.add_argument("--write", action="store_true", help="keep the new curves")
    args = parser.parse_args()
    stories, wrong = json.loads(HISTORIES.read_text("utf-8")), 0
    for story in stories:
        if not story["trained"] or args.only not in story["name"]:
            continue
        history, failed = trained(story)
        config = RunConfig.parse(story["config"])
        said = diagnose(history, config, failed, story["done"])
        wrong += said.kind != story["word"]
        print(f"{said.kind:13} {story['word']:13} {story['name']}\n    {said.text}", flush=True)
        numbers = {name: [getattr(e, name) for e in history] for name in COLUMNS}
        story["epochs"] = {k: [round(v, 4) for v in column] for k, column in numbers.items() if None not in column}
    if args.write:
        HISTORIES.write_text(rendered(stories), "utf-8")
    print(f"{wrong} wrong")
    return 1 if wrong else 0


def trained(story: dict[str, Any]) -> tuple[list[Epoch], str]:
    """The epochs of this set-up, as many as were kept of it, and why it could not go on."""
    c = RunConfig.parse({"device": "cpu", "precision": "fp32", **story["config"]})
    kept = c.epochs if story["done"] else len(story["epochs"]["train_loss"]) - 1
    split = data.split(data.load(c.dataset), c.train_size, c.val_size, c.label_noise, c.seed)
    history: list[Epoch] = []
    for event in train_fork(c, split):
        if isinstance(event, Failed):
            return history, event.reason
        if isinstance(event, Epoch):
            history.append(event)
            if event.epoch == kept and not (story["done"] or story.get("failed")):
                break
    return history, ""


def rendered(stories: list[dict[str, Any]]) -> str:
    """The file with a line for each column, so that a change is read as one."""
    told = []
    for story in stories:
        *head, (_, epochs) = sorted(story.items(), key=lambda item: item[0] == "epochs")
        columns = ",\n    ".join(f"{json.dumps(name)}: {json.dumps(values)}" for name, values in epochs.items())
        told.append(f'  {json.dumps(dict(head), ensure_ascii=False)[:-1]},\n   "epochs": {{{columns}}}}}')
    return "[\n" + ",\n".join(told) + "\n]\n"


if __name__ == "__main__":
    sys.exit(main())
