"""A card for every technique, from its class alone: the idea, what one will see, when it helps, what it did here.

The Learn tab, `python -m reglab cards` and the table in docs/regularizers.md show the same cards. A card says nothing of its own:
words come from the docstring, bounds from the fields, and figures from `effects.py`.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from reglab import compat
from reglab.config import RunConfig, flag, typed
from reglab.config.usual import extra_of
from reglab.errors import ConfigError
from reglab.models import MODELS, pretrained
from reglab.regularizers import CATALOGUE, Regularizer, regularizer
from reglab.teaching.effects import Measured, measured

# What the lines on the cards take for granted. Tests run them with these names: tests/regularizers/lines.py.
GIVEN = {
    "PyTorch": (
        "`F` is `torch.nn.functional`, `v2` is `torchvision.transforms.v2`. Images are (N, 3, 32, 32) and from 0 to 1, targets"
        " one-hot labels; `x` is what one layer hands to the next."
    ),
    "Keras": (
        "Keras 3. Images are (N, 32, 32, 3) and from 0 to 1, targets one-hot labels; `x` is what one layer hands to the next."
    ),
}
SECTIONS = {"see": "What you will see:", "helps": "When it helps:", "not_helps": "When it does not:"}


@dataclass(frozen=True)
class Setting:
    """One field of a technique; `least` and `most` are None where there is no bound, `choices` are empty for numbers.

    It must lie `above` its least or `below` its most where that is true, and may equal it otherwise.
    """

    name: str
    title: str
    flag: str
    default: str  # as one types it; in words where it follows from the run
    least: float | None
    most: float | None
    above: bool
    below: bool
    choices: tuple[str, ...]
    description: str

    def range(self) -> str:
        """`0 to 0.95`, `more than 0, at most 32`, `0 to less than 1`, `0 or more`, `decoupled or l2`."""
        if self.choices:
            return " or ".join(self.choices)
        least, most = typed(self.least), typed(self.most)
        if self.least is None:
            return "any" if self.most is None else f"less than {most}" if self.below else f"up to {most}"
        if self.most is None:
            return f"more than {least}" if self.above else f"{least} or more"
        if self.above:
            return f"more than {least}, {'less than' if self.below else 'at most'} {most}"
        return f"{least} to {'less than ' if self.below else ''}{most}"


@dataclass(frozen=True)
class Interaction:
    """What happens when another technique is on too: a word of advice, or why both cannot be."""

    key: str
    title: str
    sentence: str
    refused: bool


@dataclass(frozen=True)
class Card:
    """All there is to know about one technique, as plain values; what its class does not say is empty."""

    key: str
    title: str
    group: str
    hint: str
    idea: str
    see: str
    helps: str
    not_helps: str
    notes: tuple[str, ...]
    formula: str
    settings: tuple[Setting, ...]
    flags: str
    interactions: tuple[Interaction, ...]
    pytorch: str
    keras: str
    paper: str
    measured: Measured | None

    def to_json(self) -> dict[str, Any]:
        """As `python -m reglab cards --json` prints it, with the verdicts on what was measured."""
        told = asdict(self)
        if self.measured:
            told["measured"]["effects"] = [
                asdict(e) | {"helped": e.helped, "hurt": e.hurt, "verdict": e.verdict, "sentence": e.sentence()}
                for e in self.measured.effects
            ]
        return told

    def to_text(self) -> str:
        """For a terminal."""
        told = [f"{name} {getattr(self, part)}" for part, name in SECTIONS.items() if getattr(self, part)]
        blocks = [f"{self.title} ({self.flags})", *map(_wrapped, (self.idea, *told, *self.notes))]
        if self.measured:
            effects = [*(effect.sentence() for effect in self.measured.effects), self.measured.conditions]
            blocks.append(_block("Measured here", effects))
        blocks.append(_block("Settings", [_in_words(s) for s in self.settings]))
        others = [f"{'not with' if i.refused else 'with'} {i.title}: {i.sentence}" for i in self.interactions]
        blocks.append(_block("Together with others", others))
        for name, code in self.codes().items():
            blocks.append("\n".join([f"{name}:", *(f"  {line}" for line in code.splitlines())]))
        blocks.append(f"Formula: {self.formula}\nPaper: {self.paper}")
        return "\n\n".join(block for block in blocks if block)

    def to_markdown(self) -> str:
        """The whole card as a page; the formula stands between double dollars."""
        parts = [f"## {self.title}", self.idea, f"$$ {self.formula} $$"]
        parts += [f"**{name}** {getattr(self, part)}" for part, name in SECTIONS.items() if getattr(self, part)]
        parts += [*self.notes, self.measured_markdown(), self.settings_markdown(), self.interactions_markdown()]
        parts += [f"{name}\n{fenced(code)}\n{GIVEN[name]}" for name, code in self.codes().items()]
        return "\n\n".join(part for part in (*parts, f"Paper: {linked(self.paper)}") if part)

    def codes(self) -> dict[str, str]:
        """The same elsewhere, by the library's name, where there are lines for it."""
        return {name: code for name, code in (("PyTorch", self.pytorch), ("Keras", self.keras)) if code}

    # ---- its parts in Markdown; empty where there is nothing to say
    def measured_markdown(self) -> str:
        """What it did here, as verdicts and a table."""
        if not self.measured:
            return ""
        rows = ["| | seeds | test accuracy, points | gap, points | calibration error | time of an epoch |"]
        rows.append("|---" * 6 + "|")
        for e in self.measured.effects:
            gap, ece = e.gap.text(100, 1) if e.gap else "-", e.ece.text() if e.ece else "-"
            time = f"{e.time:.2f} x" if e.time else "-"
            rows.append(f"| {e.labels} | {e.n} | {e.test.text(100, 1)} | {gap} | {ece} | {time} |")
        verdicts = []
        for e in self.measured.effects:
            lead = e.lead[:1].lower() + e.lead[1:]
            verdicts.append(
                f"- **{e.verdict}** with {e.labels}: {lead}{e.test.text(100, 1)} points of test accuracy"
                f"{f'; the gap is {e.gap_word}' if e.gap_word else ''}."
            )
        compared = (
            "Each minus the same network without it and of the same seed: mean ± standard deviation over the seeds. "
            "It helped or hurt where the 95 % interval of the mean over the seeds leaves out zero, for all techniques together (Dunnett). "
            "Below zero is better for the gap and the calibration error (how far confidence and accuracy are apart)."
        )
        return "\n\n".join(["\n".join(verdicts), "\n".join(rows), f"{compared} {self.measured.conditions}"])

    def settings_markdown(self) -> str:
        """Its settings with defaults and bounds, and its flags."""
        rows = ["| setting | default | can be | what it does |", "|---" * 4 + "|"]
        rows += [f"| {s.title} | {s.default} | {s.range()} | {_cell(s.description)} |" for s in self.settings]
        return "\n".join([*(rows if self.settings else ()), "", f"On the command line: `{self.flags}`"])

    def interactions_markdown(self) -> str:
        """What happens together with others, a line each."""
        return "\n".join(
            f"- **{'Not with' if i.refused else 'With'} {i.title}**: {i.sentence}" for i in self.interactions
        )


