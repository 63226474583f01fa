"""Runs on the Hub: `push` uploads one as a model repository, `pull` brings one in as a new run.

What comes from the Hub comes from strangers. Only files of ours are fetched, none of them a pickle; sizes are bounded;
every value is checked; the run gets an id of its own; and it appears in the runs folder whole or not at all.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from reglab import compat, data, download, models
from reglab.config import RunConfig
from reglab.errors import ConfigError, DataError, RunError
from reglab.runs.files import read_json, write_json
from reglab.runs.recording import seal
from reglab.runs.run import FORMAT, RIGHT, Run
from reglab.runs.store import Store, new_id
from reglab.training.events import Best, Epoch, Event, Failed, Finished, Started, Stopped

NEEDED = ("config.json", "metrics.jsonl", "model.safetensors")
LIMITS = {
    "config.json": 10**6,
    "metrics.jsonl": 10**7,
    "model.safetensors": 10**9,
    "evaluation.json": 10**6,
    RIGHT: 10**6,
}  # bytes
SECONDS = 900  # until a transfer is given up
LOG_IN = "log in with `hf auth login` or set HF_TOKEN, with a token that may write"
AGAIN = "try again later, with a network"
INSTEAD = "give a repository that `python -m reglab push` has made"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Upload:
    """What went to the Hub, or would go."""

    repo: str
    files: tuple[tuple[str, int], ...]  # name, bytes
    url: str = ""  # where it is; empty when nothing was uploaded
    advice: str = ""  # how to upload it after all

    def to_json(self) -> dict[str, Any]:
        """As `push --json` prints it."""
        return {"repo": self.repo, "uploaded": bool(self.url), "url": self.url, "files": dict(self.files)}


@dataclass(frozen=True)
class Repository:
    """What is to be had of a model repository, in the words of `download.Remote`."""

    repo: str
    files: Mapping[str, str]  # name -> the same name
    megabytes: int = 1
    repo_type: str = "model"

    @property
    def title(self) -> str:
        """What the screen calls it."""
        return self.repo


# ---- out ---------------------------------------------------------------------------------------------------------
def push(run: Run, repo: str, token: str | None = None, dry_run: bool = False, private: bool = False) -> Upload:
    """Upload the run with its card as the model repository `repo`, which is made where there is none.

    `token` defaults to the one that `hf auth login` has kept. Without any, and with `dry_run`, nothing is uploaded.
    Raises `ConfigError` for a name that no repository can have; `RunError` for a run without weights or still being
    trained, and when the Hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi, get_token

    check_name(repo)
    if run.status() == "running":
        raise RunError(f"Run “{run.name}” is being trained: wait for it, or stop it first.")
    token = token or get_token()
    with tempfile.TemporaryDirectory() as folder:
        files = gather(run, repo, Path(folder))
        if dry_run or not token:
            return Upload(repo, files, advice="leave out --dry-run" if token else LOG_IN)
        api = HfApi(token=token)

        def upload() -> str:
            made = api.create_repo(repo, repo_type="model", private=private or None, exist_ok=True)
            about = f"{run.config.title()}, {run.config.recipe()}"
            api.upload_folder(repo_id=made.repo_id, folder_path=folder, repo_type="model", commit_message=about)
            return str(made)

        try:
            must_answer(Repository(repo, {"config.json": "config.json"}))
            return Upload(repo, files, url=within(SECONDS, upload))
        except Exception as error:  # the Hub's client raises its own, those of its HTTP library and OSError
            refused = compat.huggingface_hub.status_of(error) in (401, 403)
            instead = f"{LOG_IN}, or choose a name of your own" if refused else AGAIN
            raise RunError(
                f"Run “{run.name}” could not be pushed to {repo} ({download.why(error)}): {instead}."
            ) from error


def gather(run: Run, repo: str, folder: Path) -> tuple[tuple[str, int], ...]:
    """Put what is to be uploaded into an empty folder; names and sizes."""
    from reglab.analysis import evaluate
    from reglab.publishing.model_card import model_card

    (folder / "README.md").write_text(model_card(run, repo), encoding="utf-8")
    for name in NEEDED:
        shutil.copyfile(run.path / name, folder / name)
    write_json(folder / "summary.json", run.summary())
    if run.right() is not None:
        shutil.copyfile(run.path / RIGHT, folder / RIGHT)
    if evaluation := evaluate.known(run):
        write_json(folder / "evaluation.json", evaluation.to_json())
    return tuple((file.name, file.stat().st_size) for file in sorted(folder.iterdir()))


