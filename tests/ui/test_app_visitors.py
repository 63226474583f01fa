"""Two people in front of one lab, each with a browser of their own; and the host. On a laptop there is nobody else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from servers import wait_until

from reglab.runs.owner import hashed, is_owned_by, owner_of, write_owner
from reglab.runs.run import Run

pytest.importorskip("playwright")
from browser import LEFT, expect

ADMIN = "open-sesame-please"
BUTTONS = ("rename", "download", "delete")


def key_of(lab) -> str:
    return str(lab.page.evaluate("localStorage.getItem('reglab-key')"))


def put(server, trained, run_id: str, key: str, name: str) -> Run:
    run = Run(Path(shutil.copytree(trained["path"], server.store.root / run_id)))
    write_owner(run.path, key)
    run.rename(name)
    return run


def choose(lab, run: Run) -> list[bool]:
    """Choose a run on the Results tab; which of the buttons that change it are there."""
    lab.choose_run(run.id)
    return [lab.page.locator(f"#{button}").count() == 1 for button in BUTTONS]


@pytest.mark.slow
def test_in_public_each_browser_has_its_own_runs_and_the_host_has_all(another_server, visitors, trained):
    server = another_server(cifar10=False, REGLAB_DEPLOYMENT="public", REGLAB_ADMIN_KEY=ADMIN).start()
    ann, bob = visitors().open(server), visitors().open(server)
    assert re.fullmatch("[0-9a-f]{32}", key_of(ann)) and key_of(ann) != key_of(bob)
    ann.digits(train_size=60, epochs=21)
    expect(ann.page.locator("#header")).to_contain_text("idle")  # the machine has been looked at
    ann.train.click()
    wait_until(lambda: any(len(run.history()) > 1 for run in server.runs()), "does not begin", more=ann.text)
    going = server.runs()
    assert {owner_of(run.path) for run in going} == {hashed(key_of(ann))}, "whoever pressed Train owns it"
    named = put(server, trained, "20260101-000000-aaaaaa", key_of(ann), "ann's run")

    bob.tab("Results")
    expect(bob.page.locator("#runs-table")).to_contain_text("vgg16")
    for run in (named, *going):
        expect(bob.row(run.id)).to_have_count(0)
    ann.tab("Results")
    expect(ann.page.locator("#runs-table")).to_contain_text("ann's run")
    assert choose(ann, named) == [True, True, True]

    bob.page.locator("#host summary").click()
    bob.page.locator("#host-key").fill("something-else-it-is")
    bob.page.locator("#host-enter").click()
    expect(bob.page.locator("#runs-notice .warning")).to_have_text("That is not the host's key.")
    expect(bob.page.locator("#runs-table")).not_to_contain_text("ann's run")
    bob.page.locator("#host-key").fill(ADMIN)
    bob.page.locator("#host-key").press("Enter")
    expect(bob.page.locator("#runs-table")).to_contain_text("ann's run")
    expect(bob.page.locator("#host-key")).to_have_value("")
    assert choose(bob, named) == [True, True, True]
    expect(bob.page.locator("#runs-table")).to_contain_text("not yours")
    ann.tab("Train")
    if ann.stop.is_enabled():
        ann.stop.click()
    wait_until(lambda: all(run.status() in ("stopped", "finished") for run in going), "not stopped")


@pytest.mark.slow
def test_in_a_shared_lab_others_are_to_look_at(another_server, visitors, trained):
    server = another_server(cifar10=False, REGLAB_DEPLOYMENT="class", REGLAB_SHARED="1").start()
    assert "The host's key, for the Results tab" in server.log()
    ann, bob = visitors().open(server), visitors(viewport={"width": 390, "height": 844}).open(server)
    run = put(server, trained, "20260101-000000-aaaaaa", key_of(ann), "ann's run")
    bobs = put(server, trained, "20250101-000000-bbbbbb", key_of(bob), "bob's run")
    bob.tab("Results")
    expect(bob.page.locator("#runs-table")).to_contain_text("ann's run")
    told = str(bob.page.locator("#runs-table").text_content())
    assert told.index("bob's run") < told.index("ann's run") and bob.sideways() == 0
    assert choose(bob, bobs) == [True, True, True]
    assert choose(bob, run) == [False, False, False]
    bob.page.locator("#open-run").click()
    bob.expect_statuses("finished")
    expect(bob.train).to_be_enabled()

    ann.tab("Results")
    assert choose(ann, run) == [True, True, True]
    ann.page.locator("#delete").click()
    expect(ann.page.locator("#bring-back")).to_have_text("Bring back “ann's run”")
    bob.visitor.may_fail = LEFT  # he leaves a page that follows a run
    bob.page.reload()
    bob.tab("Results")
    expect(bob.page.locator("#runs-table")).to_contain_text("bob's run")
    expect(bob.page.locator("#runs-table")).not_to_contain_text("ann's run")
    expect(bob.page.locator("#bring-back")).not_to_be_visible()
    ann.page.locator("#bring-back").click()
    expect(ann.page.locator("#runs-table")).to_contain_text("ann's run")
    assert run.path.exists()


@pytest.mark.slow
def test_a_browser_that_keeps_nothing_has_a_key_as_long_as_its_page(another_server, visitors):
    server = another_server(cifar10=False, REGLAB_DEPLOYMENT="public").start()
    visitor = visitors()
    for store in ("localStorage", "sessionStorage"):
        refused = "{configurable: true, get() { throw new DOMException('denied', 'SecurityError'); }}"
        visitor.context.add_init_script(f"Object.defineProperty(window, '{store}', {refused})")
    page = visitor.context.new_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.headers.get("x-reglab-key", "")))
    page.goto(server.url)
    expect(page.locator("#train")).to_be_enabled()
    keys = {key for key in sent if key}
    assert len(keys) == 1 and re.fullmatch("[0-9a-f]{32}", *keys)
    expect(page.locator("#command textarea")).to_have_value(re.compile("reglab train"))


def test_on_a_laptop_nobody_is_asked_and_everything_is_there(lab, a_run):
    run = a_run("20250101-000005-abcabc")
    assert owner_of(run.path) == "" and not is_owned_by(run.path, key_of(lab))
    lab.tab("Results")
    assert choose(lab, run) == [True, True, True]
    for hidden in ("host", "host-key", "bring-back", "empty-trash"):
        expect(lab.page.locator(f"#{hidden}")).not_to_be_visible()
    expect(lab.page.locator("#runs-table")).not_to_contain_text("not yours")
