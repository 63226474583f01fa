"""Makes what the README shows but nobody should type: its tables, and with --pictures its screenshots.

`python docs/make.py` makes the tables, from the classes and from the runs in checkpoints/, and the model cards of those
runs; with `--pictures` the screenshots too, from the app in a headless Chromium. `--ship RUN checkpoints/NAME` copies a
finished run to the networks that ship: as float16, measured again, with its card.
"""

from __future__ import annotations

import argparse
import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reglab.analysis.evaluate import evaluate, known
from reglab.publishing.model_card import model_card
from reglab.runs.files import read_json, write_bytes, write_json
from reglab.runs.recording import seal
from reglab.runs.run import Run
from reglab.runs.store import checkpoints_store
from reglab.runs.tensors import tensor_bytes
from reglab.teaching.cards import markdown_table

if TYPE_CHECKING:
    from torch import Tensor

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
MOST = 10_000_000  # bytes of a folder that ships


def filled(readme: str) -> str:
    """The README with its generated parts made anew."""
    tables = {
        "curves": curves_table,
        "checkpoints": checkpoints_table,
        "networks": lambda: recorded("networks"),
        "transfer": lambda: recorded("transfer"),
        "regularizers": markdown_table,
    }
    for name, make in tables.items():
        table = make()
        pattern = rf"(<!-- {name}: .*? -->\n).*?(<!-- end of {name} -->)"
        readme = re.sub(pattern, lambda m, table=table: f"{m[1]}{table}\n{m[2]}", readme, flags=re.DOTALL)
    return readme


def curves_table() -> str:
    """The pair of runs in checkpoints/ that a first visit shows, with the conditions they were made under."""
    head = "| run | train | val | test | gap | calibration error | test at best epoch | images/s | seconds |"
    rows = [head, "|---|---|---|---|---|---|---|---|---|"]
    conditions = ""
    for run in (run for run in reversed(checkpoints_store().runs()) if run.described["group"]):
        s = run.summary()
        percents = " | ".join(f"{s[k]:.1%}" for k in ("train_accuracy", "val_accuracy", "test_accuracy"))
        best = f"{s['best']['test_accuracy']:.1%} (epoch {s['best']['epoch']})"
        speed = f"{s['images_per_second']:,.0f} | {s['seconds']:,.0f}"
        rows.append(f"| {s['name']} | {percents} | {s['gap'] * 100:.1f} points | {s['ece']:.3f} | {best} | {speed} |")
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
        accuracy = f"{found.accuracy:.1%} ({low:.1%} .. {high:.1%})"
        minutes = f"{s['seconds'] / 60:.0f} min" if s["seconds"] >= 120 else f"{s['seconds']:.0f} s"
        cells = [f"[`{run.id}`](checkpoints/{run.id})", f"{run.config.title()}, {run.config.recipe()}"]
        cells += [f"{s['parameters']:,}", minutes, accuracy, f"{found.ece:.3f}, {found.ece_calibrated:.3f}"]
        rows.append(f"| {' | '.join(cells)} |")
    told = [run.summary() for run in shipped]

    def of_all(key: str, until: int = 40) -> str:
        return " and ".join(sorted({str(s[key])[:until] for s in told}))

    conditions = (
        f"{told[0]['test_images']:,} test images, 95 % Wilson interval, n = 1 (seed {of_all('seed')}), float16 weights of the"
        f" best epoch by validation; trained on {told[0]['device'].partition(',')[0]} in {of_all('precision')}, the threads"
        f" stand in each card; {of_all('created', 10)}."
    )
    return "\n".join([*rows, "", conditions])


def recorded(name: str) -> str:
    """The table that `benchmarks/<name>.py` printed when it last wrote its JSON."""
    told = read_json(ROOT / "benchmarks" / f"{name}.json")
    if not told:
        raise SystemExit(f"benchmarks/{name}.json is not there: python benchmarks/{name}.py")
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / f"{name}.py"))
    return str(benchmark["table"](told))


def ship(source: Path, target: Path) -> None:
    """Copy a finished run under a name instead of a time, without what is only needed to go on.

    The weights become float16, half the size, and what the card says of them is measured on the shipped file.
    """
    if target.exists():
        raise SystemExit(f"{target} is there already: remove it first, or ship under another name.")
    finished = Run(source)
    if finished.status() != "finished":
        raise SystemExit(f"{source} is {finished.status()}: ship a finished run.")
    weights = in_half(finished.weights())
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".shipped-") as folder:
        half = Path(folder) / target.name
        half.mkdir()
        for name in ("metrics.jsonl", "timing.jsonl", "name"):
            if (source / name).exists():
                shutil.copyfile(source / name, half / name)
        write_bytes(half / "model.safetensors", tensor_bytes(weights))
        write_json(half / "config.json", {**read_json(source / "config.json"), "run": target.name})
        refuse_large(half)  # before the work
        run = Run(half)
        seal(run)
        evaluate(run)
        (half / ".lock").unlink(missing_ok=True)
        write_card(run)
        refuse_large(half)
        half.rename(target)


