"""The part of `gpu.py` about many runs of `basic_cnn` on one GPU: on streams, with stacked parameters, in processes.

All take the same steps on the same batches, each run with its own seed, beside the pace of one run alone. How far the weights
of each have come apart from those of its single run after a few steps says whether it is the same run still.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from gpu_steps import WARM_UP, Steps, config_of, now, split_of
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn.functional import cross_entropy, one_hot

from reglab import machine
from reglab.training.optimizers import make_optimizer, set_lr

if TYPE_CHECKING:
    from gpu import Asked, Told
    from torch.multiprocessing import Queue

    from reglab.config import RunConfig
    from reglab.data import Split

COUNTS = (1, 8, 32)
LEAST = {8: 4, 32: 8}  # times as fast as one after the other
COMPARED = 5  # steps after which weights are compared


def many(asked: Asked, told: Told) -> None:
    """Each way with each number of runs; what fails says why in its cell."""
    split = split_of(asked, 64 if asked.small else 5_000)
    n = 3 if asked.small else 100
    alone = Steps(config_of(asked), split)
    alone.take(1 if asked.small else WARM_UP)
    pace = alone.images_per_second(n)
    counts, best = (1, 2) if asked.small else COUNTS, dict.fromkeys(LEAST, 0.0)
    for name, way in WAYS.items():
        for count in counts:
            configs = [config_of(asked, seed=seed) for seed in range(count)]
            try:
                speed, weights = way(configs, split, n, asked)
                ratio = speed / pace
                best |= {count: max(ratio, best[count])} if count in best else {}
                told.row(
                    f"{count} by {name}",
                    **{"images/s": speed, "times one after the other": ratio, **apart(weights, configs, split)},
                )
            except Exception as error:  # of one way, which must not end the others
                told.row(f"{count} by {name}", error=f"{type(error).__name__}: {error}"[:200])
            machine.give_memory_back()
    told.row("one after the other", **{"images/s": pace})
    for count, least in LEAST.items():
        told.target(f"{count} runs at once, times as fast as one after the other", best[count], least=least)


def apart(weights: Sequence[Sequence[Tensor]], configs: Sequence[RunConfig], split: Split) -> dict[str, Any]:
    """How far these weights are from those of each run alone after as many steps: the largest difference of one."""
    largest = 0.0
    for mine, config in zip(weights, configs[:2], strict=False):  # two tell of all
        single = Steps(config, split)
        single.take(COMPARED)
        theirs = list(single.trainer.model.parameters())
        largest = max(largest, *(float((a - b.detach()).abs().max()) for a, b in zip(mine, theirs, strict=True)))
    return {"weights apart by": largest}


def copied(network: nn.Module) -> list[Tensor]:
    """Its weights as they are now."""
    return [p.detach().clone() for p in network.parameters()]


# ---- on streams --------------------------------------------------------------------------------------------------
def on_streams(configs: Sequence[RunConfig], split: Split, n: int, asked: Asked) -> tuple[float, list[list[Tensor]]]:
    """As the worker of the queue does it: one process, a step of each in turn, each on a stream of its own."""
    lanes = [machine.lane(asked.device) for _ in configs]
    runs: list[Steps] = []

    def in_turn(what: Callable[[int], Any]) -> list[Any]:
        done = []
        for number, lane in enumerate(lanes):
            with lane:
                done.append(what(number))
        return done

    in_turn(lambda number: runs.append(Steps(configs[number], split)))
    for _ in range(COMPARED):
        in_turn(lambda number: runs[number].take(1))
    weights = in_turn(lambda number: copied(runs[number].trainer.model))
    for _ in range(0 if asked.small else WARM_UP):
        in_turn(lambda number: runs[number].take(1))
    began = now(asked.device)
    for _ in range(n):
        in_turn(lambda number: runs[number].take(1))
    return speed_of(runs[0], len(runs), n, now(asked.device) - began), weights


def speed_of(run: Steps, runs: int, n: int, seconds: float) -> float:
    """Images a second of all runs together."""
    return runs * n * run.trainer.batch_size / seconds


# ---- with stacked parameters -------------------------------------------------------------------------------------
class Stacked(nn.Module):
    """The parameters of several networks, one tensor for each layer with the networks as its first dimension."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        stacked, _ = stack_module_state(list(networks))
        self.names = list(stacked)
        self.tensors = nn.ParameterList(stacked.values())

    def by_name(self) -> dict[str, Tensor]:
        """Name in the network -> the tensor of all."""
        return dict(zip(self.names, self.tensors, strict=True))


