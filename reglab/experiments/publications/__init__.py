"""Published results that this lab can try to repeat. A publication a file, called by its key.

Read first: `publication.py` (what a publication is), then `cutout.py`; `measures.py` says what can be measured.
A publication is a table of rows. Each row says what is trained and what its authors measured; a claim says what the table
is cited for, as bounds that a number, or the difference of two rows, must keep to. The full recipe comes as near to the
authors' as this lab can; the budget recipe shrinks it until two cores do it in an hour or two, and says what that gives up.
Only numbers that were read in the authors' own repository or text ("verified"), or in transcriptions of it ("secondary"),
stand here. `reproduce.py` judges runs by them.
May import: `experiment`, `outcome` and the floors below.
"""

from __future__ import annotations

import difflib

from reglab.errors import ConfigError
from reglab.experiments.publications.batch_norm_speed import BATCH_NORM
from reglab.experiments.publications.cutout import CUTOUT
from reglab.experiments.publications.label_smoothing import SMOOTHING
from reglab.experiments.publications.measures import MEASURES
from reglab.experiments.publications.mixup_noise import MIXUP
from reglab.experiments.publications.publication import RECIPES, STATUS, Claim, Publication, Recipe, Row
from reglab.experiments.publications.resnet20 import RESNET20
from reglab.experiments.publications.speed import SPEEDRUN
from reglab.experiments.publications.zhang2017 import ZHANG

__all__ = ["MEASURES", "PUBLICATIONS", "RECIPES", "STATUS", "Claim", "Publication", "Recipe", "Row", "publication"]

PUBLICATIONS: dict[str, Publication] = {
    p.key: p for p in (ZHANG, CUTOUT, MIXUP, SMOOTHING, BATCH_NORM, RESNET20, SPEEDRUN)
}


def publication(key: str) -> Publication:
    """The publication of that name. Raises `ConfigError`."""
    if key not in PUBLICATIONS:
        near = difflib.get_close_matches(str(key), PUBLICATIONS, n=1)
        instead = f"did you mean {near[0]}?" if near else f"choose from {', '.join(PUBLICATIONS)}."
        raise ConfigError(f"There is no publication called {str(key)[:80]!r}: {instead}")
    return PUBLICATIONS[key]
