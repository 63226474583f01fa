"""What goes wrong is said in one sentence, with a way out where there is one."""

from __future__ import annotations

import errno
import os

import pytest

from reglab.errors import ConfigError
from reglab.jobs.failures import in_words

REFUSALS = [
    MemoryError(),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    OSError(12, "Cannot allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=["python", "gpu", "cpu", "system", "cublas"])
def test_too_little_memory_is_nobodys_fault_and_has_a_way_out(refusal):
    assert in_words(refusal).startswith("Out of memory: use a smaller batch size")
    assert "fault of this program" in in_words(RuntimeError("size mismatch"))
    assert in_words(ConfigError("out of memory.png is no picture.")) == "out of memory.png is no picture."


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_called_one(number):
    assert in_words(OSError(number, os.strerror(number))).startswith("The disk is full")
    assert in_words(OSError(errno.EIO, "Input/output error")).startswith("The run could not be written (Input/output")
