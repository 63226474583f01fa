"""How processes are started: from a server that has torch loaded already, so that one is there in milliseconds."""

from __future__ import annotations

import multiprocessing
import os
from typing import Any

from reglab import ROOT

PRELOADED = (
    "torch",
    "pyarrow",
    "safetensors.torch",
    "reglab.training.train",
    "reglab.jobs.worker",
    "reglab.analysis.predict",
)


def process_context() -> Any:
    """forkserver with torch preloaded, so that a worker starts in milliseconds; spawn where there is none."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    # The fork server is started as `python -c ...` and would not find a package that lies beside the script.
    here = str(ROOT)
    if here not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
    return context
