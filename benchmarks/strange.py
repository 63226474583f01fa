"""How much of what is strange the warning in Predict notices, for each network in checkpoints/, and how often it is wrong.

    python benchmarks/strange.py                    # every network not measured yet; a minute each on one core
    python benchmarks/strange.py --only NAME,NAME   # these, also where they were measured before
    python benchmarks/strange.py --table            # the Markdown table of benchmarks/strange.json
    python benchmarks/strange.py --ranges DATASET   # the ranges of the pixels: writes reglab/analysis/ranges.json
    python benchmarks/strange.py --quick            # a few pictures of each kind; shows that it works, writes nothing

False alarms are counted on all test pictures, by the answers that the evaluation has kept, and on the examples of Predict.
Nothing was chosen by `letters`, `ramps` and `thumbnails`: they were drawn after the statistics had been settled. Beside
the warning stands what else was tried, as the area under the ROC curve against test pictures (0.5 is guessing): the energy,
the largest logit, and the cosine distance to the tenth nearest of 1,000 training pictures in the features before the last
layer (Sun et al. 2022, arXiv:2204.06507). A network is known again by its weights: of others the page says nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import __version__  # noqa: I001  first, as in the app: it says how threads wait, and torch reads that once
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from reglab import data, machine
from reglab.analysis import evaluate, predict, strange
from reglab.analysis.networks import inputs, network_of
from reglab.analysis.pictures import as_seen
from reglab.runs.files import read_json, write_json
from reglab.runs.run import Run
from reglab.runs.store import checkpoints_store
from reglab.training import metrics

OUTPUT = Path(__file__).with_suffix(".json")
EACH = 300  # pictures of each kind
BANK, NEIGHBOUR = 1_000, 10


# ---- strange pictures --------------------------------------------------------------------------------------------
def kinds(test: np.ndarray, each: int) -> dict[str, np.ndarray]:
    """Name -> (each, 32, 32, 3) uint8; the same every time. `test` are pictures of the data set itself."""
    rng = np.random.default_rng(0)
    shape = (each, 32, 32, 3)
    colours = rng.integers(0, 256, (each, 2, 3))
    ramp = np.linspace(0, 1, 32)[None, None, :, None]
    return {
        "uniform noise": rng.integers(0, 256, shape).astype(np.uint8),
        "Gaussian noise": rng.normal(128, 64, shape).round().clip(0, 255).astype(np.uint8),
        "solid colors": np.broadcast_to(colours[:, None, None, 0], shape).astype(np.uint8),
        "silhouettes": drawn(each, rng, silhouette),
        "digits": data.load("digits").test_images[:each],
        "shuffled patches": shuffled(test[:each], rng),
        "letters": drawn(each, rng, letter),
        "ramps": np.broadcast_to(
            (1 - ramp) * colours[:, None, None, 0] + ramp * colours[:, None, None, 1], shape
        ).astype(np.uint8),
        "thumbnails": np.stack([thumbnail(picture) for picture in test[:each]]),
    }


def drawn(each: int, rng: np.random.Generator, draw: Any) -> np.ndarray:
    """Something in one colour on a ground of another, drawn large and seen as an upload is."""
    found = []
    for n in range(each):
        ground, colour = (tuple(map(int, c)) for c in rng.integers(0, 256, (2, 3)))
        picture = Image.new("RGB", (256, 256), ground)
        draw(ImageDraw.Draw(picture), n, colour, rng)
        found.append(np.asarray(as_seen(picture)))
    return np.stack(found)


def silhouette(on: ImageDraw.ImageDraw, n: int, colour: Any, rng: np.random.Generator) -> None:
    (x, y), size = rng.integers(60, 196, 2).tolist(), int(rng.integers(30, 90))
    if n % 4 == 0:
        on.ellipse([x - size, y - size, x + size, y + size], colour)
    elif n % 4 == 1:
        on.rectangle([x - size, y - size // 2, x + size, y + size // 2], colour)
    elif n % 4 == 2:
        on.polygon([(x, y - size), (x - size, y + size), (x + size, y + size)], colour)
    else:
        for dx, dy in rng.integers(-40, 40, (3, 2)).tolist():
            on.ellipse([x + dx - size // 2, y + dy - size // 2, x + dx + size // 2, y + dy + size // 2], colour)


def letter(on: ImageDraw.ImageDraw, n: int, colour: Any, rng: np.random.Generator) -> None:
    x, y = rng.integers(20, 90, 2).tolist()
    on.text((x, y), chr(ord("A") + n % 26), colour, ImageFont.load_default(int(rng.integers(90, 180))))


def shuffled(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each cut into 16 squares of 8 x 8 pixels, in another order."""
    n = len(pictures)
    squares = pictures.reshape(n, 4, 8, 4, 8, 3).swapaxes(2, 3).reshape(n, 16, 8, 8, 3)
    moved = np.stack([squares[i][rng.permutation(16)] for i in range(n)])
    return moved.reshape(n, 4, 4, 8, 8, 3).swapaxes(2, 3).reshape(n, 32, 32, 3)


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """A test picture as an upload of 12 x 12 pixels, enlarged as uploads are."""
    return np.asarray(as_seen(Image.fromarray(picture).resize((12, 12), Image.Resampling.BOX)))


