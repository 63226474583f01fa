"""What a run may take while it is trained, whatever was estimated before: seconds on its clock, and memory of its process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from reglab.jobs import sandbox
from reglab.runs.clock import Clock
from reglab.training.events import Event, Stopped


@dataclass(frozen=True)
class Bounds:
    """0 is no bound."""

    seconds: float = 0.0
    """Of one run: loading its data, training and saving, in all its parts together; runs trained beside it do not count."""
    memory: int = 0
    """Bytes of data of the process that trains it."""

    def are_over(self, clock: Clock) -> bool:
        """Whether the run has had its time."""
        return 0 < self.seconds <= clock.seconds + clock.loading + clock.saving

    def told(self, events: Iterator[Event], clock: Clock) -> Iterator[Event]:
        """The events of a run that is stopped when its time is over, with the reason in its last word."""
        for event in events:
            if isinstance(event, Stopped) and not event.reason and self.are_over(clock):
                event = replace(
                    event,
                    reason=f"Stopped in epoch {event.epoch}: it has used up the {self.seconds / 60:g} minutes that a run may"
                    " train here. What it has learned so far is kept.",
                    cut_off=True,
                )
            yield event

    def limit_memory(self, device: str) -> None:
        """Let this process take no more, from now on. CUDA maps far more than it uses, so there it is left alone."""
        if self.memory and device == "cpu":
            sandbox.limit_data(self.memory)


UNBOUNDED = Bounds()
