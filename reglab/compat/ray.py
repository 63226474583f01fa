"""Ray: options without documentation, its environment, its loggers, and the one line of its errors that says anything."""

from __future__ import annotations

import os
from typing import Any

CLUSTER_INFO = "/ray.rpc.RayletDriver/ClusterInfo"
"""The method of Ray Client's server that answers without a session: whether it is Ray, and lets us in. Ray 2.60.0."""


def set_environment() -> None:
    """Send no statistics, and do not warn of a change that is none for us. Ray reads both when it is imported, 2.60.0."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def streaming(ahead: int) -> dict[str, Any]:
    """Options of a task that yields what it has to tell; it waits when nobody has taken so many.

    No retries by Ray: it would repeat what has been recorded. `_generator_backpressure_num_objects`, Ray 2.60.0.
    """
    return {"num_returns": "streaming", "max_retries": 0, "_generator_backpressure_num_objects": ahead}


def be_quiet() -> None:
    """Errors alone, and none of what the head logs, which is for the head. Ray Client sets the level back. Ray 2.60.0."""
    import logging

    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.util.client.logsclient").disabled = True


def last_word(error: BaseException) -> str:
    """The one line of Ray's that says what happened: of a traceback the last, else the first. Ray 2.60.0."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1 if any(line.startswith('File "') for line in lines) else 0][:200].rstrip(".")
