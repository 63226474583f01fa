"""A connection to Ray, on a cluster or on this machine."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from reglab import ROOT, compat, machine
from reglab.errors import ConfigError
from reglab.experiments.executors.ray.address import check


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, once it is there; this copy of reglab goes along, so that the nodes need only what it is built on.

    Raises `ConfigError`.
    """
    check(address)
    compat.ray.set_environment()
    import ray

    settings: dict[str, Any] = {"runtime_env": {"py_modules": [str(ROOT / "reglab")]}, "log_to_driver": False}
    if not address:
        settings |= {"address": "local", "num_cpus": machine.cpu_count(), "include_dashboard": False}
    else:
        settings |= {"address": address}
    on_sigterm = signal.getsignal(signal.SIGTERM)
    for tries_left in (1, 0):
        try:
            compat.ray.be_quiet()
            with warnings.catch_warnings(action="ignore"):
                ray.init(**settings, logging_level=logging.ERROR)
            compat.ray.be_quiet()  # Ray Client has set it back
            break
        except Exception as error:
            # Ray's proxy forks while its own threads run, and now and then the fork dies.
            if tries_left and isinstance(error, ConnectionAbortedError):
                continue
            raise ConfigError(
                f"Ray {f'at {address}' if address else 'on this machine'} does not let us in ({compat.ray.last_word(error)}):"
                " see that both sides have the same versions of Python and Ray, or leave --on away."
            ) from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray would exit at once; we stop with a snapshot
    try:
        yield ray
    finally:
        ray.shutdown()
