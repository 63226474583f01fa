"""A run's settings as one frozen value: what to train, on what, and how. Equal JSON, equal run.

Read first: `run_config.py`. It asks `data`, `models` and `regularizers` what can be trained, and needs no torch.
May import: `regularizers`, `models`, `data` and the ground floor (`errors`, `machine`, `download`, `compat`).
"""

from reglab.config.run_config import PLAIN, USUAL_LR, Fork, RunConfig, flag, from_json, typed

__all__ = ["PLAIN", "USUAL_LR", "Fork", "RunConfig", "flag", "from_json", "typed"]
