"""The model card of a run, as the Hub reads it: what the network is, how it was made, what it is worth, how to load it.

Everything in it is read off the run's folder, so the same folder gives the same card.
"""

from __future__ import annotations

import json
import textwrap
from typing import Any

from reglab import data, machine, models
from reglab.analysis import evaluate
from reglab.analysis.evaluate import Evaluation
from reglab.analysis.networks import network_of, statistics
from reglab.errors import RunError
from reglab.numbers import counted, percent, points
from reglab.publishing.plain_code import plain_code
from reglab.runs.run import Run


def model_card(run: Run, repo: str = "") -> str:
    """README.md for the run's folder, or for a repository on the Hub. Raises `RunError` without weights or epochs."""
    s, title = run.summary(), repo.rpartition("/")[2] or run.id
    if "best" not in s:
        raise RunError(f"Run “{run.name}” has no model card yet: wait for its first epoch, or choose another run.")
    known = evaluate.known(run)
    parts = [
        front_matter(run, title, s, known),
        f"# {title}",
        about(run, s),
        f"```sh\n{run.config.command()}\n```",
        conditions(run, s),
        curves(run, s),
        *([worth(known)] if known else []),
        use(run, repo),
        f"```python\n{snippet(run)}```",
        limits(run, known),
    ]
    return "\n\n".join(parts) + "\n"


def front_matter(run: Run, title: str, s: dict[str, Any], known: Evaluation | None) -> str:
    """The metadata that the Hub files a model under; the accuracy is the one on the test images, where it is known."""
    from huggingface_hub import EvalResult, ModelCardData

    source = data.source(run.config.dataset)
    best = s["best"]  # some of the test images do not say what all of them do
    accuracy = known.accuracy if known else best.get("test_accuracy") if "test_images" not in best else None
    measured = None
    if accuracy is not None:
        measured = [
            EvalResult(
                task_type="image-classification",
                dataset_type=source.repo or source.key,
                dataset_name=source.title,
                dataset_split="test",
                metric_type="accuracy",
                metric_value=round(accuracy, 4),
            )
        ]
    base = base_model(run)
    card = ModelCardData(
        model_name=title,
        library_name="pytorch",
        license=None if base else "mit",  # weights that were learned elsewhere keep the licence they came with
        base_model=base,
        pipeline_tag="image-classification",
        tags=["reglab", "regularization", source.key, run.config.model.replace("/", "-"), *run.config.regularizers],
        datasets=[source.repo] if source.repo else None,
        metrics=["accuracy"],
        eval_results=measured,
    )
    return f"---\n{card.to_yaml(line_break=chr(10))}\n---"


def base_model(run: Run) -> str | None:
    """The repository on the Hub that training began from."""
    from reglab.models import pretrained

    return pretrained.known(run.config.model).repo if run.config.pretrained else None


def about(run: Run, s: dict[str, Any]) -> str:
    """What the network is, and what it learned from."""
    source, parameters = (
        data.source(run.config.dataset),
        f" of {s['parameters']:,} parameters" if "parameters" in s else "",
    )
    return (
        f"{run.config.title()}, {run.config.recipe()}: a network{parameters} that sorts pictures of 32 x 32 pixels into"
        f" the {len(source.classes)} classes of {source.title}. The CNN Regularization Lab trained it with"
    )


def conditions(run: Run, s: dict[str, Any]) -> str:
    """What it was trained with and on."""
    versions = run.described.get("versions") or {}
    told = [str(s["precision"])] if "precision" in s else []
    told += [counted(s["threads"], "thread")] if "threads" in s else []
    depthwise = models.family(run.config.model).depthwise
    if why := machine.why_precision(run.config.precision, s.get("precision", ""), depthwise):
        told[0] += f", for {why}"
    told += [f"{name} {versions[name]}" for name in ("reglab", "torch") if versions.get(name)]
    seconds = f", in {s['seconds']:,.0f} s" if "seconds" in s else ""
    return f"on {s.get('device', 'an unknown device')} ({', '.join(told)}), {s['created'][:10]}{seconds}."


def curves(run: Run, s: dict[str, Any]) -> str:
    """The last and the best epoch as they were judged during training."""
    kinds = sorted({str(t.dtype).removeprefix("torch.") for t in run.weights().values() if t.is_floating_point()})
    images = f", {s['test_images']:,} test images" if "test_images" in s else ""
    stands_by = " With early stopping on, the run stands by its best epoch." if s["reported"] == "best" else ""
    other = "last" if s["reported"] == "best" else "best"
    if some := s[other].get("test_images"):
        train, val = run.config.judged
        stands_by += (
            f" Its {other} epoch was judged on {train:,} training, {val:,} validation and {some:,} test images."
        )
    return "\n".join(
        [
            "| | epoch | train | val | test | gap | calibration error |",
            "|---|---|---|---|---|---|---|",
            f"| last epoch | {s['last']['epoch']} | {numbers(s['last'])} |",
            f"| best epoch, `model.safetensors` | {s['best']['epoch']} | {numbers(s['best'])} |",
            "",
            f"n = 1 (seed {s['seed']}){images}.{stands_by} The best epoch is that of the highest accuracy on the validation images;"
            f" the gap is train less val. The weights are stored as {' and '.join(kinds)}.",
        ]
    )


