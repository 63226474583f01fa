"""The Predict and the Results tab as visitors meet them, in a real browser; `test_predict_tab.py` and `test_results_tab.py` do without."""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from browser import LEFT, Lab, expect, one_page_fixture  # noqa: F401  (a fixture of this file)
from pages import SENTENCE, a_one
from servers import wait_until


# ---- predicting --------------------------------------------------------------------------------------------------
@pytest.mark.slow  # what its handlers do is tested without a browser
def test_a_picture_is_classified_and_rubbish_is_refused_in_words(lab, a_run, tmp_path):
    run = a_run("20250101-000000-aaaaaa")
    page, answer, notice = lab.page, lab.page.locator("#answers"), lab.page.locator("#answers .warning")
    lab.tab("Predict")
    page.locator("#network select").select_option(run.id)
    lab.choose("beside", "none")
    expect(page.locator("#examples img")).to_have_count(10)

    lab.upload(a_one(tmp_path))
    expect_prediction(lab)
    for file, about in (rubbish(tmp_path), empty(tmp_path), hundred_megapixels(tmp_path)):
        lab.upload(file)
        expect(notice).to_have_text(re.compile(rf"{file.name} .*{about}.*\."))
        expect(answer).not_to_contain_text("%")
        lab.upload(a_one(tmp_path))
        expect_prediction(lab)


def expect_prediction(lab: Lab) -> None:
    bars = lab.page.locator("#answers .bars b")
    expect(bars).to_have_count(5)
    shares = [float(width.rstrip("%")) for width in bars.evaluate_all("bars => bars.map(b => b.style.width)")]
    assert shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 100.1, shares
    # Nothing was refused; that the picture is unlike those of training may well be said of a drawn digit.
    expect(lab.page.locator("#answers .warning[role=alert]")).to_have_count(0)
    seen = lab.page.locator("#answers .seen img").first
    expect(seen).to_be_visible()
    wait_until(lambda: seen.evaluate("i => [i.naturalWidth, i.naturalHeight].join()") == "32,32", "not 32 x 32")


def rubbish(folder: Path) -> tuple[Path, str]:
    (folder / "rubbish.png").write_text("I only look like a picture.")
    return folder / "rubbish.png", "is not a picture"


def empty(folder: Path) -> tuple[Path, str]:
    (folder / "empty.png").touch()
    return folder / "empty.png", "is empty"


