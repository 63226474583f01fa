"""A set-up as a link: the text behind `?cfg=`.

It says a config, or an assignment, which is a config with rules around it, and what its runs are trained beside. The text
is the version and then, packed, only what has to be said: what `RunConfig.parse` would put there by itself is left out.
Whoever opens a link trusts nobody: its length is bounded before and after unpacking, and every value goes through
`RunConfig.parse`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from reglab.config import EVERYTHING, RunConfig, init_before
from reglab.config.fork import MOST
from reglab.errors import ConfigError
from reglab.models import pretrained
from reglab.teaching.assignments import Assignment

PARAMETER = "cfg"
LONGEST = 4_000  # characters of a link's text
LARGEST = 20_000  # bytes that it may unpack to; ours, with the longest task, stay below 8,000
VERSION = "4"  # of the links that are made now; WORDS has those that are still opened

BEFORE_INIT = ("1", "2")  # versions of links that were made when other values were usual
BEFORE_JUDGED = (*BEFORE_INIT, "3")

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
    packer = zlib.compressobj(9, zdict=WORDS[VERSION])
    packed = packer.compress(json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()) + packer.flush()
    return VERSION + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode(text: str) -> Shared:
    """What the text of a link says. Raises `ConfigError` with one sentence for everything that is none of ours."""
    return decode_all(text)[0]


def decode_all(text: str) -> tuple[Shared, Beside]:
    """The same, and what its runs are trained beside. Raises as `decode`."""
    if len(text) > LONGEST:
        raise ConfigError(f"The link is too long ({len(text):,} characters) to be one of this lab's: ask for it again.")
    version, packed = text[:1], text[1:]
    if version not in WORDS:
        raise ConfigError("The link is of another version of the lab, or of none: ask for a new one.")
    values = _unpacked(packed, WORDS[version])
    if version in BEFORE_INIT:
        values = _as_it_was(values)
    if version in BEFORE_JUDGED:
        values = {"judged_size": EVERYTHING, **values}
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


def _as_it_was(values: dict[str, Any]) -> dict[str, Any]:
    """What a link said when weight decay was 0.05 wherever nobody chose, and normalizing basic_cnn changed its weights."""
    told = _with_decay(values)
    model = told.get("model", "basic_cnn")
    if "init" not in told and isinstance(model, str):
        with contextlib.suppress(ConfigError):  # of a network that there is not, which is said where it is read
            told["init"] = init_before(model, told.get("regularizers"))
    return told


def _with_decay(values: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """A copy in which the strength of weight decay is said, here and in the runs that were forked."""
    told, on, fork = dict(values), values.get("regularizers"), values.get("fork")
    decay = on.get("weight_decay") if isinstance(on, dict) else None
    if isinstance(on, dict) and isinstance(decay, dict) and decay.get("mode", "decoupled") == "decoupled":
        told["regularizers"] = {**on, "weight_decay": {"strength": 0.05, **decay}}
    if isinstance(fork, dict) and depth < MOST:  # deeper ones are refused
        told["fork"] = _with_decay(fork, depth + 1)
    return told


DAMAGED = "The link is damaged or not whole: copy it again, to its very end."


def _unpacked(text: str, words: bytes) -> dict[str, Any]:
    if not text:
        return {}
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):  # base64 itself would pass over anything else
        raise ConfigError(DAMAGED)
    try:
        unpacker = zlib.decompressobj(zdict=words)
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
        for name in sorted(
            part, key=lambda name: name == "judged_size"
        ):  # last: a whole config without it is one of before
            value = part.pop(name)
            if not _makes(said, config):
                part[name] = value
    return said


def _makes(values: Mapping[str, Any], config: RunConfig) -> bool:
    try:
        return RunConfig.parse(values) == config
    except ConfigError:
        return False


# Version of a link -> what its packer knows beforehand, so that words like these cost next to nothing. Never change one:
# every link of that version hangs on it. A word that is missing here makes links a little longer and breaks none, so a new
# technique needs no new version; when many of the words are out of date, add a version, and leave the others as they are.
WORDS = {
    # Its `size`, `groups` and `amount` were never names of settings.
    "1": (
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
    ),
    "2": (
        b'"fork":{"epoch":10,"beside":["scratch","plain"],"precision":"fp32","bf16","schedule":"cosine","constant",'
        b'"finetune":"head_then_all","all","side":160,"pretrained":true,"model":"timm/tf_efficientnet_lite0",'
        b'"timm/inception_v3","inception_v4","inception_resnet_v2","timm/vgg11_bn","timm/resnet34","timm/resnet50",'
        b'"inception_small","alexnet_small","speed_cnn","vgg16","vgg11","resnet18","resnet20","width":0.5,"val_size":1000,'
        b'"dataset":"cifar100","fashion_mnist","digits","train_size":5000,"label_noise":0.2,"epochs":20,"batch_size":32,'
        b'"optimizer":"sgd","lr":0.001,"seed":1,"assignment":{"task":"Predict the validation accuracy and train. Which '
        b"regularizer closes the gap? Find the settings with the best accuracy on the test images, and explain why the "
        b'network overfits. ","predict":"val_accuracy","test_accuracy","gap","rest":"hidden","locked","open":["dropout",'
        b'"dropout.rate","weight_decay.strength","dataset","model","seed"],"max_epochs":20,"max_images":5000,"max_runs":5}'
        b'"regularizers":{"swa":{"start":0.5,"lr_share":0.1},"l2_sp":{"alpha":0.01,"beta":0.1},"layer_freezing":'
        b'{"share":0.25},"manifold_mixup":{"alpha":2.0},"group_norm":{"num_groups":4},"dropblock":{"block_size":5},'
        b'"max_norm":{"max_value":2.0},"orthogonality":{"strength":0.01},"spectral_norm":{"n_power_iterations":2},'
        b'"gaussian_noise":{"sigma":0.05},"random_erasing":{"scale_max":0.3,"value":"mean","p":0.25},"trivial_augment":'
        b'{"rotate":false},"confidence_penalty":{"beta":0.2},"gradient_clipping":{"max_norm":0.5},"gradient_noise":'
        b'{"gamma":0.5,"eta":0.01},"spatial_dropout":{"rate":0.2},"stochastic_depth":{"rate":0.1},"l1":{"strength":0.0001},'
        b'"cutout":{"length":8},"sam":{"rho":0.1},"ema":{"warmup":false,"decay":0.99},"early_stopping":'
        b'{"monitor":"accuracy","min_delta":0.01,"patience":3},"label_smoothing":{"smoothing":0.2},"cutmix":{"prob":1.0,'
        b'"alpha":0.5},"flip_crop":{"padding":2,"flip":false},"weight_decay":{"norm_and_bias":true},"batch_norm":{},'
        b'"weight_decay":{},"mixup":{},"bootstrapping":{"beta":0.8},"cutmix":{},"flip_crop":{},"mixup":{"alpha":0.2},'
        b'"label_smoothing":{},"ema":{}},"batch_norm":{},"dropout":{"rate":0.5},"weight_decay":{"mode":"l2",'
        b'"strength":0.0005}}}'
    ),
}
WORDS["3"] = WORDS["2"].replace(b'"constant",', b'"constant","init":"he","torch",')
WORDS["4"] = WORDS["3"].replace(b'"constant",', b'"constant","judged_size":10000,')
