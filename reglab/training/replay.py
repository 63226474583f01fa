"""Training steps that a GPU does by itself: recorded once, and then replayed, to the same numbers.

A step of a small network is some hundred operations, and telling a GPU to do one takes longer than doing it. A CUDA graph is
the list of them, which one call starts. It reads and writes where it did when it was recorded. So before each replay the host
puts what is new into its place: which images are in the batch, the learning rate, the seeds of all generators, and what
techniques had the host draw (`regularizers.from_host`).

    replay = Replay(device)
    replay(learn, index, place, progress, decided)    # as learn(index, Draws(device, place), progress)

What is decided on the host within `learn` would be decided once for all steps. No technique has to say that it does so. The
first steps are ordinary ones, and watched: where two of them are not the same operations with the same numbers, or where
one asks for something that changes, all others are ordinary ones as well, and `why_not` says why.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Generator, Tensor

from reglab import compat, machine
from reglab.training.batches import Draws, derived_seed

if TYPE_CHECKING:
    from reglab.regularizers import Progress

    Place = tuple[int, int, int]
    Learn = Callable[[Tensor, Draws, Progress], None]
    Drawing = Callable[[np.random.Generator], Iterable[float]]

ORDINARY = 3  # steps before one is recorded: the first makes the optimizer's state, the next two are compared


class Replay:
    """Calls what the device does in a step as it is, or replays it, whichever can be."""

    def __init__(self, device: torch.device, clear: Callable[[], None] = lambda: None) -> None:
        """`clear` is called where recording broke a step off in its middle."""
        self.device, self._clear = device, clear
        self._stream = compat.torch.recording_stream(device)
        self._steps: dict[Hashable, _Steps] = {}
        self.why_not = "" if machine.replays(device) else "nobody asks for it here"

    def __call__(self, learn: Learn, index: Tensor, place: Place, progress: Progress, decided: Hashable) -> None:
        """One step. `learn` is the same each time; steps in which the host has `decided` the same are alike."""
        if self.why_not:
            learn(index, Draws(self.device, place), progress)
            return
        if decided not in self._steps:
            self._steps[decided] = _Steps(torch.empty_like(index), LastingDraws(self.device))
        steps = self._steps[decided]
        steps.index.copy_(index)
        steps.draws.begin(place)
        if steps.replay:
            steps.replay()
            return
        with compat.torch.beside(self._stream), compat.torch.own_global_generator(self.device):
            watch = Watch(self.device)
            with compat.torch.operations(watch.hear):
                learn(steps.index, steps.draws, Noticed(progress, watch))  # type: ignore[arg-type]
            watch.asked |= steps.draws.was_read()
            steps.seen.append(watch)
            if len(steps.seen) == ORDINARY:
                self._record(steps, learn, place, progress)

    def _record(self, steps: _Steps, learn: Learn, place: Place, progress: Progress) -> None:
        self.why_not = difference(*steps.seen[-2:])
        steps.seen.clear()
        if self.why_not:
            return
        generators = steps.draws.used()
        steps.draws.begin(place)
        step = partial(learn, steps.index, steps.draws, progress)
        try:
            steps.replay = compat.torch.record(step, generators, self._stream)
        except RuntimeError as error:  # an operation that cannot be recorded, or no memory for it
            first = error.__context__ or error  # ending a recording that broke off is another error
            self.why_not = (str(first).strip() or repr(first)).splitlines()[0]
            self._clear()
            warnings.warn(
                f"This GPU could not record a step ({self.why_not}): it is told each one, to the same numbers.",
                stacklevel=2,
            )


@dataclass
class _Steps:
    """Steps that are alike: where the index of their batch is put, their generators, what was seen of them, their replay."""

    index: Tensor
    draws: LastingDraws
    seen: list[Watch] = field(default_factory=list)
    replay: Callable[[], None] | None = None


# ---- what lasts from step to step --------------------------------------------------------------------------------
class LastingDraws(Draws):
    """The draws of `Draws`, from generators that last: the first call of each step has the first of them, and so on."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(device, (0, 0, 0))
        self._made: list[tuple[tuple[str, ...], LastingGenerator]] = []
        self._next = 0
        self._epoch = torch.zeros((), dtype=torch.long, device=device)

    def begin(self, place: Place) -> None:
        """Seed all of them for the step at `place`."""
        self.place, self._next = place, 0
        self._epoch.fill_(place[1])
        for purpose, made in self._made:
            made.begin(derived_seed(*place, *purpose))

    def epoch(self) -> Tensor:
        """The same tensor in every step."""
        return self._epoch

    def generator(self, *purpose: str) -> LastingGenerator:
        """The next of them. Where that had another purpose the step is another one, and it and all behind it are made anew."""
        if self._next == len(self._made) or self._made[self._next][0] != purpose:
            made = LastingGenerator(self.device)
            made.begin(derived_seed(*self.place, *purpose))
            self._made[self._next :] = [(purpose, made)]
        self._next += 1
        return self._made[self._next - 1][1]

    def seed_layers(self) -> None:
        """Let torch's global generator draw what the next of them draws."""
        rng = self.generator("layers")
        compat.torch.draw_globally_from(rng, rng.seeded)

    def was_read(self) -> set[str]:
        """Whether the seed of any of them was read, which the next step would not know of."""
        return {"draws numbers on the host"} if any(made.was_read for _, made in self._made) else set()

    def used(self) -> list[Generator]:
        """Those that have drawn since they were seeded."""
        return [made for _, made in self._made if compat.torch.has_drawn(made)]


