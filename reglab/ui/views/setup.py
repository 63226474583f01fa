"""What the Train tab says of a set-up before it is trained: its weights, and what it takes; and of the machine."""

from __future__ import annotations

from reglab.config import RunConfig
from reglab.experiments.labels import change
from reglab.models import pretrained
from reglab.ui.views.templates import render

FINETUNED = {
    "features": "A new last layer is trained on the features of the frozen rest, computed once and kept.",
    "head_then_all": "The new last layer learns alone for a third of the run, then the rest thaws stage by stage.",
    "all": "Everything is trained from the first step on: choose a learning rate of about 0.0003.",
}
RANDOM = "Random weights, all of them trained."


def machine_html(line: str, kept: str = "") -> str:
    """What machine trains here, and a word on whether runs last, in the head of the page."""
    return render("machine.html", line=line, kept=kept)


def note_html(sentence: str, control: str = "") -> str:
    """What was done, in a sentence; the page shows the control of this id."""
    return render("note.html", sentence=sentence, control=control)


def kept_html(forgetful: str, is_kept: bool) -> str:
    """Whether runs outlive a restart, of the Space that is `forgetful`; nothing where nobody expects otherwise."""
    return render("kept.html", forgetful=forgetful, is_kept=is_kept)


def data_notice_html(sentence: str, can_retry: bool) -> str:
    """What is said of a download; nothing where there is nothing to say."""
    return render("data_notice.html", sentence=sentence, can_retry=can_retry)


def allowed_html(line: str) -> str:
    """What a visitor may ask for, in one quiet line; nothing where nothing is limited."""
    return render("paragraph.html", text=line) if line else ""


def carried_over_html(fork: RunConfig) -> str:
    """What a run that was changed while it trained takes along."""
    assert fork.fork is not None, "a run that is no fork takes nothing along"
    what = change(fork.fork.regularizers, fork.regularizers)
    return render(
        "paragraph.html",
        text=f"After epoch {fork.fork.epoch} the run continues with {what}: the weights, the optimizer's state and the state of"
        " techniques that stay on carry over; a new technique starts fresh.",
    )


def minutes_html(sentence: str) -> str:
    """What a set-up takes of the minutes that the visitor has; nothing where nobody counts them."""
    return render("paragraph.html", text=sentence) if sentence else ""


def weights_line(config: RunConfig) -> str:
    """What is known of a network of timm: its download, the size it sees pictures at, and how they are normalized."""
    known = pretrained.known(config.model)
    side = pretrained.side_of(known.name, config.side)
    here = "already on this machine" if pretrained.is_local(known.name) else f"a download of {known.megabytes} MB"
    mean, std = (" ".join(f"{v:g}" for v in values) for values in (known.mean, known.std))
    start = f"ImageNet weights: {here}. {FINETUNED[config.finetune]}" if config.pretrained else RANDOM
    return f"{start} Pictures are enlarged to {side} × {side}, mean {mean}, deviation {std}."
