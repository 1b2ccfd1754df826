"""A photo library of every kind that is written into or beside, made by code, in which others have written before."""

from __future__ import annotations

import io
import itertools
import random
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pyexiv2
import tifffile
from PIL import Image, ImageCms, PngImagePlugin
from pillow_heif import from_pillow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
 xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" xmlns:darktable="http://darktable.sf.net/"
 xmlns:club="http://example.org/club/" xmp:Rating="{rating}" club:entry="{number}" crs:Exposure2012="+0.35">
<dc:subject><rdf:Bag><rdf:li>harbor</rdf:li><rdf:li>Küste {number}</rdf:li></rdf:Bag></dc:subject>
<dc:creator><rdf:Seq><rdf:li>Member {number}</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">CC0</rdf:li></rdf:Alt></dc:rights>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Boats</rdf:li><rdf:li xml:lang="ja">船</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Boats.</rdf:li>
<rdf:li xml:lang="de-DE">Boote.</rdf:li><rdf:li xml:lang="fr">Bateaux à quai.</rdf:li></rdf:Alt></dc:description>
{hierarchy}
<crs:ToneCurvePV2012><rdf:Seq><rdf:li>0, 0</rdf:li><rdf:li>255, 255</rdf:li></rdf:Seq></crs:ToneCurvePV2012>
<darktable:history><rdf:Seq><rdf:li darktable:num="0" darktable:operation="exposure" darktable:params="0001"/>
</rdf:Seq></darktable:history>
<xmpMM:History><rdf:Seq><rdf:li rdf:parseType="Resource"><stEvt:action>saved</stEvt:action>
<stEvt:changed>/metadata</stEvt:changed></rdf:li></rdf:Seq></xmpMM:History>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
HIERARCHY = (
    "<lr:hierarchicalSubject><rdf:Bag><rdf:li>place|harbor</rdf:li></rdf:Bag></lr:hierarchicalSubject>"
)

EXIF = {
    "Exif.Image.Artist": "Member",
    "Exif.Image.Make": "Demo",
    "Exif.Photo.DateTimeOriginal": "2024:05:11 08:12:40",
    "Exif.Photo.FNumber": "28/10",
    "Exif.GPSInfo.GPSLatitudeRef": "N",
    "Exif.GPSInfo.GPSLatitude": "54/1 19/1 12/1",
}
IPTC = {
    "Iptc.Application2.Keywords": ["harbor", "old"],
    "Iptc.Application2.City": "Lübeck",
    "Iptc.Application2.Byline": "Member",
}

RAW = (".cr2", ".nef", ".arw", ".orf", ".rw2", ".pef", ".srw", ".3fr")


