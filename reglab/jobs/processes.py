"""How processes are started: from a server that has torch loaded already, and without the secrets of this one.

A process that trains, answers or opens what strangers sent needs to know where folders are and how many threads to use; it
needs neither the host's token nor the host's key. So the environment of every child is a list of what it may have, and what
is on no list stays here: a name that nobody thought of is no leak.
"""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Mapping
from typing import Any

from reglab import ROOT, compat
from reglab.redaction import SECRET_NAME

PRELOADED = (
    "torch",
    "pyarrow",
    "safetensors.torch",
    "reglab.training.train",
    "reglab.jobs.worker",
    "reglab.analysis.predict",
)
# Where things are, which language is spoken, how torch computes; in full or by how the name begins.
ALLOWED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|TZ|TMPDIR|TMP|TEMP|VIRTUAL_ENV|CONDA_PREFIX"
    r"|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|USERPROFILE|APPDATA|LOCALAPPDATA|PROGRAMDATA|NUMBER_OF_PROCESSORS"
    r"|HF_HOME|HF_ENDPOINT|REGLAB_(RUNS|CACHE|CHECKPOINTS|DEPLOYMENT|GRAPHS)"
    r"|(LC|LD|DYLD|XDG|MALLOC|FAKETIME|COVERAGE)_.*"
    r"|(PYTHON|TORCH|PYTORCH_|ATEN_|ONEDNN_|HF_HUB_|OMP_|GOMP_|KMP_|MKL_|OPENBLAS_|NUMEXPR_|CUDA_|CUBLAS_|NVIDIA_|NCCL_|HIP_|ROCR_).*",
    re.IGNORECASE,
)
# Who fetches from the Hub may be somebody there, and may have to go through a proxy, whose address can hold a password.
FOR_THE_HUB = re.compile(
    r"HF_TOKEN|HF_TOKEN_PATH|HF_HUB_DISABLE_IMPLICIT_TOKEN|HF_XET_.*|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)"
    r"|(REQUESTS|CURL)_CA_BUNDLE",
    re.IGNORECASE,
)


def child_environment(everything: Mapping[str, str] | None = None, *, hub: bool = False) -> dict[str, str]:
    """What a child may know of this environment, or of `everything`; with `hub` also who the host is to the Hub.

    The package is found also where it lies beside the script and not among the installed ones.
    """
    everything = os.environ if everything is None else everything
    allowed = {
        name: value
        for name, value in everything.items()
        if (ALLOWED.fullmatch(name) and not SECRET_NAME.search(name)) or (hub and FOR_THE_HUB.fullmatch(name))
    }
    paths = allowed.get("PYTHONPATH", "").split(os.pathsep)
    here = str(ROOT.resolve())
    if here not in paths:
        paths.insert(0, here)
    if compat.spaces.is_on():  # the GPU is lent to one process that spaces forks off; no other shall look for it
        allowed["CUDA_VISIBLE_DEVICES"] = ""
    return allowed | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def process_context() -> Any:
    """forkserver with torch preloaded, so that a worker starts in milliseconds; spawn where there is none."""
    compat.python.start_processes_with(child_environment)
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The first step of an optimizer imports it: 0.9 s, and 116 MiB that are now those of all together.
    context.set_forkserver_preload([*PRELOADED, "torch._dynamo"])
    return context
