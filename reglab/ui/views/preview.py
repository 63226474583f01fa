"""What the network sees, as HTML: a `Look` in, figures out. Knows nothing of Gradio."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reglab.analysis.preview import Look, Picture

if TYPE_CHECKING:
    from PIL import Image


def sees_html(look: Look) -> str:
    """The pictures of the batch with their labels, and below them what the network hides from the first one."""
    shown = len(look.batch)
    of = f"{shown} of the {look.images}" if shown < look.images else f"All {shown}"
    wrong = " A dashed frame: the label is wrong, as asked for." if any(p.about for p in look.batch) else ""
    parts = [
        "<h4>The first batch</h4>",
        f"<p>{of} images of the first step, just as training will see them, with the labels it will ask for.{wrong}</p>",
        f'<div class="batch">{figures(look.batch)}</div>',
    ]
    if look.inside:
        parts += [
            "<h4>Inside the network</h4>",
            "<p>What is switched off (orange) while it looks at the first of these images. Drawn anew in every step.</p>",
            f'<div class="inside">{figures(look.inside)}</div>',
        ]
    return f'<section class="sees">{"".join(parts)}</section>'


def figures(pictures: Sequence[Picture]) -> str:
    """Each with its words below it."""
    return "".join(_figure(p) for p in pictures)


def _figure(picture: Picture) -> str:
    from PIL import Image

    source = embedded(Image.fromarray(picture.pixels))
    caption, about = html.escape(picture.caption), html.escape(picture.about)
    height, width = picture.pixels.shape[:2]
    kind = ' class="wrong"' if picture.is_wrong else ""
    small = f"<small>{about}</small>" if about else ""
    return (
        f'<figure{kind}><img src="{source}" width="{width}" height="{height}" alt="{caption}">'
        f"<figcaption>{caption}{small}</figcaption></figure>"
    )


def embedded(picture: Image.Image, format: str = "png") -> str:
    """The picture as the source of an `img`, so that no file has to be kept for it."""
    file = io.BytesIO()
    picture.save(file, format)
    return f"data:image/{format};base64," + base64.b64encode(file.getvalue()).decode()
