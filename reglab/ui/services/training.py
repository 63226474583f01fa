"""What is trained, and when: start, stop, resume, and what the machine is doing."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from reglab.colours import ROLES
from reglab.config import RunConfig
from reglab.errors import ConfigError, RunError
from reglab.experiments.executors import queue
from reglab.experiments.experiment import Experiment, differs_in_regularizers
from reglab.jobs.queue import Jobs
from reglab.jobs.turns import seat_of
from reglab.runs import index
from reglab.runs.owner import HERE, LEAST, MOST, Visitor, hashed
from reglab.runs.run import Run
from reglab.runs.trash import Trash
from reglab.runs.view import RESUMABLE, RunView
from reglab.teaching.links import offered
from reglab.ui.services.access import Access
from reglab.ui.services.datasets import Datasets
from reglab.ui.services.stores import Stores

MOST_RUNS = 300  # of one experiment that is started from the page


class Training:
    """The queue of one server, for a visitor. Whatever they may not change raises `RunError`."""

    def __init__(self, stores: Stores, datasets: Datasets, access: Access) -> None:
        self.stores, self.datasets, self.access = stores, datasets, access
        self.visitor = HERE
        self.jobs = Jobs(stores.own.whole, limits=access.deployment.limits)

    def seen_by(self, visitor: Visitor, stores: Stores) -> Training:
        """The same queue for somebody, with the runs that they see."""
        seen = copy.copy(self)
        seen.visitor, seen.stores = visitor, stores
        return seen

    @property
    def seat(self) -> str:
        """What this visitor's turns and limits are counted by."""
        return seat_of(self.visitor, self.access.deployment, self.access.is_host(self.visitor))

    def warm(self) -> None:
        """In the background: the fork server with torch."""
        self.jobs.warm()

    def close(self) -> None:
        """Stop the workers, with a snapshot each."""
        self.jobs.close()

    # ---- what is allowed
    @property
    def is_limited(self) -> bool:
        """Whether visitors are told of their minutes here. On ZeroGPU those are minutes of a quota that others count."""
        return bool(self.jobs.limits.run_minutes) and not self.access.deployment.has_zero_gpu

    def allowed(self, experiment: Experiment) -> str:
        """What this visitor may ask for, and what this takes of it, in one line; nothing for the host."""
        return self.jobs.admission.told(self.seat, experiment.configs) if self.is_limited else ""

    # ---- starting
    def start(self, experiment: Experiment) -> list[Run]:
        """Queue what is left of an experiment: the only way to start anything. Returns all its runs.

        They are the visitor's own, whoever else has started the same. Nothing is started, and no folder is made, where it raises.

        Raises:
            ConfigError: Too many runs for the page, a network that it does not offer, or a full queue.
            DataError: Its data or weights have to be fetched first, which has begun.
            RunError: The server is about to end.
        """
        if not (hashed(self.visitor.key) or self.access.is_host(self.visitor)):
            why = f"A run needs an owner, and the request carried no key of {LEAST} to {MOST} characters"
            raise ConfigError(f"{why}: send a long random text of your own as the header X-Reglab-Key.")
        configs = experiment.configs
        if len(configs) > MOST_RUNS:
            why = f"That would be {len(configs):,} runs, and the page takes at most {MOST_RUNS}"
            raise ConfigError(f"{why}: take fewer values or seeds, or use `reglab sweep`.")
        self.jobs.check(self.seat, configs)  # before anything is fetched for them
        for config in {(c.dataset, c.model, c.pretrained): c for c in configs}.values():
            # The network of a run that is forked has been trained here already.
            self.datasets.ready(config if experiment.parent else offered(config.model_dump()))
        Trash(self.stores.own).empty()
        return queue.train(experiment, self.jobs, self.seat, self.stores.mine)

    # ---- stopping, and going on
    def stop(self, runs: Sequence[Run]) -> None:
        """Ask these runs to stop after the step under way, those that wait first. Raises `RunError`."""
        for run in runs:
            self.access.check(self.visitor, run)
        self.jobs.stop_all(runs)

    def stop_group(self, group: str) -> None:
        """Stop the runs of a sweep that the visitor sees under this name. Raises `RunError`."""
        told = [s for s in index.summaries(self.stores.own) if s.get("group") == group and s["status"] != "finished"]
        self.stop(self.stores.of_one(self.stores.open(s["run"] for s in told), lambda run: run))

    def resume_group(self, group: str) -> list[Run]:
        """Go on with what was stopped or broken off of the visitor's own runs under this name. Raises as `start`."""
        return self.start(Experiment.read(self.stores.mine, group))

    def resume(self, run: Run) -> list[Run]:
        """Go on with a run, and with those of its job that were broken off too. Returns the whole job. Raises as `start`."""
        self.access.check(self.visitor, run)
        job = self._job(run)
        for each in job:
            self.access.check(self.visitor, each)
        self.datasets.ready(run.config)
        broken_off = [r for r in job if self.jobs.status(r) in RESUMABLE]
        self.jobs.resume(broken_off or [run], owner=self.seat)  # which says why not
        return job

    def _job(self, run: Run) -> list[Run]:
        """The runs that are trained together with it; a fork in the place of a run that was changed while it trained."""
        heirs = self._heirs()
        parents = {heir.id: parent for parent, heir in heirs.items()}
        first = run
        while found := self.stores.open([parents.get(first.id, "")]):
            [first] = found
        job = []
        for each in (self.stores.group(first) if Experiment.of(first).is_one_job else []) or [first]:
            while each.id in heirs:
                each = heirs[each.id]
            job.append(each)
        return job if run in job else [run]

    def _heirs(self) -> dict[str, Run]:
        """Id of a run -> the newest fork of the same person's that goes on from where it ended."""
        found: dict[str, Run] = {}
        for run in self.stores.own.runs():
            for parent in self.stores.open([run.described.get("parent") or ""]):
                history, fork = self.stores.view(parent).history, run.config.fork
                is_theirs = self.stores.whose(run) == self.stores.whose(parent)
                if is_theirs and fork and history and fork.epoch == history[-1].epoch:
                    found.setdefault(parent.id, run)
        return found

    # ---- changing one while it trains
    def changeable(self, runs: Sequence[Run], config: RunConfig) -> Run | None:
        """Which of the runs on the screen can go on with the regularizers of that config; None where none can.

        It is the last one with regularizers, or the only one: beside it, plain stays plain. It trains or was stopped, it is the
        visitor's own, and it differs from the config in its regularizers alone.
        """
        able = [view.run for view in self.views(runs) if view.status in ("running", "stopped", "interrupted")]
        left = {str(run.described.get("parent") or "") for run in runs}  # have gone on as another that is shown
        for run in reversed(able):
            try:
                of_its_own = len(runs) == 1 or run.config.regularizers or run.config.fork
                if of_its_own and run.id not in left and differs_in_regularizers(run.config, config):
                    return run if self.access.may_change(self.visitor, run) else None
            except RunError:
                continue
        return None

    def change(self, runs: Sequence[Run], config: RunConfig) -> list[Run]:
        """Go on with the regularizers of that config from the end of the epoch under way. The runs, and the fork after them.

        Raises as `start`; nothing is stopped then.
        """
        run = self.changeable(runs, config)
        if run is None:
            raise ConfigError(
                "No run of yours can go on like this: while one trains, or once it was stopped, its regularizers can be"
                " changed and nothing else. Press Train for a run of its own."
            )
        beside = [other for other in runs if other != run and self.access.may_change(self.visitor, other)]
        self.jobs.check(self.seat, Experiment.change(run, config).configs)
        self.datasets.ready(run.config)
        made = queue.go_on(run, config, beside, self.jobs, self.seat, self.stores.mine)
        return [*runs, made]

    def together(self, run: Run) -> list[Run]:
        """The run and those it is seen with: the run it is a fork of, else its experiment, where that fits on the screen."""
        parent = run.described.get("parent")
        if parent and (parents := self.stores.open([parent])):
            return [*parents, run]
        group = self.stores.group(run)
        return group if 1 < len(group) <= len(ROLES) else [run]

    # ---- looking
    def is_busy(self) -> bool:
        """Whether a job of the visitor's runs or waits."""
        return self.jobs.is_busy(self.seat)

    def views(self, runs: Sequence[Run]) -> list[RunView]:
        """The runs as they are now, with what the queue knows of them; of their files only what has come since is read."""
        now = self.jobs.snapshot()  # before the folders: a run that is started in between is seen as running
        return [now.view(self.stores.view(run)) for run in runs]

    def is_live(self, runs: Sequence[Run]) -> bool:
        """Whether any of them is still being trained, or waits for it."""
        return any(view.is_live for view in self.views(runs))

    def machine_line(self) -> str:
        """`AMD EPYC, 2 cores · bf16 · idle` for the top of the page."""
        machine = self.jobs.machine()
        if not machine:
            return "looking at the machine ..."
        if "error" in machine:
            return f"torch cannot be used here: {machine['error']}"
        running, waiting = self.jobs.counts()
        busy = "training" if running else "idle"
        return " · ".join([machine["name"], machine["precision"], busy + (f", {waiting} waiting" if waiting else "")])
