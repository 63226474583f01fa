"""A run that is stopped anywhere goes on from its snapshot to the same bytes."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from stories import EVERYTHING, narrow, resumes_exactly, story, told

from reglab.regularizers import Regularizer
from reglab.training import evaluation
from reglab.training.events import Best, Epoch, Finished, Snapshot, Step, Stopped
from reglab.training.train import Resume, train

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class Average(Regularizer):
    """A moving average of the weights: remembers, changes nothing while training, and is what is judged."""

    def on_step_end(self, model, state, progress) -> None:
        for name, value in model.state_dict().items():
            before = state.get(name, value)
            state[name] = before * 0.5 + value * 0.5 if value.is_floating_point() else value.clone()

    def evaluation_model(self, model, state, batches):
        if not state:
            return model
        average = deepcopy(model)
        average.load_state_dict(state)
        return average


# ---- stop anywhere, go on from there -----------------------------------------------------------------------------
TAKEN_UP = {
    "adamw": dict(optimizer="adamw"),
    "sgd": dict(optimizer="sgd", lr=0.02),
    "muon": dict(optimizer="muon", lr=0.01),
    "adamw-regularized": dict(regularizers=EVERYTHING),
    "sgd-regularized": dict(optimizer="sgd", regularizers=EVERYTHING | {"weight_decay": {"strength": 0.01}}),
    "resnet20": dict(model="resnet20", regularizers={"batch_norm": True, "dropout": True}),
    "early-stopping": dict(regularizers={"early_stopping": {"patience": 1}}),
}


@pytest.mark.parametrize("questions", [0, 1, 2, 5, 6, 7, 11, 13, 17])
def test_a_run_stopped_anywhere_goes_on_to_the_same_bytes(tiny_split, questions):
    resumes_exactly(narrow(epochs=2, regularizers=EVERYTHING), tiny_split, questions)


def test_measuring_the_statistics_of_an_average_can_be_stopped_between_batches(tiny_split, monkeypatch):
    monkeypatch.setattr(evaluation, "EVAL_BATCH", 8)
    config = narrow(epochs=3, batch_size=64, regularizers={"swa": {"start": 0.3}, "batch_norm": True})
    asked = []
    averaging = iter(train(config, tiny_split, stop=lambda: bool(asked.append(1))))
    last = [len(asked) for event in averaging if isinstance(event, Epoch)]
    # Eight batches of the statistics, eight of the slice of training images, four of the others, and the step.
    assert last[-1] - last[-2] == 8 + 8 + 4 + 1
    for questions in range(last[-2] + 1, last[-2] + 9):
        resumes_exactly(config, tiny_split, questions)


@pytest.mark.parametrize("which", TAKEN_UP)
def test_resuming_in_the_middle_of_an_epoch_is_exact_for(which, tiny_split):
    resumes_exactly(narrow(epochs=2, **TAKEN_UP[which]), tiny_split, 9)


@pytest.mark.parametrize("questions", [4, 8, 10])
def test_what_a_technique_remembers_survives_stopping(tiny_split, technique, questions):
    key = technique(Average)
    resumes_exactly(narrow(epochs=2, regularizers={key: True, "batch_norm": True}), tiny_split, questions)


def test_a_run_stopped_again_and_again_comes_to_the_same_end(tiny_split):
    config = narrow(epochs=2, regularizers=EVERYTHING)
    whole = story(train(config, tiny_split))
    told_so_far, history, best, resume = [], [], {}, None
    for _ in range(60):
        questions = iter((False, False, True))
        for event in train(config, tiny_split, resume=resume, stop=lambda left=questions: next(left, True)):
            if isinstance(event, Epoch):
                history.append(event)
            elif isinstance(event, Best):
                best = {k: v.clone() for k, v in event.weights.items()}
            elif isinstance(event, Snapshot):
                resume = Resume(
                    dict(event.state), {k: v.clone() for k, v in event.tensors.items()}, list(history), best
                )
            if not isinstance(event, (Stopped, Snapshot)):
                told_so_far.append(told(event))
        if isinstance(event, Finished):
            break
    assert told_so_far == [line for line in whole if not isinstance(line, tuple) or line[0] != "snapshot"]


def test_asking_to_stop_ends_the_run_within_one_step(tiny_split):
    asked = []
    events = train(narrow(), tiny_split, stop=lambda: bool(asked))
    for event in events:
        if isinstance(event, Step) and event.batch == 2:
            asked.append(True)
            break
    snapshot, stopped = list(events)
    assert isinstance(snapshot, Snapshot) and isinstance(stopped, Stopped)
    assert (stopped.epoch, stopped.step) == (1, 2)


@needs_cuda
def test_stopping_and_resuming_on_cuda_is_exact(tiny_split):
    resumes_exactly(narrow(device="cuda", epochs=2, regularizers=EVERYTHING), tiny_split, 9)
