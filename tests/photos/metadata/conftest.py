"""Photos to write into, made anew for each test."""

from __future__ import annotations

import io

import numpy as np
import photo_library
import pyexiv2
import pytest
import tifffile
from PIL import Image

from photos.metadata.writing import MetadataWriter

PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
 xmlns:club="http://example.org/club/" xmp:Rating="3" club:entry="17">
<dc:subject><rdf:Bag><rdf:li>harbor</rdf:li><rdf:li>Küste</rdf:li></rdf:Bag></dc:subject>
<dc:creator><rdf:Seq><rdf:li>Member 07</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">CC0</rdf:li></rdf:Alt></dc:rights>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Boats.</rdf:li>
<rdf:li xml:lang="de-DE">Boote.</rdf:li><rdf:li xml:lang="fr">Bateaux.</rdf:li></rdf:Alt></dc:description>
<lr:hierarchicalSubject><rdf:Bag><rdf:li>place|harbor</rdf:li></rdf:Bag></lr:hierarchicalSubject>
<xmpMM:History><rdf:Seq><rdf:li rdf:parseType="Resource"><stEvt:action>saved</stEvt:action>
<stEvt:changed>/metadata</stEvt:changed></rdf:li></rdf:Seq></xmpMM:History>
<club:jury rdf:parseType="Resource"><club:size>3</club:size></club:jury>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def picture(width: int = 96, height: int = 64) -> Image.Image:
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return Image.fromarray(np.stack([x * 2 % 256, y * 3 % 256, (x * y) % 256], axis=-1).astype(np.uint8))


def encoded(kind: str, **options) -> bytes:
    held = io.BytesIO()
    picture().save(held, kind, **options)
    return held.getvalue()


def with_metadata(
    data: bytes, *, xmp: str | None = None, iptc: dict | None = None, exif: dict | None = None
) -> bytes:
    image = pyexiv2.ImageData(data)
    try:
        if exif:
            image.modify_exif(exif)
        if iptc:
            image.modify_iptc(iptc)
        if xmp:
            image.modify_raw_xmp(xmp)
        return image.get_bytes()
    finally:
        image.close()


def dng() -> bytes:
    held = io.BytesIO()
    pixels = np.asarray(picture())
    with tifffile.TiffWriter(held, byteorder="<") as file:
        file.write(
            pixels,
            photometric="rgb",
            metadata=None,
            extratags=[(50706, 1, 4, (1, 4, 0, 0), True), (50708, 2, 0, "Demo Camera", True)],
        )
    return held.getvalue()


FORMATS = {
    "photo.jpg": lambda: encoded("JPEG", quality=90),
    "photo.tif": lambda: encoded("TIFF"),
    "packed.tif": lambda: encoded("TIFF", compression="tiff_lzw"),
    "photo.png": lambda: encoded("PNG"),
    "photo.webp": lambda: encoded("WEBP", quality=80),
    "photo.dng": dng,
}


@pytest.fixture(scope="session")
def writer():
    with MetadataWriter() as one:
        yield one


@pytest.fixture
def photo(tmp_path):
    """A JPEG that others have written into: XMP with three languages, IPTC in Latin-1, EXIF."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(
        with_metadata(
            encoded("JPEG", quality=90),
            xmp=PACKET,
            exif={"Exif.Image.Artist": "Member 07", "Exif.Photo.DateTimeOriginal": "2024:05:11 08:12:40"},
        ),
    )
    return path


@pytest.fixture
def plain_jpeg():
    return encoded("JPEG", quality=90)


@pytest.fixture
def jpeg_with_second_image():
    return lambda order="exif mpf xmp": photo_library.jpeg_with_second_image(tuple(order.split()))


@pytest.fixture
def make_photo(tmp_path):
    """Writes a photo of a format, named as in FORMATS, with whatever others have written into it."""

    def make(name, **metadata):
        path = tmp_path / name
        path.write_bytes(with_metadata(FORMATS[name](), **metadata))
        return path

    return make


@pytest.fixture(params=FORMATS)
def each_format(request, make_photo):
    return make_photo(request.param, xmp=PACKET)


@pytest.fixture
def packet_text():
    return PACKET
