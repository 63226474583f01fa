"""Weights of the smallest network of timm, in a cache laid out as the Hub lays it out. It stands in for the large ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import timm
import torch
from conftest import tiny_config
from huggingface_hub import constants
from safetensors.torch import save_file

from reglab.config import RunConfig
from reglab.models import pretrained

TINY = "timm/test_resnet"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def put_on_hub(cache: Path, name: str, tensors: dict[str, torch.Tensor]) -> Path:
    """Weights in a cache folder exactly as the Hub's client leaves them: a blob named by its SHA-256, and links."""
    repo = cache / f"models--{str(pretrained.known(name).repo).replace('/', '--')}"
    snapshot = repo / "snapshots" / COMMIT
    for folder in (snapshot, repo / "blobs", repo / "refs"):
        folder.mkdir(parents=True)
    save_file(tensors, repo / "blobs" / "new")
    blob = repo / "blobs" / hashlib.sha256((repo / "blobs" / "new").read_bytes()).hexdigest()
    (repo / "blobs" / "new").rename(blob)
    (snapshot / "model.safetensors").symlink_to(f"../../blobs/{blob.name}")
    (repo / "refs" / "main").write_text(COMMIT)
    return blob


def random_network(name: str) -> torch.nn.Module:
    """timm's whole network in a state that nothing else has; variances of batch norm included."""
    torch.manual_seed(0)
    network = timm.create_model(name.removeprefix("timm/")).eval()
    for key, value in network.state_dict().items():
        if "running_var" in key:
            value.uniform_(0.5, 1.5)
    return network


@pytest.fixture(name="hub", scope="session")
def hub_fixture(tmp_path_factory) -> Path:
    cache = tmp_path_factory.mktemp("hub")
    put_on_hub(cache, TINY, random_network(TINY).state_dict())
    return cache


@pytest.fixture(name="offline", autouse=True)
def offline_fixture(hub, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    monkeypatch.setenv("REGLAB_CACHE", str(tmp_path / "cache"))


def on_tiny(**changes) -> RunConfig:
    return tiny_config(**{"model": TINY, "pretrained": True, "side": 32, **changes})


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
