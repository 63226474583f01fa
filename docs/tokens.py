"""The tokens of the page, read off `reglab/ui/static/tokens.css`, and the contrasts of what is written on what.

python docs/tokens.py        # the tables of docs/design.md
"""

from __future__ import annotations

import re
from pathlib import Path

CSS = Path(__file__).parent.parent / "reglab" / "ui" / "static" / "tokens.css"
GROUNDS = ("page", "sunken", "field", "accent-soft")
# What is written or drawn -> what it is for, on which grounds it stands, and the least contrast WCAG 2.2 asks for there.
MARKS = {
    "text": ("what is read", GROUNDS, 4.5),
    "muted": ("hints, captions, axes, what is off", GROUNDS, 4.5),
    "accent": ("links, the chosen tab, the chosen row", GROUNDS, 4.5),
    "good": ("what holds, what is right", ("page", "sunken"), 4.5),
    "warn": ("what is refused, wrong or fails", ("page", "sunken", "field"), 4.5),
    "on-accent": ("words on the button that is pressed first", ("accent-fill", "accent-fill-hover"), 4.5),
    "accent-fill": ("that button, a tick, a slider", ("page", "sunken", "field"), 3.0),
    "field-line": ("the edge of a field, of a box to tick", ("page", "sunken"), 3.0),
    "focus": ("the ring around what has the focus", GROUNDS, 3.0),
}


def tokens() -> dict[str, dict[str, str]]:
    """Theme -> token -> value; what the dark theme leaves as it is has the value of the light one."""
    css = CSS.read_text("utf-8")
    found = {}
    for theme, block in (("light", r":root \{(.*?)\n\}"), ("dark", r"\.dark \{(.*?)\n\}")):
        body = re.search(block, css, re.DOTALL)
        found[theme] = dict(re.findall(r"--reglab-([\w-]+): (.*?);", body[1] if body else ""))
    return {"light": found["light"], "dark": found["light"] | found["dark"]}


def contrast(one: str, other: str) -> float:
    """Of two colors as `#rrggbb`, by WCAG 2.2."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(code: str) -> float:
    channels = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    light = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]


def table() -> str:
    """Every color with what it is for, both themes, and its lowest contrast on each ground that it stands on."""
    themes = tokens()
    rows = ["| token | for | light | dark | contrast, light | contrast, dark |", "|---|---|---|---|---|---|"]
    for mark, (what, grounds, _) in MARKS.items():
        cells = [f"`--reglab-{mark}`", what, *(f"`{themes[theme][mark]}`" for theme in themes)]
        for values in themes.values():
            cells.append(", ".join(f"{ground} {contrast(values[mark], values[ground]):.1f}" for ground in grounds))
        rows.append(f"| {' | '.join(cells)} |")
    for ground in GROUNDS:
        rows.append(f"| `--reglab-{ground}` | ground | `{themes['light'][ground]}` | `{themes['dark'][ground]}` | | |")
    rows.append(
        f"| `--reglab-line` | lines between rows and sections | `{themes['light']['line']}` | `{themes['dark']['line']}` | | |"
    )
    sizes = {name: value for name, value in themes["light"].items() if not value.startswith("#")}
    rows += ["", "| token | value |", "|---|---|"]
    return "\n".join([*rows, *(f"| `--reglab-{name}` | {value} |" for name, value in sizes.items())])


if __name__ == "__main__":
    print(table())
