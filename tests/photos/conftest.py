"""Pictures whose truth is known, because they are made here."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image, ImageCms

from photos.color import matrix_profile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="session")
def scene() -> NDArray[np.uint8]:
    """A real photograph of 240 x 320 with edges, texture and smooth parts."""
    return np.ascontiguousarray(skimage.data.astronaut()[:240, 60:380])


@pytest.fixture(scope="session")
def corners() -> NDArray[np.uint8]:
    """48 x 80 with a color of its own in each corner, so that no turn or mirroring leaves it alike."""
    pixels = np.full((48, 80, 3), 128, np.uint8)
    pixels[:24, :40], pixels[:24, 40:] = (250, 10, 10), (10, 250, 10)
    pixels[24:, :40], pixels[24:, 40:] = (10, 10, 250), (250, 250, 10)
    return pixels


@pytest.fixture(scope="session")
def adobe_rgb() -> bytes:
    return matrix_profile("Adobe RGB (1998)", ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)


@pytest.fixture(scope="session")
def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write pixels or a Pillow picture under a name; keywords go to Pillow."""

    def write(name: str, picture: NDArray[Any] | Image.Image, **options: Any) -> Path:
        made = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        path = tmp_path / name
        made.save(path, **options)
        return path

    return write


@pytest.fixture
def dng(tmp_path: Path, scene: NDArray[np.uint8]) -> Path:
    """A DNG as a camera makes it: thumbnail, sensor data and preview in directories of their own."""
    path = tmp_path / "like.dng"
    matrix = [10000, 10000, 0, 10000, 0, 10000] * 3
    tags = [
        (50706, 1, 4, (1, 4, 0, 0), True),
        (50708, 2, 0, "Made up", True),
        (50721, 10, 9, matrix, True),
        (274, 3, 1, 6, True),
    ]
    with tifffile.TiffWriter(path) as writer:
        writer.write(
            scene[::4, ::4], photometric="rgb", subfiletype=1, subifds=2, extratags=tags, metadata=None
        )
        pattern = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, (0, 1, 1, 2), True)]
        sensor = scene[..., 1].astype(np.uint16) << 4
        writer.write(sensor, photometric="cfa", extratags=pattern, metadata=None)
        writer.write(scene, photometric="rgb", subfiletype=1, metadata=None)
    return path


@pytest.fixture(scope="session")
def exif() -> Callable[..., bytes]:
    """An EXIF block with an orientation, a time and a color space mark."""

    def make(
        orientation: int | None = None,
        *,
        taken: str | None = None,
        zone: str | None = None,
        color_space: int | None = None,
        interoperability: str | None = None,
    ) -> bytes:
        block = Image.Exif()
        if orientation is not None:
            block[0x0112] = orientation
        details = {
            0x9003: taken,
            0x9011: zone,
            0xA001: color_space,
            0xA005: None if interoperability is None else {1: interoperability},
        }
        for tag, value in details.items():
            if value is not None:
                block.get_ifd(0x8769)[tag] = value
        return block.tobytes()

    return make


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    """Encode pixels or a Pillow picture in memory."""

    def encode(picture: NDArray[Any] | Image.Image, format_name: str, **options: Any) -> bytes:
        made = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        buffer = io.BytesIO()
        made.save(buffer, format_name, **options)
        return buffer.getvalue()

    return encode
