"""What visitors take along: a run as a zip file, a comparison, a lesson sheet."""

from __future__ import annotations

import contextlib
import copy
import shutil
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reglab.errors import PROBLEMS, ConfigError, DiskFull, full_in_words
from reglab.experiments import report
from reglab.runs.room import has_room, size_of, too_full
from reglab.runs.run import Run
from reglab.teaching import sheet
from reglab.ui.services.predictions import Predictions
from reglab.ui.services.results import Results
from reglab.ui.services.runs import Runs

KEPT = 3_600.0  # seconds that a download can be fetched in


class Files:
    """Downloads, each in a folder of its own, which goes after an hour."""

    def __init__(self, runs: Runs, results: Results, predictions: Predictions) -> None:
        self.runs, self.results, self.predictions = runs, results, predictions
        self._folder = tempfile.TemporaryDirectory(prefix="reglab-")

    def over(self, runs: Runs, results: Results, predictions: Predictions) -> Files:
        """The same folder for whoever has these runs."""
        seen = copy.copy(self)
        seen.runs, seen.results, seen.predictions = runs, results, predictions
        return seen

    def close(self) -> None:
        """Remove what was made to be downloaded."""
        self._folder.cleanup()

    def run(self, run: Run) -> Path:
        """The run as a zip file, with its model card where it has one: whoever may change it may take its weights along.

        Raises `RunError` where they may not. The networks that ship are for all.
        """
        self.runs.check_taken(run)
        with full_in_words():
            target = run.zip(self._fresh(needed=2 * size_of(run.path)))  # whoever hands it out copies it
        if not (run.path / "README.md").exists():
            with contextlib.suppress(*PROBLEMS):  # no epoch, or no backbone here: no card
                card = self.predictions.card(run)
                with full_in_words(), zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
                    archive.writestr(f"{run.id}/README.md", card)
        return target

    def comparison(self, kind: str, runs: Sequence[Run], metric: str, axis: str) -> Path:
        """A file of that kind (html, png, csv or json). Raises `ConfigError` or `RunError`."""
        content = report.file(kind, self.results.comparison(runs), metric, axis)
        with full_in_words():
            target = self._fresh() / f"comparison.{kind}"
            target.write_bytes(content)
        return target

    def sheet(self, runs: Sequence[Run], tries: Mapping[str, tuple[Any, Any]], name: str) -> Path:
        """The lesson sheet of these runs, one of which is what the others are compared with: that with regularizers.

        `tries`: run id -> (link of the assignment, prediction). Raises `ConfigError` or `RunError`.
        """
        own = [run for run in runs if self.runs.is_theirs(run)]
        if not own:
            raise ConfigError("There is no run of yours on the screen: press Train, and wait until it is finished.")
        mine = max(own, key=lambda run: (run.id in tries, len(run.config.regularizers)))
        told = sheet.make(mine, name, *tries.get(mine.id, (None, None)))
        with full_in_words():
            target = self._fresh() / told.file_name
            target.write_text(told.to_json(), "utf-8")
        return target

    def _fresh(self, needed: int = 0) -> Path:
        """A folder of its own for what is handed out; those of long ago are removed. Raises `DiskFull`."""
        for folder in Path(self._folder.name).iterdir():
            with contextlib.suppress(FileNotFoundError):  # somebody else's download has just removed it
                if time.time() - folder.stat().st_mtime > KEPT:
                    shutil.rmtree(folder, ignore_errors=True)
        floor = self.runs.access.deployment.limits.disk_floor
        if not has_room(Path(self._folder.name), needed, floor):
            raise DiskFull(too_full(floor))
        return Path(tempfile.mkdtemp(dir=self._folder.name))
