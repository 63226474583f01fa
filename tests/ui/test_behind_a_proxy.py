"""The lab as a Space shows it: behind a proxy that ends TLS, in a frame of a page on another site. And docs/hosting.md's proxies.

The proxy is Caddy with the lines of docs/hosting.md; the Hub's page is a frame and nothing else, under the Hub's own name.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, FLAGS, HOW, MISSING, PATIENCE, REQUIRED
from conftest import ROOT
from servers import Server, free_port, wait_until

HOSTING = (ROOT / "docs" / "hosting.md").read_text("utf-8")
SPACE, HUB, ELSEWHERE = "ada-lab.hf.space", "huggingface.co", "example.org"


def lines_for(proxy: str) -> str:
    """What docs/hosting.md says that the proxy has to be told."""
    [told] = re.findall(rf"^```{proxy}\n(.*?)^```$", HOSTING, re.DOTALL | re.MULTILINE)
    return str(told)


@pytest.fixture
def space(another_server) -> Server:
    """A lab that takes itself for a Space, with the variables that the Hub sets."""
    server: Server = another_server(cifar10=False, SPACE_ID="ada/lab", SPACE_HOST=SPACE)
    return server.start()


@pytest.fixture
def at(space, tmp_path) -> Iterator[int]:
    """The port at which Caddy answers to the names of the Space, of the Hub, and of somebody else's site."""
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("there is no Caddy: apt-get install caddy")
    port, pages = free_port(), tmp_path / "pages"
    pages.mkdir()
    (pages / "index.html").write_text(
        f'<!doctype html><title>a page with a frame</title><iframe src="https://{SPACE}/?__theme=light"'
        ' style="width: 1400px; height: 850px" allow="clipboard-read; clipboard-write"></iframe>'
    )
    (pages / "favicon.ico").write_bytes(b"")
    status = pages / "api/spaces/by-subdomain" / SPACE.partition(".")[0]  # which Gradio's page asks for
    status.parent.mkdir(parents=True)
    status.write_text('{"id": "ada/lab", "runtime": {"stage": "RUNNING"}}')
    lab = (
        lines_for("caddy")
        .replace("lab.example.org", f"{SPACE}:{port}")
        .replace("127.0.0.1:7860", f"127.0.0.1:{space.port}")
    )
    cors = f"\theader Access-Control-Allow-Origin https://{SPACE}\n"
    others = "".join(f"{name}:{port} {{\n\troot * {pages}\n{cors}\tfile_server\n}}\n" for name in (HUB, ELSEWHERE))
    settings = "{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\tauto_https disable_redirects\n}\n"
    (tmp_path / "Caddyfile").write_text(settings + lab + others)
    with open(tmp_path / "caddy.log", "wb") as log:
        process = subprocess.Popen(
            [caddy, "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"],
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        said = tmp_path / "caddy.log"
        wait_until(lambda: "serving initial configuration" in said.read_text(), "no proxy", more=said.read_text)
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
@pytest.mark.skipif(MISSING and not REQUIRED, reason=HOW)
def test_in_a_frame_of_the_hub_a_visitor_trains_and_owns_what_was_trained(space, at):
    from playwright.sync_api import expect, sync_playwright

    names = f"--host-resolver-rules=MAP *:443 127.0.0.1:{at}"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, names])
        context = chromium.new_context(viewport={"width": 1440, "height": 900}, ignore_https_errors=True)
        context.set_default_timeout(PATIENCE * 1000)
        complaints: list[str] = []
        context.on("console", lambda m: m.type == "error" and complaints.append(f"{m.text} ({m.location['url']})"))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        page = context.new_page()
        page.goto(f"https://{HUB}/")
        frame = page.frame_locator("iframe")
        expect(frame.locator("#machine")).to_contain_text("runs vanish at a restart", timeout=PATIENCE * 1000)
        expect(frame.locator("#command textarea")).to_have_value(re.compile("reglab train"), timeout=PATIENCE * 1000)

        frame.locator("#train").click()
        wait_until(lambda: any((run.path / "owner").exists() for run in space.runs()), "no run", more=space.log)
        expect(frame.locator("#stop")).to_be_enabled(timeout=PATIENCE * 1000)
        frame.locator("#stop").click()
        ended = ("stopped", "finished", "interrupted", "failed")
        wait_until(lambda: all(run.status() in ended for run in space.runs()), "not stopped", more=space.log)
        assert complaints == []

        page.goto(f"https://{ELSEWHERE}/")
        wait_until(
            lambda: any("frame-ancestors" in said for said in complaints), "framed by anybody", more=lambda: complaints
        )
        chromium.close()
    assert "Traceback" not in space.log()


@pytest.mark.skipif(shutil.which("nginx") is None and not Path("/usr/sbin/nginx").exists(), reason="there is no nginx")
def test_nginx_takes_the_lines_that_hosting_gives_it(tmp_path):
    lines = re.sub(r"listen 443 ssl;|ssl_certificate\w* .*?;", "", lines_for("nginx")).replace(
        "server {", "server { listen 127.0.0.1:1;", 1
    )
    settings = f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{lines}}}\n"
    (tmp_path / "nginx.conf").write_text(settings)
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    told = subprocess.run([nginx, "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
