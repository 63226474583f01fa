"""Label smoothing against torch's own."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import rng
from torch.nn.functional import cross_entropy, one_hot

from reglab.regularizers import CATALOGUE


@given(smoothing=st.floats(0, 0.9), classes=st.integers(2, 100), seed=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_it_is_torchs(smoothing, classes, seed):
    logits = torch.randn(8, classes, generator=rng(seed))
    labels = torch.randint(classes, (8,), generator=rng(seed))
    technique = CATALOGUE["label_smoothing"](smoothing=smoothing)
    ours = cross_entropy(logits, technique.soft_targets(one_hot(labels, classes).float(), logits))
    torch.testing.assert_close(ours, torch.nn.CrossEntropyLoss(label_smoothing=smoothing)(logits, labels))
