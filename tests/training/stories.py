"""What the tests of training share: a run as values that can be compared, narrow networks, runs that are stopped."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from conftest import tiny_config

from reglab.config import RunConfig
from reglab.training.events import Best, Epoch, Event, Snapshot
from reglab.training.train import Resume, train

WIDTH = 0.125  # a law of the loop holds for eight channels as well


def narrow(**changes: Any) -> RunConfig:
    """A tiny config with the narrowest network there is."""
    return tiny_config(**{"width": WIDTH, **changes})


EVERYTHING = {"dropout": True, "batch_norm": True, "flip_crop": True, "weight_decay": True, "label_smoothing": True}


def frozen(tensors) -> dict[str, bytes]:
    return {name: value.detach().cpu().contiguous().numpy().tobytes() for name, value in tensors.items()}


def told(event: Event):
    """An event as a value that stays the same when training goes on, tensors to the byte."""
    if isinstance(event, Best):
        return event.to_json(), frozen(event.weights)
    if isinstance(event, Snapshot):
        return event.name, dict(event.state), frozen(event.tensors)
    return event.to_json()


def story(events) -> list:
    return [told(event) for event in events]


def stories_in_turn(configs, data) -> list[list]:
    """Of runs that are trained in turn, an event of each."""
    stories: list[list] = [[] for _ in configs]
    for events in zip_longest(*(train(config, data) for config in configs)):
        for story_so_far, event in zip(stories, events, strict=True):
            if event is not None:
                story_so_far.append(told(event))
    return stories


def names(events) -> list[str]:
    return [event.name for event in events]


def epochs(events) -> list[Epoch]:
    return [event for event in events if isinstance(event, Epoch)]


def stopped_after(config, data, questions: int):
    """The story until `stop` has been asked that often, and the Resume that a store would have kept."""
    asked = iter(range(questions))
    told_so_far, history, best, snapshot = [], [], {}, None
    for event in train(config, data, stop=lambda: next(asked, None) is None):
        told_so_far.append(told(event))
        if isinstance(event, Epoch):
            history.append(event)
        elif isinstance(event, Best):
            best = {k: v.clone() for k, v in event.weights.items()}
        elif isinstance(event, Snapshot):
            snapshot = dict(event.state), {k: v.clone() for k, v in event.tensors.items()}
    return told_so_far, Resume(*snapshot, history, best) if snapshot else None


def resumes_exactly(config, data, questions: int) -> None:
    whole = story(train(config, data))
    before, resume = stopped_after(config, data, questions)
    if "finished" in str(before[-1]):
        return  # never stopped: there were fewer questions than that
    assert before[-2][0] == "snapshot" and before[-1]["event"] == "stopped"
    after = story(train(config, data, resume=resume))
    assert before[:-2] + after == whole
