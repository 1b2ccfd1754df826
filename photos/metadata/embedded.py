"""What stands in the file itself: XMP, IPTC and EXIF through pyexiv2, as one value.

The metadata process imports this and no decoder, so that it starts quickly.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import pyexiv2

from photos.metadata import iptc, packet
from photos.metadata.errors import MetadataUnreadable
from photos.metadata.fields import PhotoMetadata, printable
from photos.metadata.packet import Packet
from photos.metadata.preflight import refuse_large_packet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Loud, pyexiv2 prints to stdout and raises on every oddity of a maker note; what matters is checked by reading
# back.
pyexiv2.set_log_level(4)

_FACTORY_TEXT = re.compile(
    r"(OLYMPUS DIGITAL CAMERA|SONY DSC|DCIM\\.*|(KONICA )?MINOLTA DIGITAL CAMERA|SAMSUNG( .*)?|"
    r"Exif_JPEG_PICTURE.*|\d+x\d+|Created by .*|default|<.*>|(MEDION )?DIGITAL CAMERA|Camera|LEAD Technologies.*|"
    r"(KODAK Digital Still|MOULTRIE DIGITAL GAME) CAMERA|My beautiful picture|HELLOMOTO|"
    # How phones of Huawei and Oppo name the mode they were in.
    r"_?cuva|smart|hdr|hdrpl|rhdr|sdr|edf|cof|bsh|btf|dav|fbt|oznor|ozmdr|rpt|oplus_\d+|\s*)",
    re.IGNORECASE,
)
_EXIF_TIME = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(r"(Z|[+-]\d\d:\d\d)")
_RATINGS = range(-1, 6)


class PathBytes(str):
    """A path whose bytes pyexiv2 gets as they are, also where they are no UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 - str's signature
        """The path as the system has it."""
        return os.fsencode(str(self))


@contextmanager
def opened(path: Path, *, in_memory: bool = False) -> Iterator[Any]:
    """A `pyexiv2.Image`, closed afterwards.

    Args:
        path: the file.
        in_memory: open its bytes as a `pyexiv2.ImageData`, and leave the file itself alone.

    Raises:
        MetadataUnreadable: its XMP packet is too large, or pyexiv2 complains; the message leaves the file's name
            to those who know it, as this may be a copy.
    """
    try:
        refuse_large_packet(path)
        image = pyexiv2.ImageData(path.read_bytes()) if in_memory else pyexiv2.Image(PathBytes(path))
    except OSError as problem:
        raise MetadataUnreadable(f"it cannot be read: {problem.strerror}") from problem
    except (RuntimeError, UnicodeError, ValueError) as problem:
        raise MetadataUnreadable(f"its metadata cannot be read: {problem}") from problem
    try:
        yield image
    except (RuntimeError, UnicodeError) as problem:
        raise MetadataUnreadable(f"its metadata cannot be read: {problem}") from problem
    finally:
        image.close()


@dataclass(frozen=True)
class Blocks:
    """What stands in a file, block by block, taken out once.

    Attributes:
        xmp: the packet.
        iptc: its text values by key, decoded.
        exif: its values by key, as text.
    """

    xmp: Packet
    iptc: Mapping[str, tuple[str, ...]]
    exif: Mapping[str, str]

    @classmethod
    def of(cls, image: Any) -> Self:
        """The blocks of an open `pyexiv2.Image`.

        Raises:
            MetadataUnreadable: the XMP packet is damaged.
        """
        return cls(Packet.parse(packet_bytes(image)), _iptc_of(image), _exif_of(image))


def metadata_of(blocks: Blocks) -> PhotoMetadata:
    """The values of a file's blocks."""
    old, exif = blocks.iptc, blocks.exif
    from_xmp = metadata_of_packet(blocks.xmp)
    in_exif = printable(exif.get("Exif.Image.ImageDescription", ""))
    in_exif = "" if _FACTORY_TEXT.fullmatch(in_exif) else in_exif
    in_iptc = {"title": _first(old, iptc.OBJECT_NAME), "description": _first(old, iptc.CAPTION)}
    others = PhotoMetadata(
        title=in_iptc["title"],
        description=in_iptc["description"] or in_exif or None,
        headline=_first(old, iptc.HEADLINE),
        creator=tuple(filter(None, map(printable, old.get(iptc.BYLINE, ()))))
        or _listed(exif.get("Exif.Image.Artist")),
        copyright=_first(old, iptc.COPYRIGHT) or printable(exif.get("Exif.Image.Copyright", "")) or None,
        captured=_exif_time(exif) or from_xmp.captured or _iptc_time(old),
        has_iptc=bool(old),
        sources=("embedded",) if (from_xmp != PhotoMetadata() or old or exif) else (),
    )
    return replace(
        from_xmp.with_fallback(others),
        captured=others.captured,
        keywords=_joined(from_xmp.keywords, old.get(iptc.KEYWORDS, ())),
        contradicted=(
            *_otherwise("title", from_xmp.title, in_iptc["title"]),
            *_otherwise("description", from_xmp.description, in_iptc["description"], in_exif),
        ),
    )