# ---- in ----------------------------------------------------------------------------------------------------------
def pull(repo: str, store: Store, progress: download.Progress | None = None) -> Run:
    """A run from the Hub as a new run of the store, named after its repository.

    Raises `ConfigError` for a name that no repository can have, `DataError` when it cannot be fetched, `RunError` for
    a repository that holds no run, or a damaged one.
    """
    check_name(repo)
    fetched = download.fetch(listed(repo), INSTEAD, progress, SECONDS)
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store.root, prefix=".pulled-") as folder:
            half = Path(folder) / new_id(datetime.now(UTC))
            half.mkdir()
            for name, path in fetched.paths.items():
                if path.stat().st_size > LIMITS[name]:
                    raise too_large(repo, name)
                shutil.copyfile(path, half / name)
            adopt(Run(half), repo, fetched.revision)
            os.rename(half, store.root / half.name)
            return Run(store.root / half.name)
    except OSError as error:
        raise DataError(
            f"{repo} could not be kept in {store.root} ({download.why(error)}): free some space there,"
            " or choose another folder with --runs or REGLAB_RUNS."
        ) from error


def listed(repo: str) -> Repository:
    """The files of ours in a repository, their sizes checked before any is fetched.

    Raises `DataError` where the repository is not there or does not answer, and `RunError` where it holds no run of ours.
    """
    from huggingface_hub import HfApi

    try:
        must_answer(Repository(repo, {"config.json": "config.json"}))
        found = within(60, lambda: HfApi().model_info(repo, files_metadata=True, timeout=30))
    except Exception as error:  # as in `push`
        if compat.huggingface_hub.status_of(error) in (401, 403, 404):
            raise DataError(
                f"There is no model {repo} on the Hub, or it is not for everyone: check the name,"
                " or log in with `hf auth login`."
            ) from error
        raise DataError(f"{repo} could not be fetched ({download.why(error)}): {AGAIN}.") from error
    sizes = {file.rfilename: file.size or 0 for file in found.siblings or [] if file.rfilename in LIMITS}
    if lacking := [name for name in NEEDED if name not in sizes]:
        raise RunError(f"{repo} is no run of reglab (it has no {lacking[0]}): {INSTEAD}.")
    for name, size in sizes.items():
        if size > LIMITS[name]:
            raise too_large(repo, name)
    return Repository(repo, {name: name for name in sizes}, megabytes=sum(sizes.values()) // 10**6 + 1)


def adopt(run: Run, repo: str, commit: str) -> None:
    """Check everything in a folder of strangers, and make it a run of ours. Raises `RunError`."""
    from reglab.analysis import evaluate

    described = read_json(run.path / "config.json")
    if described.get("format") != FORMAT:
        raise RunError(f"{repo} is no run of reglab, or one of another version: {INSTEAD}.")
    try:
        config = RunConfig.parse(described["config"], is_kept=True)
        normalization = {key: channels(described["normalization"][key]) for key in ("mean", "std")}
        if min(normalization["std"]) <= 0:
            raise ValueError("a deviation of zero")
        check_metrics(run.path / "metrics.jsonl")
        versions = {name: text(described["versions"][name]) for name in ("reglab", "torch")}
        created = datetime.fromisoformat(described["created"]).isoformat(timespec="seconds")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:  # ConfigError is a ValueError
        raise RunError(f"{repo} is no run of reglab ({download.why(error)}): {INSTEAD}.") from error
    about = {
        "format": FORMAT,
        "run": run.id,
        "created": created,
        "group": "",  # groups are compared, and nobody here began this one
        "versions": versions,
        "config": config.model_dump(mode="json"),
        "device": text(described.get("device", "")),
        "normalization": normalization,
        "pulled": {"repo": repo, "commit": commit},
    }
    write_json(run.path / "config.json", about)
    run = Run(run.path)  # reads the config anew
    check_weights(run, repo)
    run.rename(repo.rpartition("/")[2][:60])
    evaluation = evaluate.known(run)
    (run.path / evaluate.FILE).unlink(missing_ok=True)
    if evaluation:
        write_json(run.path / evaluate.FILE, evaluation.to_json())
    if run.right() is None:
        (run.path / RIGHT).unlink(missing_ok=True)
    seal(run)


def check_weights(run: Run, repo: str) -> None:
    """That the weights are whole, finite, and those of the network in the config. Raises `RunError`."""
    import torch

    try:
        weights = run.weights()
    except RunError as error:
        raise RunError(f"{repo} is damaged (its weights are not what their checksum says): {INSTEAD}.") from error
    with torch.device("meta"):  # takes no memory, however large a network the config asks for
        network = models.build(run.config.spec(len(data.source(run.config.dataset).classes)).replace(pretrained=False))
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise RunError(f"{repo} is damaged (its weights do not fit its config): {INSTEAD}.") from error
    if not all(bool(torch.isfinite(t).all()) for t in weights.values()):
        raise RunError(f"{repo} is damaged (its weights are not all finite numbers): {INSTEAD}.")


KINDS: dict[str, type[Event]] = {kind.name: kind for kind in (Started, Epoch, Finished, Stopped, Failed)}
JUDGED = (
    "epoch",
    "train_accuracy",
    "val_accuracy",
    "test_accuracy",
    "gap",
    "train_loss",
    "val_loss",
    "test_loss",
    "ece",
)


def check_metrics(path: Path) -> None:
    """That every line is an event with the values such an event has. Raises ValueError, TypeError or KeyError."""
    from pydantic import TypeAdapter

    kinds = {name: TypeAdapter(kind) for name, kind in KINDS.items()}
    for line in path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line, parse_constant=finite, parse_float=finite)
        name = event["event"]
        if any(value != text(value, 500) for value in event.values() if isinstance(value, str)):
            raise ValueError("a text that is not one plain line")
        values = {key: value for key, value in event.items() if key != "event"}
        if name == Best.name:
            finite(values["epoch"]), finite(values["val_accuracy"])
        elif name in kinds:
            kinds[name].validate_python(values)
        else:
            raise ValueError(f"an event called {text(name)!r}")
        if name == Finished.name:
            for judged in (values["best"], values["last"]):
                for key in JUDGED:
                    finite(judged[key])
            if values["reported"] not in ("best", "last"):
                raise ValueError("an epoch that is not reported")


