"""A lesson sheet: one JSON file to hand in, with the set-up, the prediction, what came of it, and the run it came from.

`make` writes one for a finished run. `read` takes anything and answers what is none in one sentence; `check` says of
everything that can be looked at whether it holds. A sheet is a text file that anybody can edit, so no check proves who
did the work: to train its set-up again (`trained_again`) is what shows whether its numbers can be true.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from reglab import __version__, data
from reglab.config import RunConfig, typed
from reglab.errors import ConfigError, RunError
from reglab.experiments.tables import cell
from reglab.regularizers import overriding
from reglab.runs.names import in_a_file
from reglab.runs.run import Run
from reglab.runs.store import ID, Store
from reglab.teaching.assignments import PREDICTABLE, Assignment
from reglab.teaching.links import LONGEST, decode, offered
from reglab.teaching.text import Line, complaint

FORMAT = "reglab lesson sheet 1"
LARGEST = 100_000  # bytes of a sheet; ours have about 2,500
ROUNDING = 1e-6  # of a gap that is the difference of two numbers beside it
# How far accuracies and gap may be off where something else trains the same set-up. One thread and two on one CPU, fp32,
# digits, 2026-11-23: with 300 images 1.3 points at most (3 seeds), with 100 images in batches of 8 up to 4.3 (3 seeds).
TOLERANCE = 0.08
MOST = 5_000_000  # pictures shown to the network that `check --train` takes upon itself for one sheet


# ---- what a sheet says -------------------------------------------------------------------------------------------
Share = Annotated[float, Field(ge=0, le=1)]
Loss = Annotated[float, Field(ge=0)]
BOUNDED = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Prediction(BaseModel):
    """What was expected before the run, as a fraction, and why."""

    model_config = BOUNDED

    of: Literal["gap", "val_accuracy", "test_accuracy"]
    value: float = Field(ge=-1, le=1)
    reason: Line = Field("", max_length=300)


class Result(BaseModel):
    """The numbers that the run stands by, as in its `summary.json`, and what trained it."""

    model_config = BOUNDED

    epochs: int = Field(ge=0)  # trained; fewer than asked for where the run ended itself
    best_epoch: int = Field(ge=0)
    reported: Literal["best", "last"]
    train_accuracy: Share
    val_accuracy: Share
    test_accuracy: Share
    gap: float = Field(ge=-1, le=1)
    train_loss: Loss
    val_loss: Loss
    test_loss: Loss
    ece: Share
    device: Line = Field("", max_length=100)
    precision: Line = Field("", max_length=20)
    threads: int = Field(0, ge=0)
    test_images: int = Field(0, ge=0)  # which edition of the data set; sheets of 0.1.0 do not say it


class Sheet(BaseModel):
    """A lesson sheet. `assignment` is the text of the link that the run was started under, where there was one."""

    model_config = BOUNDED

    format: Literal["reglab lesson sheet 1"]
    reglab: Line = Field(max_length=40)
    torch: Line = Field("", max_length=40)
    name: Line = Field("", max_length=60)
    run: str = Field(pattern=f"^{ID.pattern}$")
    created: Line = Field("", max_length=40)
    config: RunConfig
    assignment: str | None = Field(None, max_length=LONGEST)
    prediction: Prediction | None = None
    result: Result
    metrics_sha256: str = Field(pattern="^[0-9a-f]{64}$")

    @field_validator("config", mode="before")
    @classmethod
    def _offered(cls, value: Any) -> Any:
        return value if isinstance(value, RunConfig) else offered(value)

    @property
    def file_name(self) -> str:
        """`sheet-Ada-Lovelace-3f9c1a.json`; without a name that of the run.

        The last piece is of name and run together: names that differ in an accent, in capitals or in their script, or that
        have no letters, are files of their own, also where a disk takes them for the same.
        """
        if not self.name:
            return f"sheet-{self.run}.json"
        piece = hashlib.sha256(f"{self.name}\n{self.run}".encode()).hexdigest()[:6]
        return f"sheet-{in_a_file(self.name) or self.run}-{piece}.json"

    @property
    def source(self) -> data.Source:
        """Its data set in the edition that its run saw."""
        earlier = data.EARLIER.get(self.config.dataset)
        seen = self.result.test_images or (earlier.test_images if earlier else None)
        return data.source(self.config.dataset, seen)

    def off(self) -> float | None:
        """How far the prediction was from what came, as a fraction; None where nothing was predicted."""
        return None if self.prediction is None else abs(self.came() - self.prediction.value)

    def came(self) -> float:
        """The number that was predicted, as it came; without a prediction the gap."""
        return float(getattr(self.result, self.prediction.of if self.prediction else "gap"))

    def to_json(self) -> str:
        """The text of the file."""
        return self.model_dump_json(indent=1) + "\n"


def make(run: Run, name: str = "", assignment: str | None = None, prediction: Prediction | None = None) -> Sheet:
    """The sheet of a finished run. Raises `RunError` for one that is not, and `ConfigError` for a name that is too long."""
    summary = run.summary()
    if summary["status"] != "finished":
        raise RunError(
            f"A lesson sheet tells of a finished run, but run “{run.name}” is {summary['status']}: train it to its end."
        )
    result = {key: summary[key] for key in Result.model_fields if key in summary} | {"epochs": summary.get("epoch")}
    return _sheet(
        {
            "format": FORMAT,
            "reglab": str(run.described.get("versions", {}).get("reglab", __version__)),
            "torch": str(run.described.get("versions", {}).get("torch", "")),
            "name": name,
            "run": run.id,
            "created": str(summary.get("created", "")),
            "config": run.config,
            "assignment": assignment,
            "prediction": prediction,
            "result": result,
            "metrics_sha256": hashlib.sha256((run.path / "metrics.jsonl").read_bytes()).hexdigest(),
        }
    )


def predicted(of: str, percent: Any, reason: Any) -> Prediction:
    """The prediction as a page takes it, in percent or points. Raises `ConfigError` where there is none, or none that can be."""
    if not isinstance(percent, (int, float)) or isinstance(percent, bool):
        raise ConfigError(f"Predict first: what will the {PREDICTABLE[of]} be?")
    if not (-100 if of == "gap" else 0) <= percent <= 100:
        least = "-100" if of == "gap" else "0"
        raise ConfigError(f"The prediction is {typed(percent)[:40]}, but must be a number from {least} to 100.")
    try:
        return Prediction.model_validate({"of": of, "value": percent / 100, "reason": reason or ""})
    except ValidationError as error:
        raise ConfigError(f"The prediction cannot be: {complaint(error)}") from None


def read(raw: bytes) -> Sheet:
    """The sheet in a file. Raises `ConfigError` with one sentence for everything that is none."""
    if len(raw) > LARGEST:
        raise ConfigError(f"This is no lesson sheet: it is larger than {LARGEST // 1_000} kB.")
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError):
        raise ConfigError("This is no lesson sheet: it is not JSON.") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ConfigError(f"This is no lesson sheet: its format is not {FORMAT!r}.")
    return _sheet(values)


def _sheet(values: Mapping[str, Any]) -> Sheet:
    try:
        return Sheet.model_validate(values, context={"is_kept": True})  # its run was trained, perhaps long ago
    except ValidationError as error:
        sentence = complaint(error)
    except RecursionError:
        sentence = "it is nested too deeply."
    raise ConfigError(f"The lesson sheet cannot be: {sentence[:400]}") from None


# ---- whether it holds --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `holds` is None where there was nothing to look at."""

    about: str
    holds: bool | None
    sentence: str


