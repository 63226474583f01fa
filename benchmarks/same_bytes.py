"""Whether another version of the code trains the same: the digests of ten runs, for `diff`.

    python benchmarks/same_bytes.py > after.txt          # this checkout
    python benchmarks/same_bytes.py OTHER > before.txt   # the checkout in that folder; the same torch, the same machine

Each run is made by the command line as anybody would, on the built-in digits (one with a pretrained network, which has to be
on this machine). A line holds SHA-256 of `metrics.jsonl`, of `model.safetensors`, and the options.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

USUAL = "--dataset digits --train-size 200 --val-size 100 --epochs 3 --batch-size 32 --device cpu --precision fp32 --width 0.5"
FORK = '{"epoch":1,"regularizers":{}}'  # no spaces: the options are split at them
RUNS = (
    "",
    "--batch-norm --dropout --weight-decay --flip-crop",
    "--label-noise 0.3 --mixup --cutmix --label-smoothing --bootstrapping",
    "--optimizer sgd --schedule cosine --sam --ema --gradient-clipping --l1",
    "--model resnet20 --group-norm --stochastic-depth --dropblock --swa",
    "--model vgg11 --batch-norm --spatial-dropout --orthogonality --max-norm",
    "--model inception_small --batch-norm --cutout --random-erasing --trivial-augment --gaussian-noise",
    "--model speed_cnn --batch-norm --gradient-noise --confidence-penalty --early-stopping",
    f"--weight-decay --weight-decay.mode l2 --fork {FORK}",
    "--model timm/tf_efficientnet_lite0 --pretrained --width 1 --side 64 --finetune all --dropout --l2-sp",
)


def digests(checkout: Path, options: str, folder: Path) -> list[str]:
    """SHA-256 of the two files of one run."""
    arguments = [*USUAL.split(), *options.split(), "--runs", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "reglab", "train", *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return [done.stderr.strip().splitlines()[-1]]
    [run] = [path for path in folder.iterdir() if (path / "config.json").exists()]
    return [hashlib.sha256((run / name).read_bytes()).hexdigest() for name in ("metrics.jsonl", "model.safetensors")]


def main() -> None:
    checkout = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    for options in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            print(*digests(checkout, options, Path(folder) / "runs"), options or "(plain)", flush=True)


if __name__ == "__main__":
    main()
