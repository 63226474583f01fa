"""A run's settings as one frozen value: what to train, on what, and how. Equal JSON, equal run.

    run_config.py  `RunConfig`: every setting with its bounds and its explanation
    techniques.py  its regularizers, each checked by its own file; fork.py: the run that it goes on from
    decay.py       what weight decay does over a whole run
    judged.py      how many images a point of the curves is judged on, and how far it may be off
    usual.py       what a setting is where nobody has chosen it; before.py: what it was in a config that does not say it
    flags.py       the command line that makes it again
    numbers.py     numbers as people type them: 0,01 and 1e-3
    naming.py      what a run is called that nobody has named
    messages.py    what is wrong with a value, in one sentence; wording.py: the same in the words of the page

Read first: `run_config.py`. It asks `data`, `models` and `regularizers` what can be trained, and needs no torch.
May import: `regularizers`, `models`, `data` and the ground floor (`errors`, `machine`, `download`, `compat`).
"""

from reglab.config.before import init_before
from reglab.config.decay import shrinkage, steps, summed_lr
from reglab.config.flags import flag, quoted, typed
from reglab.config.fork import Fork
from reglab.config.judged import EVERYTHING, MOST_TRAIN, TEST, standard_error
from reglab.config.naming import described
from reglab.config.run_config import PLAIN, USUAL_LR, RunConfig, from_json
from reglab.config.wording import called, listed, on_screen

__all__ = [
    "EVERYTHING",
    "MOST_TRAIN",
    "PLAIN",
    "TEST",
    "USUAL_LR",
    "Fork",
    "RunConfig",
    "called",
    "described",
    "flag",
    "from_json",
    "init_before",
    "listed",
    "on_screen",
    "quoted",
    "shrinkage",
    "standard_error",
    "steps",
    "summed_lr",
    "typed",
]