def check(sheet: Sheet, stores: Sequence[Store] = (), assignment: Assignment | None = None) -> list[Finding]:
    """What can be said of a sheet without training: its numbers, its assignment, its prediction, its run where it is.

    `assignment` is the one that the teacher handed out; without it the sheet's own is believed.
    """
    return [_numbers(sheet), *_rules(sheet, assignment), _the_run(sheet, stores)]


def _numbers(sheet: Sheet) -> Finding:
    r, c, wrong = sheet.result, sheet.config, []
    if abs(r.train_accuracy - r.val_accuracy - r.gap) > ROUNDING:
        wrong.append(f"the gap is {r.gap:.4f}, but train minus validation is {r.train_accuracy - r.val_accuracy:.4f}")
    for what, share, images in (
        ("validation", r.val_accuracy, c.val_size),
        ("test", r.test_accuracy, sheet.source.test_images),
    ):
        if abs(share * images - round(share * images)) > 1e-3:
            wrong.append(f"no number of {images:,} {what} images makes an accuracy of {share:.6f}")
    ends_itself = overriding(list(c.regularizers.values()), "stop_reason")
    if r.epochs > c.epochs or (r.epochs < c.epochs and not ends_itself):
        wrong.append(f"{r.epochs} epochs were trained, but {c.epochs} were asked for")
    if r.best_epoch > r.epochs:
        wrong.append(f"epoch {r.best_epoch} of {r.epochs} cannot be the best")
    return Finding("numbers", not wrong, f"{'; '.join(wrong) or 'they fit one another'}.")


def _rules(sheet: Sheet, assignment: Assignment | None) -> list[Finding]:
    try:
        rules = None if sheet.assignment is None else decode(sheet.assignment)
    except ConfigError as error:
        return [Finding("assignment", False, str(error))]
    if assignment is not None and rules != assignment:
        return [Finding("assignment", False, "the run was started without this assignment, or under another one.")]
    if not isinstance(rules, Assignment):
        return [Finding("assignment", None, "the run was started without one.")]
    broken = rules.broken(sheet.config)
    findings = [Finding("assignment", not broken, " ".join(broken) or "its locks and its budget are kept.")]
    if rules.predict:
        found = sheet.prediction is not None and sheet.prediction.of == rules.predict
        missing = f"the assignment asks to predict the {PREDICTABLE[rules.predict]}, but the sheet does not."
        findings.append(Finding("prediction", found, "there is one." if found else missing))
    return findings


