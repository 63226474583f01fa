"""Pictures of strangers: opened, or refused early and in words, and made into the 32 x 32 pixels that a network sees."""

from __future__ import annotations

import io
import warnings
from math import isfinite
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
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
SIDE = 32
GREY = (125, 123, 114)  # the mean colour of CIFAR-10
HOW = ("crop", "fit")


def open_picture(source: Path | bytes, name: str = "", least: int = SIDE * 8) -> Image.Image:
    """The picture, upright, RGB on white, first frame. Raises `ConfigError` for what is no picture or too large a one.

    Size is read off the header, before any pixel is decoded. A JPEG may come shrunk, its shorter side not below `least`.
    """
    from PIL import Image, ImageOps

    name = name or (source.name if isinstance(source, Path) else "the upload")
    try:
        raw = source if isinstance(source, bytes) else _read(source)
    except OSError as error:
        raise ConfigError(f"{name} cannot be read ({error.strerror}): give the path of a picture.") from None
    if not raw:
        raise ConfigError(f"{name} is empty: choose a PNG, JPEG or WebP picture.")
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{name} is larger than {MAX_BYTES >> 20} MB: choose a smaller picture.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of bombs, where the limit below is stricter, and of damaged metadata
            picture = Image.open(io.BytesIO(raw), formats=FORMATS)
            width, height = picture.size
            if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
                raise ConfigError(
                    f"{name} has {width:,} x {height:,} pixels, more than {MAX_PIXELS // 10**6} million"
                    f" or {MAX_SIDE:,} on a side: choose a smaller picture."
                )
            # A JPEG decoder can shrink on the way, at a fraction of the work.
            picture.draft("RGB", (least, least))
            picture.load()
            return _rgb(ImageOps.exif_transpose(picture), name)
    except ConfigError:
        raise
    except Image.DecompressionBombError:
        raise ConfigError(
            f"{name} has more than {MAX_PIXELS // 10**6} million pixels: choose a smaller picture."
        ) from None
    except MemoryError:
        raise ConfigError(f"{name} needs more memory than there is: choose a smaller picture.") from None
    except Exception:  # what decoders raise for damaged files is not to be listed: OSError, struct.error, KeyError ...
        raise ConfigError(f"{name} is not a picture that can be read: choose a PNG, JPEG or WebP file.") from None


def _read(path: Path) -> bytes:
    with open(path, "rb") as f:
        return f.read(MAX_BYTES + 1)


def _rgb(picture: Image.Image, name: str) -> Image.Image:
    from PIL import Image

    if picture.mode[0] in "IF":
        return _grey(picture, name).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _grey(picture: Image.Image, name: str) -> Image.Image:
    """A picture of 16 or 32 bits a pixel, or of floats, in 8 bits.

    Wide integers and floats do not say where white is: at the smallest of 1, 255 and 65,535 that no pixel exceeds, else
    at the brightest pixel. Where there are negative ones, the lowest is black.
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(picture).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not (isfinite(low) and isfinite(high)):
        raise ConfigError(f"{name} has pixels that are no finite numbers: choose another picture.")
    if picture.mode.startswith("I;16"):
        black, white = 0.0, 65_535.0
    else:
        black = min(low, 0.0)
        white = next((w for w in (1.0, 255.0, 65_535.0) if low >= 0 and high <= w), high)
    see_through = picture.info.get("transparency")
    if isinstance(see_through, int):
        values[values == see_through] = white
    return Image.fromarray(((values - black) * (255 / max(white - black, 1e-30))).round().astype(np.uint8))


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
