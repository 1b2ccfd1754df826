"""The promise of less than 1 GB, measured from outside, one process a picture of 100 megapixels."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SIDE = 10_000
LIMIT = 1_000_000_000

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
elif kind == "heic": pillow_heif.from_pillow(picture.resize((6_000, 4_000))).save(path, quality=30)
elif kind == "avif": picture.resize((7_700, 7_700)).save(path, "AVIF", quality=30, speed=10)
"""

READ = """
import sys
from pathlib import Path
from photos.decoding import decode
from photos.errors import TooManyPixels
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
except TooManyPixels as error:
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


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("jpeg", "10000x10000x3"),
        ("turned jpeg", "10000x10000x3"),
        ("progressive jpeg", "10000x10000x3"),
        ("adobe rgb jpeg", "10000x10000x3"),
        ("cmyk jpeg", "10000x10000x3"),
        ("png with alpha", "10000x10000x3"),
        ("turned tiff", "10000x10000x3"),
        ("16-bit tiff", "10000x10000x3"),
        ("webp", "10000x10000x3"),
        ("heic", "4000x6000x3"),
        ("avif", "7700x7700x3"),
    ],
)
def test_decoding_measuring_and_shrinking_stay_under_a_gigabyte(tmp_path, kind, expected):
    path = tmp_path / "picture"
    python(WRITE, kind, str(path), str(SIDE))
    (written,) = tmp_path.iterdir()
    peak, outcome = python(READ, str(written)).split()
    assert outcome == expected
    assert int(peak) < LIMIT, f"{kind}: {int(peak) / 1e6:.0f} MB"