# ---- one network -------------------------------------------------------------------------------------------------
def measure(run: Run, each: int) -> dict[str, Any]:
    """What the warning catches, its false alarms, and what single scores tell apart. The run must have been evaluated."""
    began, known = time.perf_counter(), evaluate.known(run)
    if known is None or (limit := strange.limit(known.energy)) is None:
        raise SystemExit(f"{run.id} has not been evaluated: python -m reglab evaluate --checkpoint {run.id}")
    dataset, c = data.load(run.config.dataset), run.config
    key = dataset.source.key

    def warned(pixels: np.ndarray, energy: np.ndarray) -> np.ndarray:
        beyond = [sign != 0 for sign in strange.outside(pixels, key).values()]
        return np.logical_or.reduce([energy < limit[1], *beyond])

    test = dataset.test_images
    split = data.split(dataset, c.train_size, c.val_size, c.label_noise, c.seed)
    bank = unit(seen_by(run, split.train_images[:BANK])[1])
    usual = scores(*seen_by(run, test[-each:]), bank)
    energies = metrics.energy(evaluate.answers(run)).numpy()
    caught, pixels_alone, energy_alone, apart = {}, {}, {}, {}
    for kind, pixels in kinds(test, each).items():
        found = scores(*seen_by(run, pixels), bank)
        caught[kind] = share(warned(pixels, found["energy"]))
        pixels_alone[kind] = share(warned(pixels, np.full(len(pixels), np.inf)))
        energy_alone[kind] = share(found["energy"] < limit[1])
        apart[kind] = {name: round(auroc(usual[name], found[name]), 3) for name in usual}
    examples = predict.examples(key)
    return {
        "weights": known.weights,
        "dataset": key,
        "each": each,
        "caught": caught,
        "pixels_alone": pixels_alone,
        "energy_alone": energy_alone,
        "auroc": apart,
        "test_images": len(test),
        "false_alarms": share(warned(test, energies)),
        "false_alarms_of_pixels": share(warned(test, np.full(len(test), np.inf))),
        "false_alarms_of_energy": share(energies < limit[1]),
        "limit_leaves": limit[0],
        "examples_warned_of": [
            name for seen, name in examples if predict.answer(str(run.path), seen, cam=False).unlike
        ],
        "seconds": round(time.perf_counter() - began, 1),
    }


