"""The optimizers against torch's and against the literal update."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from conftest import tiny_config
from torch.nn.functional import cross_entropy

from reglab.regularizers import CATALOGUE
from reglab.training.optimizers import SGDW, make_optimizer


def toy_problem():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(6, 5, bias=False), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 3))
    return network, torch.randn(8, 6), torch.randint(3, (8,))


def go(network, optimizer, x, y, steps: int = 5) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(network(x), y).backward()
        optimizer.step()


def test_sgdw_is_the_literal_update():
    network, x, y = toy_problem()
    literal = deepcopy(network)
    lr, decay, momentum = 0.1, 0.02, 0.9
    optimizer = SGDW(
        [{"params": list(network.parameters()), "decay": decay, "weight_decay": 0.0}],
        lr=lr,
        momentum=momentum,
        nesterov=True,
    )
    go(network, optimizer, x, y)
    velocity = {}
    for _ in range(5):
        literal.zero_grad()
        cross_entropy(literal(x), y).backward()
        with torch.no_grad():
            for name, w in literal.named_parameters():
                velocity[name] = momentum * velocity.get(name, 0) + w.grad
                w.copy_(w * (1 - lr * decay) - lr * (w.grad + momentum * velocity[name]))
    for ours, theirs in zip(network.parameters(), literal.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("everything", [False, True])
def test_decoupled_weight_decay_is_torchs_adamw_on_the_weights_alone(everything):
    decay = CATALOGUE["weight_decay"](strength=0.3, norm_and_bias=everything)
    network, x, y = toy_problem()
    theirs = deepcopy(network)
    config = tiny_config(lr=0.01)
    go(network, make_optimizer(config, network, [decay]), x, y)
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    vectors = [p for p in theirs.parameters() if p.ndim <= 1]
    go(
        theirs,
        torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.3}, {"params": vectors, "weight_decay": 0.3 * everything}], lr=0.01
        ),
        x,
        y,
    )
    for a, b in zip(network.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_without_weight_decay_nothing_decays(optimizer):
    network, x, y = toy_problem()
    theirs = deepcopy(network)
    config = tiny_config(lr=0.01, optimizer=optimizer)
    go(network, make_optimizer(config, network, []), x, y)
    plain = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0)
    if optimizer == "sgd":
        plain = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    go(theirs, plain, x, y)
    for a, b in zip(network.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)
