"""What a CUDA graph does, on the CPU: the operations of a step, with the tensors and numbers they had, done again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from reglab import compat, machine
from reglab.training import train as loop
from reglab.training.optimizers import make_optimizer
from reglab.training.replay import LastingGenerator, Replay


def tensors(*values: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


class Tape(TorchDispatchMode):
    """Keeps every operation, and what the storages it did not make itself held before."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Callable[..., Any], Any, Any, Any]] = []
        self.before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self.own: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        for storage in (t.untyped_storage() for t in tensors(args, kwargs)):
            if storage.data_ptr() not in self.own | self.before.keys():
                self.before[storage.data_ptr()] = storage, storage.clone()
        done = func(*args, **(kwargs or {}))
        self.own |= {t.untyped_storage().data_ptr() for t in tensors(done)} - self.before.keys()
        self.operations.append((func, args, kwargs or {}, done))
        return done

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, done in self.operations:
                for old, new in zip(tensors(done), tensors(func(*args, **kwargs)), strict=True):
                    if old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                        old.copy_(new)


def record(step: Callable[[], None], generators: Any, stream: None) -> Callable[[], None]:
    """As `compat.torch.record`: nothing has happened afterwards."""
    tape, draw_from = Tape(), compat.torch.draw_globally_from

    def remembered(generator: LastingGenerator, seed: int) -> None:
        draw_from(generator, seed)
        tape.operations.append((lambda: draw_from(generator, generator.seeded), (), {}, None))

    with pytest.MonkeyPatch.context() as patch, tape:
        patch.setattr(compat.torch, "draw_globally_from", remembered)
        step()
    for storage, before in tape.before.values():
        storage.copy_(before)
    return tape.replay


def replaying(patch: pytest.MonkeyPatch, record: Callable[..., Any] = record) -> list[Replay]:
    """From here on steps are recorded on the CPU, too. What comes back lists the `Replay` of each run."""

    def with_tensors(*args: Any) -> torch.optim.Optimizer:
        optimizer = make_optimizer(*args)
        for group in optimizer.param_groups:  # in double precision the CPU's kernels read what a number would have been
            group["lr"] = torch.tensor(group["lr"], dtype=torch.double)
        return optimizer

    patch.setattr(machine, "replays", lambda device: True)
    patch.setattr(compat.torch, "record", record)
    patch.setattr(loop, "make_optimizer", with_tensors)
    return listed(patch)


def listed(patch: pytest.MonkeyPatch) -> list[Replay]:
    """The `Replay` of each run from here on."""
    made: list[Replay] = []

    def remembered(*args: Any) -> Replay:
        made.append(Replay(*args))
        return made[-1]

    patch.setattr(loop, "Replay", remembered)
    return made