def seen_by(run: Run, pixels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and what goes into the last layer."""
    network, mean, std = network_of(run)
    passes: list[torch.Tensor] = []
    last = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)][-1]
    hook = last.register_forward_pre_hook(lambda _, given: passes.append(given[0].flatten(1)))
    logits, features = [], []
    with torch.inference_mode():
        for i in range(0, len(pixels), 100):
            passes.clear()
            logits.append(network(inputs(pixels[i : i + 100], mean, std)))
            features.append(passes[0])  # of the pictures themselves, whatever views of them it looked at besides
    hook.remove()
    return torch.cat(logits), torch.cat(features)


def scores(logits: torch.Tensor, features: torch.Tensor, bank: torch.Tensor) -> dict[str, np.ndarray]:
    """Each high for what is familiar."""
    nearest = (unit(features) @ bank.T).topk(min(NEIGHBOUR, len(bank)), dim=1).values[:, -1]
    return {
        "energy": metrics.energy(logits).numpy(),
        "largest logit": logits.amax(1).numpy(),
        "feature distance": nearest.numpy(),
    }


def unit(features: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(features, dim=1)


def auroc(usual: np.ndarray, odd: np.ndarray) -> float:
    """How often a strange picture scores lower than a usual one; ties count half."""
    below = (odd[:, None] < usual[None]).mean() + 0.5 * (odd[:, None] == usual[None]).mean()
    return float(below)


def share(mask: np.ndarray) -> float:
    return round(float(mask.mean()), 4)


# ---- the command -------------------------------------------------------------------------------------------------
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help="names in checkpoints/, separated by commas; measured again")
    parser.add_argument("--table", action="store_true", help="print what has been measured")
    parser.add_argument("--ranges", metavar="DATASET", help="the ranges of this data set's training pictures")
    parser.add_argument("--quick", action="store_true", help="20 pictures of each kind, and nothing is written")
    args = parser.parse_args(arguments)
    if args.ranges:
        return write_ranges(args.ranges)
    told = read_json(OUTPUT)
    if not args.table:
        only = args.only.split(",") if args.only else None
        shipped = {run.id: run for run in checkpoints_store().runs()}
        kept = {} if args.quick else {name: n for name, n in told.get("networks", {}).items() if name in shipped}
        for run in shipped.values():
            if (run.id in only) if only else not is_measured(run, kept):
                kept[run.id] = measure(run, 20 if args.quick else EACH) | {"conditions": conditions()}
                told = {"networks": dict(sorted(kept.items()))}
                if not args.quick:
                    write_json(OUTPUT, told)  # network by network: what is broken off goes on
                print(f"{run.id}: {kept[run.id]['seconds']:.0f} s", file=sys.stderr)
    print(table(told))
    return 0


def is_measured(run: Run, kept: dict[str, Any]) -> bool:
    known = evaluate.known(run)
    return bool(known and kept.get(run.id, {}).get("weights") == known.weights)


def conditions() -> dict[str, Any]:
    return {
        "machine": machine.device_name(torch.device("cpu")),
        "torch": torch.__version__,
        "reglab": __version__,
        "date": date.today().isoformat(),
    }


def table(told: dict[str, Any]) -> str:
    """What the warning catches of each kind, with the pixels' and the energy's own part; and its false alarms."""
    networks = told.get("networks", {})
    if not networks:
        return "Nothing has been measured yet: run this without --table."
    names = list(next(iter(networks.values()))["caught"])  # shares rounded down, as on the page: 100 is all
    rows = [f"| warned of, % | {' | '.join(names)} | test pictures |", "|---" * (len(names) + 2) + "|"]
    for run_id, n in networks.items():
        cells = [f"{int(100 * n['caught'][k] + 1e-9)} ({100 * n['energy_alone'][k]:.0f})" for k in names]
        alarms = f"{100 * n['false_alarms']:.2f} ({100 * n['false_alarms_of_energy']:.2f})"
        rows.append(f"| `{run_id}` | {' | '.join(cells)} | {alarms} |")
    rows += [
        "",
        f"| AUROC: energy, largest logit, feature distance | {' | '.join(names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    for run_id, n in networks.items():
        cells = [", ".join(f"{v:.2f}" for v in n["auroc"][k].values()) for k in names]
        rows.append(f"| `{run_id}` | {' | '.join(cells)} |")
    first = next(iter(networks.values()))
    about = dict.fromkeys("{machine}, torch {torch}, {date}".format_map(n["conditions"]) for n in networks.values())
    alarms = {run_id: n["examples_warned_of"] for run_id, n in networks.items() if n["examples_warned_of"]}
    of_examples = ", ".join(f"{', '.join(names)} ({run_id})" for run_id, names in alarms.items()) or "none"
    rows += [
        "",
        f"In brackets: by the energy alone. {first['each']} pictures of each kind, {first['test_images']:,} test pictures; examples of"
        f" Predict that are warned of: {of_examples}. {'; '.join(about)}.",
    ]
    return "\n".join(rows)


def write_ranges(key: str) -> int:
    """Measure the ranges of a data set, on all pictures that training and validation share."""
    images = data.load(key).images
    parts = [strange.statistics(images[i : i + 5_000]) for i in range(0, len(images), 5_000)]
    ends = (strange.OUTSIDE, 1 - strange.OUTSIDE)
    found = {
        name: [round(float(v), 4) for v in np.quantile(np.concatenate([part[name] for part in parts]), ends)]
        for name in parts[0]
    }
    made = {"images": len(images), "command": f"python benchmarks/strange.py --ranges {key}", "ranges": found}
    write_json(strange.RANGES, dict(sorted({**read_json(strange.RANGES), key: made}.items())))
    print(f"{key}: {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
