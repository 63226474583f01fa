"""What a machine has not is refused in a sentence before a run begins, or replaced where nobody asked for it."""

from __future__ import annotations

import os
import re

import pytest
import torch
from conftest import tiny_config

from reglab import compat, machine
from reglab.cli.main import main
from reglab.config import RunConfig
from reglab.deployment import GIB, LIMITS
from reglab.errors import ConfigError
from reglab.jobs.admission import Admission
from reglab.jobs.capacity import Capacity, here
from reglab.jobs.queue import Jobs
from reglab.jobs.worker import work
from reglab.training.events import Epoch, Snapshot, Switched
from reglab.training.train import Resume, train

CPU, GPU = torch.device("cpu"), torch.device("cuda")
NEEDS_BF16 = "this CPU has no arithmetic of its own for it and would be slower than in fp32"


@pytest.fixture(params=[True, False], ids=["bf16", "no bf16"])
def has_bf16(request, monkeypatch) -> bool:
    monkeypatch.setattr(compat.torch, "cpu_has_bf16", lambda: request.param)
    return request.param


@pytest.fixture
def old(monkeypatch) -> None:
    """A processor without bf16."""
    monkeypatch.setattr(compat.torch, "cpu_has_bf16", lambda: False)


# ---- which precision ---------------------------------------------------------------------------------------------
def test_auto_takes_bf16_where_it_is_native_but_for_depthwise_convolutions(has_bf16):
    assert machine.choose_precision("auto", CPU) == ("bf16" if has_bf16 else "fp32")
    assert machine.choose_precision("auto", CPU, depthwise=True) == "fp32"
    assert machine.choose_precision("fp32", CPU) == "fp32"


@pytest.mark.parametrize(("generation", "native"), [(6, "fp32"), (7, "fp16 fp32"), (8, "bf16 fp16 fp32")])
def test_a_gpu_takes_what_its_generation_computes_in(monkeypatch, generation, native):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (generation, 0))
    best, *_ = native.split()
    assert machine.native_precisions(GPU) == tuple(native.split())
    assert machine.choose_precision("auto", GPU) == machine.choose_precision("auto", GPU, depthwise=True) == best
    if generation < 8:
        with pytest.raises(ConfigError, match=f"bf16 was asked for, but this GPU .* use auto.* {best}"):
            machine.choose_precision("bf16", GPU)


def test_a_run_that_goes_on_keeps_its_precision_where_the_device_has_it(has_bf16):
    for depthwise in (True, False):
        assert machine.choose_precision("auto", CPU, depthwise, began="fp32") == "fp32"
        kept = machine.choose_precision("auto", CPU, depthwise, began="bf16")
        assert kept == ("bf16" if has_bf16 else "fp32")


@pytest.mark.parametrize("asked", ["bf16", "fp16"])
def test_what_is_asked_for_and_not_there_is_refused_in_one_sentence(old, asked):
    words = f"^precision {asked} was asked for, but {NEEDS_BF16}: use auto or fp32.$"
    with pytest.raises(ConfigError, match=words) as refused:
        next(train(tiny_config(precision=asked), None))  # before it looks at the data
    assert refused.value.fields == ("precision",)


