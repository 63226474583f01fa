"""What `reglab.compat.trackio` leans on is still so in the version of trackio that is installed."""

from __future__ import annotations

import inspect
from contextvars import ContextVar

import pytest

from reglab import compat


def test_runs_of_trackio_go_side_by_side(monkeypatch):
    trackio = pytest.importorskip("trackio")
    from trackio import context_vars

    asked = {"project", "name", "config", "resume", "embed", "auto_log_gpu", "auto_log_cpu"}
    assert asked <= set(inspect.signature(trackio.init).parameters)
    assert isinstance(context_vars.current_run, ContextVar)
    seen = []

    def init(**settings):
        seen.append((settings, mark.get()))
        mark.set(settings["name"])
        return settings["name"]

    mark: ContextVar[str] = ContextVar("mark", default="nobody")
    monkeypatch.setattr(trackio, "init", init)
    assert [compat.trackio.begin(name=name) for name in ("a", "b")] == ["a", "b"]
    assert [before for _, before in seen] == ["nobody", "nobody"] and mark.get() == "nobody"