def finite(value: Any) -> float:
    """The value as a float. Raises `ValueError` for what is no finite number."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("a number that is not finite")
    return number


def channels(values: Any) -> list[float]:
    """A number for each channel. Raises `ValueError` for anything else."""
    numbers = [finite(value) for value in values]
    if len(numbers) not in (1, 3):  # one for a head that was trained on features
        raise ValueError("a normalization that is not of three channels")
    return numbers


def text(value: Any, length: int = 80) -> str:
    """A stranger's text on one line, and not much of it."""
    return "".join(c for c in str(value) if c.isprintable())[:length]


# ---- the Hub -----------------------------------------------------------------------------------------------------
def check_name(repo: str) -> None:
    """Raises `ConfigError` for what cannot be the name of a repository."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise ConfigError(
            f"{text(repo)!r} cannot be a repository's name: give USER/NAME in letters, digits, single - or dots, and _."
        ) from None


def must_answer(repository: Repository) -> None:
    """Raises ConnectionError within seconds, where the Hub's client would go on trying for a minute."""
    if compat.huggingface_hub.is_offline():
        raise ConnectionError("HF_HUB_OFFLINE is set")
    if not download.hub_answers(repository):
        raise ConnectionError("no network")


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """What `work` returns or raises; TimeoutError when it takes longer, and then it is left to end by itself."""
    done: list[Result | Exception] = []

    def run() -> None:
        try:
            done.append(work())
        except Exception as error:
            done.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not done:
        raise TimeoutError(f"no end after {seconds:,.0f} seconds")
    if isinstance(done[0], Exception):
        raise done[0]
    return done[0]


def too_large(repo: str, name: str) -> RunError:
    """The error for a file that is larger than any of ours."""
    return RunError(f"{name} of {repo} is larger than {LIMITS[name] / 1e6:,.0f} MB: {INSTEAD}.")
