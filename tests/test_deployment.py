"""What the environment says of where the lab stands, and what its limits are then."""

from __future__ import annotations

import pytest

from reglab.deployment import GIB, LIMITS, Deployment, Limits
from reglab.errors import ConfigError


def test_a_laptop_limits_nothing_and_is_what_it_is_by_itself():
    here = Deployment.here({})
    assert here.kind == "laptop" and here.is_everybody_host and here.limits == Limits() and here.limits.told() == []
    assert Deployment.here({"REGLAB_RUN_MINUTES": "5"}).limits == Limits(), "where everybody is the host"
    assert Deployment.here({}, is_reachable=True).kind == "class"
    assert Deployment.here({"SPACE_ID": "a/b"}).kind == "public"


def test_limits_can_be_set_and_taken_away():
    told = {"REGLAB_RUN_MINUTES": "5.5", "REGLAB_HOUR_MINUTES": "0", "REGLAB_DISK_GIB": "2.5", "REGLAB_SHARED": "1"}
    here = Deployment.here({"REGLAB_DEPLOYMENT": "public", **told})
    assert here.limits.run_minutes == 5.5 and here.limits.hour_minutes is None and here.limits.disk == int(2.5 * GIB)
    assert here.limits.parameters == LIMITS["public"].parameters and here.is_shared


@pytest.mark.parametrize("said", ["ten", "-1", "nan", "inf", "1e9"])
def test_a_limit_that_is_no_number_is_refused_by_its_name(said):
    with pytest.raises(ConfigError, match=r"REGLAB_RUN_MINUTES is .*: set it to a number, 0 for no limit"):
        Deployment.here({"REGLAB_RUN_MINUTES": said})


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("REGLAB_DEPLOYMENT", "castle"),
        ("REGLAB_PROXIES", "many"),
        ("REGLAB_PROXIES", "9"),
        ("REGLAB_ADMIN_KEY", "short"),
        ("REGLAB_ADMIN_KEY", "ключ, которого хватит"),
        ("REGLAB_ADMIN_KEY", "a key with a line's end\n"),
        ("REGLAB_ADMIN_KEY", "x" * 201),
    ],
)
def test_other_variables_are_refused_by_their_names(variable, said):
    with pytest.raises(ConfigError, match=variable):
        Deployment.here({variable: said})


def test_what_is_limited_is_said_in_plain_lines():
    assert LIMITS["public"].told() == [
        "At most 10 minutes a run, 30 an hour for each visitor.",
        "A run may have up to 15 M weights, batches of 512, 8 GiB of memory.",
        "Runs may take 10 GiB of the disk in all and 1 GiB for each visitor; the oldest make room for new ones.",
    ]


def test_no_key_is_shown_by_a_deployment():
    assert "secret" not in repr(Deployment.here({"REGLAB_ADMIN_KEY": "a-secret-of-the-host"}))