def card(key: str) -> Card:
    """The card of that technique. Raises `ConfigError` when there is none."""
    technique = type(regularizer(key))
    idea, *rest = _paragraphs(technique)
    told = {part: "" for part in SECTIONS}
    notes = []
    for paragraph in rest:
        part = next((p for p, name in SECTIONS.items() if paragraph.startswith(name)), None)
        if part is None:
            notes.append(paragraph)
        else:
            text = paragraph.removeprefix(SECTIONS[part]).strip()
            told[part] = f"{told[part]} {text[0].upper()}{text[1:]}".strip()
    settings = tuple(_setting(key, name, info) for name, info in technique.model_fields.items())

    def fixed(name: str) -> bool:
        return technique.model_fields[name].default is not None

    return Card(
        **{name: getattr(technique, name) for name in ("key", "title", "group", "hint", "formula", "paper")},
        idea=idea,
        **told,
        notes=tuple(notes),
        settings=settings,
        flags=" ".join([flag(key), *(f"[{s.flag} {s.default}]" for s in settings if fixed(s.name))]),
        interactions=tuple(_interactions(key)),
        pytorch=inspect.cleandoc(technique.pytorch),
        keras=inspect.cleandoc(technique.keras),
        measured=measured(key),
    )


def alone(key: str, base: RunConfig) -> RunConfig:
    """The run without regularizers but for this one, on the first network that has a place for it.

    What belongs to transfer learning fine-tunes a pretrained network, one on this machine if there is one. Raises
    `ConfigError` with the reason where no network has a place for it.
    """
    if key in CATALOGUE and CATALOGUE[key].group == "Transfer":
        network = next(iter(pretrained.local()), next(iter(pretrained.OFFERED)))
        tuned = {"model": network, "width": 1.0, "pretrained": True, "finetune": "all", "lr": 3e-4}
        tuned["epochs"] = min(base.epochs, 5)
        return base.plain().override({**tuned, key: True})
    return base.plain().override({"model": network_for(key, base), key: True})


def network_for(key: str, base: RunConfig) -> str:
    """The first network that has a place for the technique, that of the run before all. Raises `ConfigError`."""
    refused = None
    for model in (base.model, *MODELS):
        try:
            base.plain().override({"model": model, key: True})
        except ConfigError as error:
            refused = refused or error
        else:
            return model
    raise refused or ConfigError(f"There is no network for {key}.")


def words_of(key: str) -> str:
    """All that a technique is found by, each word once and in small letters: its names, its hint, group and synonyms."""
    technique = CATALOGUE[key]
    told = (technique.title, key, key.replace("_", " "), technique.hint, technique.group, *technique.synonyms)
    return " ".join(dict.fromkeys(" ".join(told).lower().split()))


