"""Draws docs/packages.svg from the code: the packages by floors, and which imports which.

    python docs/map.py

The floors are those that `lint-imports` keeps (`[tool.importlinter]` in pyproject.toml), the arrows are the imports that
the graph of the code has, without those that other arrows imply. `python docs/make.py` draws it as well.
"""

from __future__ import annotations

import ast
import tomllib
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "packages.svg"
ROW, LEFT, NAMES, RIGHT, WIDTH = 34, 16, 124, 760, 980
REACH = WIDTH - RIGHT - 14  # of the longest arc


def floors() -> list[list[str]]:
    """The packages of each floor, the highest first, as the contract names them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    [layers] = [c["layers"] for c in contracts if c["type"] == "layers" and "containers" not in c]  # of the whole
    return [[name.strip().removeprefix("reglab.") for name in layer.replace(":", "|").split("|")] for layer in layers]


def imports(names: list[str]) -> set[tuple[str, str]]:
    """(who imports, what is imported), packages as a whole; what follows from two others is left out.

    An import that leads upwards follows from nothing, so that none is overlooked.
    """
    graph = grimp.build_graph("reglab", exclude_type_checking_imports=True, cache_dir=None)
    for name in names:
        graph.squash_module(f"reglab.{name}")
    place = {f"reglab.{name}": n for n, name in enumerate(names)}
    found = {
        (names[place[one]], names[place[other]])
        for one in place
        for other in graph.find_modules_directly_imported_by(one)
        if other in place and other != one
    }
    down = {one: {b for a, b in found if a == one and names.index(b) > names.index(one)} for one in names}
    reach: dict[str, set[str]] = {}
    for one in reversed(names):  # from the ground up
        reach[one] = down[one].union(*(reach[other] for other in down[one]))
    return {
        (one, other)
        for one, other in found
        if other not in down[one] or not any(other in reach[between] for between in down[one])
    }


def about(name: str) -> str:
    """The first sentence of a package's docstring, or its first line."""
    path = ROOT / "reglab" / name / "__init__.py"
    source = path if path.exists() else path.parent.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(source.read_text("utf-8"))) or ""
    sentence = " ".join(docstring.split("\n\n")[0].split()).partition(". ")[0].rstrip(".")
    return sentence if len(sentence) <= 96 else f"{sentence[:95].rsplit(' ', 1)[0]} ..."


def drawn() -> str:
    """The picture: a row for each package, a band for each floor, an arc for each import."""
    stacked = floors()
    names = [name for floor in stacked for name in floor]
    middle = {name: 40 + ROW * place + ROW / 2 for place, name in enumerate(names)}
    height = 40 + ROW * len(names) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' font-family="system-ui, sans-serif" font-size="12.5">',
        "<title>The packages of reglab by floors: each imports only what stands below it</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" fill="#555">A package imports only those below it; an arc leads from who imports to what'
        " is imported, and arcs that follow from others are left out.</text>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#2a5db0"/></marker></defs>',
    ]
    for place, floor in enumerate(stacked):
        top = middle[floor[0]] - ROW / 2
        shade = "#f1f4f9" if place % 2 else "#e3e9f3"
        parts.append(f'<rect x="0" y="{top:g}" width="{RIGHT}" height="{ROW * len(floor)}" fill="{shade}"/>')
    for name in names:
        y = middle[name] + 4
        parts.append(f'<text x="{LEFT}" y="{y:g}" font-weight="700" fill="#1b2a41">{name}</text>')
        parts.append(f'<text x="{NAMES}" y="{y:g}" fill="#333">{escape(about(name))}</text>')
    far = len(names) - 1
    for one, other in sorted(imports(names), key=lambda pair: (names.index(pair[0]), names.index(pair[1]))):
        a, b = middle[one] + 5, middle[other] - 5
        bulge = RIGHT + 12 + REACH * 1.25 * abs(names.index(other) - names.index(one)) / far
        curve = f"M{RIGHT} {a:g}C{bulge:.0f} {a:g} {bulge:.0f} {b:g} {RIGHT + 2} {b:g}"
        colour = "#2a5db0" if a < b else "#c62828"
        parts.append(f'<path d="{curve}" fill="none" stroke="{colour}" stroke-width="1.3" marker-end="url(#tip)"/>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    TARGET.write_text(drawn(), encoding="utf-8")
