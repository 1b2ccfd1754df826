"""The promise of less than 1 GB, measured from outside, one process a picture of 100 megapixels.

What takes memory grows with the pixels, so most kinds are held at a quarter of them, and to a quarter of what is left
above a picture of next to none; under ``--soak`` each is held at all of them."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import pillow_heif
import pytest
from made_up_chunks import PNG_SIGNATURE, png_chunk, webp, webp_chunk
from PIL import Image
from soak import amount

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SIDE = 10_000
LIMIT = 1_000_000_000
WHOLE = {"turned jpeg", "16-bit tiff"}
"""Kinds that are always held at full size: what most photos are, and what takes the most."""

# The writer of each file; in a process of its own, as writing takes more memory than this test may.
WRITE = """
import sys
import cv2, numpy as np, pillow_heif, tifffile
from PIL import Image
kind, path, side = sys.argv[1], sys.argv[2], int(sys.argv[3])
Image.MAX_IMAGE_PIXELS = None
small = np.random.default_rng(3).integers(0, 256, (side // 50, side // 50, 3), dtype=np.uint8)
# TIFF's compressors are weak: coarse steps keep their files below the limit of bytes.
way = cv2.INTER_NEAREST if "tiff" in kind else cv2.INTER_LINEAR
pixels = cv2.resize(small, (side, side), interpolation=way)
picture = Image.fromarray(pixels)
exif = Image.Exif()
exif[0x0112] = 6
if kind == "jpeg": picture.save(path, "JPEG", quality=92)
elif kind == "turned jpeg": picture.save(path, "JPEG", quality=92, exif=exif)
elif kind == "progressive jpeg": picture.save(path, "JPEG", quality=92, progressive=True)
elif kind == "adobe rgb jpeg":
    from photos.color import adobe_rgb_profile
    picture.save(path, "JPEG", quality=92, icc_profile=adobe_rgb_profile())
elif kind == "cmyk jpeg": picture.convert("CMYK").save(path, "JPEG", quality=92)
elif kind == "png with alpha": picture.convert("RGBA").save(path, "PNG", compress_level=1)
elif kind == "turned tiff": picture.save(path, "TIFF", compression="tiff_lzw", exif=exif)
elif kind == "16-bit tiff":
    tifffile.imwrite(path, pixels.astype(np.uint16) * 257, photometric="rgb", compression="deflate", rowsperstrip=64)
elif kind == "webp": cv2.imwrite(path + ".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, 30])
elif kind == "heic": pillow_heif.from_pillow(picture.resize((side * 6 // 10, side * 4 // 10))).save(path, quality=30)
elif kind == "avif": picture.resize((side * 77 // 100, side * 77 // 100)).save(path, "AVIF", quality=30, speed=10)
"""

READ = """
import sys
from pathlib import Path
from photos.decoding import decode
from photos.errors import PictureError
from photos.identity import photo_id
from photos.previews import PreviewSpec, preview
from photos.signals import measure
path = Path(sys.argv[1])
photo_id(path)
try:
    picture = decode(path)
    outcome = "x".join(map(str, picture.pixels.shape))
    measure(picture.pixels)
    preview(picture, PreviewSpec(1024, 88))
except PictureError as error:
    outcome = error.error_class
# VmHWM and not ru_maxrss: the latter inherits the peak of the process that started this one.
peak = next(line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024, outcome)
"""


def python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


@pytest.fixture(scope="module")
def peak_of_nothing(tmp_path_factory) -> int:
    """Bytes that it takes to look at a picture of next to no pixels."""
    path = tmp_path_factory.mktemp("small") / "picture"
    Image.new("RGB", (16, 16)).save(path, "PNG")
    return int(python(READ, str(path)).split()[0])


@pytest.mark.parametrize(
    ("kind", "width", "height"),
    [
        ("jpeg", 1, 1),
        ("turned jpeg", 1, 1),
        ("progressive jpeg", 1, 1),
        ("adobe rgb jpeg", 1, 1),
        ("cmyk jpeg", 1, 1),
        ("png with alpha", 1, 1),
        ("turned tiff", 1, 1),
        ("16-bit tiff", 1, 1),
        ("webp", 1, 1),
        ("heic", 0.6, 0.4),
        ("avif", 0.77, 0.77),
    ],
)
def test_decoding_measuring_and_shrinking_stay_under_a_gigabyte(
    tmp_path, peak_of_nothing, kind, width, height
):
    side = SIDE if kind in WHOLE else amount(SIDE, SIDE // 2)
    limit = peak_of_nothing + (LIMIT - peak_of_nothing) * (side / SIDE) ** 2
    path = tmp_path / "picture"
    python(WRITE, kind, str(path), str(side))
    (written,) = tmp_path.iterdir()
    peak, outcome = python(READ, str(written)).split()
    assert outcome == f"{round(side * height)}x{round(side * width)}x3"
    assert int(peak) < limit, f"{kind}: {int(peak) / 1e6:.0f} MB of {limit / 1e6:.0f}"
    print(f"{kind}: {int(peak) / 1e6:.0f} MB of {limit / 1e6:.0f}")  # noqa: T201 - shown with -s


PADDING = 280 << 20
"""Bytes of nothing, as a sparse file has them; below the limit of a file's size."""


def canvas(flags: int, side: int) -> bytes:
    return webp_chunk(b"VP8X", bytes((flags, 0, 0, 0)) + (side - 1).to_bytes(3, "little") * 2)


def webp_with_a_late_canvas(encoded) -> bytes:
    small = encoded(Image.new("RGB", (16, 16)), "WEBP")
    frame = small[20:]
    at = frame.index(b"\x9d\x01\x2a") + 3
    large = frame[:at] + struct.pack("<HH", 16_000, 16_000) + frame[at + 4 :]
    return webp(webp_chunk(b"VP8 ", large), canvas(0, 10))


def animated_webp_with_padding(encoded) -> bytes:
    frame = encoded(Image.new("RGB", (16, 16)), "WEBP")[12:]
    place = bytes(6) + (15).to_bytes(3, "little") * 2 + bytes(4)
    frames = [webp_chunk(b"ANMF", place + frame)] * 2
    padding = b"JUNK" + struct.pack("<I", PADDING)
    return webp(canvas(2, 8_000), webp_chunk(b"ANIM", bytes(6)), *frames, padding, missing=PADDING)


def psd_with_padding(_) -> bytes:
    header = b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, SIDE, SIDE, 8, 3) + bytes(4)
    resource = b"8BIM" + struct.pack(">HHI", 1060, 0, PADDING)
    return header + struct.pack(">I", len(resource) + PADDING) + resource


def tiff_with(*more: tuple[int, int, int, int]) -> bytes:
    """A grey TIFF of 16 x 16, with tags whose values lie at its end, at 456."""
    entries = [(256, 3, 1, 16), (257, 3, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 200),
               (277, 3, 1, 1), (278, 3, 1, 16), (279, 4, 1, 256), *more]  # fmt: skip
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (b"II*\0" + struct.pack("<IH", 8, len(entries)) + table).ljust(456, b"\0")


def tiff_with_layers(_) -> bytes:
    return tiff_with((37724, 7, PADDING, 456))


def heic_with_padding(_) -> bytes:
    held = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64))).save(held)
    return held.getvalue() + struct.pack(">I4s", PADDING + 8, b"free")


def dng_with_padding(_) -> bytes:
    return tiff_with((50706, 1, 4, 0x401))


def png_with_many_texts(_) -> bytes:
    text = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"A" * 7_900_000, 9))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(8 * 25))
    chunks = png_chunk(b"IHDR", header) + text * 150 + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    return PNG_SIGNATURE + chunks


def animated_png(_) -> bytes:
    packer = zlib.compressobj(1)
    row = bytes(1 + 3 * SIDE)
    data = b"".join(packer.compress(row) for _ in range(SIDE)) + packer.flush()
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    control = [
        png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", at, SIDE, SIDE, 0, 0, 1, 1, 0, 0)) for at in (0, 1)
    ]
    return b"".join(
        (
            PNG_SIGNATURE,
            png_chunk(b"IHDR", header),
            png_chunk(b"acTL", struct.pack(">II", 2, 0)),
            control[0],
            png_chunk(b"IDAT", data),
            control[1],
            png_chunk(b"fdAT", struct.pack(">I", 2) + data),
            png_chunk(b"IEND", b""),
        )
    )


HOSTILE = {
    "webp with a late canvas": (webp_with_a_late_canvas, 0, "too_many_pixels"),
    "animated webp with padding": (animated_webp_with_padding, PADDING, "too_many_pixels"),
    "psd with padding": (psd_with_padding, PADDING, "damaged"),
    "tiff with layers": (tiff_with_layers, PADDING, "too_many_pixels"),
    "heic with padding": (heic_with_padding, PADDING, "file_too_large"),
    "dng with padding": (dng_with_padding, PADDING, "file_too_large"),
    "png with many texts": (png_with_many_texts, 0, "8x8x3"),
    "animated png": (animated_png, 0, "10000x10000x3"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_no_file_made_to_fill_the_memory_gets_past_a_gigabyte(tmp_path: Path, encoded, kind):
    make, padding, expected = HOSTILE[kind]
    data = make(encoded)
    path = tmp_path / "picture"
    with path.open("wb") as file:
        file.write(data)
        file.truncate(len(data) + padding)
    peak, outcome = python(READ, str(path)).split()
    assert outcome == expected
    assert int(peak) < LIMIT, f"{kind}: {int(peak) / 1e6:.0f} MB"
