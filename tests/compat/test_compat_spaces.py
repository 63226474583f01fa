"""What `reglab.compat.spaces` leans on is still so in the version of spaces that is installed."""

from __future__ import annotations

import sys
from datetime import timedelta
from types import SimpleNamespace

import pytest

from reglab import compat


def test_without_zero_gpu_it_is_as_if_there_were_no_such_thing(monkeypatch):
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert not compat.spaces.is_on() and compat.spaces.has_gpu()
    assert compat.spaces.gpu(lambda n: n)(abs) is abs
    compat.spaces.start()


@pytest.mark.parametrize("value", ["1", "true", "True", "t", "0", "false", ""])
def test_it_is_on_where_spaces_itself_thinks_so(monkeypatch, value):
    config = pytest.importorskip("spaces.config")
    monkeypatch.setenv("SPACES_ZERO_GPU", value)
    assert compat.spaces.is_on() == config.boolean(value)


def test_only_a_process_that_spaces_has_forked_off_has_a_gpu(monkeypatch):
    monkeypatch.setattr(compat.spaces, "is_on", lambda: True)
    assert not compat.spaces.has_gpu(), "none of the modules that fork are loaded"
    monkeypatch.setitem(sys.modules, "spaces.zero.wrappers", SimpleNamespace(forked=False))
    assert not compat.spaces.has_gpu()
    monkeypatch.setitem(sys.modules, "spaces.zero.wrappers", SimpleNamespace(forked=True))
    assert compat.spaces.has_gpu()


def test_a_duration_is_multiplied_before_it_is_asked_for():
    pytest.importorskip("spaces.zero.config")
    assert 1.0 <= compat.spaces.factor() <= 2.0


@pytest.mark.parametrize("wait", [timedelta(hours=3, minutes=5, seconds=7), timedelta(days=1), timedelta(seconds=9)])
def test_what_spaces_says_of_a_quota_is_read(wait):
    said = f"You have exceeded your free ZeroGPU quota (60s requested vs. 45s left). Try again in {wait}. "
    told = compat.spaces.refusal(SimpleNamespace(title="ZeroGPU quota exceeded", message=said))
    assert (told.title, told.said, told.wait, told.left) == ("ZeroGPU quota exceeded", said, wait, 45)


def test_what_is_no_word_of_spaces_is_said_as_it_is():
    told = compat.spaces.refusal(OSError("Connection refused"))
    assert (told.title, told.said, told.wait, told.left) == ("", "Connection refused", None, None)
