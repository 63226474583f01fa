"""What malformed pictures do to a server: 10,000 of them, opened as it opens those of strangers.

    python benchmarks/pictures.py             # minutes; prints a table, writes benchmarks/pictures.json
    python benchmarks/pictures.py --quick     # 200 of them; shows that it works, nothing is written

Valid pictures of every format are cut, flipped, overwritten, spliced and told to be larger than they are, the same ones each
time. Each is answered with pixels or a sentence within a second (p99), this process stays as it is, and its memory with it.
Exit status 1 where that is not so; a quick look judges nobody.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed

from reglab import __version__  # noqa: I001  first, as in the app
import numpy as np
import PIL
import psutil
from PIL import Image, features

from reglab.analysis.pictures import View
from reglab.errors import ConfigError, RunError
from reglab.jobs.decoder import BROKEN, Decoder
from reglab.runs.files import write_json

P99, SLOWEST, MEMORY = 1.0, 15.0, 50.0  # seconds, seconds, MiB
COUNT = 10_000


@dataclass(frozen=True)
class Measured:
    """What became of so many pictures."""

    count: int
    answers: dict[str, int]  # read, refused, broken off
    restarts: int  # of the process that opens pictures
    seconds: tuple[float, ...]
    memory: float  # MiB that this process and that one have more than at the start
    files: int  # that this process has open more than at the start

    def quantile(self, share: float) -> float:
        return sorted(self.seconds)[min(int(share * self.count), self.count - 1)]

    @property
    def is_met(self) -> bool:
        return self.quantile(0.99) < P99 and max(self.seconds) < SLOWEST and self.memory < MEMORY and self.files <= 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=COUNT, help=f"pictures (default {COUNT:,})")
    parser.add_argument("--seed", type=int, default=0, help="another one makes other pictures (default 0)")
    parser.add_argument("--quick", action="store_true", help="200 pictures, and nothing is written")
    args = parser.parse_args(arguments)
    told = measure(200 if args.quick else args.count, args.seed)
    print(
        "| pictures | answers | median | p99 | slowest | restarts | memory | files | |\n|---|---|---|---|---|---|---|---|---|"
    )
    answers = ", ".join(f"{count:,} {what}" for what, count in sorted(told.answers.items()))
    print(
        f"| {told.count:,} | {answers} | {told.quantile(0.5) * 1e3:.0f} ms | {told.quantile(0.99) * 1e3:.0f} ms"
        f" | {max(told.seconds) * 1e3:.0f} ms | {told.restarts} | {told.memory:+.1f} MiB | {told.files:+d}"
        f" | {'met' if told.is_met else '**not met**'} |"
    )
    if args.quick:
        print("\nA quick look, not for the record.")
        return 0
    conditions = {
        "pillow": PIL.__version__,
        "avif": features.version("avif") or "none",
        "python": sys.version.split()[0],
        "reglab": __version__,
        "date": date.today().isoformat(),
        "n": told.count,
        "seed": args.seed,
        "limits": {"p99": P99, "slowest": SLOWEST, "memory": MEMORY},
    }
    figures: dict[str, Any] = {
        "answers": told.answers,
        "median": told.quantile(0.5),
        "p99": told.quantile(0.99),
        "slowest": max(told.seconds),
        "restarts": told.restarts,
        "memory": told.memory,
        "files": told.files,
        "met": told.is_met,
    }
    write_json(Path(__file__).with_suffix(".json"), {"conditions": conditions, "measured": figures})
    return 0 if told.is_met else 1


def measure(count: int = COUNT, seed: int = 0) -> Measured:
    """Have so many malformed pictures opened as the server does, after a good one."""
    decoder, here = Decoder(), psutil.Process()
    answers, seconds, pids = Counter[str](), [], set()
    whole = valid()
    with tempfile.TemporaryDirectory(prefix="reglab-pictures-") as folder:
        path = Path(folder) / "picture"
        path.write_bytes(whole[0])
        decoder.seen(path, View())

        def memory() -> float:
            child = psutil.Process(decoder.pid)
            return sum(p.memory_info().rss for p in (here, child, *child.children(recursive=True))) / 2**20

        before, files = memory(), len(here.open_files())
        for content in malformed(whole, count, seed):
            path.write_bytes(content)
            began = time.perf_counter()
            answers[answer(decoder, path)] += 1
            seconds.append(time.perf_counter() - began)
            pids.add(decoder.pid)
        path.write_bytes(whole[0])
        decoder.seen(path, View())
        told = Measured(
            count, dict(answers), len(pids) - 1, tuple(seconds), memory() - before, len(here.open_files()) - files
        )
    decoder.close()
    return told


def answer(decoder: Decoder, path: Path) -> str:
    """In a word what became of a picture; anything but pixels and a sentence is raised."""
    try:
        pixels = decoder.seen(path, View())
    except ConfigError as refusal:
        assert "\n" not in str(refusal)
        return "refused"
    except RunError as refusal:
        assert str(refusal) == BROKEN
        return "broken off"
    assert pixels.shape == (32, 32, 3) and pixels.dtype == np.uint8
    return "read"


# ---- pictures ----------------------------------------------------------------------------------------------------
def valid() -> list[bytes]:
    """Pictures of every format that is opened, and of some that are not."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 4), np.uint8)
    alpha = Image.fromarray(pixels)
    colour, grey = alpha.convert("RGB"), alpha.convert("L")
    exif = Image.Exif()
    exif[274], exif[270] = 6, "about this picture"
    more = {"save_all": True, "append_images": [colour.rotate(180)]}
    made = [
        saved(colour, "PNG", exif=exif),
        saved(alpha, "PNG"),
        saved(grey.quantize(16), "PNG", transparency=3),
        saved(Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "PNG"),
        saved(colour, "PNG", **more),
        saved(colour, "JPEG", exif=exif),
        saved(colour, "JPEG", progressive=True, icc_profile=b"no profile at all" * 9),
        saved(alpha.convert("CMYK"), "JPEG"),
        saved(colour, "MPO", **more),
        saved(colour, "WEBP", exif=exif),
        saved(alpha, "WEBP", lossless=True),
        saved(colour, "WEBP", **more),
        saved(colour, "GIF", **more),
        saved(colour, "TIFF", compression="jpeg"),
        saved(alpha, "TIFF", compression="tiff_lzw"),
        saved(colour, "BMP"),
        saved(colour, "JPEG2000"),
    ]
    if features.check("avif"):
        made += [saved(colour, "AVIF", exif=exif), saved(alpha, "AVIF", quality=30), saved(colour, "AVIF", **more)]
    return made


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def malformed(whole: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """So many pictures that are not as they should be; the same ones for the same seed."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        damaged = bytearray(whole[number % len(whole)])
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            damaged = rng.choice((cut, flip, overwrite, splice, exaggerate, repeat, drop))(damaged, rng, whole)
        yield bytes(damaged)


def place(data: bytearray, rng: random.Random) -> int:
    """Somewhere in it, every other time among the first bytes, which tell a decoder most."""
    return rng.randrange(max(1, min(len(data), rng.choice((64, 512, len(data), len(data))))))


def cut(data: bytearray, rng: random.Random, whole: Sequence[bytes]) -> bytearray:
    return data[: place(data, rng)]


def flip(data: bytearray, rng: random.Random, whole: Sequence[bytes]) -> bytearray:
    for _ in range(rng.randint(1, 8) if data else 0):
        data[place(data, rng)] ^= 1 << rng.randrange(8)
    return data


def overwrite(data: bytearray, rng: random.Random, whole: Sequence[bytes]) -> bytearray:
    at = place(data, rng)
    data[at : at + 16] = rng.randbytes(rng.randint(1, 16))
    return data


def splice(data: bytearray, rng: random.Random, whole: Sequence[bytes]) -> bytearray:
    other = rng.choice(whole)
    return data[: place(data, rng)] + other[rng.randrange(len(other)) :]


def exaggerate(data: bytearray, rng: random.Random, whole: Sequence[bytes]) -> bytearray:
    """A number that may be a size, a length or an offset, as large or as small as it gets, in either order of bytes."""
    at, width = place(data, rng), rng.choice((2, 4))
    number = rng.choice((0, 1, 16_384, 65_535, 2 ** (8 * width - 1), 2 ** (8 * width) - 1))
    data[at : at + width] = number.to_bytes(width, rng.choice(("big", "little")))
    return data


def repeat(data: bytearray, rng: random.Random, whole: Sequence[bytes]) -> bytearray:
    at = place(data, rng)
    return data[:at] + data[at : at + rng.randint(1, 400)] * rng.randint(2, 200) + data[at:]


def drop(data: bytearray, rng: random.Random, whole: Sequence[bytes]) -> bytearray:
    at = place(data, rng)
    return data[:at] + data[at + rng.randint(1, 64) :]


if __name__ == "__main__":
    sys.exit(main())