def _the_run(sheet: Sheet, stores: Sequence[Store]) -> Finding:
    for store in stores:
        try:
            own = make(store.open(sheet.run))
        except (RunError, ConfigError, OSError):
            continue
        differ = [name for name in ("config", "result", "metrics_sha256") if getattr(own, name) != getattr(sheet, name)]
        return Finding(
            "run", not differ, f"it is here, {'but has another ' + ', '.join(differ) if differ else 'equal'}."
        )
    return Finding("run", None, "it is not on this machine.")


def same_run(sheets: Mapping[str, Sheet]) -> dict[str, Finding]:
    """File -> a finding, where several sheets of a class tell of one run."""
    files: dict[str, list[str]] = {}
    for file, sheet in sheets.items():
        files.setdefault(sheet.run, []).append(file)
    return {
        file: Finding("copies", False, f"the same run is in {', '.join(other for other in alike if other != file)}.")
        for alike in files.values()
        if len(alike) > 1
        for file in alike
    }


# ---- whether it can be true --------------------------------------------------------------------------------------
def check_trainable(sheet: Sheet) -> None:
    """Raises `ConfigError` when its run can't be trained again, or would take longer than a stranger's file should make us."""
    config, today = sheet.config, data.source(sheet.config.dataset)
    if sheet.source != today:
        raise ConfigError(
            f"its run saw {sheet.source.test_images:,} test images of {today.title}, which has {today.test_images:,} now and is"
            " divided otherwise: ask for a sheet of a new run, or check it with the version of the lab that it names."
        )
    if (shown := config.train_images * config.epochs) > MOST:
        raise ConfigError(
            f"it would show the network {shown:,} pictures, and more than {MOST:,} are not trained for a sheet: "
            f"train it with `{config.command()}` and compare."
        )


def trained_again(sheet: Sheet, run: Run) -> Finding:
    """Whether a run of the same config, trained here and now, says the same.

    The same machine and thread count give the same bytes. Elsewhere numbers are rounded in another order, which grows
    over the epochs: accuracies and gap within `TOLERANCE` then count as the same.
    """
    try:
        own = make(run, sheet.name)
    except RunError as error:
        return Finding("trained again", False, str(error))
    if own.metrics_sha256 == sheet.metrics_sha256:
        same = own.result == sheet.result
        return Finding("trained again", same, "the same bytes." if same else "the same bytes, but not these numbers.")
    told = [(name, getattr(sheet.result, name), getattr(own.result, name)) for name in PREDICTABLE]
    apart = max(abs(said - came) for _, said, came in told)
    numbers = ", ".join(f"{PREDICTABLE[name]} {came * 100:.1f} for {said * 100:.1f}" for name, said, came in told)
    within = "within" if apart <= TOLERANCE else "beyond"
    return Finding(
        "trained again", apart <= TOLERANCE, f"not the same bytes, but {within} {TOLERANCE * 100:g} points: {numbers}."
    )


# ---- a class -----------------------------------------------------------------------------------------------------
COLUMNS = (
    *("file", "name", "run", "fine", "dataset", "model", "regularizers", "seed", "epochs"),
    *("train_accuracy", "val_accuracy", "test_accuracy", "gap", "predicted", "prediction", "came", "off", "reason"),
    *("trained_again", "findings"),
)  # fmt: skip


def row(file: str, sheet: Sheet | None, findings: Sequence[Finding]) -> dict[str, Any]:
    """A line of the grade list. Numbers are fractions, as in the sheet."""
    wrong = [f"{finding.about}: {finding.sentence}" for finding in findings if finding.holds is False]
    again = next((finding.holds for finding in findings if finding.about == "trained again"), None)
    told: dict[str, Any] = {"file": file, "fine": not wrong, "trained_again": again, "findings": " ".join(wrong)}
    if sheet is None:
        return told
    c, r, p = sheet.config, sheet.result, sheet.prediction
    told |= {"name": sheet.name, "run": sheet.run, "dataset": c.dataset, "model": c.model, "seed": c.seed}
    told |= {"regularizers": " ".join(c.regularizers) or "none", "epochs": r.epochs}
    told |= {key: getattr(r, key) for key in ("train_accuracy", "val_accuracy", "test_accuracy", "gap")}
    if p is not None:
        told |= {"predicted": p.of, "prediction": p.value, "came": sheet.came(), "off": sheet.off(), "reason": p.reason}
    return told


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each sheet, as a spreadsheet wants it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for told in rows:
        writer.writerow(cell(told.get(name, "")) for name in COLUMNS)
    return out.getvalue()
