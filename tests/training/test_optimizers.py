"""The optimizers against torch's and against the literal update."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from conftest import tiny_config
from torch.nn.functional import cross_entropy

from reglab.regularizers import CATALOGUE
from reglab.training import optimizers
from reglab.training.optimizers import MUON_MOMENTUM, SGDW, make_optimizer, orthogonalized


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


@pytest.mark.parametrize("sizes", [(16, 150), (150, 16), (24, 40)])
def test_orthogonalized_are_the_directions_of_a_matrix_with_values_near_one(sizes):
    given = torch.randn(3, *sizes, generator=torch.Generator().manual_seed(0))
    told = orthogonalized(given)
    u, _, v = torch.linalg.svd(given, full_matrices=False)
    in_its_directions = u.mT @ told @ v.mT
    values = in_its_directions.diagonal(dim1=1, dim2=2)
    assert told.shape == given.shape and values.min() > 0.3 and values.max() < 1.25
    torch.testing.assert_close(in_its_directions, torch.diag_embed(values), atol=1e-4, rtol=0)
    alone = torch.stack([orthogonalized(matrix[None])[0] for matrix in given])
    torch.testing.assert_close(told, alone)  # a batch is what each is alone
    assert not orthogonalized(torch.zeros(1, *sizes)).any()


def test_muon_is_torchs_muon_on_the_hidden_layers_and_adamw_on_the_rest(monkeypatch):
    """torch's (2.9 and later) takes five iterations, and matrices alone."""
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("this torch has no Muon to compare with")
    monkeypatch.setattr(optimizers, "ITERATIONS", 5)
    decay = CATALOGUE["weight_decay"](strength=0.3)
    network, x, y = toy_problem()
    theirs = deepcopy(network)
    config = tiny_config(lr=0.01, optimizer="muon")
    go(network, make_optimizer(config, network, [decay], precision="bf16"), x, y)
    hidden, norm, head = theirs
    muon = torch.optim.Muon(
        [hidden.weight], lr=0.01, momentum=MUON_MOMENTUM, weight_decay=0.3, adjust_lr_fn="match_rms_adamw"
    )
    rest = [
        {"params": [head.weight], "weight_decay": 0.3},
        {"params": [*norm.parameters(), head.bias], "weight_decay": 0},
    ]
    adam = torch.optim.AdamW(rest, lr=0.01)
    for _ in range(5):
        muon.zero_grad(), adam.zero_grad()
        cross_entropy(theirs(x), y).backward()
        muon.step(), adam.step()
    for a, b in zip(network.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-2)  # the iterations are in bfloat16


def test_filters_of_muon_are_matrices_whichever_way_they_lie_in_memory():
    told = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 6, 3), torch.nn.Conv2d(6, 6, 3), torch.nn.Flatten(), torch.nn.Linear(6, 3)
        ).to(memory_format=memory_format)
        optimizer = make_optimizer(tiny_config(lr=0.01, optimizer="muon"), network, [])
        before = [p.detach().clone() for p in network.parameters()]
        go(
            network,
            optimizer,
            torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(1)),
            torch.arange(4) % 3,
            1,
        )
        told.append([p.detach() for p in network.parameters()])
    for a, b in zip(*told, strict=True):
        torch.testing.assert_close(a, b)
    for p, was in zip(told[0][:3:2], before[:3:2], strict=True):
        step = (p - was).flatten(1) / 0.01
        assert step.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.4), "as large as AdamW's"


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
