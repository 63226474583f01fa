"""The recipes above the board, by what the papers behind them say."""

from __future__ import annotations

import pytest

from reglab.regularizers import regularizer
from reglab.teaching.presets import PRESETS

BY_TITLE = {preset.title: preset.regularizers for preset in PRESETS}


@pytest.mark.parametrize(
    ("preset", "key", "settings"),
    [
        ("Classic", "dropout", {"rate": 0.5}),  # Srivastava et al. 2014: hidden units are kept with probability 0.5
        ("Noisy labels", "bootstrapping", {"beta": 0.95}),  # Reed et al. 2014: 0.95 soft, which this is; 0.8 is hard
    ],
)
def test_a_recipe_has_the_values_of_its_paper(preset, key, settings):
    chosen = regularizer(key, BY_TITLE[preset][key]).model_dump()
    assert settings.items() <= chosen.items()
