"""Pictures of every make, and what a network sees of them."""

from __future__ import annotations

import io
import re
import struct
import zlib

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from reglab.analysis.pictures import GREY, View, as_seen, formats, open_picture, seen
from reglab.errors import ConfigError

RED, GREEN, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (255, 255, 255), (0, 0, 0)


# ---- pictures ----------------------------------------------------------------------------------------------------
def saved(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def png(colour: int, bits: int, width: int, height: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG byte by byte, for what Pillow reads and does not write."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + body + chunk(b"IEND", b"")


def two(mode: str, left: object, right: object) -> Image.Image:
    picture = Image.new(mode, (2, 1))
    picture.putdata([left, right])
    return picture


def palette(transparent: int | None) -> bytes:
    picture = two("P", 0, 1)
    picture.putpalette([*RED, *GREEN])
    return saved(picture, **({} if transparent is None else {"transparency": transparent}))


def animated(format: str, **options: object) -> bytes:
    return saved(two("RGB", RED, GREEN), format, save_all=True, append_images=[two("RGB", BLACK, BLACK)], **options)


def grey(value: int) -> tuple[int, int, int]:
    return (value, value, value)


TWO_PIXELS = {  # -> what the two pixels are in RGB
    "RGB": (saved(two("RGB", RED, GREEN)), RED, GREEN),
    "1 bit": (saved(two("1", 0, 255)), BLACK, WHITE),
    "1 bit, white see-through": (png(0, 1, 2, 1, b"\0\x40", chunk(b"tRNS", b"\0\0")), WHITE, WHITE),
    "grey": (saved(two("L", 7, 200)), grey(7), grey(200)),
    "grey, one see-through": (png(0, 8, 2, 1, b"\0\x07\xc8", chunk(b"tRNS", b"\0\x07")), WHITE, grey(200)),
    "grey with alpha": (saved(two("LA", (7, 255), (7, 0))), grey(7), WHITE),
    "RGB with alpha": (saved(two("RGBA", (*RED, 255), (*GREEN, 0))), RED, WHITE),
    "half see-through": (saved(two("RGBA", (0, 0, 0, 255), (0, 0, 0, 51))), BLACK, grey(204)),
    "palette": (palette(None), RED, GREEN),
    "palette, one see-through": (palette(1), RED, WHITE),
    "16 bits": (png(0, 16, 2, 1, b"\0" + struct.pack(">2H", 65_535, 32_768)), WHITE, grey(128)),
    "16 bits, one see-through": (
        png(0, 16, 2, 1, b"\0" + struct.pack(">2H", 300, 32_768), chunk(b"tRNS", struct.pack(">H", 300))),
        WHITE,
        grey(128),
    ),
    "16 bits a colour": (png(2, 16, 2, 1, b"\0" + struct.pack(">6H", 65_535, 0, 0, 0, 65_535, 0)), RED, GREEN),
    "16 bits with alpha": (png(6, 16, 2, 1, b"\0" + struct.pack(">8H", 65_535, 0, 0, 65_535, *[0] * 4)), RED, WHITE),
    "animated PNG": (animated("PNG"), RED, GREEN),
    "animated WebP": (animated("WEBP", lossless=True), RED, GREEN),
    "WebP": (saved(two("RGB", RED, GREEN), "WEBP", lossless=True), RED, GREEN),
}


@pytest.mark.parametrize("kind", TWO_PIXELS)
def test_pictures_of_every_make_become_rgb_on_white(kind):
    content, *expected = TWO_PIXELS[kind]
    picture = open_picture(content)
    assert picture.mode == "RGB" and picture.size == (2, 1)
    for x, colour in enumerate(expected):
        assert colour is None or picture.getpixel((x, 0)) == colour


CLOSE = {  # what loses colours: whole pictures, which come out as they are within a little
    "JPEG": (saved(Image.new("RGB", (16, 16), (200, 30, 60)), "JPEG"), (200, 30, 60)),
    "JPEG, grey": (saved(Image.new("L", (16, 16), 77), "JPEG"), (77, 77, 77)),
    "JPEG, CMYK": (saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"), RED),
    "JPEG, CMYK with black": (saved(Image.new("CMYK", (16, 16), (0, 0, 0, 155)), "JPEG"), (100, 100, 100)),
    "JPEG of several pictures": (
        saved(Image.new("RGB", (16, 16), RED), "MPO", save_all=True, append_images=[Image.new("RGB", (16, 16))]),
        RED,
    ),
}
if "AVIF" in formats():
    CLOSE |= {
        "AVIF": (saved(Image.new("RGB", (16, 16), (200, 30, 60)), "AVIF"), (200, 30, 60)),
        "AVIF, see-through": (saved(Image.new("RGBA", (16, 16), (0, 0, 0, 51)), "AVIF"), (204, 204, 204)),
        "animated AVIF": (
            saved(Image.new("RGB", (16, 16), RED), "AVIF", save_all=True, append_images=[Image.new("RGB", (16, 16))]),
            RED,
        ),
    }


@pytest.mark.parametrize("kind", CLOSE)
def test_colours_come_out_of_what_loses_a_little(kind):
    content, colour = CLOSE[kind]
    pixels = np.asarray(open_picture(content))
    assert pixels.shape == (16, 16, 3) and np.abs(pixels.astype(int) - colour).max() <= 4


@pytest.mark.parametrize("format", [*formats()])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pictures_are_turned_upright(orientation, format, mode):
    """The eight orientations of the EXIF standard, from what stands in row 0 and column 0 of the stored picture."""
    upright = np.full((32, 16), 60, np.uint8)
    upright[:16, :8] = 230  # upper left
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
        8: upright.T[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    content = saved(Image.fromarray(np.ascontiguousarray(stored)).convert(mode), format, exif=exif)
    found = np.asarray(open_picture(content))
    assert found.shape == (32, 16, 3)
    assert np.abs(found.astype(int) - upright[..., None]).max() < 40  # all but PNG lose a little


def test_sixteen_bits_are_turned_too():
    exif = Image.Exif()
    exif[274] = 6
    content = saved(Image.fromarray(np.array([[0, 1, 1, 0, 0]], np.uint16)), "PNG", exif=exif)
    assert open_picture(content).size == (1, 5)


NO_PICTURES = {
    "a bomb": (png(0, 8, 60_000, 60_000, b""), "pixels"),
    "a long bomb": (png(0, 1, 20_000, 10, b""), "on a side"),
    "no pixels at all": (png(0, 8, 0, 0, b""), "not a picture"),
    "no end": (saved(Image.new("RGB", (50, 50), "red"))[:-60], "not a picture"),
    "empty": (b"", "empty"),
    "a vector picture": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
}


# Pillow reads these and we do not: each decoder that is left out is one that nobody can attack.
OTHERS = (
    "GIF",
    "BMP",
    "TIFF",
    "ICO",
    "PPM",
    "TGA",
    "PCX",
    "SGI",
    "DDS",
    "EPS",
    "ICNS",
    "JPEG2000",
    "PDF",
    "MSP",
    "XBM",
)
NO_PICTURES |= {
    f"{format} under another name": (
        saved(Image.new("1" if format in ("MSP", "XBM") else "RGB", (64, 64)), format),
        "not a picture",
    )
    for format in OTHERS
}


def test_wherever_a_picture_is_opened_the_formats_are_listed():
    opened = {
        path.relative_to(ROOT).as_posix(): line.strip()
        for path in (ROOT / "reglab").rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"\bImage\.open\(", line) and "formats=" not in line and not line.startswith("picture = ")
    }
    assert not opened  # a line without an indent is one of the model card, for whoever copies it


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_what_cannot_be_read_is_refused_in_a_sentence(kind):
    content, words = NO_PICTURES[kind]
    with pytest.raises(ConfigError, match=words) as refusal:
        open_picture(content, "mine.png")
    assert str(refusal.value).startswith("mine.png ") and "\n" not in str(refusal.value)


# ---- what the network sees ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["crop", "fit"])
@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (31, 33), (32, 32), (640, 480)])
def test_pictures_of_any_size_are_seen_in_their_own_colour(size, how):
    seen = np.asarray(as_seen(Image.new("RGB", size, RED), how))
    assert seen.shape == (32, 32, 3)
    red = (seen == RED).all(2)
    assert (red | (seen == GREY).all(2)).all()
    shares = [max(1, round(32 * side / max(size))) for side in size]
    assert red.sum() == (32 * 32 if how == "crop" else shares[0] * shares[1])


@pytest.mark.parametrize("how", ["crop", "fit"])
def test_what_is_32_pixels_wide_and_high_is_seen_as_it_is(how):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert np.array_equal(np.asarray(as_seen(Image.fromarray(pixels), how)), pixels)


def test_crop_takes_the_middle_and_fit_takes_all():
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, :32], wide[:, 64:] = RED, GREEN
    picture = Image.fromarray(wide)
    assert not np.asarray(as_seen(picture, "crop")).any()
    seen = np.asarray(as_seen(picture, "fit"))
    assert (seen[:10] == GREY).all() and (seen[-10:] == GREY).all()
    assert (seen[12:20, :9] == RED).all() and (seen[12:20, -9:] == GREEN).all()
    with pytest.raises(ConfigError, match="crop or fit"):
        as_seen(picture, "stretch")


@pytest.mark.parametrize("how", ["crop", "fit"])
def test_the_pixels_of_a_view_are_those_of_the_picture(how):
    content = saved(Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 90, 3), np.uint8)))
    assert np.array_equal(seen(content, View(how)), np.asarray(as_seen(open_picture(content), how)))
    assert seen(content, View(side=50, share=0.9, by="bicubic")).shape == (50, 50, 3)
