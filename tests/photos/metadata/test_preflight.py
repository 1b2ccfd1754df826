from __future__ import annotations

import pytest
from PIL import Image, PngImagePlugin

from photos.metadata import packet
from photos.metadata.errors import MetadataUnreadable
from photos.metadata.reading import read_metadata

SIZE = 10_000
"""Bytes of the largest packet, in these tests."""


@pytest.fixture(autouse=True)
def smaller_limit(monkeypatch):
    monkeypatch.setattr("photos.metadata.packet.LARGEST_PACKET", SIZE)
    monkeypatch.setattr("photos.metadata.preflight.LARGEST_PACKET", SIZE)


def packet_of(text: str, size: int) -> bytes:
    return text.encode() + b" " * (size - len(text.encode()))


def save(path, xmp: bytes) -> None:
    picture = Image.new("RGB", (8, 8))
    if path.suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=path.stem == "packed")
        picture.save(path, pnginfo=info)
    elif path.suffix == ".tif":
        picture.save(path, tiffinfo={700: xmp})
    else:
        picture.save(path, xmp=xmp)


NAMES = ["plain.png", "packed.png", "a.webp", "a.tif"]


@pytest.mark.parametrize("name", NAMES)
def test_a_packet_that_is_too_large_is_refused_before_a_library_sees_it(
    tmp_path, packet_text, monkeypatch, name
):
    path = tmp_path / name
    save(path, packet_of(packet_text, SIZE + 1))
    monkeypatch.setattr("photos.metadata.embedded.pyexiv2.Image", None)
    with pytest.raises(MetadataUnreadable, match=f"has 10,001 bytes; at most {SIZE:,} are read"):
        read_metadata(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_packet_that_just_fits_is_read(tmp_path, packet_text, name):
    path = tmp_path / name
    save(path, packet_of(packet_text, SIZE))
    assert read_metadata(path).keywords == ("harbor", "Küste")


def test_a_sidecar_that_is_too_large_is_refused(tmp_path, packet_text):
    path = tmp_path / "photo.xmp"
    path.write_bytes(b"<!-- " + b"x" * packet.LARGEST_PACKET + b" -->" + packet_text.encode())
    with pytest.raises(MetadataUnreadable, match="at most"):
        read_metadata(path)
