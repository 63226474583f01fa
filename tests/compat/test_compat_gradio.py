"""What `reglab.compat.gradio` leans on is still so in the version of Gradio that is installed."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment

from reglab import compat


def test_a_page_has_a_queue_that_can_sleep_longer():
    import gradio as gr

    with gr.Blocks() as page:
        gr.Textbox()
    page.queue()
    compat.gradio.let_idle_queue_sleep(page)
    assert (page._queue.sleep_when_free, page._queue.progress_update_sleep_when_free) == (0.02, 0.05)


def test_an_event_hands_over_what_the_page_told():
    import gradio as gr

    assert compat.gradio.told(gr.EventData(None, {"run": "a"})) == {"run": "a"}
    assert compat.gradio.told(gr.EventData(None, None)) == compat.gradio.told(gr.EventData(None, ["run"])) == {}


def test_components_hand_values_over_in_their_own_way():
    import gradio as gr

    with gr.Blocks() as page:
        box = compat.gradio.shows(compat.gradio.takes(gr.Slider(0, 1), lambda value: [value]), str)
        box.change(lambda value: value, box, box, api_name="echo")
    [function] = page.fns.values()
    # What a slider would refuse: 7 lies outside.
    answer = asyncio.run(page.process_api(function, [7]))
    assert answer["data"] == ["[7]"]


def test_their_own_way_outlasts_an_answer_that_changes_nothing():
    """For which Gradio makes the component anew, for the visitor who got it; and writes no stub of it into its package."""
    import gradio as gr
    from gradio.state_holder import SessionState

    stubs = sorted(Path(gr.__file__).parent.rglob("*.pyi"))
    with gr.Blocks() as page:
        box = compat.gradio.shows(compat.gradio.takes(gr.HTML(), lambda value: [value]), str)
        box.change(lambda value: gr.skip(), box, box)
        box.change(lambda value: value, box, box)
    session = SessionState(page)
    skip, echo = page.fns.values()
    for function in (skip, echo, skip, echo):
        answer = asyncio.run(page.process_api(function, ["a"], state=session))
    assert answer["data"] == ["['a']"]
    assert box.get_block_name() == "html" and type(box).__module__ == gr.HTML.__module__
    assert sorted(Path(gr.__file__).parent.rglob("*.pyi")) == stubs


def test_a_file_that_nobody_uploaded_is_not_handed_over(tmp_path, monkeypatch):
    import gradio as gr
    from gradio.data_classes import ImageData

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    with gr.Blocks():
        picture = compat.gradio.takes_uploads(gr.Image(), lambda: gr.Error("Upload it."))
    inside, outside = tmp_path / "cache" / "a.png", tmp_path / "b.png"
    assert picture.preprocess(ImageData(path=str(inside))) == str(inside)
    assert picture.preprocess(None) is picture.preprocess(ImageData(url="http://localhost")) is None
    for path in (outside, tmp_path / "cache" / ".." / "b.png"):
        with pytest.raises(gr.Error, match="Upload it"):
            picture.preprocess(ImageData(path=str(path)))


def test_values_that_do_not_fit_an_endpoint_are_answered_in_words():
    import gradio as gr

    with gr.Blocks() as page:
        picture, text = gr.Image(), gr.Textbox()
        gr.Button().click(lambda *values: "", [picture, text], text, api_name="told")
        gr.Button().click(lambda *values: "", [picture, text], text, api_visibility="private")
    compat.gradio.takes_uploads(picture, lambda: gr.Error("Upload it."))
    compat.gradio.answer_in_words(page, lambda: gr.Error("Two values."))
    told, private = page.fns.values()
    for values in ([], [7, "a"], [["a"], "b"], ["a", "b"]):
        with pytest.raises(gr.Error, match="Two values"):
            asyncio.run(page.process_api(told, values))
    with pytest.raises(gr.Error, match="Upload it"):
        asyncio.run(page.process_api(told, [{"path": __file__}, "a"]))
    with pytest.raises(ValueError, match="didn't receive enough"):
        asyncio.run(page.process_api(private, []))
    assert asyncio.run(page.process_api(told, [None, "a"]))["data"] == [""]


def test_a_shell_stands_around_all_of_gradio():
    """Outside of its middleware too, and before the first request."""
    import gradio as gr
    from fastapi.testclient import TestClient
    from gradio.routes import App

    seen: list[str] = []

    def shell(around):
        assert around.middleware_stack

        async def app(scope, receive, send):
            seen.append(scope["path"])
            headers = [(b"x-shell", b"1")]
            await send({"type": "http.response.start", "status": 418, "headers": headers})
            await send({"type": "http.response.body"})

        return app

    with gr.Blocks() as page:
        gr.Textbox()
    page.config = page.get_config_file()
    page.blocked_paths = page.allowed_paths = []
    with TestClient(App.create_app(page, app_kwargs=compat.gradio.app_kwargs(shell))) as client:
        # Gradio's own middleware would answer this by itself.
        asked = {"origin": "http://elsewhere.example", "access-control-request-method": "POST"}
        answer = client.options("/config", headers=asked)
    assert answer.status_code == 418 and answer.headers["x-shell"] == "1" and seen == ["/config"]
    assert "access-control-allow-origin" not in answer.headers


def small_page():
    """A page whose numbers are remembered for each session, and its app."""
    import gradio as gr
    from gradio.routes import App

    with gr.Blocks() as page:
        kept, box, choice = gr.State(0), gr.Number(), gr.Dropdown(["a"])
        box.change(lambda kept, told: (kept + told, kept + told), [kept, box], [kept, box], api_name="add")
        gr.Button().click(lambda: gr.update(choices=["a", "b"]), None, choice, api_name="widen")
        gr.Button().click(str, choice, box, api_name="chosen")
    page.config, page.blocked_paths, page.allowed_paths = page.get_config_file(), [], []
    page.queue()
    return page, App.create_app(page)


def test_what_is_remembered_of_a_session_is_what_it_has_changed():
    page, app = small_page()
    compat.gradio.remember_little(app, 3, lambda session: session == "open")
    holder = app.state_holder
    assert holder is page.state_holder
    add, widen, chosen = page.fns.values()

    def call(function, values, session):
        return asyncio.run(page.process_api(function, values, state=holder[session]))["data"]

    assert [call(add, [None, 2], session)[1] for session in ("open", "open", "b")] == [2, 4, 2]
    call(widen, [], "open")
    assert call(chosen, ["b"], "open") == ["b"], "choices that were widened in this session"
    assert not any(holder["open"].config_values.values()) and not any(holder["b"].config_values.values())
    for session in "cdef":
        call(add, [None, 1], session)
    assert set(holder.session_data) == {"open", "e", "f"} == set(holder.time_last_used), "those in use stay"
    assert call(add, [None, 1], "open")[1] == 5


def test_what_nobody_fetches_is_forgotten():
    page, app = small_page()
    compat.gradio.remember_little(app, 3, lambda session: False)
    queue = page._queue
    for n in range(100):
        session = str(n)
        queue.pending_messages_per_session[session] = n
        queue.pending_event_ids_session[session] = {session} if n == 0 else set()
    assert len(queue.pending_messages_per_session) == 3 and "0" in queue.pending_messages_per_session, (
        "it waits for one"
    )
    assert len(queue.pending_event_ids_session) == 30
    assert queue.compute_analytics_summary([{"function": "a"}]) == {}
    progress = __import__("gradio.routes", fromlist=["routes"]).file_upload_statuses
    for n in range(100):
        assert not progress._signals[str(n)].is_set()
        progress.track(str(n))
    assert len(progress._signals) == len(progress._statuses) == 3


def test_a_link_for_everybody_is_known_of_before_gradio_makes_it(monkeypatch):
    from gradio import utils

    for name in ("GRADIO_SHARE", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    shared = compat.gradio.is_shared
    assert shared(True) and not shared(False) and not shared(None)
    monkeypatch.setenv("GRADIO_SHARE", "True")
    assert shared(None) and not shared(False)
    monkeypatch.delenv("GRADIO_SHARE")
    monkeypatch.setattr(utils, "colab_check", lambda: True)
    assert shared(None) and not shared(False)


def test_a_server_of_gradio_is_prepared_before_it_listens():
    import uvicorn
    from gradio import http_server

    plain, seen = http_server.Server, []
    try:
        for name in ("first", "second"):  # the last one counts
            compat.gradio.serve_by(lambda config, name=name: seen.append((name, config.loaded)))
        http_server.Server(uvicorn.Config(lambda scope: None))
        assert seen == [("second", False)]
    finally:
        http_server.Server = plain


def test_a_page_gets_a_head_of_its_own_and_loses_what_nothing_on_it_reads():
    import gradio as gr

    with gr.Blocks(title="A title") as page:
        box = gr.Textbox("</script> & \u2028", label="A <box>")
        box.change(lambda text: text, box, box, api_name="echo")
        with gr.Column():  # which then holds nothing
            sent, told, press = gr.Number(visible=False), gr.Number(visible=False), gr.Button(visible=False)
        press.click(lambda number: number, sent, told, api_name="same")
        told.change(lambda number: None, told, None, api_visibility="private")
        gr.api(lambda: "yes", api_name="there")
    app, _, _ = page.launch(prevent_thread_lock=True, quiet=True)
    try:
        from starlette.testclient import TestClient

        plain = TestClient(app).get("/").text
    finally:
        page.close()
    ours = compat.gradio.page_of(plain, lambda root: f"<title>{root}</title>", "<i>the end</i>")
    before, after = (json.loads(compat.gradio.CONFIG.search(text)[2]) for text in (plain, ours))
    assert f"<title>{before['root']}</title></head>" in ours and "<i>the end</i></body>" in ours
    assert not re.search("og:title|twitter:|manifest", ours) and len(ours) < len(plain)
    assert ours.count("<script") == plain.count("<script")  # the text of a value ends none
    others = ("components", "dependencies", "layout", "page")
    assert {key: value for key, value in before.items() if key not in others} == {
        key: value for key, value in after.items() if key not in others
    }
    component = next(each for each in after["components"] if each["type"] == "textbox")
    event = next(each for each in after["dependencies"] if each["api_name"] == "echo")
    assert component["props"]["value"] == "</script> & \u2028" and component["props"]["label"] == "A <box>"
    assert "api_info" not in component and event["inputs"] == event["outputs"] == [component["id"]]
    # What only programs call is not built; what the page calls as well is, and so is told of all of them.
    kinds = [each["type"] for each in after["components"]]
    assert {"api", "button"} & {each["type"] for each in before["components"]} and not {"api", "button"} & {*kinds}
    assert kinds.count("number") == 1 and len(after["page"][""]["components"]) == len(kinds)
    assert {each["api_name"] for each in after["dependencies"]} >= {"echo", "same", "there"}


def test_no_script_of_gradio_reads_what_is_left_out():
    from pathlib import Path

    import gradio as gr

    scripts = Path(gr.__file__).parent / "templates" / "frontend" / "assets"
    paths = [path for kind in ("index", "core", "Blocks", "Index") for path in scripts.glob(f"{kind}-*.js")]
    text = "".join(path.read_text("utf-8", "replace") for path in paths)
    names = {name for names in compat.gradio.UNREAD.values() for name in names}
    # The type of a component stands in for its class; the others are names of the client's own, and of streams.
    for name in names - {"component_class_id", "api_info", "batch", "stream_every", "time_limit"}:
        assert f".{name}" not in text, name


def test_gradio_parses_no_sources_when_it_is_imported():
    told = subprocess.run(
        [sys.executable, "-c", "import reglab.ui, gradio.component_meta as m; print(m.create_or_modify_pyi.__name__)"],
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.strip() == "<lambda>"
    assert callable(
        __import__("gradio.component_meta").component_meta.create_or_modify_pyi
    )  # and there is such a function