def hundred_megapixels(folder: Path) -> tuple[Path, str]:
    """10,000 x 10,000 black pixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(bytes((1 + 10_000 // 8) * 10_000), 9)
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    (folder / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return folder / "huge.png", "pixels"


# ---- the list of runs --------------------------------------------------------------------------------------------
HOSTILE = "<img src=x onerror=alert(1)>"


def rename(lab: Lab, name: str) -> None:
    lab.page.locator("#chosen summary").click()
    lab.page.locator("#run-name").fill(name)
    lab.page.locator("#rename").click()


@pytest.mark.slow  # what its handlers do is tested without a browser
def test_runs_can_be_renamed_opened_and_deleted(lab, a_run):
    run, page = a_run("20250101-000001-bbbbbb"), lab.page
    table, notice = page.locator("#runs-table"), page.locator("#runs-notice .warning")
    lab.choose_run(run.id)

    for name in ("O'Brien, lr=0.01 परीक्षण", "My best run"):
        rename(lab, name)
        expect(lab.row(run.id)).to_contain_text(name)
        expect(page.locator("#chosen b")).to_have_text(name)
        expect(page.locator("#run-name")).to_be_hidden()
        expect(page.locator("#chosen summary")).to_be_focused()
    rename(lab, HOSTILE)
    expect(notice).to_have_text(SENTENCE)
    expect(page.locator("#run-name")).to_have_value(HOSTILE)
    expect(page.locator("#run-name")).to_be_visible()
    assert run.name == "My best run"

    page.locator("#open-run").click()
    expect(page.get_by_role("tab", name="Train", exact=True)).to_have_attribute("aria-selected", "true")
    lab.expect_statuses("finished")
    lab.expect_points(3)
    expect(lab.number("train_size")).to_have_value("60")
    expect(lab.command).to_have_value(re.compile("--train-size 60 "))

    lab.choose_run(run.id)
    page.locator("#delete").click()
    expect(table).not_to_contain_text("My best run")
    assert not run.path.exists()
    page.locator("#empty-trash").click()
    expect(page.locator("#bring-back")).not_to_be_visible()
    lab.visitor.may_fail = LEFT
    page.reload()  # it was on the screen; the page must live with it being gone
    lab.tab("Train")
    expect(lab.train).to_be_enabled()


@pytest.mark.slow  # that it is UTC without a script, and that it is told so, is tested without a browser
def test_a_run_was_started_when_the_visitors_clock_said(visitors, server, a_run):
    run = a_run("20260102-230405-fffffe")
    described = {**run.described, "created": "2026-01-02T23:04:05.123456+00:00"}
    (run.path / "config.json").write_text(json.dumps(described))
    for zone, short in {"Asia/Kolkata": "3 Jan 2026, 04:34", "America/New_York": "2 Jan 2026, 18:04"}.items():
        page = visitors(timezone_id=zone, locale="en-GB").open(server)
        page.tab("Results")
        time = page.row(run.id).locator("time")
        expect(time).to_have_text(short)
        expect(time).to_have_attribute(
            "title", re.compile(r"(Friday|Saturday).* 2026 at \d\d:\d\d:05 (GMT|EST|UTC|IST)")
        )
        page.page.locator("#runs-table thead").get_by_role("button", name="Gap").click()
        expect(time).to_have_text(short)  # sorted: the rows are made anew


def test_a_hostile_name_in_a_run_folder_stays_text_and_a_run_that_was_deleted_comes_back(lab, a_run):
    run = a_run("20250101-000002-cccccc")
    (run.path / "name").write_text(HOSTILE)
    lab.tab("Predict")
    lab.choose("network", re.compile(re.escape(HOSTILE)))
    lab.choose_run(run.id)
    expect(lab.row(run.id).locator("button.name")).to_have_text(HOSTILE)
    for view in ("Errors", "Inside", "Fork", "Report", "Curves and verdict"):
        lab.tab(view)
        lab.at_rest()
    lab.page.locator("#open-run").click()
    lab.expect_statuses("finished")
    assert lab.page.locator("img[src=x]").count() == 0  # and no dialog came up, which the visitor would report

    lab.choose_run(run.id)
    table, back = lab.page.locator("#runs-table"), lab.page.locator("#bring-back")
    expect(back).not_to_be_visible()
    lab.page.locator("#delete").click()
    expect(table).not_to_contain_text(HOSTILE)
    expect(lab.page.locator("#runs-notice p")).to_contain_text(
        f"“{HOSTILE}” is deleted. It can be brought back for a day."
    )
    assert not run.path.exists()
    lab.page.locator("#undo").click()
    expect(table).to_contain_text(HOSTILE)
    lab.page.locator("#delete").click()
    expect(table).not_to_contain_text(HOSTILE)
    lab.visitor.may_fail = LEFT
    lab.page.reload()  # the trash is the server's
    lab.tab("Results")
    expect(back).to_have_text(f"Bring back “{HOSTILE}”")
    back.click()
    expect(table).to_contain_text(HOSTILE)
    assert run.view().status == "finished"
    expect(back).not_to_be_visible()


@pytest.mark.slow  # what its handlers do is tested without a browser
def test_a_run_is_downloaded_with_one_click(lab, a_run, tmp_path):
    first, second = a_run("20250101-000003-dddddd"), a_run("20250101-000004-eeeeee")
    for run in (first, second):  # the second click must not hand out the first run
        lab.choose_run(run.id)
        with zipfile.ZipFile(lab.download("#download", tmp_path)) as archive:
            assert archive.testzip() is None
            files = {Path(name).name for name in archive.namelist()}
            assert {Path(name).parts[0] for name in archive.namelist()} == {run.id}
        assert {"config.json", "metrics.jsonl", "model.safetensors", "README.md"} <= files
