"""What `reglab.compat.python` leans on is still so in the version of Python's own library that is installed."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from reglab import compat


def test_the_processes_of_a_pool_can_be_ended_whatever_they_do():
    pool = ProcessPoolExecutor(1)
    future = pool.submit(time.sleep, 600)
    while not future.running():
        time.sleep(0.01)
    compat.python.kill_workers(pool)
    with pytest.raises(BrokenProcessPool):
        future.result(timeout=60)
    pool.shutdown(wait=False)


def test_the_options_of_a_command_line_are_listed_in_order():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument_group("more").add_argument("--dry-run", action="store_true", help="only say")
    found = compat.python.options_of(parser)
    assert [(option.dest, option.help) for option in found[1:]] == [("file", None), ("dry_run", "only say")]
