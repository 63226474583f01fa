"""A folder of runs: a new one is made in it, all are listed, one is found by its id or its name."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from reglab import ROOT, __version__
from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError, UnknownRunError, cause, noted
from reglab.runs import names
from reglab.runs.files import hold_reserve, write_json
from reglab.runs.owner import write_owner
from reglab.runs.run import FORMAT, Run
from reglab.runs.view import RunView, Views

ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
STAMP, STAMPED = "%Y%m%d-%H%M%S", re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}$")
SET_BACK = timedelta(days=1)  # at most; a run from farther in the future is one of a clock that was wrong


class Store:
    """A folder of runs. It remembers what it has read of them, as long as it lives."""

    def __init__(self, root: Path | str, read_only: bool = False) -> None:
        self.root, self.read_only = Path(root), read_only
        self._views = Views()
        self._whole: Store | None = None
        self._shows: Callable[[Run], bool] = lambda run: True
        self._key = ""

    def seen(self, shows: Callable[[Run], bool], key: str) -> Store:
        """The same folder as somebody sees it: other runs than these are not there, and new ones belong to that key."""
        seen = copy.copy(self)
        seen._whole, seen._shows, seen._key = self.whole, shows, key
        return seen

    @property
    def whole(self) -> Store:
        """The store with every run that lies in the folder."""
        return self._whole or self

    def shows(self, run: Run) -> bool:
        """Whether whoever looks may know that there is this run."""
        return self._shows(run)

    def create(self, config: RunConfig, *, name: str = "", group: str = "", parent: str = "") -> Run:
        """A new run folder with its config. `group` ties runs together that were started to be compared.

        `parent` is the id of the run that this one is a fork of.

        Raises:
            ConfigError: The name is none, or the folder cannot be made.
        """
        name = names.checked(name) if name else ""
        stamp = self._now()
        run = Run(self.root / new_id(stamp))
        described = {
            "format": FORMAT,
            "run": run.id,
            "created": stamp.isoformat(timespec="microseconds"),  # runs of one second have an order, too
            "group": group,
            **({"parent": parent} if parent else {}),
            "versions": {"reglab": __version__, "torch": _installed("torch")},
            "config": config.model_dump(mode="json"),
        }
        try:
            run.path.mkdir(parents=True)
            write_owner(run.path, self._key)  # before anybody can take it for a run, and one of nobody
            write_json(run.path / "config.json", described)
            hold_reserve(run.path)
            if name:
                run.rename(name)
        except OSError as error:
            shutil.rmtree(run.path, ignore_errors=True)
            raise cannot_be_made(self.root, error) from None
        return run

    def _now(self) -> datetime:
        """The time, or a second after the newest run where the clock was set back since: runs sort by their ids."""
        now = datetime.now(UTC)
        last = f"{now + SET_BACK:{STAMP}}"
        with contextlib.suppress(OSError, ValueError):
            stamps = [name[:15] for name in os.listdir(self.root) if STAMPED.match(name)]
            newest = max((stamp for stamp in stamps if stamp <= last), default="")
            if newest > f"{now:{STAMP}}":
                return datetime.strptime(newest, STAMP).replace(tzinfo=UTC) + timedelta(seconds=1)
        return now

    def open(self, run_id: str) -> Run:
        """The run of that id, which is looked up, never joined to a path as it is.

        Raises:
            RunError: There is none, or this is no id.
        """
        if (
            not isinstance(run_id, str)
            or not ID.fullmatch(run_id)
            or not (self.root / run_id / "config.json").is_file()
            or not self._shows(Run(self.root / run_id))
        ):
            raise unknown(run_id, self.root)
        return self._views.run(Run(self.root / run_id))

    def view(self, run: Run) -> RunView:
        """The run as it is now. Whoever asks again gets what has come since read on, or the same value where nothing has."""
        return self._views.of(run)

    def runs(self) -> list[Run]:
        """All runs, newest first; a folder that is no run is passed over, a damaged run is listed as it is."""
        try:
            found = [Run(entry) for entry in self.root.iterdir() if ID.fullmatch(entry.name) and entry.is_dir()]
        except OSError:
            return []
        return sorted(filter(self._shows, found), key=lambda run: run.id, reverse=True)

    def group(self, name: str) -> list[Run]:
        """The runs that were started together under that name, oldest first."""
        found = (run for run in map(self._views.run, self.runs()) if name and run.described.get("group") == name)
        return sorted(found, key=lambda run: run.age)


def new_id(stamp: datetime) -> str:
    """A run's id: the time, so that ids sort by age, and chance, so that two runs never share one."""
    return f"{stamp:{STAMP}}-{secrets.token_hex(3)}"


def cannot_be_made(root: Path, error: OSError) -> ConfigError:
    """What to raise where nothing can be made in a folder of runs."""
    told = ConfigError(
        f"The run folder cannot be made ({cause(error)}):"
        " free some space where the runs are, or choose another folder with --runs or REGLAB_RUNS."
    )
    return noted(told, root)


def unknown(run_id: object, root: Path) -> RunError:
    """What whoever asks for a run is told where there is none, or none that they may know of."""
    return UnknownRunError(f"There is no run {shortened(run_id)} in {root.name}: `python -m reglab runs` lists them.")


def shortened(value: object) -> str:
    """What was taken for an id, as it may be repeated to whoever asked."""
    return repr(str(value)[:80])


def runs_store() -> Store:
    """The runs of this machine: the folder in `REGLAB_RUNS`, or `runs`."""
    return Store(os.environ.get("REGLAB_RUNS") or "runs")


def checkpoints_store() -> Store:
    """The networks that ship with the project."""
    return Store(os.environ.get("REGLAB_CHECKPOINTS") or ROOT / "checkpoints", read_only=True)


def find(run_id: str, *stores: Store) -> Run:
    """The run of that id, or the only one of that name; by default among the runs of this machine and the shipped ones.

    Raises:
        RunError: There is none, or this is neither an id nor a name.
    """
    stores = stores or (runs_store(), checkpoints_store())
    for store in stores:
        try:
            return store.open(run_id)
        except RunError:
            continue
    called = unicodedata.normalize("NFC", run_id) if isinstance(run_id, str) else ""  # a terminal may decompose letters
    named = [
        run
        for store in stores
        for run in store.runs()
        if called and unicodedata.normalize("NFC", run.given_name) == called
    ]
    if len(named) == 1:
        return named[0]
    known = ", ".join(run.id for store in reversed(stores) for run in store.runs()[:3]) or "none yet"
    raise UnknownRunError(f"There is no checkpoint or run called {shortened(run_id)}: there are {known}.")


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
