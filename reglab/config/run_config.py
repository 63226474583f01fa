"""A RunConfig is a frozen value: data, network, training numbers and regularizers. Equal JSON, equal run.

Every field is at once the flag of the command line (`--train-size`), the key in JSON (`train_size`), the control on the
screen and the name of a sweep's axis; its bounds and its explanation are said here and nowhere else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from reglab import compat, data, models
from reglab.config.before import had_before
from reglab.config.decay import summed_lr
from reglab.config.flags import flags_of, quoted, typed
from reglab.config.fork import Fork, check_depth, check_fork
from reglab.config.judged import EVERYTHING, MOST_TRAIN, usual_judged_size
from reglab.config.messages import complaint
from reglab.config.techniques import Regularizers
from reglab.errors import ConfigError, setting
from reglab.models import ModelSpec
from reglab.numbers import counted, percent
from reglab.regularizers import CATALOGUE, Regularizer, lowered, regularizer, stands_by

USUAL_LR = {"adamw": 1e-3, "sgd": 0.05, "muon": 0.02}
FOLLOWING = ("lr", "val_size", "init", "judged_size")  # fields whose usual value depends on others; null asks for that


class RunConfig(BaseModel):
    """What to train, on what, and how. Make one with `RunConfig.parse`, which answers bad values in one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: str = Field("cifar10", title="data set", description="the pictures to learn")
    train_size: int | None = Field(
        None,
        ge=10,
        le=50_000,
        title="training images",
        description="fewer are easier to learn by heart",
        json_schema_extra={"slider": [50, 50_000, 50], "unset": "all", "try": "100,300,900"},
    )
    label_noise: float = Field(
        0.0,
        ge=0,
        le=1,
        title="wrong labels",
        description="share of training labels made wrong",
        json_schema_extra={"slider": [0, 0.9, 0.05], "try": "0,0.2,0.4,0.6"},
    )
    val_size: int = Field(
        2_000,
        ge=10,
        le=10_000,
        title="validation images",
        description="held out of training, drawn as curves",
        json_schema_extra={"follows": "dataset"},
    )
    judged_size: int = Field(  # type: ignore[assignment]
        None,  # never: `_possible` sets what follows from the run
        ge=10,
        le=EVERYTHING,
        title="judged images",
        description="of training and of validation each, behind every point of the curves",
        json_schema_extra={"follows": "train_size", "unset": "a sixteenth of the training images, 100 to 2,000"},
    )
    model: str = Field("basic_cnn", title="network", description="the network to train")
    width: float = Field(
        1.0,
        ge=0.125,
        le=4,
        title="width",
        description="channels, as a multiple of what is usual for the network",
        json_schema_extra={"slider": [0.125, 2, 0.125], "try": "0.25,0.5,1"},
    )
    pretrained: bool = Field(False, title="pretrained", description="begin with ImageNet weights")
    finetune: Literal["features", "head_then_all", "all"] = Field(
        "features",
        title="fine-tuning",
        description="how much of a pretrained network learns",
    )
    side: int | None = Field(
        None,
        ge=32,
        le=320,
        title="side",
        description="pixels that pictures are enlarged to",
        json_schema_extra={"unset": "what is usual for the network"},
    )
    epochs: int = Field(
        20,
        ge=1,
        le=1_000,
        title="epochs",
        description="passes over the training images",
        json_schema_extra={"slider": [1, 100, 1], "try": "5,10,20"},
    )
    batch_size: int = Field(
        128,
        ge=1,
        le=4_096,
        title="batch size",
        description="images per step",
        json_schema_extra={"try": "16,64,256"},
    )
    lr: float = Field(
        1e-3,
        gt=0,
        le=1e6,
        title="learning rate",
        description="AdamW 0.001, SGD 0.05, Muon 0.02",
        json_schema_extra={"try": "0.0001,0.001,0.01,0.1", "follows": "optimizer"},
    )
    optimizer: Literal["adamw", "sgd", "muon"] = Field(
        "adamw", title="optimizer", description="AdamW, SGD with Nesterov momentum 0.9, or Muon"
    )
    schedule: Literal["one_cycle", "cosine", "constant"] = Field(
        "one_cycle", title="schedule", description="how the learning rate changes over the run"
    )
    init: Literal["glorot", "he", "torch", "own"] = Field(
        "glorot", title="initialization", description="what the weights start from; each network has its usual"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="seed", description="fixes split, weights and batches")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", title="device", description="auto takes the GPU where there is one"
    )
    precision: Literal["auto", "bf16", "fp16", "fp32"] = Field(
        "auto",
        title="precision",
        description="auto: bf16 where native, fp32 for depthwise on a CPU; no TF32",
    )
    regularizers: Regularizers = Field(default_factory=dict, title="regularizers")
    fork: Fork | None = Field(None, title="fork", description="the run that this one goes on from")

    @classmethod
    def parse(cls, values: Mapping[str, Any], is_kept: bool = False) -> RunConfig:
        """A config from plain values. Raises `ConfigError` with one sentence about the first thing that is wrong.

        One that `is_kept` in a run's folder may have the sizes of an earlier edition of its data set, and what was trained
        until it was refused: batches of one image, or a weight decay of more than the whole weight.
        """
        if not isinstance(values, Mapping):
            raise ConfigError('The config must be an object with the fields of a run, such as {"dataset": "digits"}.')
        try:
            return cls.model_validate(dict(values), context={"is_kept": is_kept})
        except ValidationError as error:
            raise complaint(error, cls.model_fields) from None

    @model_validator(mode="before")
    @classmethod
    def _usual_values(cls, values: Any) -> Any:
        """Where the usual value of one field depends on another."""
        if not isinstance(values, dict):
            return values
        usual: dict[str, Any] = {}
        optimizer, dataset = values.get("optimizer"), values.get("dataset", "cifar10")
        if isinstance(optimizer, str) and optimizer in USUAL_LR:
            usual["lr"] = USUAL_LR[optimizer]
        if isinstance(dataset, str) and dataset in data.SOURCES:
            usual["val_size"] = data.SOURCES[dataset].preset["val_size"]
        if isinstance(model := values.get("model", "basic_cnn"), str):
            with contextlib.suppress(ConfigError):  # which says in its own time that there is no such network
                usual["init"] = models.family(model).init
        usual |= had_before(values)
        return usual | {k: v for k, v in values.items() if not (v is None and k in FOLLOWING)}

    @field_validator("fork", mode="before")
    @classmethod
    def _typed_fork(cls, value: Any) -> Any:
        """As an object, or as its JSON, which is how it is typed on a command line, where its quotes may be single ones."""
        if isinstance(value, str):
            try:
                value = json.loads(value if '"' in value else value.replace("'", '"'))
            except (ValueError, RecursionError):
                raise ConfigError('fork must be an object such as {"epoch": 5, "regularizers": {}}.') from None
        check_depth(value)
        return value

    @model_validator(mode="after")
    def _possible(self, info: ValidationInfo) -> RunConfig:
        """Refuse here, before anything is started, what could not be trained."""
        source = data.source(self.dataset)
        is_kept = info.context is not None and info.context["is_kept"]
        data.check_sizes(data.EARLIER.get(source.key, source) if is_kept else source, self.train_size, self.val_size)
        models.check(self.spec(len(source.classes)))
        if "judged_size" not in self.model_fields_set:
            compat.pydantic.set_while_made(self, "judged_size", usual_judged_size(self.train_images))
        suited = {key: self.suited(r) for key, r in self.regularizers.items()}
        compat.pydantic.set_while_made(self, "regularizers", suited)  # frozen from here on
        if self.fork is not None:
            compat.pydantic.set_while_made(self, "fork", self.fork.suited(self.suited))
        if not is_kept:
            self._check_decay()
        for key, r in suited.items():
            for other, why in r.excludes.items():
                if other in suited:
                    raise ConfigError(
                        f"{setting(key)} and {setting(other)} cannot both be on ({why}): switch one of them off.",
                        [key, other],
                    )
        self._check_finetune()
        check_fork(self, len(source.classes))
        # Until this was refused, a network whose last maps had more than one place could be trained so.
        if self.batch_size == 1 and not is_kept and models.is_batch_normalized(self.spec(len(source.classes))):
            by = "batch_norm" if "batch_norm" in suited else "model"
            asked, instead = setting("batch_norm"), f"switch {setting('batch_norm')} off"
            if by == "model":
                asked, instead = f"{self.model}, which has batch normalization of its own,", "choose another network"
            raise ConfigError(
                f"{asked} was asked for with batch size 1, but one image has no statistics:"
                f" use a batch size of at least 2, or {instead}.",
                ["batch_size", by],
            )
        return self

    def suited(self, technique: Regularizer) -> Regularizer:
        """The technique as it makes sense in this run, with the settings that follow from it."""
        return technique.for_dataset(data.source(self.dataset)).for_schedule(summed_lr(self))

    @property
    def train_images(self) -> int:
        """The training images, counted where the config says all."""
        return self.train_size or data.SOURCES[self.dataset].images - self.val_size

    @property
    def judgeable(self) -> tuple[int, int]:
        """How many training and validation images there are to judge the network on."""
        return min(MOST_TRAIN, self.train_images), self.val_size

    @property
    def judged(self) -> tuple[int, int]:
        """How many of them a point of the curves is judged on.

        With early stopping all validation images: they decide when the run ends, and by which epoch it stands.
        """
        train, val = self.judgeable
        decides = stands_by(self.regularizers.values()) == "best"
        return min(self.judged_size, train), val if decides else min(self.judged_size, val)

    def spec(self, classes: int) -> ModelSpec:
        """The network as the regularizers shape it."""
        spec = ModelSpec(
            name=self.model,
            classes=classes,
            width=self.width,
            pretrained=self.pretrained,
            head_only=self.on_features,
            side=self.side,
            init=self.init,
        )
        for r in self.regularizers.values():
            spec = r.configure_model(spec)
        return spec

    @property
    def on_features(self) -> bool:
        """Whether only a head is trained, on features that a frozen backbone gives once."""
        return self.pretrained and self.finetune == "features"

    def _check_decay(self) -> None:
        decay: Any = self.regularizers.get("weight_decay")
        if decay is not None and decay.mode == "decoupled" and self.lr * decay.strength > 1:
            raise ConfigError(
                f"{setting('weight_decay.strength')} {typed(decay.strength)} with the learning rate {typed(self.lr)} would take more than"
                f" the whole weight at each step: use at most {typed(1 / self.lr)}, or leave the strength out."
            )

    def _check_finetune(self) -> None:
        if not self.pretrained and self.finetune != "features":
            raise ConfigError(
                f"{setting('finetune')} {self.finetune} was asked for without pretrained weights, from which all layers"
                f" are trained anyway: switch {setting('pretrained')} on, or leave {setting('finetune')} out."
            )
        if self.on_features and (key := next((key for key, r in self.regularizers.items() if r.needs_images), "")):
            raise ConfigError(
                f"{setting(key)} changes pictures, but the features of a frozen backbone are computed once from pictures"
                f" as they are: use {setting('finetune')} head_then_all or all, or switch it off."
            )

    def forked(self, epoch: int, changes: Mapping[str, Any]) -> RunConfig:
        """This run up to that epoch, then with these changes of its regularizers. Raises `ConfigError`."""
        if other := next((name for name in changes if name.partition(".")[0] not in CATALOGUE), ""):
            raise ConfigError(f"A fork changes regularizers, and {setting(other)} is none: train another run for that.")
        told = self.model_dump(mode="json")
        before = {"epoch": epoch, "regularizers": told["regularizers"], "fork": told["fork"]}
        after = self.override({**changes, "fork": before})
        if after.regularizers == self.regularizers:
            raise ConfigError("A fork with the same regularizers would be the same run: change one of them.")
        return after

    def parent(self) -> RunConfig:
        """The run this one was forked from, or itself. Raises `ConfigError` where there can be no such run.

        It may be one of before, whose sizes are refused today: a run that is kept has a parent that was kept.
        """
        if self.fork is None:
            return self
        told = self.model_dump(mode="json")
        before = {"regularizers": told["fork"]["regularizers"], "fork": told["fork"]["fork"]}
        return RunConfig.parse({**told, **before}, is_kept=True)

    def from_scratch(self) -> RunConfig:
        """The same network from random weights, all of it trained: what shows what the pretraining bought.

        Raises `ConfigError` where a head can be trained so, but not the whole network.
        """
        told = self.model_dump()
        kept = {key: told["regularizers"][key] for key, r in self.regularizers.items() if r.group != "Transfer"}
        changes = {"pretrained": False, "finetune": "features", "regularizers": kept, "fork": None}
        return RunConfig.parse({**told, **changes})

    def override(self, changes: Mapping[str, Any]) -> RunConfig:
        """A config with dotted changes: `{"lr": 0.01, "dropout.rate": 0.5, "batch_norm": True, "flip_crop": False}`.

        Setting a field of a regularizer switches it on. Raises `ConfigError`.
        """
        values = self.model_dump()
        chosen: dict[str, Any] = values.pop("regularizers")
        if "optimizer" in changes and self.lr == USUAL_LR[self.optimizer]:
            del values["lr"]  # nobody chose it, so it follows the optimizer
        if "dataset" in changes:
            del values["val_size"]
        if self.judged_size == usual_judged_size(self.train_images):
            values["judged_size"] = None
        if "model" in changes and self.init == models.family(self.model).init:
            values["init"] = None
        if (decay := chosen.get("weight_decay")) and decay["strength"] == self._usual_decay(decay["mode"]):
            del decay["strength"]
        for name, value in changes.items():
            key, dot, setting = name.partition(".")
            if dot:
                chosen[key] = {**(chosen.get(key) or {}), setting: value}
            elif key in CATALOGUE:
                chosen[key] = (chosen.get(key) or {}) if value is True else value
            else:
                values[key] = value
        return RunConfig.parse({**values, "regularizers": chosen})

    def _usual_decay(self, mode: str) -> float | None:
        """The strength of weight decay in this run where nobody chose one."""
        return getattr(self.suited(regularizer("weight_decay", {"mode": mode})), "strength", None)

    def plain(self) -> RunConfig:
        """The same run without any regularizer: what a comparison compares with."""
        return self.model_copy(update={"regularizers": {}, "fork": None})

    def set_up(self) -> str:
        """The same for runs that differ in nothing but their seed; twelve characters that say nothing else."""
        told = self.model_copy(update={"seed": 0}).model_dump_json()
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def title(self) -> str:
        """What is trained, in a few words for the screen."""
        source = data.SOURCES[self.dataset]
        images = f"{counted(self.train_size, 'image')}" if self.train_size else "all images"
        noise = f" · {percent(self.label_noise, 0)} wrong labels" if self.label_noise else ""
        return f"{source.title} · {images}{noise} · {self.model}"

    def recipe(self) -> str:
        """The regularizers that are on, in a few words for the screen."""
        told = " + ".join(lowered(r.title) for r in self.regularizers.values()) or "no regularizers"
        return f"{told}, from epoch {self.fork.epoch + 1} on" if self.fork else told

    def flags(self) -> list[str]:
        """The options of `python -m reglab train` that make this config again; defaults are left out."""
        return flags_of(self, PLAIN)

    def command(self) -> str:
        """The command line that trains exactly this, in sh, PowerShell and cmd.exe."""
        return " ".join(["python -m reglab train", *map(quoted, self.flags())])


PLAIN = tuple(name for name in RunConfig.model_fields if name not in ("regularizers", "fork"))
"""The fields that hold one value, which is a flag, a control and an axis."""


def from_json(text: str | bytes) -> RunConfig:
    """A RunConfig from its JSON, or from a run's `config.json`. Raises `ConfigError`.

    Bytes may be UTF-8, or UTF-16 as PowerShell writes it, with or without a byte-order mark.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The config is not JSON ({error}): give an object with the fields of a run.") from None
    return RunConfig.parse(values["config"] if isinstance(values, dict) and "config" in values else values)
