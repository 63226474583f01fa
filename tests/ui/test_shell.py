"""What strangers may ask of the app, over real sockets: what is closed, and how much may be sent. See `test_shell_limits.py`."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest
from pages import SENTENCE
from servers import Server

from reglab.deployment import Deployment
from reglab.ui.shell.headers import policy

MIB = 2**20
EVENT = {"data": [], "fn_index": 0, "session_hash": "abc"}


def asked(server: Server, method: str, path: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
    """The answer to exactly this path, which no client has tidied up."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        body, named = json.dumps(body), {"content-type": "application/json", **named}
    connection.request(method, path, body, named)
    answer = connection.getresponse()
    answer.text = answer.read().decode("utf-8", "replace")  # type: ignore[attr-defined]
    return answer


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Another server on this machine, and what it was asked for."""
    heard: list[str] = []

    class Hears(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hears)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}", heard
    listening.shutdown()


# ---- routes ------------------------------------------------------------------------------------------------------
CLOSED = [
    ("GET", "/gradio_api/deep_link?session_hash=abc"),
    ("POST", "/gradio_api/process_recording"),
    ("GET", "/monitoring"),
    ("GET", "/monitoring/summary"),
    ("GET", "/monitoring/abc"),
    ("GET", "/gradio_api/runs"),
    # CVE-2026-134825, Gradio 6.27 to 6.31: none of these is reached, whatever token or bucket comes along.
    ("POST", "/gradio_api/run-history/connect"),
    ("GET", "/gradio_api/run-history/buckets"),
    ("GET", "/gradio_api/run-history/records?bucket_id=a/b"),
    ("GET", "/gradio_api/run-history/records/predict/abc/assets/def"),
    ("GET", "/gradio_api/%72un-history/records"),
    ("GET", "//gradio_api/run-history/records"),
    ("POST", "/gradio_api/component_server"),
    ("POST", "/gradio_api/component_server/"),
    ("POST", "/gradio_api/vibe-edit"),
    ("GET", "/gradio_api/vibe-code"),
    ("POST", "/gradio_api/vibe-code/"),
    ("POST", "/gradio_api/undo-vibe-edit"),
    ("POST", "/gradio_api/vibe-starter-queries"),
    ("GET", "/gradio_api/dev/reload"),
    ("POST", "/gradio_api/stream/abc"),
    ("POST", "/gradio_api/stream/abc/close"),
    ("GET", "/gradio_api/stream/abc/def/1/playlist.m3u8"),
    ("GET", "/gradio_api/proxy=https://a.hf.space/"),
    ("GET", "/gradio_api/custom_component/abc/client/component/index.js"),
    ("GET", "/gradio_api/profiling/traces"),
    ("GET", "/gradio_api/token"),
    ("GET", "/gradio_api/user"),
    ("POST", "/login"),
    ("GET", "/login/huggingface"),
    ("GET", "/logout"),
    ("GET", "/pwa_icon"),
    ("GET", "/gradio_api/mcp/sse"),
    ("POST", "/gradio_api/mcp/"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/nothing"),
    ("OPTIONS", "/config"),
    ("PUT", "/"),
    ("TRACE", "/"),
    ("DELETE", "/gradio_api/upload"),
]
FETCHING = [
    "/gradio_api/file={}",
    "/gradio_api/file%3D{}",
    "/gradio_api/file=/{}",
    "/gradio_api/file=//{}",
    "/gradio_api/file=%20{}",
    "/gradio_api/file=%5C%5C{}",
    "/gradio_api/file/{}",
    "/file={}",
    "/gradio_api/proxy={}",
    "//gradio_api/file={}",
    "/gradio_api//file={}",
    "/GRADIO_API/file={}",
]


@pytest.mark.parametrize(("method", "path"), CLOSED, ids=lambda value: value)
def test_what_the_page_does_not_need_is_closed(server, method, path):
    answer = asked(server, method, path, {} if method == "POST" else None)
    assert answer.status in (404, 405) and SENTENCE.fullmatch(json.loads(answer.text)["error"])


@pytest.mark.parametrize("path", FETCHING)
def test_nothing_is_fetched_from_elsewhere_however_it_is_spelled(server, elsewhere, path):
    url, heard = elsewhere
    twice = url.replace(":", "%253A").replace("/", "%252F")
    for spelled in (url, url.upper(), url.replace(":", "%3A").replace("/", "%2F"), twice, "//" + url.split("//")[1]):
        for method in ("GET", "HEAD"):
            answer = asked(server, method, path.format(spelled) + "/a.png")
            assert answer.status in (403, 404), (spelled, answer.status)
            assert not answer.getheader("location")
    assert heard == []


def test_what_the_page_and_the_clients_need_is_open(server):
    config = json.loads(asked(server, "GET", "/config").text)
    for path in (
        "/",
        "/theme.css",
        "/robots.txt",
        "/gradio_api/info",
        "/gradio_api/app_id",
        "/gradio_api/openapi.json",
    ):
        assert asked(server, "GET", path).status == 200, path
    assert config["components"] and asked(server, "HEAD", "/").status == 200


# ---- files by their address --------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/gradio_api/call/predict", "/gradio_api/run/predict"])
def test_a_file_that_lies_elsewhere_is_refused_wherever_it_stands(server, elsewhere, path):
    url, heard = elsewhere
    named = {"path": f"{url}/a.png", "meta": {"_type": "gradio.FileData"}}
    pixel = "data:image/png;base64,iVBORw0KGgo="
    for file in (named, {"url": f"{url}/a.png"}, {"url": pixel}, {"path": "", "url": pixel}, {"path": pixel}):
        for data in ([file], [[{"image": file, "caption": None}]], [{"a": {"b": [file]}}]):
            answer = asked(server, "POST", path, {**EVENT, "data": data})
            assert answer.status == 403 and "upload the file" in answer.text
    assert heard == []


def test_the_address_of_ones_own_upload_is_dropped_and_the_path_stays():
    from reglab.ui.shell.files import without_addresses

    own = {"path": "/tmp/gradio/abc/a.png", "url": "http://127.0.0.1:7860/gradio_api/file=/tmp/gradio/abc/a.png"}
    sent = {"data": [own, {"path": "C:\\gradio\\a.png"}, "https://a.example", {"text": "see https://b.example"}]}
    assert without_addresses(sent)
    assert sent["data"][0] == {"path": "/tmp/gradio/abc/a.png"} and sent["data"][1]["path"] == "C:\\gradio\\a.png"
    assert not without_addresses(sent)


# ---- how much is sent --------------------------------------------------------------------------------------------
def memory(server: Server) -> int:
    return psutil.Process(server.process.pid).memory_info().rss


def pieces(total: int, piece: bytes = b"a" * 64 * 1024) -> Iterator[bytes]:
    for _ in range(total // len(piece)):
        yield piece


TAKING = ("queue/join", "call/train", "call/v2/train", "run/predict", "api/train", "cancel", "reset")


@pytest.mark.parametrize("path", [*(f"/gradio_api/{path}" for path in TAKING), "/api/train", "/api/stop"])
def test_no_route_takes_more_than_its_share(server, path):
    answer = httpx.post(server.url + path, content=pieces(3 * MIB), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/gradio_api/call/v2/train"])
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_200_mb_of_json_are_refused_and_cost_nothing(server, path, declared):
    before, size = memory(server), 200 * MIB
    length = {"content-length": str(size)} if declared else {}
    answer = httpx.post(server.url + path, content=pieces(size), headers={"content-type": "application/json"} | length)
    assert answer.status_code == 413 and SENTENCE.fullmatch(answer.json()["error"])
    assert answer.headers["connection"] == "close"
    assert memory(server) - before < 16 * MIB


def test_a_form_is_files_and_little_else(server):
    """A part without a file name is kept in memory by Gradio, without limit."""
    before = memory(server)

    def form(head: str) -> Iterator[bytes]:
        yield f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode()
        yield from pieces(64 * MIB)
        yield b"\r\n--b--\r\n"

    kind = {"content-type": "multipart/form-data; boundary=b"}
    long = f'name="files"; filename="{"x" * 100_000}"'
    for head, status in (('name="files"', 413), (long, 400), ('name="files"; filename="a.png"', 413)):
        answer = httpx.post(f"{server.url}/gradio_api/upload", content=form(head), headers=kind)
        assert answer.status_code == status, head[:40]
    assert memory(server) - before < 48 * MIB
    small = httpx.post(f"{server.url}/gradio_api/upload", files={"files": ("a.txt", b"a" * MIB)})
    assert small.status_code == 200 and len(small.json()) == 1
    for wrong in ({"content-type": "application/json"}, {}):
        assert httpx.post(f"{server.url}/gradio_api/upload", content=b"{}", headers=wrong).status_code == 400


@pytest.mark.parametrize(
    ("path", "number"),
    [
        *(("queue/join", number) for number in (99_999, -1, None, "1")),
        *((path, None) for path in ("call/nothing", "call/v2/nothing", "run/nothing")),
        ("run/predict", 99_999),
    ],
)
def test_what_calls_nothing_that_there_is_is_refused_and_leaves_no_traceback(server, path, number):
    answer = asked(server, "POST", f"/gradio_api/{path}", {**EVENT, "fn_index": number})
    assert answer.status == 404 and SENTENCE.fullmatch(json.loads(answer.text)["error"])


def test_what_is_no_json_and_what_names_no_session_is_refused(server):
    url, kind = f"{server.url}/gradio_api/queue/join", {"content-type": "application/json"}
    for body in (b"", b"{", b"[" * 100_000, b"\xff\xfe", b"null", b"[]", b"1" * 10_000):
        assert httpx.post(url, content=body, headers=kind).status_code == 400, body[:10]
    for session in (None, "", "a" * 65, 7, ["a"], "a/b"):
        assert httpx.post(url, json={**EVENT, "session_hash": session}).status_code == 400, session


# ---- whose page asks ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1.evil.example"]
)
def test_a_page_of_another_site_changes_nothing_and_is_allowed_nothing(server, origin):
    for method, path, expected in (("POST", "/gradio_api/call/runs", 403), ("GET", "/config", 200)):
        answer = asked(server, method, path, {"data": []} if method == "POST" else None, Origin=origin)
        assert answer.status == expected
        assert not [name for name, _ in answer.getheaders() if name.lower().startswith("access-control")]
    assert asked(server, "POST", "/gradio_api/call/runs", {"data": []}, Sec_Fetch_Site="cross-site").status == 403


def test_the_own_page_is_heard_by_each_of_its_names_and_through_a_proxy(server):
    own = f"127.0.0.1:{server.port}"
    for headers in (
        {"Origin": f"http://{own}"},
        {"Origin": f"http://localhost:{server.port}"},
        {"Origin": "https://lab.example", "Sec_Fetch_Site": "same-origin"},
        {"Origin": "https://lab.example", "X_Forwarded_Host": "lab.example", "X_Forwarded_Proto": "https"},
        {},
    ):
        assert asked(server, "POST", "/gradio_api/call/runs", {"data": []}, **headers).status == 200, headers


def test_a_laptop_answers_to_no_name_that_a_stranger_can_own(server):
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", "localhost.evil.example"):
        answer = asked(server, "GET", "/", Host=host)
        assert answer.status == 403 and "REGLAB_HOSTS=" in json.loads(answer.text)["error"]
    for host in (f"localhost:{server.port}", "127.0.0.1", "[::1]:7860", "192.168.1.7:7860", "lab", "a.localhost"):
        assert asked(server, "GET", "/robots.txt", Host=host).status == 200, host


# ---- what the answer says ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/", "/config", "/nothing", "/gradio_api/file=/etc/passwd", "/robots.txt"])
def test_every_answer_tells_a_browser_to_be_careful(server, path):
    answer = asked(server, "GET", path)
    told = {name.lower(): value for name, value in answer.getheaders()}
    assert told["x-content-type-options"] == "nosniff" and told["referrer-policy"] == "same-origin"
    assert "server" not in told
    csp = told["content-security-policy"]
    assert (
        "sandbox" in csp
        if "file=" in path
        else "frame-ancestors 'self' https://huggingface.co https://*.hf.space" in csp
    )


def test_a_laptops_page_is_framed_by_notebooks_and_a_public_one_by_the_hub_alone():
    def frames(deployment: Deployment) -> list[str]:
        return re.search(r"frame-ancestors ([^;]*)", policy(deployment).decode())[1].split()

    notebooks = {"http://localhost:*", "vscode-webview:", "https://colab.research.google.com"}
    assert notebooks < {*frames(Deployment())}
    public = Deployment.here({"REGLAB_DEPLOYMENT": "public", "REGLAB_ADMIN_KEY": "k" * 24})
    assert frames(public) == ["'self'", "https://huggingface.co", "https://*.hf.space"]


def test_the_page_is_made_once_and_sent_small(server):
    plain = asked(server, "GET", "/")
    small = asked(server, "GET", "/?deep_link=abc&__theme=dark", Accept_Encoding="gzip, br")
    assert small.getheader("content-encoding") == "gzip" and int(small.getheader("content-length")) < 200_000
    with httpx.Client() as client:
        assert client.get(server.url).text == plain.text and "window.gradio_config" in plain.text
    again = asked(server, "GET", "/", If_None_Match=plain.getheader("etag"))
    assert again.status == 304 and again.text == ""
    # Behind a proxy the page has other addresses in it.
    forwarded = asked(server, "GET", "/", X_Forwarded_Host="lab.example", X_Forwarded_Proto="https")
    assert "https://lab.example" in forwarded.text and "https://lab.example" not in asked(server, "GET", "/").text
