"""The environment of children: what they need of it, and none of the host's secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psutil
import pytest
from conftest import environment

from reglab.jobs.fetch import Fetch
from reglab.jobs.processes import child_environment

SECRETS = {
    "HF_TOKEN": "hf_" + "canary" * 6,
    "REGLAB_ADMIN_KEY": "canary-of-the-host",
    "AWS_SECRET_ACCESS_KEY": "canary-of-a-cloud",
    "CUDA_LICENSE_KEY": "canary-that-begins-as-what-is-allowed",
    "SOMETHING_NEW": "canary-that-nobody-thought-of",
    "RAY_AUTH_TOKEN": "canary-of-a-cluster",  # Ray and trackio are for the command line alone
    "TRACKIO_SPACE_ID": "canary/of-a-space",
    "HTTPS_PROXY": "http://user:canary@proxy:3128",
}
NEEDED = {"PATH": "/bin", "OMP_NUM_THREADS": "2", "HF_HUB_CACHE": "/hub", "REGLAB_CACHE": "/cache", "LC_ALL": "C"}


def test_children_get_what_they_need_and_no_secret():
    told = child_environment(SECRETS | NEEDED)
    assert told.items() >= NEEDED.items() and not told.keys() & SECRETS.keys()


def test_only_who_fetches_gets_the_hosts_token_and_proxy():
    told = child_environment(SECRETS | NEEDED, hub=True)
    assert told.keys() & SECRETS.keys() == {"HF_TOKEN", "HTTPS_PROXY"}
    assert "HF_TOKEN" not in child_environment(NEEDED, hub=True), "where the host set none there is none"


def test_the_package_is_found_by_children_wherever_they_start():
    assert all(path for path in child_environment({"PYTHONPATH": ""})["PYTHONPATH"].split(os.pathsep))


EVERYBODY = """
import json, os, psutil
from reglab.jobs.isolation import IsolatedProcess
from reglab.jobs.processes import process_context

def environment():
    return dict(os.environ)

if __name__ == "__main__":
    process = IsolatedProcess()
    inside = process.call(environment)
    worker = process_context().Process(target=abs, args=(1,))
    worker.start()
    children = psutil.Process().children(recursive=True)
    told = [[child.cmdline(), child.environ()] for child in children if child.status() != psutil.STATUS_ZOMBIE]
    print(json.dumps([inside, told]))
    worker.join()
    process.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what a process was started with")
def test_no_child_holds_a_secret_inside_or_where_the_system_shows_it(tmp_path):
    """The fork server, the resource tracker, a lane and a worker: /proc/PID/environ, the command line, `os.environ`."""
    script = tmp_path / "everybody.py"
    script.write_text(EVERYBODY)
    done = subprocess.run([sys.executable, script], env=environment(**SECRETS), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    inside, children = json.loads(done.stdout)
    assert len(children) >= 3
    assert "canary" not in json.dumps([inside, children])
    assert inside["PATH"] == os.environ["PATH"]


def test_the_process_that_fetches_is_started_with_what_the_hub_wants(monkeypatch, tmp_path):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    fetch, told = Fetch("cifar10"), tmp_path / "told.json"
    fetch.command = [
        sys.executable,
        "-c",
        f"import json, os; open({str(told)!r}, 'w').write(json.dumps(dict(os.environ)))",
    ]
    fetch.start()
    psutil.Process(fetch._process.pid).wait(60)
    fetch.close()
    assert json.loads(told.read_text()).keys() & SECRETS.keys() == {"HF_TOKEN", "HTTPS_PROXY"}
