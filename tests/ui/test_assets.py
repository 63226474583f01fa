"""The page's own files: put together once, with the weight they need, kept by browsers for as long as they stay the same."""

from __future__ import annotations

import re
import shutil
import subprocess

import httpx
import pytest

from reglab.ui.views import assets
from reglab.ui.views.assets import weighty


@pytest.mark.parametrize(
    ("css", "heavier"),
    [
        ("#a, .b { color: red }", "ABOVE#a, ABOVE.b { color: red }\n"),
        (".a:is(.b, .c) .d { x: y }", "ABOVE.a:is(.b, .c) .d { x: y }\n"),
        (".dark .a { x: y }", ".dark ABOVE.a { x: y }\n"),
        (":root { --a: b } .dark { --a: c }", ":root { --a: b }\n.dark { --a: c }\n"),
        (".gradio-container.dark > .main { x: y }", ".gradio-container.dark > .main { x: y }\n"),
        ("@media (width < 9px) { .a { x: y } }", "@media (width < 9px) {ABOVE.a { x: y }\n}\n"),
        ("@keyframes k { from { x: y } to { x: z } }", "@keyframes k { from { x: y } to { x: z } }\n"),
        (".a { x: y; &:hover { x: z } .b { c: d } }", "ABOVE.a { x: y; &:hover { x: z } .b { c: d } }\n"),
        ("/* {a} */ .a { x: y }", "ABOVE.a { x: y }\n"),
    ],
)
def test_our_rules_weigh_more_than_those_of_gradios_components(css, heavier):
    assert weighty(css).replace(assets.ABOVE, "ABOVE") == heavier


def test_every_script_and_every_style_sheet_is_among_them():
    written, styles = assets.scripts(), assets.sheet()
    for path in assets.STATIC.glob("*.js"):
        assert path.read_text("utf-8").strip() in written, path.name
    for path in assets.STATIC.glob("*.css"):
        first = next(iter(assets.rules(assets.COMMENT.sub("", path.read_text("utf-8")))), None)
        assert first is None or first[1] in styles, path.name
    assert styles.count("{") == styles.count("}")
    assert {path.name for path in assets.STATIC.iterdir() if path.suffix not in (".js", ".css")} == {*assets.PICTURES}


@pytest.mark.skipif(not shutil.which("node"), reason="no node")
def test_the_scripts_can_be_read(tmp_path):
    (tmp_path / "page.js").write_text(assets.scripts(), encoding="utf-8")
    subprocess.run(["node", "--check", tmp_path / "page.js"], check=True, capture_output=True)


def test_a_browser_keeps_them_until_they_change(server):
    with httpx.Client(base_url=server.url) as client:
        page = client.get("/").text
        asked = re.findall(r"reglab/[0-9a-f]{12}/[\w.]+", page)
        assert {path.rpartition("/")[2] for path in asked} == {"page.css", "page.js", *assets.PICTURES}
        for path in asked:
            answer = client.get(f"/{path}")
            assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"], path
            assert path.endswith(".png") or answer.headers["content-encoding"] == "gzip"
        before = client.get("/reglab/000000000000/page.css")  # asked for by a page from before an update
        assert before.status_code == 200 and before.headers["cache-control"] == "no-cache"
        assert client.get("/reglab/000000000000/app.py").status_code == 404
        script = re.findall(r"assets/index-[\w-]+\.js", page)[0]
        assert "immutable" in client.get(f"/{script}").headers["cache-control"]
        assert "immutable" not in client.get("/assets/nothing-12345678.js").headers.get("cache-control", "")


def test_the_page_says_what_it_is_and_nothing_of_gradio(server):
    with httpx.Client(base_url=server.url) as client:
        head = re.sub(r"<script.*?</script>", "", client.get("/").text.partition("</head>")[0], flags=re.DOTALL)
    named = dict(re.findall(r'<meta (?:property|name)="([\w:-]+)"(?: media="[^"]+")? content="([^"]*)"', head))
    assert "<title>CNN Regularization Lab</title>" in head and len(re.findall("<title>", head)) == 1
    assert named["og:title"] == "CNN Regularization Lab" and 50 < len(named["description"]) < 160
    assert named["og:image"] == f"{server.url}/{assets.address('picture.png')}" and named["og:url"] == f"{server.url}/"
    assert len(re.findall("og:title", head)) == 1 and "theme-color" in named
    assert not re.search(r"@gradio|gradio\.app|Click to try|raw\.githubusercontent", head, re.IGNORECASE)


def test_what_a_script_triggers_can_be_listened_to():
    """Gradio looks for the names of events in the text that a component runs."""
    import gradio as gr

    with gr.Blocks():
        listed = gr.HTML("", js_on_load=assets.called("run_list"))
        listed.filled(lambda: None)
        with pytest.raises(AttributeError):
            _ = listed.nothing_of_the_kind
