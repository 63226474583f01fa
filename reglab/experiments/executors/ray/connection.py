"""A connection to Ray, on a cluster or on this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from reglab import ROOT, machine
from reglab.errors import ConfigError
from reglab.experiments.executors.ray.address import check


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, once it is there; this copy of reglab goes along, so that the nodes need only what it is built on.

    Raises `ConfigError`.
    """
    check(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray warns of a change that is none for us
    import ray

    settings: dict[str, Any] = {"runtime_env": {"py_modules": [str(ROOT / "reglab")]}, "log_to_driver": False}
    if not address:
        settings |= {"address": "local", "num_cpus": machine.cpu_count(), "include_dashboard": False}
    else:
        settings |= {"address": address}
    on_sigterm = signal.getsignal(signal.SIGTERM)
    logging.getLogger("ray.util.client.logsclient").disabled = True  # what the head logs is for the head
    for tries_left in (1, 0):
        try:
            logging.getLogger("ray").setLevel(logging.ERROR)
            with warnings.catch_warnings(action="ignore"):
                ray.init(**settings, logging_level=logging.ERROR)
            logging.getLogger("ray").setLevel(logging.ERROR)  # Ray Client has set it back
            break
        except Exception as error:
            # Ray's proxy forks while its own threads run, and now and then the fork dies.
            if tries_left and isinstance(error, ConnectionAbortedError):
                continue
            raise ConfigError(
                f"Ray {f'at {address}' if address else 'on this machine'} does not let us in ({in_short(error)}):"
                " see that both sides have the same versions of Python and Ray, or leave --on away."
            ) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray would exit at once; we stop with a snapshot
    try:
        yield ray
    finally:
        ray.shutdown()


def in_short(error: BaseException) -> str:
    """The one line of Ray's that says what happened: of a traceback the last, else the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1 if any(line.startswith('File "') for line in lines) else 0][:200].rstrip(".")
