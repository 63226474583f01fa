"""Trains the network of the lab by Keras' own `model.fit`: an epoch for each line that comes in, answered with its seconds.

    /path/to/keras/bin/python benchmarks/keras_fit.py '{"backend": "tensorflow", ...}'

benchmarks/throughput.py starts it, with the Python of an environment that has Keras; nothing of the lab is imported here.
One call of `fit` goes on for as long as it is asked, so that an epoch is timed as `fit` trains it: with its callbacks,
without what comes once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np

SETTINGS = {
    "backend": "tensorflow",  # or torch
    "policy": "float32",  # or mixed_bfloat16
    "data": "",  # a file of numpy's with `images` (N, 32, 32, 3) in float32, which are normalized, and `labels` (N,)
    "batch": 128,
    "lr": 1e-3,
    "threads": 2,
    "shift": 0.0,  # the largest shift, as a share of the side; 0 leaves the augmentation out
    "mirror": True,
    "device": "cpu",
}


def main(told: str) -> None:
    settings = SETTINGS | json.loads(told)
    answers = os.fdopen(os.dup(1), "w")  # whatever else the libraries print goes where errors go
    os.dup2(2, 1)
    keras = prepared(settings)
    with np.load(settings["data"]) as data:
        images, labels = data["images"], data["labels"]
    model = network(keras, settings)

    def answer(**what: Any) -> None:
        print(json.dumps(what), file=answers, flush=True)

    class Asked(keras.callbacks.Callback):
        """Begins an epoch when somebody asks for it, and says what it took; the end of what is asked ends `fit`."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if not sys.stdin.readline():
                sys.exit(0)
            self.images, self.began = 0, (time.perf_counter(), time.process_time())

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.images += settings["batch"]

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seconds, processor = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
            answer(seconds=seconds, processor=processor, images=self.images, loss=float(logs["loss"]))

    answer(parameters=int(model.count_params()), **versions(keras, settings), xla=bool(model.jit_compile))
    model.fit(images, labels, batch_size=settings["batch"], epochs=10**6, verbose=0, callbacks=[Asked()])


def prepared(settings: dict[str, Any]) -> Any:
    """Keras, with the backend, its threads and the precision that were asked for."""
    os.environ |= {"KERAS_BACKEND": settings["backend"], "TF_CPP_MIN_LOG_LEVEL": "2"}
    if settings["device"] == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if settings["backend"] == "torch":
        import torch

        torch.set_num_threads(settings["threads"])
    else:
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(settings["threads"])
        tensorflow.config.threading.set_inter_op_parallelism_threads(settings["threads"])
    import keras

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(settings["policy"])
    return keras


def network(keras: Any, settings: dict[str, Any]) -> Any:
    """`basic_cnn` as reglab/models/basic.py has it, with the augmentation that the card of Flip and crop shows for Keras."""
    layers = keras.layers
    x = images = keras.Input((32, 32, 3))
    if settings["shift"]:
        x = layers.RandomTranslation(settings["shift"], settings["shift"], "constant", "nearest")(x)
        x = layers.RandomFlip("horizontal")(x) if settings["mirror"] else x
    for width in (32, 64, 128):
        for _ in range(2):
            x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dense(128, activation="relu")(layers.Flatten()(x))
    model = keras.Model(images, layers.Dense(10, activation="softmax", dtype="float32")(x))
    optimizer = keras.optimizers.AdamW(settings["lr"], weight_decay=0.0)
    model.compile(optimizer, loss="sparse_categorical_crossentropy")
    return model


def versions(keras: Any, settings: dict[str, Any]) -> dict[str, str]:
    if settings["backend"] == "torch":
        import torch as below
    else:
        import tensorflow as below
    return {"keras": keras.__version__, settings["backend"]: below.__version__}


if __name__ == "__main__":
    main(sys.argv[1])
