"""The standard library: a pool's processes, the options of a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser
    from concurrent.futures import ProcessPoolExecutor


def kill_workers(pool: ProcessPoolExecutor) -> None:
    """End a pool's processes at once, whatever they do. `_processes`, Python 3.11.7; `kill_workers()` from 3.14 on."""
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.kill()


def options_of(parser: ArgumentParser) -> list[Action]:
    """Its options and arguments, in the order in which they were added. `_actions`, Python 3.11.7.

    argparse lets one add them but not list them; the attributes of an `Action` are documented.
    """
    return list(parser._actions)
