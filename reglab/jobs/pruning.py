"""Successive halving: of the runs of a sweep, those that cannot win are stopped early.

At a ninth and at a third of its epochs a run is compared with those that came as far before it, and goes on only if its
validation accuracy is among the best third: the asynchronous form of Jamieson and Talwalkar 2016 (arXiv:1502.07943) and
Li et al. 2020 (arXiv:1810.05934). An accuracy there is that of a slice of the validation images, so who is within one standard
error of the best third goes on too. What the others did is read off their folders, so a sweep that was broken off decides as
one that was not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reglab.config import standard_error
from reglab.numbers import counted, percent
from reglab.runs.owner import owner_of
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.events import Best, Epoch, Event, Snapshot, Stopped

FACTOR = 3  # one run in so many goes on at each rung


def rungs(epochs: int) -> dict[int, int]:
    """Epoch -> the rung that a run of so many epochs reaches there: 1, then 3. Both rungs leave most of the run to save."""
    first = max(1, epochs // FACTOR**2)
    return {epoch: rung for rung in (1, FACTOR) if (epoch := first * rung) < epochs}


def rivals(run: Run) -> list[Mapping[int, float]]:
    """Rung -> validation accuracy, of each other run of the sweep that has come to one, the oldest first.

    The same sweep has the same group whoever starts it: a run that has an owner loses to theirs and to nobody's, never to
    those of somebody else, which they may not even know of.
    """
    own = owner_of(run.path)
    group = Store(run.path.parent).group(run.described.get("group", ""))
    others = [other for other in group if not own or owner_of(other.path) in ("", own)]
    told = [_reached(other.history(), rungs(other.config.epochs)) for other in others if other.id != run.id]
    return [reached for reached in told if reached]


def _reached(history: Sequence[Epoch], at: Mapping[int, int]) -> dict[int, float]:
    return {at[e.epoch]: e.val_accuracy for e in history if e.epoch in at}


def is_hopeless(own: Mapping[int, float], others: Sequence[Mapping[int, float]], error: float = 0.0) -> bool:
    """Whether a run with these accuracies at its rungs should end at the last of them: it is not among the best third there.

    The best always goes on, so the first to come to a rung does; so do equals of the last that goes on, and those whose
    accuracy, on a slice of the validation images, is not further from it than its `error`.
    """
    rung = max(own)
    came_as_far = sorted([reached[rung] for reached in others if rung in reached] + [own[rung]], reverse=True)
    return not own[rung] + error >= came_as_far[max(len(came_as_far) // FACTOR, 1) - 1]  # so put, NaN is hopeless


def pruned(events: Iterator[Event], run: Run) -> Iterator[Event]:
    """The events of a run, up to the rung at which it turns out that it cannot win; then `Stopped`, with the reason."""
    c = run.config
    at = rungs(c.epochs)
    own = _reached(run.history(), at)  # before it was broken off

    def lost(e: Epoch) -> Stopped | None:
        own[rung := at[e.epoch]] = e.val_accuracy
        others = [reached for reached in rivals(run) if rung in reached]
        if not is_hopeless(own, others, standard_error(e.val_accuracy, c.judged[1], c.judgeable[1])):
            return None
        better = sum(reached[rung] >= e.val_accuracy for reached in others)
        return Stopped(epoch=e.epoch, step=e.step, reason=_why(e, c.epochs, better))

    due: Epoch | None = None
    for event in events:
        if due and not isinstance(event, (Best, Snapshot)):  # an epoch whose snapshot was not worth sending
            if end := lost(due):
                yield end
                return
            due = None
        yield event
        if isinstance(event, Epoch) and event.epoch in at and at[event.epoch] not in own:
            due = event
        elif due and isinstance(event, Snapshot):  # now, while what it holds is that of the epoch's end
            if end := lost(due):
                yield end
                return
            due = None


def _why(e: Epoch, epochs: int, better: int) -> str:
    return (
        f"Pruned after epoch {e.epoch} of {epochs}: {counted(better, 'other run was', 'other runs were')} at least as good there"
        f" ({percent(e.val_accuracy)} validation accuracy)."
    )
