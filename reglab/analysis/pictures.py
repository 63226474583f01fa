"""Pictures: opened, or refused early and in words, and made into the pixels that a network sees.

What strangers send comes here in a process of its own, which has nothing to lose: see `reglab.jobs.decoder`.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from reglab.colours import VIRIDIS
from reglab.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 25_000_000
MAX_SIDE = 10_000
SIDE = 32
GREY = (125, 123, 114)  # the mean colour of CIFAR-10
HOW = ("crop", "fit")


@dataclass(frozen=True)
class View:
    """How much of a picture a network sees, and in how many pixels.

    Networks that were trained here see 32 x 32 pixels, made as `as_seen` says. A network of timm has a side of its own, and
    a filter `by` which the middle square is resized so that the `share` of it that is seen fills that side.
    """

    how: str = "crop"
    side: int = SIDE
    share: float = 1.0
    by: str = ""


def seen(source: Path | bytes, view: View = View(), name: str = "") -> np.ndarray:
    """The pixels (side, side, 3) of a picture, as uint8. Raises `ConfigError`, as `open_picture` and `as_seen`."""
    import numpy as np
    from PIL import Image, ImageOps

    if not view.by:
        return np.asarray(as_seen(open_picture(source, name), view.how))
    picture, size = open_picture(source, name, least=2 * view.side), (view.side, view.side)
    return np.asarray(
        ImageOps.fit(picture, size, Image.Resampling[view.by.upper()], bleed=(1 - view.share) / 2),
    )


@lru_cache(maxsize=1)
def formats() -> dict[str, str]:
    """What is opened, by Pillow's name: what the web is full of and nothing else, for every other decoder is a risk more.

    The content decides, never the name of a file.
    """
    from PIL import JpegImagePlugin, PngImagePlugin, WebPImagePlugin, features  # noqa: F401  each registers its format

    found = {"PNG": "PNG", "JPEG": "JPEG", "WEBP": "WebP"}
    if features.check("avif"):
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a picture is small, and a process that was forked starts none well
        found["AVIF"] = "AVIF"
    return found


def kinds() -> str:
    """`PNG, JPEG, WebP or AVIF`, inside a sentence."""
    *first, last = formats().values()
    return f"{', '.join(first)} or {last}"


def open_picture(source: Path | bytes, name: str = "", least: int = SIDE * 8) -> Image.Image:
    """The picture, upright, RGB on white, first frame. Raises `ConfigError` for what is no picture or too large a one.

    Size is read off the header, before any pixel is decoded. A JPEG may come shrunk, its shorter side not below `least`.
    """
    from PIL import Image, ImageOps

    name = name or (source.name if isinstance(source, Path) else "the upload")
    raw = source if isinstance(source, bytes) else read(source, name)
    if not raw:
        raise ConfigError(f"{name} is empty: choose a {kinds()} picture.")
    if len(raw) > MAX_BYTES:
        raise ConfigError(too_large(name))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bombs, where the limit below is stricter, and of damaged metadata
            picture = Image.open(io.BytesIO(raw), formats=list(formats()))
            width, height = picture.size
            if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
                raise ConfigError(
                    f"{name} has {width:,} x {height:,} pixels, more than {MAX_PIXELS // 10**6} million"
                    f" or {MAX_SIDE:,} on a side: choose a smaller picture."
                )
            # A JPEG decoder can shrink on the way, at a fraction of the work.
            picture.draft("RGB", (least, least))
            picture.load()
            return _rgb(ImageOps.exif_transpose(picture))
    except ConfigError:
        raise
    except Image.DecompressionBombError:
        raise ConfigError(
            f"{name} has more than {MAX_PIXELS // 10**6} million pixels: choose a smaller picture."
        ) from None
    except MemoryError:
        raise ConfigError(f"{name} needs more memory than there is: choose a smaller picture.") from None
    except Exception:  # what decoders raise for damaged files is not to be listed: OSError, struct.error, KeyError ...
        raise ConfigError(f"{name} is not a picture that can be read: choose a {kinds()} file.") from None


def read(path: Path, name: str = "") -> bytes:
    """The file, or as much of it as shows that it is too large. Raises `ConfigError`."""
    try:
        with open(path, "rb") as f:
            return f.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{name or path.name} cannot be read ({error.strerror}): give the path of a picture."
        ) from None


def too_large(name: str) -> str:
    """The sentence for a file of too many bytes."""
    return f"{name} is larger than {MAX_BYTES >> 20} MB: choose a smaller picture."


def _rgb(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if picture.mode.startswith("I"):
        return _grey(picture).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _grey(picture: Image.Image) -> Image.Image:
    """A grey picture of 16 bits a pixel, of all formats only PNG has those, in 8 bits."""
    import numpy as np
    from PIL import Image

    values = np.asarray(picture).astype(np.float32)
    see_through = picture.info.get("transparency")
    if isinstance(see_through, int):
        values[values == see_through] = 65_535
    return Image.fromarray((values / 257).round().astype(np.uint8))


def as_seen(picture: Image.Image, how: str = "crop") -> Image.Image:
    """The 32 x 32 pixels that the network sees. Raises `ConfigError` for another `how` than crop or fit.

    crop: the middle square, as the pictures of CIFAR-10 are filled by their object. fit: the whole picture, on the mean
    colour of CIFAR-10. Normalization makes that nearly zero, which is what networks pad pictures with, so the bars beside
    the picture look to the network like the outside of any picture.
    """
    from PIL import Image, ImageOps

    def filter_for(pixels: int) -> Image.Resampling:
        """The mean over an area when shrinking, as fast as it is right; when enlarging, curves instead of steps."""
        return Image.Resampling.BOX if pixels >= SIDE else Image.Resampling.BICUBIC

    if how == "crop":
        return ImageOps.fit(picture, (SIDE, SIDE), filter_for(min(picture.size)))
    if how == "fit":
        longest = max(picture.size)
        width, height = (max(1, round(side * SIDE / longest)) for side in picture.size)
        seen = Image.new("RGB", (SIDE, SIDE), GREY)
        whole = picture.resize((width, height), filter_for(longest))
        seen.paste(whole, ((SIDE - width) // 2, (SIDE - height) // 2))
        return seen
    raise ConfigError(f"A picture cannot be made to fit by {how[:40]!r}: choose {' or '.join(HOW)}.")


OF_THE_MAP = 0.7  # of what is drawn; the rest is the picture in grey


def overlay(seen: np.ndarray, cam: np.ndarray, times: int = 8) -> Image.Image:
    """The seen picture in grey under the Grad-CAM in viridis, magnified; pixels stay square, the map is smooth.

    `seen` is (H, W, 3) as uint8, `cam` (H, W) in 0..1. The map reads the same on any picture, which gives no colour of its
    own, and from black to white a smaller step in brightness than the map from 0 to 1.
    """
    import numpy as np
    from PIL import Image

    size = (seen.shape[1] * times, seen.shape[0] * times)
    picture = Image.fromarray(seen).convert("L").resize(size, Image.Resampling.NEAREST)
    heat = Image.fromarray(cam.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    grey = np.asarray(picture, dtype=np.float32)[..., None]
    drawn = OF_THE_MAP * viridis(np.asarray(heat)) + (1 - OF_THE_MAP) * grey
    return Image.fromarray(drawn.round().astype(np.uint8))


def with_scale(drawn: Image.Image, label: str) -> Image.Image:
    """The overlay above the scale of its colours from 0 to 1, and what they mean; for a file, which no page explains."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    bar, font = 12, ImageFont.load_default()
    whole = Image.new("RGB", (drawn.width, drawn.height + bar + 40), "white")
    whole.paste(drawn, (0, 0))
    ramp = np.broadcast_to(np.linspace(0, 1, drawn.width), (bar, drawn.width))
    whole.paste(Image.fromarray(viridis(ramp).round().astype(np.uint8)), (0, drawn.height + 4))
    draw, top = ImageDraw.Draw(whole), drawn.height + bar + 6
    for text, place, down in (("0", 0.0, 0), ("1", 1.0, 0), (label, 0.5, 16)):
        left = 2 + place * (drawn.width - 4 - draw.textlength(text, font))
        draw.text((left, top + down), text, "black", font)
    return whole


def viridis(values: np.ndarray) -> np.ndarray:
    """Colours (..., 3) in 0..255 for values (...) in 0..1."""
    import numpy as np

    stops = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in VIRIDIS])
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(values, places, channel) for channel in stops.T], axis=-1)
