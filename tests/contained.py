"""Runs the app as its image does, without one: nothing can be written to but one folder, there is no network, nobody is root.

    unshare --mount --net [--map-root-user] python tests/contained.py FOLDER

`test_container.py` calls it. What the Dockerfile says is taken from there: environment, user, health check, command; the folder
stands for its volume. What happened is printed as JSON.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VOLUME = Path("/srv")  # a folder that every system has and nobody needs meanwhile
QUICK = {"dataset": "digits", "train_size": 300, "val_size": 100, "epochs": 1_000}


def main(folder: Path) -> None:
    image = (ROOT / "Dockerfile").read_text("utf-8").rpartition("\nFROM ")[2]
    uid = int(re.findall(r"^USER (\d+)", image, re.MULTILINE)[0])
    start_loopback()
    only_writable(folder, uid)
    somebody: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": []} if is_privileged() else {}
    where: dict[str, Any] = {"cwd": ROOT, "env": environment_of(image), **somebody}
    told: dict[str, Any] = {"writable": writable(where)}
    with open(VOLUME / "log", "wb") as log:
        app = subprocess.Popen(command(image, "CMD"), stdout=log, stderr=log, **where)
        try:
            told |= seen(app, command(image, "HEALTHCHECK"), where)
        finally:
            if app.poll() is None:
                app.kill()
            told["log"] = (VOLUME / "log").read_text("utf-8", "replace")[-3_000:]
            print(json.dumps(told))


def seen(app: subprocess.Popen[bytes], check: list[str], where: dict[str, Any]) -> dict[str, Any]:
    """Healthy, trains, and when it is told to end it does, with a snapshot."""
    began = time.monotonic()
    while subprocess.run(check, capture_output=True, **where).returncode:
        if app.poll() is not None or time.monotonic() - began > 90:
            return {"healthy": False}
        time.sleep(0.5)
    run = VOLUME / "runs" / train()
    while (run / "metrics.jsonl").stat().st_size < 2_000 if (run / "metrics.jsonl").exists() else True:
        if time.monotonic() - began > 150:
            return {"healthy": True, "trained": False}
        time.sleep(0.1)
    ended = time.monotonic()
    app.send_signal(signal.SIGTERM)
    while not (run / "manifest.json").exists() and app.poll() is None:
        time.sleep(0.01)
    saved = round(time.monotonic() - ended, 2)
    status = app.wait(60)
    return {
        "healthy": True,
        "trained": True,
        "exit": status,
        "saved": saved,
        "gone": round(time.monotonic() - ended, 2),
        "summary": json.loads((run / "summary.json").read_text("utf-8")),
        "snapshot": (run / "last.safetensors").exists(),
        "owner": (run / "metrics.jsonl").stat().st_uid,
    }


def train() -> str:
    """The id of a run that has been asked for."""
    url, body = "http://127.0.0.1:7860/api/train", json.dumps(QUICK).encode()
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    return str(json.load(urllib.request.urlopen(asked, timeout=60))["run"])


# ---- what the Dockerfile says
def command(image: str, instruction: str) -> list[str]:
    """The words of CMD, or of the health check."""
    found = json.loads(re.findall(rf"^{instruction}\b.*?(\[.*?\])$", image, re.MULTILINE | re.DOTALL)[0])
    return [sys.executable if word == "python" else word for word in found]


def environment_of(image: str) -> dict[str, str]:
    """What ENV sets, and nothing else of this process."""
    text = re.findall(r"^ENV (.*?[^\\])$", image, re.MULTILINE | re.DOTALL)[0].replace("\\\n", " ")
    said = dict(word.split("=", 1) for word in shlex.split(text))
    moved = {name: re.sub(r"^/data\b", str(VOLUME), value) for name, value in said.items()}
    return moved | {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}


# ---- the namespace
def is_privileged() -> bool:
    """Whether this may become another user: not where a namespace has lent the rights of root to somebody else."""
    return Path("/proc/self/uid_map").read_text().split()[1:] == ["0", "4294967295"]


def start_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS, up and running


def only_writable(folder: Path, uid: int) -> None:
    """Put the folder where the volume is, and make everything else read-only."""
    mount("--make-rprivate", "/")
    (folder / "tmp").mkdir(parents=True)
    if is_privileged():
        for path in (folder, folder / "tmp"):
            os.chown(path, uid, uid)
        show({ROOT, Path(sys.prefix), Path(sys.base_prefix)})
    mount("--bind", str(folder), str(VOLUME))
    targets = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for target in sorted(set(targets)):
        if os.path.ismount(target) and target != str(VOLUME) and not re.match(r"/(proc|sys|dev)(/|$)", target):
            mount("-o", "remount,bind,ro", target)


def show(paths: set[Path]) -> None:
    """Let others see folders that lie behind one that is its owner's alone, such as root's home, and nothing beside them."""
    behind: dict[Path, set[Path]] = {}
    for path in paths:
        shut = [parent for parent in path.parents if not parent.stat().st_mode & stat.S_IXOTH]
        if shut:
            behind.setdefault(shut[-1], set()).add(path)
    for number, (shut_folder, hidden) in enumerate(behind.items()):
        held = {path: Path(f"/media/{number}-{n}") for n, path in enumerate(sorted(hidden))}
        mount("-t", "tmpfs", "tmpfs", "/media")
        for path, elsewhere in held.items():
            elsewhere.mkdir()
            mount("--bind", str(path), str(elsewhere))
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(shut_folder))
        for path, elsewhere in held.items():
            path.mkdir(parents=True)
            mount("--move", str(elsewhere), str(path))


def writable(where: dict[str, Any]) -> list[str]:
    """Of some folders that are written to elsewhere, those where the app could."""
    code = """
import os, sys
for folder in sys.argv[1:]:
    try:
        open(os.path.join(folder, "written"), "w").close()
        print(folder)
    except OSError:
        pass
"""
    tried = [str(ROOT), "/tmp", "/var/tmp", "/", str(Path.home()), sys.prefix, str(VOLUME)]
    done = subprocess.run([sys.executable, "-c", code, *tried], capture_output=True, text=True, check=True, **where)
    return done.stdout.split("\n")[:-1]


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
