"""How far an accuracy may be off for the luck of its images, against draws of them."""

from __future__ import annotations

import numpy as np
import pytest

from reglab.config.judged import standard_error


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("images", [50, 200, 1_900])
def test_it_is_how_far_slices_scatter(share, images):
    rng, of = np.random.default_rng(0), 2_000
    whole = np.arange(of) < share * of
    drawn = [rng.permutation(whole)[:images].mean() for _ in range(3_000)]
    assert np.std(drawn) == pytest.approx(standard_error(share, images, of), rel=0.1)
    anew = rng.binomial(images, share, 3_000) / images
    assert np.std(anew) == pytest.approx(standard_error(share, images), rel=0.1)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_all_of_them_do_not_err_and_few_do_even_at_the_ends(share):
    assert standard_error(share, 2_000, 2_000) == 0
    assert 0 < standard_error(share, 200) < standard_error(share, 50) < 0.08