def stacked(configs: Sequence[RunConfig], split: Split, n: int, asked: Asked) -> tuple[float, list[list[Tensor]]]:
    """One step for all: `torch.func` maps it over the stacked parameters, so convolutions become grouped ones."""
    runs = [Steps(config, split) for config in configs]
    first = runs[0].trainer
    networks = Stacked([run.trainer.model for run in runs])
    optimizer = make_optimizer(configs[0], networks, [])

    def loss(parameters: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        logits = functional_call(first.model, parameters, (inputs,))
        return cross_entropy(logits.float(), targets)

    step_of_all = vmap(grad_and_value(loss))

    def step() -> None:
        batches = [batch_of(run) for run in runs]
        inputs, targets = (torch.stack(each) for each in zip(*batches, strict=True))
        with machine.autocast(asked.device, first.precision):
            gradients, _ = step_of_all({k: v.detach() for k, v in networks.by_name().items()}, inputs, targets)
        for name, parameter in networks.by_name().items():
            parameter.grad = gradients[name]
        set_lr(optimizer, first.learning_rate(first.progress(first.steps_done)))
        optimizer.step()
        for run in runs:
            run.trainer.batch += 1

    for _ in range(COMPARED):
        step()
    weights = [[tensor[number].detach().clone() for tensor in networks.tensors] for number in range(len(runs))]
    for _ in range(0 if asked.small else WARM_UP):
        step()
    began = now(asked.device)
    for _ in range(n):
        step()
    return speed_of(runs[0], len(runs), n, now(asked.device) - began), weights


def batch_of(run: Steps) -> tuple[Tensor, Tensor]:
    """The batch that a run without regularizers comes to next."""
    t = run.trainer
    if t.batch == t.batches:
        t.end_epoch()
        t.begin_epoch()
    index = t.order[t.batch * t.batch_size : (t.batch + 1) * t.batch_size]
    inputs = t.normalize(t.images.images(index)).contiguous(memory_format=torch.channels_last)
    return inputs, one_hot(t.images.labels[index], t.classes).float()


# ---- in processes ------------------------------------------------------------------------------------------------
def in_processes(configs: Sequence[RunConfig], split: Split, n: int, asked: Asked) -> tuple[float, list[list[Tensor]]]:
    """Each run in a process of its own; all begin to count at once."""
    context = multiprocessing.get_context("spawn")
    told, start = context.Queue(), context.Barrier(len(configs))
    arguments = [(number, config, split, n, asked.small, start, told) for number, config in enumerate(configs)]
    processes = [context.Process(target=one_of_them, args=each, daemon=True) for each in arguments]
    for process in processes:
        process.start()
    found = sorted((told.get(timeout=80) for _ in processes), key=lambda each: each[0])
    for process in processes:
        process.join()
    seconds = max(end for _, _, end, _, _ in found) - min(began for _, began, _, _, _ in found)
    weights = [[torch.from_numpy(array).to(asked.device) for array in arrays] for *_, arrays in found]
    return sum(batch for *_, batch, _ in found) * n / seconds, weights


def one_of_them(
    number: int, config: RunConfig, split: Split, n: int, small: bool, start: Any, told: Queue[Any]
) -> None:
    """What each process does: it warms up, waits for the others, and says when it began and ended."""
    torch.set_num_threads(1)
    run = Steps(config, split)
    run.take(COMPARED)
    weights = [tensor.cpu().numpy() for tensor in copied(run.trainer.model)] if number < 2 else []
    run.take(0 if small else WARM_UP)
    now(run.trainer.device)
    start.wait()
    began = time.monotonic()
    run.take(n)
    now(run.trainer.device)
    told.put((number, began, time.monotonic(), run.trainer.batch_size, weights))


WAYS = {"streams": on_streams, "stacked parameters": stacked, "processes": in_processes}