def numbers(epoch: dict[str, Any]) -> str:
    """The figures of an epoch as cells of a table."""
    percents = [percent(epoch[k]) if k in epoch else "-" for k in ("train_accuracy", "val_accuracy", "test_accuracy")]
    return " | ".join([*percents, points(epoch["gap"]), f"{epoch['ece']:.3f}"])


def worth(known: Evaluation) -> str:
    """The numbers of exactly these weights, class by class."""
    low, high = known.interval
    classes = [f"| {name} | {'-' if share is None else percent(share)} |" for name, share in known.per_class.items()]
    return "\n".join(
        [
            f"These weights, judged again on all {known.test_images:,} test images: accuracy **{percent(known.accuracy)}**"
            f" (95 % interval {percent(low)} to {percent(high)} for the draw of the images), loss {known.loss:.3f}, calibration"
            f" error {known.ece:.3f}, and {known.ece_calibrated:.3f} with the logits divided by a temperature of"
            f" {known.temperature:.3f}, fitted on {known.val_images:,} validation images.",
            "",
            "| class | test accuracy |",
            "|---|---|",
            *classes,
        ]
    )


def use(run: Run, repo: str) -> str:
    """How to ask it, with the lab and without."""
    needed = "torch, safetensors, numpy and Pillow" + (", and timm" if run.config.model.startswith("timm/") else "")
    with_lab = f"With the lab: `python -m reglab predict IMAGE --checkpoint {repo.rpartition('/')[2] or run.id}`"
    with_lab += f" after `python -m reglab pull {repo}`." if repo else "."
    return f"## Use\n\n{with_lab} Without it (needs {needed}):"


def snippet(run: Run) -> str:
    """Python that builds the network, loads `model.safetensors` beside it and classifies `picture.png`; needs no reglab.

    Needs torch, safetensors, numpy and Pillow, and timm for a network of timm. Prints class and probability, the three
    likeliest first. Raises `RunError` without weights.
    """
    network, (mean, std), known = network_of(run)[0], statistics(run), evaluate.known(run)
    classes = textwrap.fill(json.dumps(data.source(run.config.dataset).classes), 110, break_long_words=False)
    calibrated = f" / {known.temperature!r}" if known else ""
    why = "  # the temperature that calibrates it" if known else ""
    imports = ["import numpy as np", "import torch", "from PIL import Image, ImageOps"]
    imports += ["from safetensors.torch import load_file"]
    load = 'network.load_state_dict(load_file("model.safetensors"))'
    if run.config.on_features:  # the file holds a head, which stands on weights that somebody else keeps
        imports += ["from huggingface_hub import hf_hub_download"]
        load = f"""network.backbone.load_state_dict(
    load_file(hf_hub_download({base_model(run)!r}, "model.safetensors")), strict=False
)
network.head.load_state_dict(load_file("model.safetensors"))"""
    return f"""{plain_code(network, imports)}
{load}
network.eval()

classes = {classes}
mean = torch.tensor({mean.tolist()}).view(1, 3, 1, 1)
std = torch.tensor({std.tolist()}).view(1, 3, 1, 1)

picture = ImageOps.fit(Image.open("picture.png").convert("RGB"), (32, 32), Image.Resampling.BOX)
images = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
with torch.no_grad():
    logits = network((images - mean) / std)[0]{calibrated}{why}
for p, name in sorted(zip(logits.softmax(0).tolist(), classes), reverse=True)[:3]:
    print(f"{{p:.4f}} {{name}}")
"""


def limits(run: Run, known: Evaluation | None) -> str:
    """Input, and what not to expect."""
    source, c = data.source(run.config.dataset, run.test_images), run.config
    mean, std = statistics(run)
    noise = f" {percent(c.label_noise, 0)} of its training labels were made wrong on purpose." if c.label_noise else ""
    caution = f" {source.caution}" if source.caution else ""
    sure = "" if known else " Its probabilities have not been calibrated."
    base = f" It began with the weights of {base}, whose license holds for it too." if (base := base_model(run)) else ""
    return f"""## Input and limits

Input: RGB in 0..1, 32 x 32 pixels, minus {rounded(mean.tolist())}, divided by {rounded(std.tolist())}.

A study of regularization, not a product: one seed, and another seed gives other numbers.{noise} Whatever the picture
shows, the answer is one of the {len(source.classes)} classes; larger photographs are shrunk to 32 x 32 pixels and lose
nearly all detail. Nothing was measured about people, or about pictures other than {source.title}'s.{caution}{sure}{base}"""


def rounded(values: list[float]) -> str:
    """Channel values as one types them."""
    return "(" + ", ".join(f"{v:.4f}" for v in values) + ")"
