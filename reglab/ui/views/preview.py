"""What the network sees, as HTML: a `Look` in, figures out. The template is `preview.html`."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reglab.analysis.preview import Look, Picture
from reglab.ui.views.templates import render

if TYPE_CHECKING:
    from PIL import Image


def sees_html(look: Look) -> str:
    """The pictures of the batch with their labels, and below them what the network hides from the first one."""
    return render(
        "preview.html",
        look=look,
        is_noisy=any(picture.about for picture in look.batch),
        batch=figures(look.batch),
        inside=figures(look.inside),
    )


@dataclass(frozen=True)
class Figure:
    """A picture as `pictures.html` draws it: the source of an `img`, its size in pixels, and the words below it."""

    source: str
    width: int
    height: int
    caption: str
    about: str
    is_wrong: bool


def figures(pictures: Sequence[Picture]) -> list[Figure]:
    """Each with its words below it."""
    return [_figure(picture) for picture in pictures]


def _figure(picture: Picture) -> Figure:
    from PIL import Image

    height, width = picture.pixels.shape[:2]
    source = embedded(Image.fromarray(picture.pixels))
    return Figure(source, width, height, picture.caption, picture.about, picture.is_wrong)


def embedded(picture: Image.Image, format: str = "png") -> str:
    """The picture as the source of an `img`, so that no file has to be kept for it."""
    file = io.BytesIO()
    picture.save(file, format)
    return f"data:image/{format};base64," + base64.b64encode(file.getvalue()).decode()