class LastingGenerator(Generator):
    """A generator that begins anew again and again, and with it the numbers that the host draws by its seed."""

    def __init__(self, device: torch.device) -> None:  # which `Generator.__new__` has put it on
        self.was_read = False
        self.seeded, self._asked = 0, 0
        self._numbers: list[tuple[Drawing, Tensor]] = []

    def begin(self, seed: int) -> None:
        """Seed it, and have the host draw its numbers again."""
        self.manual_seed(seed)
        self.seeded, self._asked = seed, 0
        for draw, numbers in self._numbers:
            numbers.copy_(self._drawn(draw), non_blocking=True)

    def from_host(self, draw: Drawing) -> Tensor:
        """See `regularizers.from_host`; the tensor of a step's first call is that of every step's first call."""
        if self._asked == len(self._numbers):
            self._numbers.append((draw, self._drawn(draw).to(self.device)))
        self._asked += 1
        return self._numbers[self._asked - 1][1]

    def initial_seed(self) -> int:
        """The seed, for whoever draws by it on the host."""
        self.was_read = True
        return self.seeded

    def _drawn(self, draw: Drawing) -> Tensor:
        numbers = list(draw(np.random.default_rng(self.seeded)))
        return torch.tensor(numbers, dtype=torch.float32, pin_memory=self.device.type == "cuda")


# ---- whether steps are alike -------------------------------------------------------------------------------------
class Watch:
    """What a step did, operation by operation, and what it asked for that another step would have otherwise."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.done: list[tuple[str, Any, Any]] = []
        self.asked: set[str] = set()

    def hear(self, operation: str, args: Any, kwargs: Any) -> None:
        """An operation is about to be done."""
        if operation.startswith("profiler"):
            return
        if operation == WAITS:
            self.asked.add("waits for a number of the device")
        if operation == BRINGS or any(t.device.type != self.device.type for t in tensors_in([args, kwargs])):
            self.asked.add("brings numbers from the host")  # a recording would read them where they no longer are
        self.done.append((operation, shown(args), shown(kwargs)))


WAITS, BRINGS = "aten._local_scalar_dense.default", "aten.lift_fresh.default"  # `.item()` and `torch.tensor(...)`


class Noticed:
    """A `Progress` whose reader is noticed."""

    def __init__(self, progress: Progress, watch: Watch) -> None:
        self._progress, self._watch = progress, watch

    def __getattr__(self, name: str) -> Any:
        self._watch.asked.add("goes by how far the run is")
        return getattr(self._progress, name)


def shown(value: Any) -> Any:
    """An argument as a value that can be compared; of a tensor what it looks like, but not what is in it."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device
    if isinstance(value, (list, tuple)):
        return [shown(v) for v in value]
    if isinstance(value, dict):
        return {k: shown(v) for k, v in value.items()}
    return type(value) if isinstance(value, Generator) else repr(value)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors among the arguments of an operation."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(each)


def difference(one: Watch, other: Watch) -> str:
    """Why two steps are not alike, or nothing."""
    if asked := one.asked | other.asked:
        return ", ".join(sorted(asked))
    return "" if one.done == other.done else "does something else at every step"
