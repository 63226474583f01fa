"""Where a fork begins: at the snapshot of the run that it leaves, where that is of the right epoch.

A fork has the first epochs of its parent as its own. It can always train them again (`training/fork.py`). Where the parent's
last snapshot was made at the end of the last of them, all that this would come to is there already: the same lines of
`metrics.jsonl`, the same best weights, the same weights, optimizer and memory of the techniques. So the folder of the fork is
filled as if it had trained until there and been stopped, and goes on to the same bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reglab import data
from reglab.errors import RunError
from reglab.runs.files import write_bytes, write_json
from reglab.runs.recording import SEEN, Weights
from reglab.runs.run import Run
from reglab.runs.store import Store
from reglab.training.events import Best, Snapshot

if TYPE_CHECKING:
    from reglab.training.train import Resume


def from_parent(run: Run) -> Resume | None:
    """Fill the folder of a fork that has not begun with what its parent did before; None: it begins at the beginning.

    The parent is only read. The caller holds the lock of the fork. Its snapshot comes last: without one the next call
    begins anew, so that nothing is lost whenever this is broken off.

    Raises:
        OSError: The folder of the fork cannot be written to.
    """
    from reglab.training.fork import names, renamed

    config, fork, theirs = run.config, run.config.fork, run.described.get("parent")
    if fork is None or not theirs:
        return None
    try:
        parent = Store(run.path.parent).open(theirs)
        left = parent.left_off()
        at = (left.resume.state["epoch"], left.resume.state["batch"])
        if at != (fork.epoch + 1, 0) or parent.config != config.parent():
            return None
    except RunError:
        return None
    ours = names(parent.config, config, len(data.source(config.dataset).classes))
    best = {ours.get(name, name): value for name, value in left.resume.best_weights.items()}
    seen = {key: parent.described[key] for key in SEEN if key in parent.described}
    write_json(run.path / "config.json", {**run.described, **seen})
    write_bytes(run.path / "timing.jsonl", _times(parent, fork.epoch))
    write_bytes(run.path / "metrics.jsonl", left.metrics)
    weights = Weights(run)
    weights.best(Best(epoch=fork.epoch, val_accuracy=0.0, weights=best))  # which one it was stands in the metrics
    state = {"epoch": fork.epoch + 1, "batch": 0}
    weights.snapshot(Snapshot(state=state, tensors=renamed(left.resume.tensors, ours)), left.metrics)
    return run.resume()


def _times(parent: Run, epoch: int) -> bytes:
    """What its epochs took until then: they count for the fork as if it had trained them."""
    lines = [line for line in parent.lines(file="timing.jsonl")[0] if line.get("epoch", 0) <= epoch]
    return "".join(
        json.dumps({key: value for key, value in line.items() if key != "seconds_left"}) + "\n" for line in lines
    ).encode()
