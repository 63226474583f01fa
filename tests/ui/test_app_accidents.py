"""The app without network, and after its server has died: servers of their own, in a real browser."""

from __future__ import annotations

import re

import pytest
from browser import expect
from servers import wait_until


@pytest.mark.slow  # a server of its own for each
@pytest.mark.parametrize("network", ["switched off", "unreachable"])
def test_without_data_and_network_the_digits_are_there(another_server, visitor, network):
    offline = {"HF_HUB_OFFLINE": "1"} if network == "switched off" else {"HF_HUB_OFFLINE": "0"}
    server = another_server(cifar10=False, HF_ENDPOINT="http://127.0.0.1:9", **offline).start()
    lab = visitor.open(server)
    expect(lab.chosen("dataset")).to_have_text("Digits")
    expect(lab.page.locator("#data-notice .warning")).to_contain_text(
        re.compile("CIFAR-10 could not be fetched .*digits are selected"), timeout=120_000
    )
    again = lab.page.locator("#try-again")
    expect(again).to_be_visible()
    again.click()
    expect(lab.page.locator("#data-notice .warning")).to_contain_text("CIFAR-10")
    if network == "switched off":
        expect(again).to_be_visible()
        lab.digits(train_size=60, epochs=1)
        lab.train.click()
        lab.expect_statuses("finished", "finished")
    assert "Traceback" not in server.log()


@pytest.mark.slow
def test_a_run_outlives_the_server_or_is_marked_and_can_be_resumed(another_server, visitor):
    server = another_server(cifar10=True).start()
    lab = visitor.open(server)
    lab.digits(train_size=60, epochs=400)  # more than are trained while the server is away
    lab.page.locator("#compare input").set_checked(False)
    lab.train.click()
    lab.expect_points(2)
    [run] = server.runs()

    visitor.may_fail = "Failed to load resource|ERR_|fetch|Connection|network"  # what a dead server brings about
    server.kill()
    expect(lab.page.get_by_text("Connection to the server was lost")).to_be_visible()
    lab.page.goto("about:blank")  # before the server is back: then the page loads itself again, at a moment of its own
    visitor.may_fail = ""
    server.start()
    lab.page.goto(server.url)
    wait_until(lambda: lab.statuses() in (["running"], ["interrupted"]), "the run is not shown", more=lab.text)
    assert lab.statuses() == [run.status()]
    if lab.statuses() == ["running"]:
        reached = max(lab.points("loss"))
        lab.expect_points(reached + 1)
        lab.stop.click()
        lab.expect_statuses("stopped")
    reached = run.history()[-1].epoch

    lab.choose_run(run.id)
    expect(lab.page.locator("#resume")).to_be_enabled()
    lab.page.locator("#resume").click()
    lab.expect_points(reached + 2)
    lab.stop.click()
    lab.expect_statuses("stopped")
    epochs = [epoch.epoch for epoch in run.history()]
    assert epochs == list(range(len(epochs)))
    assert "Traceback" not in server.log()
