"""Changing the metadata of one file in place, with pyexiv2, and telling what became of everything else in it.

This runs in the metadata process, on a copy; a file that is killed here is thrown away.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from photos.metadata import iptc, packet
from photos.metadata.embedded import Blocks, metadata_of, opened
from photos.metadata.errors import MetadataUnreadable
from photos.metadata.hierarchy import completed
from photos.metadata.packet_fields import OURS, asked_and_found, other_languages, put_into

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from photos.metadata.fields import MetadataFields, PhotoMetadata
    from photos.metadata.packet import Packet

IMAGE_DESCRIPTION = "Exif.Image.ImageDescription"

_OURS_IN_IPTC = frozenset({iptc.OBJECT_NAME, iptc.CAPTION, iptc.KEYWORDS, iptc.HEADLINE, iptc.CHARACTER_SET})
_PLACES = re.compile(
    r"Exif\.(Image|Image\d|SubImage\d|SubThumb\d|Thumbnail|MakerNote|Photo|Iop)\."
    r"(ExifTag|GPSTag|InteroperabilityTag|SubIFDs|XMLPacket|IPTCNAA|ImageResources|StripOffsets|TileOffsets|"
    r"JPEGInterchangeFormat|Offset|ByteOrder|MakerNote|DNGPrivateData)|Exif\.MakerNote\..*|.*\.(ThumbnailOffset|PreviewImageStart)"
)
"""EXIF values that say where something lies, or that hold XMP and IPTC: they change whenever a file is
written.
"""


@dataclass(frozen=True)
class Edited:
    """What an edit did.

    Attributes:
        changed: the file was written at all.
        before: what the file said.
        after: what it says now.
        lost: names of values that are gone or altered and were not ours to touch.
        unsaid: names of fields that do not read back as they were given.
    """

    changed: bool
    before: PhotoMetadata
    after: PhotoMetadata
    lost: tuple[str, ...]
    unsaid: tuple[str, ...]


@dataclass(frozen=True)
class _Snapshot:
    said: PhotoMetadata
    xmp: Mapping[str, str]
    iptc: Mapping[str, str]
    exif: Mapping[str, str]


def edit(path: Path, wanted: MetadataFields, *, exif_description: bool, in_memory: bool = False) -> Edited:
    """Write the fields into a file, XMP always, IPTC and EXIF to stay in step with it.

    Args:
        path: the file, changed in place.
        wanted: what shall stand in it; lists of keywords are brought in step.
        exif_description: write EXIF ImageDescription even where there is none (the MWG's rule for JPEG and
            TIFF); elsewhere it is only brought up to date.
        in_memory: for a small file: it is written once, where exiv2 empties and fills it for each block it changes.

    Raises:
        InvalidFields: keywords that stand in the file already cannot be written as they are.
        MetadataUnreadable: pyexiv2 cannot open the file, or others' text in it would be garbled.
    """
    with opened(path, in_memory=in_memory) as image:
        blocks = Blocks.of(image)
        before = _snapshot(blocks)
        wanted = completed(wanted, before.said)
        changed = _edit_xmp(image, blocks.xmp, wanted)
        changed |= _edit_iptc(image, blocks.iptc, wanted)
        changed |= _edit_exif(image, blocks.exif, wanted, always=exif_description)
        if changed and in_memory:
            _overwrite(path, image.get_bytes())
    if not changed:
        return Edited(changed=False, before=before.said, after=before.said, lost=(), unsaid=())
    with opened(path) as image:
        blocks = Blocks.of(image)
    after = _snapshot(blocks)
    return Edited(
        changed=True,
        before=before.said,
        after=after.said,
        lost=_lost(before, after),
        unsaid=_unsaid(blocks, wanted),
    )


def _overwrite(path: Path, data: bytes) -> None:
    # Emptied first, ext4 would begin to write the file out as soon as it is closed.
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


def _edit_xmp(image: Any, said: Packet, wanted: MetadataFields) -> bool:
    if not put_into(said, wanted):
        return False
    image.modify_raw_xmp(said.serialize())
    return True


def _iptc_values(wanted: MetadataFields) -> dict[str, tuple[str, ...]]:
    """Our fields as IPTC has them, cut to its limits."""
    single = {
        iptc.OBJECT_NAME: wanted.title,
        iptc.CAPTION: wanted.description,
        iptc.HEADLINE: wanted.headline,
    }
    values = {
        key: iptc.cut_all([text], iptc.BYTE_LIMITS[key]) for key, text in single.items() if text is not None
    }
    if wanted.keywords is not None:
        values[iptc.KEYWORDS] = iptc.cut_all(wanted.keywords, iptc.BYTE_LIMITS[iptc.KEYWORDS])
    return values


def _edit_iptc(image: Any, old: Mapping[str, tuple[str, ...]], wanted: MetadataFields) -> bool:
    if not old:
        return False
    new = {key: value for key, value in _iptc_values(wanted).items() if old.get(key, ()) != value}
    if not new:
        return False
    if old.get(iptc.CHARACTER_SET) != (iptc.UTF8_ESCAPE,):
        # What others wrote in another character set has to follow, or it would read as garbage from now on.
        text = {key for key, kind in _iptc_kinds(image).items() if kind == "String"}
        others = {
            key: value for key, value in old.items() if key in text and not all(map(str.isascii, value))
        }
        new = {**others, **new, iptc.CHARACTER_SET: (iptc.UTF8_ESCAPE,)}
    unknown = sorted(key.rpartition(".")[2] for key in new if any(map(iptc.is_unknown, old.get(key, ()))))
    if unknown:
        raise MetadataUnreadable(
            f"its IPTC has text in a character set that it does not name and that is not known here, in "
            f"{', '.join(unknown)}; writing would garble it, so mend it with the program that it is from"
        )
    image.modify_iptc({key: list(value) if value else None for key, value in new.items()})
    return True


def _iptc_kinds(image: Any) -> dict[str, str]:
    detail: dict[str, dict[str, str]] = image.read_iptc_detail(encoding="latin-1")
    return {key: each["typeName"] for key, each in detail.items()}


def _edit_exif(image: Any, exif: Mapping[str, str], wanted: MetadataFields, *, always: bool) -> bool:
    if wanted.description is None:
        return False
    old = exif.get(IMAGE_DESCRIPTION)
    # An EXIF block is never begun: it would lack what the standard requires of one.
    if (old is None and not (always and exif)) or (old or "") == wanted.description:
        return False
    image.modify_exif({IMAGE_DESCRIPTION: wanted.description or None})
    return True


def _snapshot(blocks: Blocks) -> _Snapshot:
    exif = {
        key: hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()
        for key, value in blocks.exif.items()
        if key != IMAGE_DESCRIPTION and not _PLACES.fullmatch(key)
    }
    return _Snapshot(
        said=metadata_of(blocks),
        xmp=blocks.xmp.flatten(leaving_out=OURS) | other_languages(blocks.xmp),
        iptc={key: "\x1f".join(value) for key, value in blocks.iptc.items() if key not in _OURS_IN_IPTC},
        exif=exif,
    )


def _lost(before: _Snapshot, after: _Snapshot) -> tuple[str, ...]:
    return (
        *packet.missing(before.xmp, after.xmp),
        *packet.missing(before.iptc, after.iptc),
        *packet.missing(before.exif, after.exif),
    )


def _unsaid(blocks: Blocks, wanted: MetadataFields) -> tuple[str, ...]:
    """Fields that the file does not hold as given, in XMP or in IPTC."""
    given = asked_and_found(blocks.xmp, wanted)
    if blocks.iptc:
        given |= {key: (value, blocks.iptc.get(key, ())) for key, value in _iptc_values(wanted).items()}
    return tuple(name for name, (asked, found) in given.items() if asked != found)
