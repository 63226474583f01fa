"""What `reglab.compat.safetensors` leans on is still so in the version of safetensors that is installed."""

from __future__ import annotations

import torch

from reglab import compat


def test_a_file_of_tensors_is_the_same_in_order():
    from safetensors.torch import load, save

    metadata = {name: name * 3 for name in "zyxabc"}
    files = {compat.safetensors.in_order(save({"w": torch.arange(6.0)}, metadata)) for _ in range(5)}
    [data] = files
    assert torch.equal(load(data)["w"], torch.arange(6.0))
    header = data[8 : 8 + int.from_bytes(data[:8], "little")]
    assert [header.index(name.encode()) for name in ('"a"', '"b"', '"x"')] == sorted(
        header.index(name.encode()) for name in ('"a"', '"b"', '"x"')
    )
