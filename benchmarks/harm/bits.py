"""Files of tensors that are not what was written: all are refused, none is half loaded, and the run comes to its bytes."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator

from harm import Figures, How
from harm.training import config, differences, golden, started, trained
from reglab.errors import RunError
from reglab.runs.run import BEST, BEST_AT_LAST, LAST, Run
from reglab.runs.store import Store


def flipped_and_cut(how: How) -> Figures:
    """2,000 single bits flipped and 100 truncations, a byte too many and no bytes at all, of weights and of a snapshot.

    Every one is read; of each kind some are gone on with to the end, which is where another result would be seen.
    """
    whole, _ = golden(how.folder)
    broken = broken_off(Store(how.folder / "runs"))
    rng = random.Random(how.seed)
    told = {"flips": 0, "truncations": 0, "others": 0, "refused": 0, "gone on with": 0}
    wrong: list[str] = []
    for file in (BEST, LAST):
        data = (broken.path / file).read_bytes()
        for n, (kind, what, damaged) in enumerate(damages(data, rng, how.times(1_000, 40), how.times(50, 5))):
            told[kind] += 1
            run = again(broken, file, damaged)
            try:
                run.tensors(file)
                wrong.append(f"{file}, {what}: was read")
            except RunError:
                told["refused"] += 1
            resume = run.resume()
            if file == LAST and resume is not None:
                wrong.append(f"{file}, {what}: was gone on with")
            if n % how.times(50, 25) == 0 or kind == "others":
                told["gone on with"] += 1
                trained(run)
                wrong += [f"{file}, {what}: {found}" for found in differences(run, whole)]
    return {"n": told["flips"] + told["truncations"] + told["others"], **told, "wrong": wrong, "met": not wrong}


def broken_off(store: Store) -> Run:
    """A run that was killed after its first snapshot, and that can be gone on with."""
    for _ in range(100):
        run = store.create(config())
        process = started(run)
        while process.is_alive() and not (run.path / LAST).exists():
            process.join(0.005)
        process.kill()
        process.join()
        if run.status() == "interrupted" and (run.path / BEST).exists():
            return run
    raise SystemExit("No worker could be killed between its first snapshot and its end.")


def damages(data: bytes, rng: random.Random, flips: int, cuts: int) -> Iterator[tuple[str, str, bytes]]:
    """Kind, words, and the bytes. Of the flips a third falls on the header, which is a small part of the file."""
    header = 8 + int.from_bytes(data[:8], "little")
    for n in range(flips):
        place, bit = rng.randrange(header if n % 3 == 0 else len(data)), rng.randrange(8)
        yield "flips", f"bit {bit} of byte {place}", data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
    for n in range(cuts):
        size = rng.randrange(1, header if n % 3 == 0 else len(data))
        yield "truncations", f"only {size} bytes", data[:size]
    yield "others", "a byte too many", data + b"\0"
    yield "others", "no bytes", b""
    yield "others", "zeros", bytes(len(data))


def again(broken: Run, file: str, damaged: bytes) -> Run:
    """The run as it broke off, one of its files replaced."""
    copy = broken.path.with_name("damaged")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(broken.path, copy)
    (copy / BEST_AT_LAST).unlink(missing_ok=True)
    (copy / file).write_bytes(damaged)
    os.utime(copy)
    return Run(copy)
