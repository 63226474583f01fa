"""What `reglab.compat.ray` leans on is still so in the version of Ray that is installed."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from reglab import compat


def test_ray_takes_the_options_of_a_stream():
    ray = pytest.importorskip("ray")

    @ray.remote(**compat.ray.streaming(16))
    def told():
        yield 1

    assert told  # Ray refuses options that it does not know: here, and for another name below
    with pytest.raises(ValueError, match="Invalid option keyword"):
        ray.remote(_generator_backpressure_objects=16)(lambda: None)


def test_rays_clients_are_answered_by_a_method_of_that_name():
    pytest.importorskip("ray")
    from ray.core.generated import ray_client_pb2

    service = ray_client_pb2.DESCRIPTOR.services_by_name["RayletDriver"]
    assert f"/{service.full_name}/ClusterInfo" == compat.ray.CLUSTER_INFO
    assert "ClusterInfo" in service.methods_by_name


def test_ray_reads_these_names_in_its_environment(monkeypatch):
    ray = pytest.importorskip("ray")
    from ray._common import usage
    from ray._private import accelerators

    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        monkeypatch.delenv(name, raising=False)
    compat.ray.set_environment()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] == "0"
    source = "".join(
        path.read_text(encoding="utf-8")
        for package in (usage, accelerators, ray._private)
        for path in Path(package.__path__[0]).glob("*.py")
    )
    assert "RAY_USAGE_STATS_ENABLED" in source and "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO" in source


def test_rays_loggers_have_these_names():
    ray = pytest.importorskip("ray")
    import ray.util.client.logsclient as logs

    before = logging.getLogger("ray").level, logs.logger.disabled
    try:
        compat.ray.be_quiet()
        assert logs.logger.name == "ray.util.client.logsclient" and logs.logger.disabled
        assert logging.getLogger(ray.__name__).level == logging.ERROR
    finally:
        logging.getLogger("ray").setLevel(before[0])
        logs.logger.disabled = before[1]


def test_of_a_long_error_the_line_that_says_what_happened_is_told():
    trace = 'ray::told()\n  File "a.py", line 1\n    raise ValueError\nValueError: no.\n'
    assert compat.ray.last_word(RuntimeError(trace)) == "ValueError: no"
    assert compat.ray.last_word(RuntimeError("The node died.\nSee the log.")) == "The node died"
    assert compat.ray.last_word(RuntimeError()) == "RuntimeError"
