"""Every technique on a GPU. Apart from the other tests of all, so that a machine needs no page to run it."""

from __future__ import annotations

import pytest
import torch
from techniques import TRAINABLE, config_with

from reglab.training.events import Finished
from reglab.training.train import train


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("key", TRAINABLE)
def test_on_cuda_it_trains_and_tells_the_same_story_twice(key, tiny_split):
    config = config_with(key, epochs=2, device="cuda", precision="auto")
    first, second = (list(train(config, tiny_split)) for _ in range(2))
    assert isinstance(first[-1], Finished) and [e.to_json() for e in first] == [e.to_json() for e in second]
