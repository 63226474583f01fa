"""Keeps what a reproduction has shown, with the conditions it was made under: `reproduce.json`, which the app shows.

python -m reglab reproduce zhang2017 --budget --runs DIR     # trains; end it at any time, and it goes on
python benchmarks/reproduce.py zhang2017 --budget --runs DIR # keeps the result and prints its table
python benchmarks/reproduce.py --table                       # prints the tables of all that was kept
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab.experiments import reproduce
from reglab.experiments.publications import PUBLICATIONS, RECIPES, publication
from reglab.experiments.reproduce import NOT_RUN, UNFINISHED
from reglab.runs.cost import clock
from reglab.runs.files import read_json, write_json
from reglab.runs.run import Run
from reglab.runs.store import Store, runs_store

OUTPUT = Path(__file__).with_suffix(".json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=PUBLICATIONS, metavar="NAME")
    parser.add_argument("--full", action="store_const", dest="recipe", const="full", default="budget")
    parser.add_argument("--budget", action="store_const", dest="recipe", const="budget")
    parser.add_argument("--runs", type=Path, help="the folder of the runs")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--table", action="store_true", help="only print what was kept")
    asked = parser.parse_args()
    kept = read_json(asked.output)
    if not asked.table:
        if not asked.name:
            parser.error("a NAME is needed: which reproduction to keep")
        kept[f"{asked.name}, {asked.recipe}"] = record(asked.name, asked.recipe, asked.runs)
        write_json(asked.output, kept)
    print("\n\n".join(table(told) for told in kept.values()))


def record(name: str, recipe: str, folder: Path | None) -> dict[str, Any]:
    """What the runs have shown, and on what they were made. Exits where there is no verdict to keep."""
    paper = publication(name)
    runs = reproduce.runs_of(paper, recipe, Store(folder) if folder else runs_store())
    told = reproduce.to_json(reproduce.look(paper, recipe, runs))
    if told["verdict"] in (NOT_RUN, UNFINISHED):
        raise SystemExit(f"{name} {RECIPES[recipe]} is {told['verdict']}: python -m reglab reproduce {name} --{recipe}")
    return told | conditions([run for run in runs if run.status() == "finished"])


def conditions(runs: list[Run]) -> dict[str, str]:
    told = [run.summary() for run in runs]

    def of_all(key: str) -> str:
        return " and ".join(sorted({str(s[key]) for s in told}))

    threads = of_all("threads")
    torch = " and ".join(sorted({run.described["versions"]["torch"] for run in runs}))
    return {
        "machine": f"{of_all('device')}, {threads} {'thread' if threads == '1' else 'threads'}, {of_all('precision')}, torch {torch}",
        "took": clock(sum(s["seconds"] for s in told)),
        "date": max(s["created"][:10] for s in told),
    }


def table(told: Mapping[str, Any]) -> str:
    """Markdown: what was found, and the conditions."""
    made = f"{told['runs']} runs, {told['took']} of training in all; {told['machine']}; {told['date']}."
    return f"{reproduce.table(told)}\n\n{made}"


if __name__ == "__main__":
    main()
