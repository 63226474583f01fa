"""Several small jobs on one device at once: as many as its memory holds, trained by one process as if they were one job.

A run of a small network leaves most of a GPU idle. Jobs that are packed stay jobs of their own in the queue: each has its owner,
its place and its end, and is stopped without the others. What a run takes is what the newest finished one of its kind took,
else an estimate on the safe side; where that was wrong all the same, `work` lets a run that lacks memory wait for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reglab.jobs.job import Job

AT_ONCE = 32  # runs: torch has so many streams, and who launches the work of more is busy with that alone
SHARE = 0.9  # of the memory that was free: what others take of it may grow


def together(waiting: Sequence[Job], free: int) -> list[Job]:
    """The first of them, and those after it that are trained beside it on a device with so many free bytes."""
    first, *others = waiting
    packed, runs, room = [first], len(first.runs), SHARE * free - first.memory
    if not first.memory:
        return packed
    for job in others:
        suits = (job.device, job.kind, job.prune) == (first.device, first.kind, first.prune)
        if suits and 0 < job.memory <= room and runs + len(job.runs) <= AT_ONCE:
            packed.append(job)
            runs, room = runs + len(job.runs), room - job.memory
    return packed


def as_one(jobs: Sequence[Job]) -> Job:
    """What the worker of these jobs has to train."""
    return jobs[0] if len(jobs) == 1 else replace(jobs[0], runs=[run for job in jobs for run in job.runs])
