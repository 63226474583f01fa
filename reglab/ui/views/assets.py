"""The page's own style sheets, scripts and pictures: each kind in one file, which a browser keeps for as long as it stays the same.

What lies in `static/` is put together once. In Gradio's configuration it would be part of every page, once for each component
that uses it, and the style sheet would be taken apart and written anew by every browser.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import groupby
from pathlib import Path

from reglab import colours

STATIC = Path(__file__).parent.parent / "static"
FIRST = ("storage", "visitor", "theme", "address", "number", "times", "points", "tour")
"""Scripts that run in the head, in this order; every other one is the body of a function that components call."""
PICTURES = {"favicon.svg": "image/svg+xml", "picture.png": "image/png"}
ABOVE = ".gradio-container.gradio-container.gradio-container "
"""Put before a rule of ours, so that it weighs more than those of Gradio's components, which come later."""


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    kind: str
    body: bytes

    @cached_property
    def zipped(self) -> bytes:
        """The same, compressed; nothing of a picture, which is."""
        return b"" if self.kind == "image/png" else gzip.compress(self.body, 9)

    @cached_property
    def tag(self) -> str:
        """Another one whenever it has changed."""
        return hashlib.sha256(self.body).hexdigest()[:12]


@cache
def assets() -> dict[str, Asset]:
    """All of them, by name."""
    pictures = {name: Asset(kind, (STATIC / name).read_bytes()) for name, kind in PICTURES.items()}
    page = {"page.css": Asset("text/css", sheet().encode()), "page.js": Asset("text/javascript", scripts().encode())}
    return page | pictures


def address(name: str) -> str:
    """Where it is asked for; a changed one has another address, so the old one may be kept for ever."""
    return f"reglab/{assets()[name].tag}/{name}"


# ---- scripts -----------------------------------------------------------------------------------------------------
def called(*names: str) -> str:
    """For `js_on_load`: of each name the script `static/NAME.js` and those named `NAME_*.js`, as one function of the component.

    Behind each stand the events that it triggers: Gradio knows an event of a component by finding its name there, in quotes.
    """
    files = grouped()
    assert set(names) <= files.keys() - set(FIRST), names
    return "\n".join(
        f"reglabScripts.{name}(element, props, trigger, watch, server, upload);  // {events_of(files[name])}"
        for name in names
    )


def events_of(script: str) -> str:
    """The names of the events that a script triggers."""
    return " ".join(sorted(set(re.findall(r"\btrigger\((\"\w+\")", script))))


def scripts() -> str:
    """What runs in the head, and the functions that components call when they are drawn."""
    files = grouped()
    first = "\n".join(files[name] for name in FIRST if name in files)
    rest = ",\n".join(
        f"{name}(element, props, trigger, watch, server, upload) {{\n{text}\n}}"
        for name, text in files.items()
        if name not in FIRST
    )
    return f"{first}\nwindow.reglabScripts = {{\n{rest}\n}};\n"


@cache
def grouped() -> dict[str, str]:
    """What stands in `chart.js`, `chart_axes.js`, ... is one script, `chart`; `run_list.js`, beside no `run.js`, is one of its own."""
    paths = sorted(STATIC.glob("*.js"))
    names = {path.stem for path in paths}

    def script(path: Path) -> str:
        head = path.stem.partition("_")[0]
        return head if head in names else path.stem

    return {name: "\n".join(path.read_text("utf-8") for path in parts) for name, parts in groupby(paths, script)}


# ---- style sheets ------------------------------------------------------------------------------------------------
def sheet() -> str:
    """All style sheets, after the colors of runs."""
    return colours.css() + "".join(weighty(path.read_text("utf-8")) for path in sorted(STATIC.glob("*.css")))


COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
COMMA = re.compile(r",(?![^(]*\))")  # not one within `:is(...)`


def weighty(css: str) -> str:
    """The same rules with more weight, without comments.

    Gradio does so in the browser with the sheets that it is given. A rule about the page itself (`:root`, `.dark`, Gradio's
    container) stays as it is; in `.dark .warning` the weight goes behind `.dark`, which stands on the body.
    """
    return "".join(_weighed(prelude, body) for prelude, body in rules(COMMENT.sub("", css)))


def rules(css: str) -> Iterator[tuple[str, str]]:
    """What stands before and between the outermost braces."""
    depth = begin = 0
    prelude = ""
    for brace in re.finditer("[{}]", css):
        if brace[0] == "{":
            if depth == 0:
                prelude, begin = css[begin : brace.start()].strip(), brace.end()
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                yield prelude, css[begin : brace.start()]
                begin = brace.end()


def _weighed(prelude: str, body: str) -> str:
    if prelude.startswith(("@media", "@supports", "@container")):
        return f"{prelude} {{{weighty(body)}}}\n"
    if prelude.startswith("@"):
        return f"{prelude} {{{body}}}\n"
    return f"{', '.join(map(_heavier, COMMA.split(prelude)))} {{{body}}}\n"


def _heavier(selector: str) -> str:
    selector = selector.strip()
    if "gradio-container" in selector or selector.startswith((":root", "html", "body")) or selector == ".dark":
        return selector
    dark, space, rest = selector.partition(".dark ")
    return f"{dark}{space}{ABOVE}{rest}" if space and not dark else f"{ABOVE}{selector}"
