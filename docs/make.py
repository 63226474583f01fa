"""Makes what the documents show but nobody should type: their tables, the map of the packages, the cards of the checkpoints.

    python docs/make.py

fills the parts of README.md, CONTRIBUTING.md and docs/*.md that stand between `<!-- NAME: ... -->` and
`<!-- end of NAME -->`, from the classes, the commands, the runs in checkpoints/ and the figures in benchmarks/.
`map.py` draws the packages, `pictures.py` makes the screenshots, `ship.py` adds a checkpoint.
"""

from __future__ import annotations

import argparse
import re
import runpy
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from reglab import compat
from reglab.analysis.evaluate import known
from reglab.cli.commands import commands
from reglab.cli.main import Parser
from reglab.numbers import percent, points
from reglab.publishing.model_card import model_card
from reglab.regularizers import CATALOGUE
from reglab.runs.files import read_json
from reglab.runs.store import checkpoints_store
from reglab.teaching.cards import markdown_table
from reglab.teaching.effects import measured

ROOT = Path(__file__).parent.parent


def pages() -> list[Path]:
    """The documents that may have generated parts."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def filled(text: str) -> str:
    """The document with its generated parts made anew."""
    made = {
        "curves": curves_table,
        "verdicts": verdicts,
        "checkpoints": checkpoints_table,
        "networks": lambda: recorded("networks"),
        "transfer": lambda: recorded("transfer"),
        "strange": lambda: recorded("strange"),
        "regularizers": markdown_table,
        "commands": commands_tables,
        "tokens": runpy.run_path(str(ROOT / "docs" / "tokens.py"))["table"],
    }
    for name, make in made.items():
        pattern = rf"(<!-- {name}: .*? -->\n).*?(<!-- end of {name} -->)"
        if re.search(pattern, text, flags=re.DOTALL):
            part = make()
            text = re.sub(pattern, lambda m, part=part: f"{m[1]}{part}\n{m[2]}", text, flags=re.DOTALL)
    return text


def curves_table() -> str:
    """The pair of runs in checkpoints/ that a first visit shows, with the conditions they were made under."""
    head = "| run | train | val | test | gap | calibration error | test at best epoch | images/s | seconds |"
    rows = [head, "|---|---|---|---|---|---|---|---|---|"]
    conditions = ""
    for run in (run for run in reversed(checkpoints_store().runs()) if run.described["group"]):
        s = run.summary()
        percents = " | ".join(percent(s[k]) for k in ("train_accuracy", "val_accuracy", "test_accuracy"))
        best = f"{percent(s['best']['test_accuracy'])} (epoch {s['best']['epoch']})"
        speed = f"{s['images_per_second']:,.0f} | {s['seconds']:,.0f}"
        name = "regularized" if s["regularizers"] else "plain"
        rows.append(f"| {name} | {percents} | {points(s['gap'])} | {s['ece']:.3f} | {best} | {speed} |")
        conditions = (
            f"After the last epoch; {s['val_images']:,} validation and {s['test_images']:,} test images, n = 1 (seed {s['seed']}), "
            f"{s['device']}, {s['precision']}, torch {run.described['versions']['torch']}, {s['created'][:10]}."
        )
    return "\n".join([*rows, "", conditions])


def checkpoints_table() -> str:
    """What ships, as `python -m reglab evaluate` measured it on the files that ship."""
    rows = [
        "| checkpoint | what it is | parameters | trained in | test accuracy | calibration error, with temperature |"
    ]
    rows += ["|---|---|---|---|---|---|"]
    shipped = sorted(checkpoints_store().runs(), key=lambda run: (not run.described["group"], run.id))
    for run in shipped:
        s, found = run.summary(), known(run)
        if found is None:
            raise SystemExit(f"{run.id} has not been evaluated: python -m reglab evaluate --checkpoint {run.id}")
        low, high = found.interval
        accuracy = f"{percent(found.accuracy)} ({percent(low)} to {percent(high)})"
        minutes = f"{s['seconds'] / 60:.0f} min" if s["seconds"] >= 120 else f"{s['seconds']:.0f} s"
        cells = [f"[`{run.id}`](../checkpoints/{run.id})", f"{run.config.title()}, {run.config.recipe()}"]
        cells += [f"{s['parameters']:,}", minutes, accuracy, f"{found.ece:.3f}, {found.ece_calibrated:.3f}"]
        rows.append(f"| {' | '.join(cells)} |")
    told = [run.summary() for run in shipped]

    def of_all(key: str, until: int = 40) -> str:
        return " and ".join(sorted({str(s[key])[:until].partition(",")[0] for s in told}))

    conditions = (
        f"{told[0]['test_images']:,} test images, 95 % Wilson interval, n = 1 (seed {of_all('seed')}), float16 weights of the"
        f" best epoch by validation; trained on {of_all('device')} in {of_all('precision')}, which and"
        f" with how many threads stands in each card; {of_all('created', 10)}."
    )
    return "\n".join([*rows, "", conditions])


def recorded(name: str) -> str:
    """The table that `benchmarks/<name>.py` printed when it last wrote its JSON."""
    told = read_json(ROOT / "benchmarks" / f"{name}.json")
    if not told:
        raise SystemExit(f"benchmarks/{name}.json is not there: python benchmarks/{name}.py")
    sys.path.append(str(ROOT / "benchmarks"))  # scripts there take from one another
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / f"{name}.py"))
    return str(benchmark["table"](told))


def verdicts() -> str:
    """How many techniques helped where each was measured alone, with clean labels."""
    told = {CATALOGUE[key].title: found for key in CATALOGUE if (found := measured(key))}
    clean = {title: effect for title, found in told.items() for effect in found.effects if effect.condition == "clean"}
    counts = Counter(effect.verdict for effect in clean.values())
    lowered = ", ".join(title for title, effect in clean.items() if effect.hurt)
    narrower = sum(effect.gap_word == "clearly narrower" for effect in clean.values())
    unclear = len(clean) - counts["Helped here"] - counts["Hurt here"]
    return (
        f"- **It says what did not help.** Of {len(clean)} techniques {counts['Helped here']} raised test accuracy,"
        f" {counts['Hurt here']} lowered it\n  ({lowered or 'none'}), and {unclear} did neither clearly (95 % intervals of the"
        f" paired differences, for all\n  techniques together); {narrower} narrowed the gap clearly:"
        f" `python benchmarks/effects.py`, {next(iter(told.values())).conditions}"
    )


def commands_tables() -> str:
    """Every command with its options; those of a run stand once, and those of the techniques with the techniques."""
    return "\n\n".join(part for name, command in commands().items() for part in _command(name, command))


def _command(name: str, command: ModuleType) -> Iterator[str]:
    parser = Parser(prog=name)
    command.add(parser)
    of_runs, own = [], []
    for option in compat.python.options_of(parser):
        what = of_runs if option.dest.startswith("config:") else own
        if option.dest != "help" and option.dest.removeprefix("config:").partition(".")[0] not in CATALOGUE:
            what.append(f"| `{_usage(option)}` | {_cell(option.help or '')} |")
    yield f"### {name}"
    yield f"{command.ABOUT[0].upper()}{command.ABOUT[1:]}."
    yield "\n".join(["| | |", "|---|---|", *own])
    if of_runs and name == "train":
        yield "The run itself, and a flag for every [technique](regularizers.md) and each of its settings:"
        yield "\n".join(["| | |", "|---|---|", *of_runs])
    elif of_runs:
        yield "And the options of a run, as `train` has them."


def _usage(option: argparse.Action) -> str:
    """`--epochs N`; one that takes several values ends in dots."""
    name = option.option_strings[0] if option.option_strings else ""
    takes = (
        ""
        if option.nargs == 0
        else str(option.metavar or option.dest.upper() if not option.choices else "|".join(option.choices))
    )
    return _cell(" ".join(filter(None, [name, takes, "..." if option.nargs in ("+", "*") else ""])))


def _cell(text: str) -> str:
    return " ".join(text.replace("%%", "%").replace("|", "\\|").split())


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for shipped in checkpoints_store().runs():
        (shipped.path / "README.md").write_text(model_card(shipped), encoding="utf-8")
    for page in pages():
        if page.exists():
            page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    runpy.run_path(str(ROOT / "docs" / "map.py"), run_name="__main__")
