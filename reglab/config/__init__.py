"""A run's settings as one frozen value: what to train, on what, and how. Equal JSON, equal run.

    run_config.py  `RunConfig`: every setting with its bounds and its explanation
    techniques.py  its regularizers, each checked by its own file; fork.py: the run that it goes on from
    flags.py       the command line that makes it again
    messages.py    what is wrong with a value, in one sentence

Read first: `run_config.py`. It asks `data`, `models` and `regularizers` what can be trained, and needs no torch.
May import: `regularizers`, `models`, `data` and the ground floor (`errors`, `machine`, `download`, `compat`).
"""

from reglab.config.flags import flag, typed
from reglab.config.fork import Fork
from reglab.config.run_config import PLAIN, USUAL_LR, RunConfig, from_json

__all__ = ["PLAIN", "USUAL_LR", "Fork", "RunConfig", "flag", "from_json", "typed"]
