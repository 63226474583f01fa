"""The live chart: one plain dictionary in, two charts, the gap, the progress and the verdict on the screen.

`TrainTab.tick` sends the dictionary anew while there is something new (`page.TICK`). Every key may be missing; `run` is an
index into `runs`.

    title, note     heading line, and muted words beside it
    example         true for the pair that ships: it is introduced, played back on a first visit, and can be played again
    x               {"label": "epoch", "max": 20}
    runs            [{"role": "plain" | "regularized" | "run" | "a" | "b" | "c" | "d" | "e", "name", "detail",
                      "status": "queued" | "running" | "finished" | "stopped" | "failed" | "interrupted" | "stalled",
                      "place", "epoch", "epochs", "images_per_second", "seconds_left", "message", "preparing",
                      "doing": what happens before the first point, in a sentence}]
    accuracy, loss  [{"run": 0, "split": "train" | "corrupted" | "val", "x": [...], "y": [...], "se": [...], "label", "hint"}]
                    accuracies are fractions, and so are their standard errors; None or NaN breaks the line; label and
                    hint (optional) are the label's and the switch's; tip (optional) is how it goes on within the epoch,
                    two points (epoch, value), drawn lighter
    judged          on how many images the points are judged, in a sentence
    changes         [{"run": 2, "epoch": 7, "text": "+ dropout 0.5"}]: a run that leaves another which is shown; it is drawn from there on
    gaps            [{"run": 0, "value": 0.458, "text": "45.8 points"}]
    memorised       the same shape; left out unless labels are noisy; bars of both stand below where there are more than two runs
    diagnosis       [{"run": 0, "kind": one of training.diagnosis.KINDS, "text"}]
    table           {"columns": ["", "train", ...], "rows": [{"run": 0, "cells": [...]}], "hint": {column: words}, "caption"}
    verdict         one sentence
    next            [{"what", "label", "hint"}]: buttons after the end; the event `select` tells which `next` was pressed

The event `turned` tells that a run began, ended or failed.

Colour says which run, line style says which split: train dashed, validation solid, and dotted the labels that are wrong
on purpose ("corrupted"). The colours are those of `reglab/colours.py`: whatever on the page says `data-role="plain"` has its
colour as `var(--run)`; up to five runs side by side are a (the baseline) to e. Each curve is labelled where it ends, and the
gap is drawn between the ends; where a chart is too narrow for names, the row of switches says which colour is which run.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

import gradio as gr

from reglab import compat
from reglab.ui.views.assets import called
from reglab.ui.views.terms import explained

EMPTY: dict[str, Any] = {"runs": []}


def lab_chart(*scripts: str, **kwargs: Any) -> gr.HTML:
    """A chart that redraws itself in place whenever its value changes; other scripts of the page begin with it.

    Keyword arguments are those of `gr.HTML`. Events that write to it want `show_progress="hidden"`:
    anything else dims the chart each time a number arrives.
    """
    chart = gr.HTML(
        **{"value": EMPTY, **kwargs},
        html_template=SKELETON,
        js_on_load=called("chart", *scripts),
        apply_default_css=False,
    )
    # Text on the wire: a dictionary is wrapped in proxies and compared number by number by Gradio's page, which takes
    # thirty times as long as drawing it. Where Gradio makes a fresh instance (gr.update) chart.js is given the dictionary,
    # and takes it.
    return compat.gradio.shows(chart, as_text)


def as_text(value: dict[str, Any] | None) -> str:
    """The dictionary as JSON; numbers of numpy are numbers, and what is not finite is null."""
    try:
        return _dumped(value or EMPTY)
    except ValueError:  # a number that JSON has no word for, which is rare: only then is every number looked at
        return _dumped(_finite(value))


def _dumped(value: Any) -> str:
    return json.dumps(
        value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=lambda each: each.tolist()
    )


def _finite(value: Any) -> Any:
    """The same value, with None for every number that is not finite."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


# What never changes. The rows inside are made and kept by chart.js; nothing here holds a value,
# so Gradio finds the same text at every update and leaves the page's elements alone.
SKELETON = (
    """
<section class="reglab-chart" data-part="root" data-empty="true" aria-label="Training curves"><div class="sheet">
  <div class="intro" data-part="intro" hidden>
    <h2>Watch the same network with and without regularization, side by side</h2>
    <button type="button" class="reglab-button" data-part="replay">Replay</button>
    <button type="button" class="reglab-button primary" data-part="begin">Train it yourself</button>
  </div>
  <header><h2 data-part="title"></h2><p data-part="note"></p></header>
  <div class="switches" data-part="switches" role="group" aria-label="Show or hide curves"></div>
  <div class="charts">
    <figure data-chart="accuracy">
      <figcaption><b>Accuracy</b><output></output></figcaption>
      <div class="plot" role="slider" tabindex="0" aria-label="Accuracy, epoch by epoch" aria-valuemin="0"></div>
    </figure>
    <figure data-chart="loss">
      <figcaption><b>Loss</b><output></output><label><input type="checkbox" data-part="log"> log scale</label></figcaption>
      <div class="plot" role="slider" tabindex="0" aria-label="Loss, epoch by epoch" aria-valuemin="0"></div>
    </figure>
    <p class="doing" data-part="doing" data-invitation="Press Train, and the accuracy and loss of your network
      appear here epoch by epoch, with and without regularization."></p>
  </div>
  <div class="strips">
    <div data-part="gaps"><p class="heading"><b>Gap</b> training minus validation accuracy</p></div>
    <div data-part="memorised"><p class="heading"><b>Wrong labels memorized</b></p></div>
  </div>
  <div class="progress" data-part="progress"></div>
  <p class="notifying" data-part="notifying" hidden>
    <label><input type="checkbox" data-part="notify"> Notify me when it has ended</label><output data-part="refusal"></output>
  </p>
  <div class="diagnosis" data-part="diagnosis"></div>
  <div class="results" data-part="results">
    <p class="verdict" data-part="verdict"></p>
    <div class="scroller reglab-scroller" tabindex="0" role="region" aria-label="Results">
      <table class="reglab-table"><thead><tr></tr></thead><tbody></tbody></table>
    </div>
    <p class="caption" data-part="caption"></p>
  </div>
  <div class="next" data-part="next" role="group" aria-label="What to try next" hidden><b>What to try next</b></div>
  <details class="points" data-part="points" hidden>
    <summary>The curves as a table</summary>
    <p class="caption"><span data-part="judged"></span> ± is one """
    + str(explained("standard error"))
    + """.</p>
    <div class="scroller reglab-scroller" tabindex="0" role="region" aria-label="The curves as a table">
      <table class="reglab-table"><thead><tr></tr></thead><tbody></tbody></table>
    </div>
  </details>
  <p class="spoken" data-part="spoken" aria-live="polite"></p>
</div></section>
"""
)
