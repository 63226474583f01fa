"""A set-up as a link: the text behind `?cfg=` says a config, or an assignment, which is a config with rules around it,
and what its runs are trained beside.

The text is the version and then, packed, only what has to be said: what `RunConfig.parse` would put there by itself is
left out. Whoever opens a link trusts nobody: its length is bounded before and after unpacking, and every value goes
through `RunConfig.parse`. An assignment is an aid to a lesson and no lock: nobody is bound who opens the lab without it.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from reglab import data
from reglab.config import RunConfig, typed
from reglab.errors import ConfigError
from reglab.models import pretrained
from reglab.regularizers import CATALOGUE

PARAMETER = "cfg"
VERSION = "1"
LONGEST = 4_000  # characters of a link's text
LARGEST = 20_000  # bytes that it may unpack to; ours, with the longest task, stay below 8,000
TASK = 600  # characters
MOST_RUNS = 30  # that a browser remembers, so that no budget can be larger
NAMES = 40  # in a list of controls
PREDICTABLE = {  # what a pupil may be asked to predict -> what it is called
    "gap": "gap between training and validation accuracy",
    "val_accuracy": "validation accuracy",
    "test_accuracy": "test accuracy",
}


# ---- what a link says --------------------------------------------------------------------------------------------
def _plain(text: Any) -> Any:
    """Text without what could disturb a page or a terminal: control characters, half characters, reversed writing."""
    if not isinstance(text, str):
        return text
    text = text.replace("\r\n", "\n").replace("\t", " ")
    kept = (c for c in text if c == "\n" or (unicodedata.category(c) not in ("Cc", "Cs") and c not in REVERSING))
    return "".join(kept).strip()


def _in_a_line(text: Any) -> Any:
    return " ".join(text.split()) if isinstance(text, str) else text


REVERSING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
Text = Annotated[str, BeforeValidator(_plain)]
Line = Annotated[Text, BeforeValidator(_in_a_line)]
Names = Annotated[tuple[str, ...], Field(max_length=NAMES)]
Access = Literal["open", "locked", "hidden"]


class Assignment(BaseModel):
    """What a teacher hands out: a set-up, a task, which controls may be changed, and a budget for each run.

    A control is named as in a config: `lr`, `dropout`, `dropout.rate`. One that stands in none of the three lists is as
    its technique is, or as `rest` says. Make one with `Assignment.parse`, which answers bad values in one sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: RunConfig
    task: Text = Field("", max_length=TASK)
    predict: Literal["", "gap", "val_accuracy", "test_accuracy"] = ""  # what to predict before the first run
    rest: Access = "open"
    open: Names = ()
    locked: Names = ()
    hidden: Names = ()
    max_epochs: int | None = Field(None, ge=1)
    max_images: int | None = Field(None, ge=1)  # of training
    max_runs: int | None = Field(None, ge=1, le=MOST_RUNS)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Assignment:
        """An assignment from plain values. Raises `ConfigError` with one sentence about the first thing that is wrong."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigError(f"The assignment cannot be: {complaint(error)}") from None

    @field_validator("open", "locked", "hidden")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in CONTROLS]:
            raise ConfigError(f"there is no control called {unknown[0][:80]!r}.")
        return tuple(sorted(set(names)))

    @model_validator(mode="after")
    def _possible(self) -> Assignment:
        listed = [*self.open, *self.locked, *self.hidden]
        if twice := [name for name in listed if listed.count(name) > 1]:
            raise ConfigError(f"{called(twice[0])} stands in two lists: leave it in one.")
        if beyond := next(self._beyond(self.config), ""):
            raise ConfigError(f"its own set-up breaks it, since {beyond[0].lower()}{beyond[1:]}")
        return self

    def access(self, name: str) -> Access:
        """Whether a control is open, locked or hidden; a setting follows its technique unless it is named itself."""
        lists: dict[Access, tuple[str, ...]] = {"open": self.open, "locked": self.locked, "hidden": self.hidden}
        for called_so in (name, name.partition(".")[0]):
            for access, names in lists.items():
                if called_so in names:
                    return access
        return self.rest if name in CONTROLS else "open"

    def broken(self, config: RunConfig) -> list[str]:
        """A sentence for every rule that a config breaks."""
        asked, given = values_of(config), values_of(self.config)
        changed = [name for name in given if self.access(name) != "open" and asked[name] != given[name]]
        locks = [
            f"{called(name)} is {_told(asked[name])}, but the assignment keeps it at {_told(given[name])}."
            for name in changed
        ]
        return [*locks, *self._beyond(config)]

    def check(self, config: RunConfig, runs: int = 0) -> None:
        """Raises `ConfigError` when the config breaks a rule, or when that many runs were started and no more may be."""
        if broken := self.broken(config):
            raise ConfigError(f"{broken[0][:-1]}: put it back, or reload the page.")
        if self.max_runs is not None and runs >= self.max_runs:
            raise ConfigError(
                f"No more runs can be started: the assignment allows {self.max_runs}, so hand in the lesson sheet of one."
            )

    def check_all(self, configs: Sequence[RunConfig]) -> None:
        """The same for the runs of a sweep, which a budget of runs has no room for."""
        if self.max_runs is not None:
            raise ConfigError("The assignment counts runs, so they are started one by one: use the Train tab.")
        for config in configs:
            if broken := self.broken(config):
                raise ConfigError(f"The assignment has no room for this sweep: {broken[0]}")

    def _beyond(self, config: RunConfig) -> Iterator[str]:
        images = images_of(config)
        for name, asked, most in (("epochs", config.epochs, self.max_epochs), ("images", images, self.max_images)):
            if most is not None and asked > most:
                what = "training images" if name == "images" else name
                yield f"{asked:,} {what} are more than the {most:,} that the assignment allows."


def values_of(config: RunConfig) -> dict[str, Any]:
    """The value of every control that says this config; the settings of techniques that are off are their defaults."""
    values: dict[str, Any] = {name: getattr(config, name) for name in RunConfig.model_fields if name != "regularizers"}
    values["train_size"] = images_of(config)
    for key, technique in CATALOGUE.items():
        on = config.regularizers.get(key)
        values[key] = on is not None
        for name, info in technique.model_fields.items():
            values[f"{key}.{name}"] = getattr(on, name) if on is not None else info.default
    return values


def images_of(config: RunConfig) -> int:
    """The training images, counted where the config says all."""
    return config.train_size or data.SOURCES[config.dataset].images - config.val_size


# All that an assignment can lock or hide. Where a run is trained is nobody's lesson.
CONTROLS = tuple(name for name in values_of(RunConfig()) if name != "device")


def called(name: str) -> str:
    """What the screen calls a control: `dropout.rate` -> "Dropout: rate"."""
    key, dot, setting = name.partition(".")
    if key not in CATALOGUE:
        title = RunConfig.model_fields[key].title or key
        return title[0].upper() + title[1:]
    technique = CATALOGUE[key]
    return f"{technique.title}: {technique.model_fields[setting].title or setting}" if dot else technique.title


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "its usual value" if value is None else f"{value:,}" if isinstance(value, int) else typed(value)[:80]


# ---- the link ----------------------------------------------------------------------------------------------------
Shared = RunConfig | Assignment


@dataclass(frozen=True)
class Beside:
    """What a run is trained beside, to be compared with."""

    plain: bool = True  # the same network without regularizers
    scratch: bool = False  # the same network from random weights


def encode(shared: Shared, beside: Beside = Beside()) -> str:
    """The text of the link that says it; a set-up of defaults alone is one character long."""
    said = differing(shared.config if isinstance(shared, Assignment) else shared)
    if isinstance(shared, Assignment):
        said["assignment"] = shared.model_dump(mode="json", exclude={"config"}, exclude_defaults=True)
    if beside != Beside():
        said["beside"] = [name for name, is_on in asdict(beside).items() if is_on]
    if not said:
        return VERSION
    packer = zlib.compressobj(9, zdict=WORDS)
    packed = packer.compress(json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()) + packer.flush()
    return VERSION + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode(text: str) -> Shared:
    """What the text of a link says. Raises `ConfigError` with one sentence for everything that is none of ours."""
    return decode_all(text)[0]


def decode_all(text: str) -> tuple[Shared, Beside]:
    """The same, and what its runs are trained beside."""
    if len(text) > LONGEST:
        raise ConfigError(f"The link is too long ({len(text):,} characters) to be one of this lab's: ask for it again.")
    if not text.startswith(VERSION):
        raise ConfigError("The link is of another version of the lab, or of none: ask for a new one.")
    values = _unpacked(text.removeprefix(VERSION))
    rules, beside = values.pop("assignment", None), values.pop("beside", ["plain"])
    try:
        if not isinstance(beside, list) or not all(name in ("plain", "scratch") for name in beside):
            raise ConfigError("What its runs are trained beside must be a list of: plain, scratch.")
        switches = Beside(plain="plain" in beside, scratch="scratch" in beside)
        config = offered(values)
        if rules is None:
            return config, switches
        if not isinstance(rules, dict) or "config" in rules:
            raise ConfigError("The assignment must be an object of rules.")
        return Assignment.parse({**rules, "config": config}), switches
    except ConfigError as error:
        sentence = str(error)
        raise ConfigError(
            f"The link cannot be used: {sentence if len(sentence) < 300 else f'{sentence[:300]} ...'}"
        ) from None
    except RecursionError:
        raise ConfigError(DAMAGED) from None


DAMAGED = "The link is damaged or not whole: copy it again, to its very end."


def _unpacked(text: str) -> dict[str, Any]:
    if not text:
        return {}
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):  # base64 itself would pass over anything else
        raise ConfigError(DAMAGED)
    try:
        unpacker = zlib.decompressobj(zdict=WORDS)
        raw = unpacker.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), LARGEST)
        if not unpacker.eof:  # cut off, or larger than any of ours
            raise ConfigError(DAMAGED)
        values = json.loads(raw)
    except (zlib.error, ValueError, RecursionError):  # a ConfigError is a ValueError, as is what base64 and JSON raise
        raise ConfigError(DAMAGED) from None
    if not isinstance(values, dict):
        raise ConfigError(DAMAGED)
    return values


def text_of(link: str) -> str:
    """The text of a link, given as a whole address or alone. Raises `ConfigError` where an address has none."""
    if "://" not in link and "?" not in link:
        return link.strip()
    found = parse_qs(urlsplit(link.strip()).query).get(PARAMETER)
    if not found:
        raise ConfigError(f"The address says no set-up: it must have ?{PARAMETER}= in it, as the Share tab gives it.")
    return found[0]


def offered(values: Any) -> RunConfig:
    """The config that a stranger asks for, of a network that the page offers: any other of timm may be gigabytes.

    Raises `ConfigError`; timm itself is not asked, which alone would take seconds.
    """
    model = values.get("model") if isinstance(values, Mapping) else None  # what is no mapping, `parse` refuses
    if isinstance(model, str) and pretrained.is_timm(model) and model not in pretrained.OFFERED:
        raise ConfigError(
            f"The page does not offer {model[:80]!r}: choose one of its networks, or train it on the command line."
        )
    return RunConfig.parse(values)


def differing(config: RunConfig) -> dict[str, Any]:
    """What must be said for `RunConfig.parse` to make this config; whatever it puts there by itself is left out."""
    said = config.model_dump(mode="json")
    techniques: dict[str, dict[str, Any]] = said["regularizers"]
    for part in (said, *techniques.values()):
        for name in list(part):
            value = part.pop(name)
            if not _makes(said, config):
                part[name] = value
    return said


def _makes(values: Mapping[str, Any], config: RunConfig) -> bool:
    try:
        return RunConfig.parse(values) == config
    except ConfigError:
        return False


def complaint(error: ValidationError) -> str:
    """Pydantic's first complaint about values that somebody else wrote, in one short sentence."""
    first = error.errors(include_url=False)[0]
    if isinstance(own := first.get("ctx", {}).get("error"), ConfigError):
        return str(own)
    where = ".".join(str(part) for part in first["loc"])[:80]
    given = repr(first["input"])
    given = given if len(given) <= 60 else f"{given[:60]} ..."
    musts = {
        "greater_than_equal": "be at least {ge}",
        "less_than_equal": "be at most {le}",
        "string_too_long": "have at most {max_length} characters",
        "int_parsing": "be a whole number",
        "extra_forbidden": "be left out",
    }
    must = musts.get(first["type"])
    why = (
        f"but must {must.format(**first.get('ctx', {}))}"
        if must
        else f"and {first['msg'][0].lower()}{first['msg'][1:]}"
    )
    return f"{ascii(where)[1:-1]} is {given}, {why}."