def _otherwise(name: str, in_xmp: str | None, *elsewhere: str | None) -> tuple[str, ...]:
    """The name of a field that another block says otherwise; one that cuts it, or ends lines otherwise, does not."""
    whole = "".join((in_xmp or "").split())
    if not whole:
        return ()
    agree = (whole.startswith("".join((said or "").split())) for said in elsewhere)
    return () if all(agree) else (name,)


def packet_bytes(image: Any) -> bytes:
    """The raw XMP packet."""
    # Latin-1 gives the bytes back as they are; pyexiv2's own decoding fails on damaged ones.
    raw: str = image.read_raw_xmp(encoding="latin-1")
    return raw.encode("latin-1")


def _iptc_of(image: Any) -> dict[str, tuple[str, ...]]:
    raw: dict[str, str | list[str]] = image.read_iptc(encoding="latin-1")
    utf8 = raw.get(iptc.CHARACTER_SET) == iptc.UTF8_ESCAPE
    return {
        key: tuple(
            iptc.decode(each.encode("latin-1"), declared_utf8=utf8)
            for each in (value if isinstance(value, list) else [value])
        )
        for key, value in raw.items()
    }


def _exif_of(image: Any) -> dict[str, str]:
    raw: dict[str, Any] = image.read_exif(encoding="latin-1")
    return {
        key: iptc.decode(str(value).encode("latin-1", errors="replace"), declared_utf8=False)
        for key, value in raw.items()
    }


def metadata_of_packet(said: Packet) -> PhotoMetadata:
    """The values of an XMP packet alone."""
    rating = said.text(packet.RATING)
    return PhotoMetadata(
        title=said.text(packet.TITLE),
        description=said.text(packet.DESCRIPTION),
        descriptions=said.languages(packet.DESCRIPTION),
        keywords=said.items(packet.SUBJECT),
        hierarchical_keywords=said.items(packet.HIERARCHICAL),
        headline=said.text(packet.HEADLINE),
        rating=_rating(rating),
        creator=said.items(packet.CREATOR),
        copyright=said.text(packet.RIGHTS),
        captured=next(
            filter(
                None,
                map(said.text, (packet.DATE_ORIGINAL, packet.DATE_CREATED, packet.CREATE_DATE)),
            ),
            None,
        ),
    )


def _rating(text: str | None) -> int | None:
    try:
        number = round(float(text or ""))
    except (ValueError, OverflowError):
        return None
    return number if number in _RATINGS else None


def _first(values: Mapping[str, tuple[str, ...]], key: str) -> str | None:
    return next(filter(None, map(printable, values.get(key, ()))), None)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(filter(None, map(printable, (text or "").split(";"))))


def _joined(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """XMP's keywords, then IPTC's that are not among them; IPTC holds long ones cut to its limit."""
    limit = iptc.BYTE_LIMITS[iptc.KEYWORDS]
    known = {each for keyword in first for each in (keyword, iptc.cut(keyword, limit))}
    return (
        *first,
        *dict.fromkeys(each for each in map(printable, second) if each and each not in known),
    )


def _exif_time(exif: Mapping[str, str]) -> str | None:
    for key, offset in (
        ("Exif.Photo.DateTimeOriginal", "Exif.Photo.OffsetTimeOriginal"),
        ("Exif.Photo.DateTimeDigitized", "Exif.Photo.OffsetTimeDigitized"),
    ):
        if (match := _EXIF_TIME.match(exif.get(key, ""))) and match[1] != "0000":
            year, month, day, hour, minute, second = match.groups()
            zone = _OFFSET.fullmatch(exif.get(offset, "").strip(" \x00"))
            return f"{year}-{month}-{day}T{hour}:{minute}:{second}{zone[0] if zone else ''}"
    return None


def _iptc_time(values: Mapping[str, tuple[str, ...]]) -> str | None:
    day, time = _first(values, iptc.DATE_CREATED), _first(values, iptc.TIME_CREATED)
    return f"{day}T{time}" if day and time else day