def picture(seed: int) -> Image.Image:
    x, y = np.meshgrid(np.arange(96), np.arange(64))
    pixels = np.stack([x * 2 + seed, y * 3 + seed * 7, (x * y) // 5 + seed], axis=-1)
    return Image.fromarray((pixels % 256).astype(np.uint8))


def make_library(folder: Path, *, rounds: int) -> list[Path]:
    """Make so many rounds of one photo of each kind, each with other words in it; their paths in order."""
    chance = random.Random(rounds)
    made = []
    for number in range(rounds):
        for index, (name, data, takes_words) in enumerate(_kinds(number)):
            path = folder / f"{number:02}-{index:02}-{name}"
            path.write_bytes(_with_words(data, number, chance) if takes_words else data)
            if path.suffix in RAW and number % 3:
                # Nothing, Adobe's, or both sidecars.
                path.with_suffix(".xmp").write_text(packet(number), encoding="utf-8")
                if number % 3 == 2:
                    path.with_name(f"{path.name}.xmp").write_text(packet(number + 50), encoding="utf-8")
            made.append(path)
    return made


def packet(number: int) -> str:
    return PACKET.format(rating=number % 6, number=number, hierarchy=HIERARCHY if number % 2 else "")


def _kinds(seed: int) -> Iterator[tuple[str, bytes, bool]]:
    yield "plain.jpg", encoded(seed, "JPEG", quality=90), True
    yield "progressive.jpg", encoded(seed, "JPEG", quality=85, progressive=True, icc_profile=srgb()), True
    yield (
        "comment.jpg",
        encoded(seed, "JPEG", quality=85, comment=b"a comment") + b"\0trailer of a phone\0",
        True,
    )
    yield "gray.jpeg", encoded(seed, "JPEG", mode="L"), True
    order = list(itertools.permutations(("exif", "xmp", "mpf")))[seed % 6]
    yield "phone.jpg", jpeg_with_second_image(order, seed), False
    yield (
        "phone-iptc.jpg",
        jpeg_with_second_image((*order, "iptc") if seed % 2 else ("iptc", *order), seed),
        False,
    )
    yield "plain.tif", encoded(seed, "TIFF"), True
    yield "lzw.tiff", encoded(seed, "TIFF", compression="tiff_lzw", icc_profile=srgb()), True
    yield "big-endian.tif", tiff(seed, byteorder=">"), True
    yield "plain.png", encoded(seed, "PNG", pnginfo=texts(), icc_profile=srgb()), True
    yield "palette.png", encoded(seed, "PNG", mode="P"), True
    yield "lossy.webp", encoded(seed, "WEBP", quality=80), True
    yield "lossless.webp", encoded(seed, "WEBP", lossless=True, icc_profile=srgb()), True
    yield "camera.dng", dng(seed), True
    for suffix in RAW[seed % 4 :: 4]:
        yield f"raw{suffix}", tiff(seed), True
    yield "phone.heic", heic(seed), False
    yield "screen.avif", encoded(seed, "AVIF", quality=60), False
    yield "large.jxl", jxl(seed), False


def encoded(seed: int, kind: str, *, mode: str = "RGB", **options: Any) -> bytes:
    held = io.BytesIO()
    picture(seed).convert(mode).save(held, kind, **options)
    return held.getvalue()


def heic(seed: int) -> bytes:
    held = io.BytesIO()
    inside = packet(seed).encode() if seed % 2 else None
    from_pillow(picture(seed)).save(held, quality=50, **({"xmp": inside} if inside else {}))
    return held.getvalue()


def jxl(seed: int) -> bytes:
    """A container with a codestream that nobody decodes here, and XMP in a box of its own."""

    def box(name: bytes, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload) + 8) + name + payload

    return (
        box(b"JXL ", b"\r\n\x87\n")
        + box(b"ftyp", b"jxl \0\0\0\0jxl ")
        + box(b"xml ", packet(seed).encode())
        + box(b"jxlc", b"\xff\x0a" + bytes([seed]) * 40)
    )


def tiff(seed: int, *, byteorder: Any = "<", extratags: Any = ()) -> bytes:
    held = io.BytesIO()
    with tifffile.TiffWriter(held, byteorder=byteorder) as file:
        file.write(np.asarray(picture(seed)), photometric="rgb", metadata=None, extratags=extratags)
    return held.getvalue()


def dng(seed: int) -> bytes:
    return tiff(seed, extratags=[(50706, 1, 4, (1, 4, 0, 0), True), (50708, 2, 0, "Demo Camera", True)])


def texts() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "Demo")
    info.add_itxt("Note", "Für später", lang="de", tkey="Notiz", zip=True)
    return info


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _with_words(data: bytes, number: int, chance: random.Random) -> bytes:
    image = pyexiv2.ImageData(data)
    try:
        if chance.random() < 0.7:
            image.modify_exif(EXIF | ({"Exif.Image.ImageDescription": "Old words"} if number % 2 else {}))
        if chance.random() < 0.5:
            if number % 2:
                image.modify_iptc(IPTC, "latin-1")
            else:
                image.modify_iptc({"Iptc.Envelope.CharacterSet": "\x1b%G", **IPTC})
        if chance.random() < 0.7:
            image.modify_raw_xmp(packet(number))
        return image.get_bytes()
    finally:
        image.close()


def jpeg_with_second_image(order: tuple[str, ...], seed: int = 0) -> bytes:
    """A JPEG as phones write it: a second picture after the first, found by an offset in an MPF segment."""
    plain, second = encoded(seed, "JPEG", quality=90), encoded(seed + 1, "JPEG", quality=60)
    parts = {
        "exif": _segment(0xE1, b"Exif\0\0" + _exif()),
        "xmp": _segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet(seed).encode()),
        "mpf": _segment(0xE2, b"MPF\0" + _index(0, 0, 0)),
        "iptc": _segment(0xED, b"Photoshop 3.0\0" + _resource(0x0404, b"\x1c\x02\x19\x00\x03old")),
    }
    before = b"\xff\xd8" + b"".join(parts[name] for name in order)
    first = before + plain[2:]
    header = 2 + sum(len(parts[name]) for name in order[: order.index("mpf")]) + 4 + 4
    index = _index(len(first), len(second), len(first) - header)
    return first[:header] + index + first[header + len(index) :] + second


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x013B] = "Member 07"
    return exif.tobytes()[6:]


def _resource(number: int, data: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + b"\0" * (len(data) % 2)


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def _index(first_size: int, second_size: int, offset: int) -> bytes:
    entries = struct.pack("<IIIHH", 0x030000, first_size, 0, 0, 0) + struct.pack(
        "<IIIHH", 0, second_size, offset, 0, 0
    )
    directory = struct.pack("<H", 3)
    directory += struct.pack("<HHI4s", 0xB000, 7, 4, b"0100")
    directory += struct.pack("<HHII", 0xB001, 4, 1, 2)
    directory += struct.pack("<HHII", 0xB002, 7, 32, 8 + 2 + 36 + 4)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 0) + entries