# What the packer knows beforehand, so that words like these cost a link next to nothing. Never change it: every link that
# was ever made hangs on it. A word that is missing makes links a little longer, one that is gone would break them.
WORDS = (
    b'"fork":{"epoch":10,"precision":"fp32","bf16","schedule":"cosine","constant","finetune":"head_then_all","all","side":'
    b'"pretrained":true,"model":"timm/tf_efficientnet_lite0","inception_v3","vgg11_bn","resnet34","resnet50","inception_small'
    b'","alexnet_small","speed_cnn","vgg16","vgg11","resnet18","resnet20","width":0.5,"val_size":1000,"dataset":"cifar100",'
    b'"fashion_mnist","digits","train_size":5000,"label_noise":0.2,"epochs":20,"batch_size":32,"optimizer":"sgd","lr":0.001,'
    b'"seed":1,"assignment":{"task":"Predict the validation accuracy and train. Which regularizer closes the gap? Find the '
    b'settings with the best accuracy on the test images, and explain why the network overfits. ","predict":"val_accuracy",'
    b'"test_accuracy","gap","rest":"hidden","locked","open":["dropout","dropout.rate","weight_decay.strength","dataset",'
    b'"model","seed"],"max_epochs":20,"max_images":5000,"max_runs":5}"regularizers":{"swa":{},"l2_sp":{},"layer_freezing":{},'
    b'"group_norm":{"groups":8},"dropblock":{"size":3},"max_norm":{},"orthogonality":{},"spectral_norm":{},"gaussian_noise":'
    b'{},"random_erasing":{},"trivial_augment":{},"bootstrapping":{"beta":0.8},"confidence_penalty":{},"gradient_clipping":{},'
    b'"gradient_noise":{},"spatial_dropout":{"rate":0.1},"stochastic_depth":{},"l1":{"strength":0.0001},"cutout":{"size":8},'
    b'"sam":{"rho":0.05},"ema":{},"early_stopping":{"patience":5},"label_smoothing":{"amount":0.1},"cutmix":{"alpha":1.0},'
    b'"mixup":{"alpha":0.2},"flip_crop":{"padding":4,"flip":false},"batch_norm":{},"dropout":{"rate":0.5},"weight_decay":'
    b'{"mode":"l2","strength":0.0005}}}'
)