def found(words: str) -> list[str]:
    """The technique of that name, or all that are found by these words. Raises `ConfigError` when there are none."""
    key = words.lower().replace("-", "_")
    if key in CATALOGUE:
        return [key]
    asked = words.lower().split()
    keys = [key for key in CATALOGUE if asked and all(word in words_of(key) for word in asked)]
    return keys or [regularizer(key).key]


def advice_beside(keys: Iterable[str]) -> dict[str, list[str]]:
    """A sentence for every pair of these techniques that deserves a word, each pair once, by the technique that says it."""
    asked = set(keys)
    on = [key for key in CATALOGUE if key in asked]
    told: dict[str, list[str]] = {}
    for i, a in enumerate(on):
        for b in on[i + 1 :]:
            says, other = (a, b) if b in CATALOGUE[a].advice else (b, a)
            if sentence := CATALOGUE[says].advice.get(other):
                told.setdefault(says, []).append(sentence)
    return told


def markdown_table() -> str:
    """The regularizers as a table; docs/regularizers.md holds what this prints, and a test compares the two.

    Where something has been measured, two columns say what each technique alone did to test accuracy.
    """
    cards = [card(key) for key in CATALOGUE]
    conditions = {e.condition: e.labels for c in cards if c.measured for e in c.measured.effects}
    tested = [f"test, {'clean' if c == 'clean' else labels}" for c, labels in conditions.items()]
    head = ["regularizer", "flag", "settings", "what it does", *tested, "paper"]
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for c in cards:
        settings = ", ".join(f"`{s.name}` {s.default}" for s in c.settings) or "-"
        effects = {e.condition: e.test.text(100, 1) for e in c.measured.effects} if c.measured else {}
        measured_here = [effects.get(condition, "-") for condition in conditions]
        cells = [c.title, f"`{flag(c.key)}`", settings, c.hint, *measured_here, c.paper.split(",")[0]]
        rows.append(f"| {' | '.join(cells)} |")
    for c in cards:
        if c.measured:
            about = "Test accuracy in points, minus that of the same network without it and of the same seed: mean ± "
            return "\n".join([*rows, "", f"{about}standard deviation. {c.measured.conditions}"])
    return "\n".join(rows)


# ---- from the class ----------------------------------------------------------------------------------------------
def _paragraphs(technique: type[Regularizer]) -> list[str]:
    """The docstring's paragraphs, each on one line."""
    text = inspect.cleandoc(technique.__doc__ or _docstring_in_source(technique))
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def _docstring_in_source(technique: type[Regularizer]) -> str:
    """What `python -OO` has left out of a class; nothing where there is no source either."""
    try:
        tree = ast.parse(inspect.getsource(inspect.getmodule(technique) or technique))
    except OSError:
        return ""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == technique.__name__]
    return "".join(ast.get_docstring(node) or "" for node in classes)


def _setting(key: str, name: str, info: FieldInfo) -> Setting:
    bounds = compat.pydantic.bounds_of(info)
    kind = info.annotation
    choices = get_args(kind) if get_origin(kind) is Literal else ("true", "false") if kind is bool else ()
    return Setting(
        name=name,
        title=info.title or name,
        flag=f"{flag(key)}.{name}",
        default=typed(info.default) if info.default is not None else _unset(info),
        least=bounds.get("gt", bounds.get("ge")),
        most=bounds.get("lt", bounds.get("le")),
        above="gt" in bounds,
        below="lt" in bounds,
        choices=tuple(map(str, choices)),
        description=info.description or "",
    )


def _unset(info: FieldInfo) -> str:
    """What a setting without a default of its own says instead."""
    return str(extra_of(info).get("unset", ""))


def _interactions(key: str) -> list[Interaction]:
    """What this technique says about others and they about it; a sentence that both say stands once."""
    found: dict[tuple[str, str], Interaction] = {}
    for other, technique in CATALOGUE.items():
        for refused, one, two in (
            (True, CATALOGUE[key].excludes.get(other), technique.excludes.get(key)),
            (False, CATALOGUE[key].advice.get(other), technique.advice.get(key)),
        ):
            for sentence in (one, two):
                if sentence and other != key:
                    found.setdefault((other, sentence), Interaction(other, technique.title, sentence, refused))
    return list(found.values())


# ---- words -------------------------------------------------------------------------------------------------------
def _in_words(s: Setting) -> str:
    return f"{s.flag} {s.default} ({s.range()})" + (f": {s.description}" if s.description else "")


def _block(name: str, lines: Iterable[str]) -> str:
    """A heading with indented lines under it; nothing without lines."""
    body = [_wrapped(line, "  ", "    ") for line in lines]
    return "\n".join([f"{name}:", *body]) if body else ""


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    return textwrap.fill(text, 110, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def fenced(code: str) -> str:
    """Python code as Markdown."""
    return f"```python\n{code}\n```"


def linked(paper: str) -> str:
    """The paper with its arXiv numbers as links."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", paper)
