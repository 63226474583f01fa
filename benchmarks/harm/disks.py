"""The disk is full, or cannot be written: the run says so, keeps what it had, and with room it comes to the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harm import Figures, How, NotHere, syscalls
from harm.training import config, differences, golden, trained
from reglab.errors import RunError
from reglab.runs.run import BEST, LAST, Run
from reglab.runs.store import Store

LARGEST = 440_000  # bytes: a little more than a snapshot has
FULL_DISKS = 2**21  # bytes of the small disk


def at_many_points(how: How) -> Figures:
    """No file may grow beyond a limit: of 50, from half a line of the metrics to all but the last bytes of a snapshot."""
    whole, _ = golden(how.folder)
    store = Store(how.folder / "runs")
    small = [600, 1_200, 1_500, 2_000, 2_500, 3_000]
    limits = small + [LARGEST * n // 45 for n in range(1, 45)]
    limits = limits if not how.short else [limits[n] for n in (1, 4, 12, 30)]
    wrong: list[str] = []
    for limit in limits:
        run = store.create(config())
        trained(run, limit_files, limit)
        found = not_said(run)
        trained(run)
        wrong += [f"{limit} bytes: {what}" for what in found + differences(run, whole)]
        run.delete()
    return {"n": len(limits), "wrong": wrong, "met": not wrong}


def limit_files(limit: int) -> None:
    """In the worker: writing beyond fails, as on a disk that is full."""
    import resource

    sys.dont_write_bytecode = True  # Python would keep half a file, and everybody after us would stumble over it
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def not_said(run: Run) -> list[str]:
    """What a run that could not be written lacks: its status, the reason, and weights that can be used."""
    now, found = Run(run.path), []
    if now.status() != "failed" or "disk" not in now.summary().get("reason", "").lower():
        found.append(f"{now.status()}, {now.summary().get('reason')}")
    for file in (BEST, LAST):
        if (run.path / file).exists():
            try:
                now.tensors(file)
            except RunError as error:
                found.append(str(error))
    return found


def at_every_call(how: How) -> Figures:
    """The n-th write fails for lack of room, or the n-th time that a file must be on the disk for certain; n = 1, 2, ...

    And from the n-th on all of them, so that not even a last word can be written: then nothing tells why the run has
    broken off, and all the same it goes on to its bytes.
    """
    whole, _ = golden(how.folder)
    store, step = Store(how.folder / "runs"), how.times(1, 11)
    places, wrong = {}, []
    for name, calls, error, onwards in (
        ("write", "write", "ENOSPC", ""),
        ("write and all after it", "write", "ENOSPC", "+"),
        ("sync", "fsync", "EIO", ""),
    ):
        n = 1
        while True:
            run = store.create(config())
            syscalls.struck(run, calls, f"error={error}", f"{n}{onwards}")
            if run.status() == "finished":
                break
            found = not_said(run) if not onwards else []
            trained(run)
            wrong += [f"{name} {n}: {what}" for what in found + differences(run, whole)]
            run.delete()
            places[name] = places.get(name, 0) + 1
            n += step
    return {"n": sum(places.values()), "places": places, "wrong": wrong, "met": not wrong and len(places) == 3}


# ---- a small disk that is really full ----------------------------------------------------------------------------
def full(how: How) -> Figures:
    """A disk of 2 MB in memory on which all but so many bytes are taken; those are freed, and the run goes on."""
    if sys.platform != "linux" or not (unshare := shutil.which("unshare")):
        raise NotHere("needs unshare, which only Linux has")
    inside = [sys.executable, "-c", f"from harm import disks; disks.inside({how.short})"]
    done = subprocess.run(
        [unshare, "--map-root-user", "--mount", *inside],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        raise NotHere(f"may mount no disk in memory here: {done.stderr.strip()[-200:]}")
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def inside(short: bool) -> None:
    """What `full` does where it may mount disks; prints its figures."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "disk"
        small.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={FULL_DISKS}", "tmpfs", str(small)]
        if subprocess.run(mount).returncode:
            sys.exit(77)
        whole, _ = golden(Path(folder))
        wrong: list[str] = []
        lefts = [8_000, 300_000] if short else [4_096, *(8_192 + 65_536 * n for n in range(14))]
        for left in lefts:
            run = Store(small).create(config())
            (small / "filler").write_bytes(bytes(shutil.disk_usage(small).free - left))
            trained(run)
            found = not_said(run)
            (small / "filler").unlink()
            trained(run)
            wrong += [f"{left} bytes left: {what}" for what in found + differences(run, whole)]
            run.delete()
        subprocess.run(["umount", str(small)], check=True)
    print(json.dumps({"n": len(lefts), "wrong": wrong, "met": not wrong}))