def refuse_large(folder: Path) -> None:
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > MOST:
        raise SystemExit(
            f"{folder.name} would be {size / 1e6:.1f} MB, more than the {MOST / 1e6:.0f} MB that may ship:"
            " ship a narrower network."
        )


def in_half(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every float as float16, whole numbers as they are. SystemExit where a number is too large for that."""
    import torch

    halved = {name: t.half() if t.is_floating_point() else t for name, t in weights.items()}
    for name, t in halved.items():
        if not torch.isfinite(t).all():
            raise SystemExit(f"{name} has numbers that float16 cannot hold: ship another run.")
    return halved


def write_card(run: Run) -> None:
    (run.path / "README.md").write_text(model_card(run), encoding="utf-8")


def pictures() -> None:
    """docs/*.png: the page as a first visit finds it, what the network sees, a card, answers, errors, a sweep, a paper."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as runs:
        environment = {
            **os.environ,
            "REGLAB_RUNS": runs,
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_ANALYTICS_ENABLED": "False",
        }
        subprocess.run([sys.executable, "-m", "reglab", *SWEEP], cwd=ROOT, env=environment, check=True)
        app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment)
        try:
            url = f"http://127.0.0.1:{port}/"
            wait_for(url)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                page: Any = browser.new_page(viewport={"width": 1440, "height": 900})
                page.goto(url + "?__theme=light")
                page.wait_for_selector("#chart table tbody tr")
                page.wait_for_function("document.querySelector('#machine').innerText.includes('idle')", timeout=60_000)
                page.screenshot(path=ROOT / "docs" / "train.png")
                page.locator("#chart .charts").screenshot(path=ROOT / "docs" / "curves.png")
                page.get_by_role("button", name="Modern", exact=True).click()
                page.wait_for_function("document.querySelector('#command textarea').value.includes('--cutmix')")
                page.get_by_role("tab", name="What the network sees").click()
                page.wait_for_selector(".sees img", timeout=60_000)
                page.screenshot(path=ROOT / "docs" / "sees.png")
                page.get_by_role("tab", name="Learn", exact=True).click()
                page.locator("#contents").get_by_role("button", name="Mixup", exact=True).click()
                page.wait_for_selector("#formula .katex")
                page.screenshot(path=ROOT / "docs" / "learn.png")
                page.get_by_role("tab", name="Predict", exact=True).click()
                page.locator("#examples button").nth(1).click(timeout=60_000)
                page.wait_for_selector("#answers section:nth-of-type(2) .bars", timeout=60_000)
                page.screenshot(path=ROOT / "docs" / "predict.png")
                page.get_by_role("tab", name="Errors", exact=True).click()
                page.wait_for_selector("#errors-page figure", timeout=60_000)
                page.screenshot(path=ROOT / "docs" / "errors.png")
                page.get_by_role("tab", name="Sweep", exact=True).click()
                page.wait_for_selector("#sweep-page .heat", timeout=60_000)
                page.get_by_role("button", name="Dropout x weight decay").click()
                page.wait_for_selector("#sweep-price p")
                page.screenshot(path=ROOT / "docs" / "sweep.png")
                page.get_by_role("tab", name="Reproduce", exact=True).click()
                page.wait_for_selector("#reproduce-page table", timeout=60_000)
                page.screenshot(path=ROOT / "docs" / "reproduce.png")
                browser.close()
        finally:
            app.terminate()
            app.wait()


ON_DIGITS = (
    "--dataset",
    "digits",
    "--train-size",
    "300",
    "--val-size",
    "300",
    "--label-noise",
    "0.3",
    "--batch-size",
    "32",
)
OVER = ("--over", "dropout.rate=0,0.25,0.5,0.75", "--over", "weight_decay.strength=0,0.05,0.5")
SWEEP = ("sweep", *ON_DIGITS, *OVER, "--epochs", "30", "--seeds", "3")
"""What the picture of the Sweep tab shows: 36 runs of seconds, long enough to learn wrong labels by heart."""


def wait_for(url: str) -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise SystemExit(f"The app did not answer at {url}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--ship", nargs=2, type=Path, metavar=("RUN", "FOLDER"))
    asked = parser.parse_args()
    if asked.ship:
        ship(*asked.ship)
    for shipped in checkpoints_store().runs():
        write_card(shipped)
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
    if asked.pictures:
        pictures()
