"""What `reglab.compat.huggingface_hub` leans on is still so in the version of the Hub's client that is installed."""

from __future__ import annotations

from pathlib import Path

from reglab import compat


def test_what_the_hub_read_when_it_was_imported_is_where_it_looks(monkeypatch, tmp_path):
    from huggingface_hub import constants, try_to_load_from_cache

    commit = "c" * 40
    file = tmp_path / "models--some--one" / "snapshots" / commit / "deep" / "file.bin"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    (tmp_path / "models--some--one" / "refs").mkdir()
    (tmp_path / "models--some--one" / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert compat.huggingface_hub.cache_folder() == tmp_path
    found = try_to_load_from_cache("some/one", "deep/file.bin")
    assert found == str(file) and compat.huggingface_hub.commit_of(file, "deep/file.bin") == commit
    assert compat.huggingface_hub.home_folder() == Path(constants.HF_HOME)
    for said in (True, False):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", said)
        assert compat.huggingface_hub.is_offline() is said


def test_the_size_of_the_pieces_is_a_number_that_can_be_set(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", constants.DOWNLOAD_CHUNK_SIZE)  # put back at the end
    assert constants.DOWNLOAD_CHUNK_SIZE > 256 * 1024
    compat.huggingface_hub.read_in_small_pieces()
    assert constants.DOWNLOAD_CHUNK_SIZE == 256 * 1024


def test_a_large_file_is_called_by_its_digest(tmp_path):
    blob = tmp_path / ("ab" * 32)
    blob.write_bytes(b"1")
    (tmp_path / "model.safetensors").symlink_to(blob)
    assert compat.huggingface_hub.digest_in_name(tmp_path / "model.safetensors") == "ab" * 32
    assert compat.huggingface_hub.digest_in_name(tmp_path / "config.json") is None


def test_bars_of_the_hub_tell_bytes_and_draw_nothing(capsys):
    told: list[int] = []
    bar, made = compat.huggingface_hub.bars(told.append)
    with bar(total=10, initial=2, unit="B", desc="file") as shown, bar(total=10) as other:
        shown.update(3)
        other.update(9)
        shown.update(None)
    assert told == [5, 9, 9] and len(made) == 2
    assert capsys.readouterr() == ("", "")


def test_an_answer_of_the_hub_has_a_number():
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    request = httpx2.Request("GET", "https://example.com")
    error = HfHubHTTPError("no", response=httpx2.Response(404, request=request))
    assert compat.huggingface_hub.status_of(error) == 404
    assert compat.huggingface_hub.status_of(OSError()) is None