def test_autocast_computes_in_the_precision_that_was_chosen():
    seen = {}
    for precision in ("fp32", "bf16", "fp16"):
        with machine.autocast(CPU, precision):
            seen[precision] = (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    assert seen == {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


# ---- a run that goes on elsewhere --------------------------------------------------------------------------------
def begun(config: RunConfig, split, precision: str) -> Resume:
    """Its first epoch, as if it had been trained in that precision."""
    history, best = [], {}
    for event in train(config, split):
        if isinstance(event, Epoch):
            history.append(event)
        elif event.name == "best":
            best = {k: v.clone() for k, v in event.weights.items()}
        elif isinstance(event, Snapshot) and event.state["epoch"] == 2:
            return Resume(dict(event.state), {k: v.clone() for k, v in event.tensors.items()}, history, best, precision)
    raise AssertionError("it has no second epoch")


def test_another_precision_from_here_on_is_said_and_only_then(tiny_split, old):
    config = tiny_config(width=0.125, epochs=2, precision="auto")
    assert not [e for e in train(config, tiny_split, resume=begun(config, tiny_split, "fp32")) if e.name == "switched"]
    first, *rest = train(config, tiny_split, resume=begun(config, tiny_split, "bf16"))
    assert isinstance(first, Switched) and rest[-1].name == "finished"
    assert (first.epoch, first.precision, first.before) == (2, "fp32", "bf16")


@pytest.fixture
def begun_in_bf16(store):
    """A run that was stopped after its first epoch, on a machine with bf16."""

    def make(asked: str):
        config = tiny_config(width=0.125, epochs=2, train_size=60, val_size=30, batch_size=20, precision=asked)
        run = store.create(config)
        with pytest.MonkeyPatch.context() as elsewhere:
            elsewhere.setattr(compat.torch, "cpu_has_bf16", lambda: True)  # emulated where it is not so
            work([run], lambda run, event: run.ask_to_stop() if event.name == "epoch" and event.epoch == 1 else None)
        assert (run.status(), run.left_off().resume.precision) == ("stopped", "bf16")
        return run

    return make


def test_a_run_begun_in_bf16_goes_on_without_it_in_words_and_in_its_summary(begun_in_bf16, store, old, capsys):
    run = begun_in_bf16("auto")
    assert main(["train", "--resume", run.id, "--runs", str(store.root)]) == 0
    assert "Goes on in fp32: it began in bf16, which this device has no arithmetic for." in capsys.readouterr().err
    assert (run.summary()["precision"], run.status()) == ("bf16, then fp32", "finished")


def test_a_run_that_was_to_be_in_bf16_is_not_gone_on_with_without_it(begun_in_bf16, store, old, capsys):
    run = begun_in_bf16("bf16")
    before = run.lines()
    assert main(["train", "--resume", run.id, "--runs", str(store.root)]) == 2
    assert f"{NEEDS_BF16}: go on where there is one, or train it anew in fp32." in capsys.readouterr().err
    jobs = Jobs(store)
    lookout = jobs.lookout
    lookout._capacity, lookout._machine = here(), {"device": "cpu", "name": "", "precision": "fp32"}
    lookout._begun = True
    lookout._seen.set()
    with pytest.raises(ConfigError, match="go on where there is one"):
        jobs.resume([run])
    jobs.close()
    assert run.lines() == before and run.status() == "stopped"


# ---- every way in ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", ["train", "sweep --over lr=0.1,0.2", "train --pretrained --model timm/resnet18"])
def test_the_command_line_refuses_it_before_anything_is_made(old, store, capsys, command):
    words = ["--dataset", "digits", "--precision", "bf16", "--runs", str(store.root)]
    assert main([*command.split(), *words]) == 2
    assert f"precision bf16 was asked for, but {NEEDS_BF16}: use auto or fp32." in capsys.readouterr().err
    assert store.runs() == []


def test_the_queue_refuses_it_to_the_host_and_to_visitors(old, store):
    for seat in ("", "10.0.0.1/" + "a" * 64):
        admission = Admission(LIMITS["public"], store, store.view, lambda: None, here)
        with pytest.raises(ConfigError, match=f"precision bf16 .* {NEEDS_BF16}"):
            admission.check(seat, [tiny_config(), tiny_config(precision="bf16")])
        with pytest.raises(ConfigError, match="device cuda was asked for, but torch finds no GPU here"):
            admission.check(seat, [tiny_config(device="cuda")])
        admission.close()


# ---- memory ------------------------------------------------------------------------------------------------------
def small_machine(size: float) -> Capacity:
    return Capacity("cpu", {"cpu": ("fp32",)}, {"cpu": int(size * GIB)})


@pytest.mark.parametrize(
    ("size", "changes", "instead"),
    [
        (2, {"model": "vgg16", "batch_size": 4_096}, r"use a batch_size of at most (\d+)"),
        (
            2,
            {"model": "resnet18", "batch_size": 512, "regularizers": {"batch_norm": True}},
            r"batch_size of at most (\d+)",
        ),
        (1, {"model": "resnet18", "width": 4}, r"use a width of at most ([\d.]*\d)"),
        (0.5, {"model": "resnet20"}, "choose a smaller network"),
        (
            0.5,
            {"model": "timm/resnet18", "finetune": "all", "pretrained": True},
            "smaller network, or use finetune features",
        ),
    ],
)
def test_a_run_that_fits_no_memory_is_refused_with_one_that_does(size, changes, instead):
    config, here = RunConfig.parse({"dataset": "cifar10", **changes}), small_machine(size)
    words = rf"takes about \d+\.\d GiB of memory, but this machine has {size:.1f}: .*{instead}.*\.$"
    with pytest.raises(ConfigError, match=words) as refused:
        here.check(config)
    if number := re.search(instead, str(refused.value)).groups():
        field = "batch_size" if "batch" in instead else "width"
        value = type(getattr(config, field))(number[0])
        fits = config.model_copy(update={field: value} | ({"batch_size": 2} if field == "width" else {}))
        here.check(fits)
        more = fits.model_copy(update={field: value + (8 if field == "batch_size" else 0.125)})
        with pytest.raises(ConfigError, match="GiB of memory"):
            here.check(more)


def test_what_cannot_be_told_refuses_nothing():
    Capacity("cpu", {"cpu": ("fp32",)}, {}).check(RunConfig.parse({"model": "vgg16", "batch_size": 4_096}))


def test_this_machine_has_memory_and_at_most_that_of_its_container(monkeypatch):
    told = here()
    assert told.native["cpu"][-1] == "fp32" and told.device in told.native
    if os.name == "posix":
        assert 2**29 < told.memory["cpu"] <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_the_queue_refuses_what_fits_no_memory_to_its_host_too(store):
    admission = Admission(LIMITS["laptop"], store, store.view, lambda: None, lambda: small_machine(2))
    with pytest.raises(ConfigError, match=r"but this machine has 2\.0: use a batch_size of at most"):
        admission.check("", [RunConfig.parse({"model": "vgg16", "batch_size": 4_096})])
    admission.check("", [tiny_config()])
    admission.close()
