"""Strangers' pictures are opened in a process with nothing to lose, and what it says is not believed."""

from __future__ import annotations

import pickle
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from conftest import ROOT
from PIL import Image

from reglab.analysis.pictures import View, formats, seen
from reglab.errors import ConfigError, RunError
from reglab.jobs.decoder import Decoder
from reglab.jobs.sandbox import Allowance

sys.path.insert(0, str(ROOT / "benchmarks"))
import pictures as malformed_pictures


@pytest.fixture(scope="module")
def decoder():
    decoder = Decoder()
    yield decoder
    decoder.close()


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (70, 50, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def another(*arguments: object) -> Decoder:
    """A decoder whose process answers something else."""
    decoder = Decoder(Allowance(seconds=1))
    decoder.command = [sys.executable, "-c", *map(str, arguments)]
    return decoder


# ---- pictures ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("view", [View(), View("fit"), View(side=64, share=0.875, by="bicubic")])
@pytest.mark.parametrize("format", formats())
def test_the_pixels_are_those_that_would_be_seen_here(decoder, format, view, picture):
    Image.open(picture).save(picture, format)
    assert np.array_equal(decoder.seen(picture, view), seen(picture, view))


def test_a_refusal_comes_through_with_the_name_of_the_picture(decoder, tmp_path):
    (tmp_path / "mine.png").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    with pytest.raises(ConfigError, match=r"^mine.png is not a picture that can be read: choose a PNG, JPEG"):
        decoder.seen(tmp_path / "mine.png", View())
    with pytest.raises(ConfigError, match=r"^gone.png cannot be read \(No such file or directory\)"):
        decoder.seen(tmp_path / "gone.png", View())


def test_what_is_too_large_is_refused_before_it_is_sent_on(decoder, tmp_path):
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(2**30)  # a file with a hole
    with pytest.raises(ConfigError, match="larger than 20 MB"):
        decoder.seen(tmp_path / "large.png", View())


@pytest.mark.parametrize("view", [View("stretch"), View(side=0), View(side=10**6), View(by="magic")])
def test_a_view_that_there_is_not_is_no_crash(decoder, view, picture):
    with pytest.raises((ConfigError, RunError)):
        decoder.seen(picture, view)
    assert decoder.seen(picture, View()).shape == (32, 32, 3)


def test_many_ask_at_once_and_each_gets_their_own(decoder, tmp_path):
    for grey in range(8):
        Image.new("RGB", (40, 40), (grey,) * 3).save(tmp_path / f"{grey}.png")
    with ThreadPoolExecutor(8) as callers:
        told = callers.map(lambda grey: decoder.seen(tmp_path / f"{grey}.png", View()), range(8))
    assert [int(pixels.mean()) for pixels in told] == list(range(8))


# ---- a process with nothing to lose --------------------------------------------------------------------------------
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what a process was started with")
def test_the_process_has_neither_a_secret_nor_torch_nor_a_file(picture, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    decoder = Decoder()
    decoder.seen(picture, View())
    process = psutil.Process(decoder.pid)
    for each in (process, *process.children(recursive=True)):
        assert "hf_canary" not in each.environ().values() and "hf_canary" not in each.cmdline()
        assert not any("torch" in mapped.path for mapped in each.memory_maps())
        assert each.num_threads() == 1 and each.open_files() == []
    decoder.close()


def test_a_picture_that_takes_too_much_memory_hurts_neither_this_process_nor_the_next_picture(picture, tmp_path):
    decoder = Decoder(Allowance(memory=2**20))  # less than Python itself has, which may keep it and get no more
    Image.new("L", (4_000, 4_000)).save(tmp_path / "large.png")
    pids = set()
    for _ in range(3):
        with pytest.raises((ConfigError, RunError), match="memory"):
            decoder.seen(tmp_path / "large.png", View())
        pids.add(decoder.pid)
    assert len(pids) == 1, "the process that forks has outlived them"
    assert decoder.seen(picture, View()).shape == (32, 32, 3)
    decoder.close()


NO_LINUX = "sandbox._call = lambda *asked: False"


@pytest.mark.parametrize("lacking", [NO_LINUX, f"{NO_LINUX}; del os.fork"], ids=["no namespaces", "no forks"])
def test_where_the_system_grants_less_pictures_are_opened_all_the_same(lacking, picture):
    """No namespaces in many containers, no forks on Windows."""
    code = f"import os; from reglab.jobs import decoder, sandbox; {lacking}; decoder.main(sandbox.Allowance())"
    decoder = another(code)
    assert np.array_equal(decoder.seen(picture, View()), seen(picture, View()))
    picture.write_bytes(b"no picture")
    with pytest.raises(ConfigError, match="is not a picture"):
        decoder.seen(picture, View())
    decoder.close()


def test_a_process_that_does_not_answer_is_ended_and_comes_again(decoder, picture):
    sleeping = another("import time; time.sleep(600)")
    with pytest.raises(RunError, match="took too long"):
        sleeping.seen(picture, View())
    sleeping.command = decoder.command
    assert sleeping.seen(picture, View()).shape == (32, 32, 3)
    sleeping.close()


def test_a_process_that_was_killed_comes_again(picture):
    decoder = Decoder()
    decoder.seen(picture, View())
    process = psutil.Process(decoder.pid)
    family = [process, *process.children(recursive=True)]
    process.kill()
    assert psutil.wait_procs(family, 30)[1] == [], "none outlives it"
    assert decoder.seen(picture, View()).shape == (32, 32, 3)
    decoder.close()


class Canary:
    """Whoever unpickles one prints something."""

    def __reduce__(self) -> tuple:
        return print, ("CANARY",)


HOSTILE = {
    "a pickle": struct.pack(">I", len(pickle.dumps(Canary()))) + pickle.dumps(Canary()),
    "pixels of another number": struct.pack(">I", 4) + b"Pabc",
    "more than there can be": struct.pack(">I", 2**32 - 1) + b"P" * 4096,
    "less than it says": struct.pack(">I", 3073) + b"P",
    "nothing": b"",
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_what_a_process_in_foreign_hands_says_is_not_believed(answer, picture, capfd):
    lying = another(f"import sys; sys.stdin.buffer.read(9); sys.stdout.buffer.write({answer!r})")
    with pytest.raises(RunError, match="given up"):
        lying.seen(picture, View())
    lying.close()
    assert "CANARY" not in "".join(capfd.readouterr())


def test_the_sentence_of_a_process_in_foreign_hands_stays_short(picture):
    lying = another("import sys; sys.stdin.buffer.read(9); sys.stdout.buffer.write(b'\\0\\0\\4\\1R' + b'!' * 1024)")
    with pytest.raises(ConfigError) as refusal:
        lying.seen(picture, View())
    assert str(refusal.value) == "!" * 400
    lying.close()


def test_two_hundred_malformed_pictures_are_answered_and_nothing_dies():
    told = malformed_pictures.measure(200)
    assert sum(told.answers.values()) == 200 and told.answers["refused"] > 100 and told.answers["read"] > 10
    assert told.restarts == 0 and told.files <= 0
    assert told.quantile(0.99) < 1.0 and told.memory < 50
