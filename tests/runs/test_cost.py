"""What a run cost: start, images and epochs told apart, so that a tiny run prices a large sweep."""

from __future__ import annotations

import json
from dataclasses import astuple

import pytest
from conftest import tiny_config

from reglab.config import RunConfig
from reglab.experiments.axes import axis
from reglab.experiments.experiment import Experiment
from reglab.experiments.price import price
from reglab.experiments.sweep import sweep
from reglab.jobs.worker import work
from reglab.runs.cost import LEAST_STEPS, Cost, cost_of, judged
from reglab.runs.run import Run

TRUE = Cost(start=3.6, per_image=0.0003, per_judged=0.0001, per_epoch=0.02)


def config_of(epochs: int, train: int, val: int, test: int, batch: int, **more: int) -> RunConfig:
    """Of a run of that size, which has so many test images."""
    sizes = {"train_size": train, "val_size": val, "batch_size": batch, "epochs": epochs}
    return tiny_config(**sizes, **more, dataset="digits" if test == 510 else "cifar10")


def timed(
    cost: Cost, epochs: int, train: int, val: int, test: int, batch: int, warm_up: float = 0.0, **more: int
) -> list[dict]:
    """The lines that a run of that cost writes; its first epoch takes `warm_up` more, and loading is a tenth of its start."""
    steps = train // batch
    c = config_of(epochs, train, val, test, batch, **more)
    seconds, judging = 0.9 * cost.start, cost.per_judged * sum(c.judged)
    end = cost.per_judged * judged(c, epochs) - (epochs + 1) * judging
    lines = []
    for epoch in range(epochs + 1):
        training = (cost.per_image * steps * batch + warm_up * (epoch == 1)) if epoch else 0.0
        seconds += training + judging
        rate = steps * batch / training if epoch else 0.0
        place = {"epoch": epoch, "batch": steps if epoch else 0, "batches": steps if epoch else 1}
        told = {"seconds": round(seconds, 3), "images_per_second": round(rate, 1)}
        lines.append(
            {**place, **told, "loading": round(cost.start / 10, 3), "saving": round(cost.per_epoch * epoch, 3)}
        )
    return [*lines, {**lines[-1], "seconds": round(seconds + end, 3)}]


def run_of(store, lines, epochs: int, train: int, val: int, test: int, batch: int) -> tuple[Run, dict]:
    run = store.create(config_of(epochs, train, val, test, batch))
    (run.path / "timing.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return run, {"epoch": epochs, "train_size": train, "val_images": val, "test_images": test}


@pytest.mark.parametrize("sizes", [(4, 100, 200, 510, 16), (20, 1_000, 200, 510, 64), (2, 1_000, 280, 10_000, 32)])
def test_the_parts_of_a_cost_are_found_again(sizes, store):
    run, summary = run_of(store, timed(TRUE, *sizes), *sizes)
    assert astuple(cost_of(run, summary)) == pytest.approx(astuple(TRUE), rel=0.02, abs=2e-5)


def test_what_only_the_first_epoch_takes_counts_once(store):
    sizes = (20, 1_000, 200, 510, 64)
    run, summary = run_of(store, timed(TRUE, *sizes, warm_up=4.0), *sizes)
    cost = cost_of(run, summary)
    assert cost.per_image == pytest.approx(TRUE.per_image, rel=0.02)
    assert cost.start == pytest.approx(TRUE.start + 4.0, rel=0.02)


def test_of_fewer_than_twenty_steps_nothing_is_known(store):
    assert LEAST_STEPS == 20
    for epochs, known in ((3, False), (4, True)):
        sizes = (epochs, 100, 200, 510, 16)  # six steps an epoch
        assert (cost_of(*run_of(store, timed(TRUE, *sizes), *sizes)) is not None) == known


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [],
        lambda lines: lines[-1:],
        lambda lines: [{**line, "images_per_second": 0.0} for line in lines],
        lambda lines: [{k: v for k, v in line.items() if k != "batches"} for line in lines],
    ],
)
def test_of_damaged_times_nothing_is_known(damage, store):
    sizes = (4, 100, 200, 510, 16)
    assert cost_of(*run_of(store, damage(timed(TRUE, *sizes)), *sizes)) is None


def test_times_of_before_have_no_saving_and_are_read(store):
    sizes = (4, 100, 200, 510, 16)
    lines = [{k: v for k, v in line.items() if k not in ("saving", "loading")} for line in timed(TRUE, *sizes)]
    cost = cost_of(*run_of(store, lines, *sizes))
    assert cost.per_epoch == 0 and cost.start == pytest.approx(0.9 * TRUE.start, rel=0.02)


def test_after_one_tiny_run_a_sweep_of_six_minutes_is_priced_at_six_minutes_not_at_one_and_a_half_hours(store):
    config = tiny_config(epochs=4, train_size=100, val_size=200, width=0.125, judged_size=10_000)
    run = store.create(config)
    work([run])
    lines = timed(TRUE, 4, 100, 200, 510, 16, judged_size=10_000)
    (run.path / "timing.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    summary = run.summary()
    assert (summary["status"], summary["seconds"]) == ("finished", lines[-1]["seconds"])
    plan = sweep(config.override({"train_size": 1_000, "epochs": 20}), [axis("dropout.rate=lin:0:0.9:10")], seeds=3)
    larger = plan.configs[0]
    a_run = TRUE.start + 20 * (1_000 * TRUE.per_image + TRUE.per_epoch) + judged(larger, 20) * TRUE.per_judged
    assert price(plan, store).seconds == pytest.approx(30 * a_run, rel=0.03)
    assert str(price(plan, store)) == "30 runs to train, about 6 min on this machine."
    each = summary["seconds"] / (100 * 4)  # all of its time divided by its few images, as it was done
    assert 30 * 1_000 * 20 * each / 3_600 == pytest.approx(1.5, abs=0.1)


def test_a_run_that_was_trained_tells_what_it_cost_and_prices_itself(store):
    run = store.create(tiny_config(epochs=5, train_size=80, val_size=60, width=0.125))
    work([run])
    summary = run.summary()
    last = run.last_timing()
    cost = cost_of(run, summary)
    assert min(astuple(cost)[:3]) > 0 and last["loading"] > 0 and last["saving"] > 0
    took = last["seconds"] + last["loading"] + last["saving"]
    assert 0.5 * took < cost.of(run.config) < 2 * took
    again = Experiment.run(run.config.override({"lr": 0.5}))
    assert price(again, store).seconds == pytest.approx(cost.of(run.config))
