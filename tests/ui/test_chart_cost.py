"""What drawing the chart costs the page, in a real browser."""

from __future__ import annotations

import statistics

import pytest
from browser import expect

CHART_ALONE = '''
"""The chart alone, redrawn at every press: four curves of 300 points in both charts."""
import math
import gradio as gr
from reglab.ui.components.chart import lab_chart
from reglab.ui.views.assets import scripts, sheet

def value(n):
    x = list(range(300))
    curves = [dict(run=run, split=split, x=x, y=[round(0.5 + 0.4 * math.sin((i + n) / 20 + run), 4) for i in x])
              for run in (0, 1) for split in ("train", "val")]
    runs = [dict(role=role, name=role, status="running", epoch=299 + n, epochs=999) for role in ("plain", "regularized")]
    return dict(title=f"update {n}", runs=runs, accuracy=curves, loss=curves, x=dict(label="epoch", max=300))

with gr.Blocks() as page:
    n, chart, other = gr.State(0), lab_chart(value=value(0), elem_id="chart"), gr.HTML("update 0", elem_id="other")
    quiet = dict(show_progress="hidden", queue=False, api_visibility="private")
    gr.Button("draw", elem_id="draw").click(lambda n: (n + 1, value(n + 1)), n, [n, chart], **quiet)
    gr.Button("idle", elem_id="idle").click(lambda n: (n + 1, f"update {n + 1}"), n, [n, other], **quiet)
    gr.HTML('<p id="machine">chart · alone</p>')
page.launch(run_history=False, head=f"<style>{sheet()}</style><script>{scripts()}</script>")  # as the lab does
'''
ONE_UPDATE = """([button, shown]) => new Promise(done => {
  new MutationObserver((_, observer) => {
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
  }).observe(document.querySelector(shown), { childList: true, characterData: true, subtree: true });
  document.querySelector(button).click();
})"""


@pytest.mark.slow
def test_drawing_an_update_takes_the_page_at_most_40_milliseconds(another_server, visitor):
    """From the press to the paint, Gradio's part included, with 300 points in each of the eight curves."""
    server = another_server(cifar10=False).start(("-c", CHART_ALONE))
    page = visitor.context.new_page()
    page.goto(server.url)
    expect(page.locator("#chart [data-part=title]")).to_have_text("update 0")
    expect(page.locator("#chart .lines path")).to_have_count(8)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})  # its own time, whatever else the machine does

    def busy() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return next(1000 * m["value"] for m in metrics if m["name"] == "TaskDuration")

    def cost(button: str, shown: str) -> float:
        before = busy()
        page.evaluate(ONE_UPDATE, [button, shown])
        return busy() - before

    drawing, idling = [], []
    for _ in range(14):
        drawing.append(cost("#draw", "#chart [data-part=title]"))
        idling.append(cost("#idle", "#other"))
    whole, gradio = statistics.median(drawing[3:]), statistics.median(idling[3:])
    print(f"{whole:.1f} ms of the page's main thread for an update; {gradio:.1f} ms where no chart is drawn")
    assert whole <= 40
