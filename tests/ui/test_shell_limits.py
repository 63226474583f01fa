"""How slowly, how often and how many at once, over real sockets; around an app of a few lines, so that times can be short."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import uvicorn
from servers import free_port, wait_until

from reglab import compat
from reglab.deployment import Deployment
from reglab.ui.services.lab import Lab
from reglab.ui.shell import bodies, crowd
from reglab.ui.shell.asgi import Refusal
from reglab.ui.shell.pages import Pages
from reglab.ui.shell.shell import Shell

OPEN = 20  # connections


async def inside(scope: Any, receive: Any, send: Any) -> None:
    """Tells how much was sent; goes on for ever where somebody listens."""
    if scope["type"] != "http":
        return
    size, more = 0, scope["method"] == "POST"
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body")
    is_stream = "heartbeat" in scope["path"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"access-control-allow-origin", b"*")]})
    await send({"type": "http.response.body", "body": str(size).encode(), "more_body": is_stream})
    while is_stream:
        if (await receive())["type"] == "http.disconnect":
            return


class Small:
    """A server with the shell around that."""

    def __init__(self, lab: Lab) -> None:
        self.port, self.shell = free_port(), Shell(inside, lab)
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(self.shell, port=self.port, log_level="error", lifespan="off")
        compat.uvicorn.fit_for_strangers(config, OPEN, crowd.full)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        wait_until(lambda: self.server.started, "no server")

    def socket(self, sent: bytes = b"") -> socket.socket:
        open_ = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        open_.sendall(sent)
        return open_


@pytest.fixture
def small(monkeypatch) -> Iterator[Any]:
    made: list[Small] = []

    def make(**said: Any) -> Small:
        made.append(Small(Lab(deployment=Deployment(**said))))
        return made[-1]

    monkeypatch.setattr(compat.uvicorn, "HEAD_TIME", 0.5)
    monkeypatch.setattr(compat.uvicorn, "WRITE_TIME", 0.5)
    monkeypatch.setattr(bodies, "PAUSE", 0.5)
    yield make
    for each in made:
        each.server.should_exit = True
        each.server.force_exit = True
        each.thread.join(5)


def all_of(open_: socket.socket) -> bytes:
    """What is sent until the other end closes."""
    told = b""
    while piece := open_.recv(65_536):
        told += piece
    return told


# ---- slowly ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b"])
def test_a_head_that_does_not_come_is_not_waited_for(small, begun):
    server = small()
    open_, since = server.socket(begun), time.monotonic()
    assert b" 408 " in all_of(open_) and 0.3 < time.monotonic() - since < 5


def test_a_head_that_comes_drop_by_drop_is_not_waited_for_either(small):
    """Also the second one on a connection."""
    server = small()
    open_ = server.socket(b"GET /robots.txt HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    time.sleep(0.1)
    with pytest.raises(OSError):
        for letter in b"GET /robots.txt HTTP/1.1\r\nHost: 127.0.0.1\r\n" * 3:
            open_.sendall(bytes([letter]))
            time.sleep(0.05)
    assert httpx.get(f"{server.url}/robots.txt").status_code == 200


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/gradio_api/upload", "/api/train", "/api/predict"])
def test_a_body_that_does_not_come_is_not_waited_for(small, path):
    kind = "multipart/form-data; boundary=b" if "upload" in path else "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: 1000\r\n\r\n"
    open_, since = small().socket(head.encode() + b"-"), time.monotonic()
    assert b" 408 " in all_of(open_) and time.monotonic() - since < 5


def test_an_answer_that_nobody_takes_is_given_up(small, monkeypatch):
    server = small()

    async def much(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1_000):
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})

    server.shell.inside = much
    open_ = server.socket(b"GET /theme.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    tasks = server.server.server_state.tasks
    wait_until(lambda: tasks, "not asked")
    wait_until(lambda: not tasks, "an answer is held up", 10)
    open_.close()


# ---- much --------------------------------------------------------------------------------------------------------
def test_heads_are_small(small):
    server = small()
    many = {f"x-{n}": "a" for n in range(150)}
    assert httpx.get(f"{server.url}/robots.txt", headers=many).status_code == 431
    long = b"GET /robots.txt HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 70_000
    assert b" 400 " in all_of(server.socket(long))[:20]


def test_a_body_of_the_size_that_is_allowed_arrives_whole(small):
    body = b'"' + b"a" * (bodies.MOST_JSON - 2) + b'"'
    server, kind = small(), {"content-type": "application/json"}
    url = f"{server.url}/gradio_api/cancel"
    assert httpx.post(url, content=body, headers=kind).text == str(len(body))
    assert httpx.post(url, content=iter([body[:100], body[100:]]), headers=kind).text == str(len(body))
    assert httpx.post(url, content=body + b" ", headers=kind).status_code == 413
    assert httpx.post(url, content=iter([body, b" "]), headers=kind).status_code == 413


# ---- many --------------------------------------------------------------------------------------------------------
def test_more_connections_than_there_is_room_for_are_told_so_and_it_passes(small, monkeypatch):
    monkeypatch.setattr(compat.uvicorn, "HEAD_TIME", 60)  # they are to stay meanwhile
    server = small()
    held = [server.socket() for _ in range(OPEN)]
    refused = httpx.get(f"{server.url}/robots.txt")
    assert refused.status_code == 503 and refused.headers["retry-after"] and "busy" in refused.json()["error"]
    held += [server.socket() for _ in range(2 * OPEN)]
    assert len(server.server.server_state.connections) <= 2 * OPEN
    for each in held:
        each.close()
    wait_until(lambda: not server.server.server_state.connections, "connections stay")
    assert httpx.get(f"{server.url}/robots.txt").status_code == 200


def listening(server: Small, session: str, address: str = "") -> socket.socket:
    forwarded = f"X-Forwarded-For: {address}\r\n" if address else ""
    return server.socket(f"GET /gradio_api/heartbeat/{session} HTTP/1.1\r\nHost: 127.0.0.1\r\n{forwarded}\r\n".encode())


def test_an_address_listens_to_so_many_answers_and_no_more(small, monkeypatch):
    room = crowd.Room(streams=5, streams_each=3)
    monkeypatch.setitem(crowd.ROOMS, "public", room)
    server = small(kind="public", proxies=1)
    held = [listening(server, f"a{n}", "1.2.3.4") for n in range(3)]
    wait_until(lambda: server.shell.crowd.is_open("a2"), "not listening")
    assert b" 503 " in all_of(listening(server, "a3", "1.2.3.4")) and not server.shell.crowd.is_open("a3")
    held += [listening(server, f"b{n}", "5.6.7.8") for n in range(2)]
    wait_until(lambda: server.shell.crowd.is_open("b1"), "not listening")
    refused = all_of(listening(server, "c", "9.9.9.9")).lower()
    assert b" 503 " in refused and b"retry-after: " in refused
    for each in held:
        each.close()
    wait_until(lambda: not server.shell.crowd.is_open("a0"), "still listening")
    held = [listening(server, "a0", "1.2.3.4")]
    wait_until(lambda: server.shell.crowd.is_open("a0"), "not listening again")


def test_so_many_upload_at_once_and_no_more(small):
    server = small()
    head = "POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    held = [server.socket(f"{head}Content-Length: 100000\r\n\r\n--b".encode()) for _ in range(crowd.Room.uploads)]
    files = {"files": ("a.png", b"a")}
    wait_until(lambda: httpx.post(f"{server.url}/gradio_api/upload", files=files).status_code == 503, "no bound", 5)
    wait_until(lambda: httpx.post(f"{server.url}/gradio_api/upload", files=files).status_code == 200, "no end", 5)
    for each in held:
        each.close()


def test_nobody_holds_all_uploads_or_calls_by_sending_slowly(small):
    """Four connections of one visitor were enough for nobody else to send a picture."""
    server = small(kind="public", proxies=1)
    each = crowd.ROOMS["public"].uploads_each
    held = [ExitStack() for _ in range(each)]
    for stack in held:
        stack.enter_context(server.shell.crowd.uploading("1.2.3.4"))
        stack.enter_context(server.shell.crowd.calling("1.2.3.4"))

    def upload(address: str) -> int:
        files, headers = {"files": ("a.png", b"a")}, {"x-forwarded-for": address}
        return httpx.post(f"{server.url}/gradio_api/upload", files=files, headers=headers).status_code

    assert upload("1.2.3.4") == 503 and upload("5.6.7.8") == 200 and upload("10.0.0.7") == 200
    held.pop().close()
    assert upload("1.2.3.4") == 200
    with ExitStack() as stack:
        with pytest.raises(Refusal):
            for _ in range(crowd.Room.waiting):
                stack.enter_context(server.shell.crowd.calling("1.2.3.4"))
        with server.shell.crowd.calling("5.6.7.8"):
            pass
    for left in held:
        left.close()
    assert not server.shell.crowd._counts, "nothing is remembered of who has gone"


def test_an_address_begins_so_many_sessions_and_others_are_not_held_up(small, monkeypatch):
    monkeypatch.setitem(crowd.ROOMS, "public", crowd.Room(sessions=crowd.Pace(second=0.01, burst=5)))
    server = small(kind="public", proxies=1)

    def begin(session: str, address: str) -> int:
        told = {"data": [], "session_hash": session}
        headers = {"x-forwarded-for": address}
        return httpx.post(f"{server.url}/gradio_api/queue/join", json=told, headers=headers).status_code

    assert [begin(f"s{n}", "1.2.3.4") for n in range(8)] == [200] * 5 + [429] * 3
    assert begin("s0", "1.2.3.4") == 200, "a session that is known goes on"
    assert begin("t0", "5.6.7.8") == 200
    assert begin("t1", "2a00:1450::1") == 200
    # Nobody's on the internet: a proxy's that was not named, so that all visitors would share it.
    assert [begin(f"u{n}", "10.0.0.7") for n in range(8)] == [200] * 8


def test_the_page_is_made_for_so_many_names_and_no_more(small, monkeypatch):
    """Whoever asks by names of their own invention has the server work for each."""
    monkeypatch.setitem(crowd.ROOMS, "public", crowd.Room(pages=crowd.Pace(second=0.01, burst=3)))
    server, known = small(kind="public", proxies=1), {"x-forwarded-for": "1.2.3.4"}
    asked = [httpx.get(server.url, headers={"host": f"lab{n}.example"} | known).status_code for n in (0, 1, 2, 3, 0, 4)]
    assert asked == [200, 200, 200, 429, 200, 429]


def test_a_page_by_its_other_path_is_no_way_around_that(small, monkeypatch):
    """Gradio has `/config/` as well as `/config`: 0.2 s of the server for each of those who asked."""
    monkeypatch.setitem(crowd.ROOMS, "public", crowd.Room(pages=crowd.Pace(second=0.01, burst=1)))
    server, known = small(kind="public", proxies=1), {"x-forwarded-for": "1.2.3.4"}
    asked = [httpx.get(f"{server.url}{path}", headers=known) for path in ("/config/", "/config", "/gradio_api/info/")]
    assert [answer.status_code for answer in asked] == [200, 200, 429]
    assert asked[0].headers["etag"] == asked[1].headers["etag"]


def test_a_page_that_went_wrong_once_is_made_again():
    """One `too many open files`, and there was no page until the server was started anew."""
    calls = []

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        calls.append(scope["path"])
        if len(calls) == 1:
            raise OSError(24, "Too many open files")
        await inside(scope, receive, send)

    pages = Pages(failing, crowd.Crowd(Deployment()))
    scope = {
        "path": "/",
        "method": "GET",
        "scheme": "http",
        "query_string": b"",
        "headers": [],
        "client": ("1.2.3.4", 1),
    }
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def twice() -> None:
        with pytest.raises(OSError, match="Too many"):
            await pages(scope, send, send)
        await pages({**scope, "type": "http"}, send, send)

    asyncio.run(twice())
    assert sent[0]["status"] == 200 and calls == ["/", "/"]


def test_a_laptop_is_not_held_up_by_its_own_programs(small):
    server = small()
    with httpx.Client() as client:
        for n in range(300):
            told = {"data": [], "session_hash": f"s{n}"}
            assert client.post(f"{server.url}/gradio_api/queue/join", json=told).status_code == 200


# ---- names -------------------------------------------------------------------------------------------------------
def status(server: Small, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{server.url}/gradio_api/reset", json={}, headers=named).status_code


def test_a_server_for_others_answers_to_any_name_unless_it_is_told_its_names(small):
    for server in (small(kind="class"), small(kind="public")):
        assert status(server, Host="lab.example") == 200
        assert status(server, Host="lab.example", Origin="http://lab.example") == 200
        assert status(server, Host="lab.example", Origin="https://evil.example") == 403
    named = small(kind="public", hosts=("lab.example",), space_host="a-b.hf.space")
    assert status(named, Host="lab.example:7860") == status(named, Host="a-b.hf.space") == status(named) == 200
    assert status(named, Host="evil.example") == status(named, Host="evil") == 403
    # A proxy that asks by the address that the app is bound to, as nginx does if it isn't told otherwise.
    assert status(named, Origin="https://lab.example") == status(named, Origin="https://a-b.hf.space") == 200


def test_who_stands_in_a_header_is_believed_of_no_proxy_that_is_not_there(small):
    """uvicorn by itself would: this machine is one that it trusts."""
    seen: list[Any] = []

    async def tells(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])
        await inside(scope, receive, send)

    for proxies, expected in ((0, "127.0.0.1"), (1, "9.9.9.9")):
        server = small(proxies=proxies)
        server.shell.inside = tells
        httpx.get(f"{server.url}/theme.css", headers={"x-forwarded-for": "9.9.9.9"})
        assert seen.pop() == expected


def test_nothing_is_upgraded_to_a_websocket(small):
    asked = "GET /robots.txt HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    asked += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    assert b" 101 " not in small().socket(asked.encode()).recv(1_000)


def test_the_shell_lets_what_is_no_request_pass():
    """The start and the end of the app."""
    passed: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["type"])

    asyncio.run(Shell(app, Lab())({"type": "lifespan"}, None, None))
    assert passed == ["lifespan"]
