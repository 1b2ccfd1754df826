"""Writing fields into a photo's sidecar: raw files, HEIC, AVIF and JPEG XL, which are never written into.

The sidecar is rewritten by exiftool in a folder of its own, and read back and compared here: all that others wrote is
there as it was, and our fields say what they were to say. Then undo, record and rename are those of a photo.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from photos.identity import photo_id
from photos.metadata import packet, packet_fields
from photos.metadata.embedded import metadata_of_packet
from photos.metadata.errors import MetadataWouldBeLost, NotReadBack, SidecarShared
from photos.metadata.hierarchy import completed
from photos.metadata.packet import Packet
from photos.metadata.reading import read_packet
from photos.metadata.replacing import Original, Vacancy
from photos.metadata.sidecars import extension_of, is_of, sidecar_for
from photos.metadata.temporary import explaining, hidden_copy
from photos.metadata.written import Written, make_ready, naming, publish, undo_record
from store.path_text import path_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from photos.metadata.exiftool import ExifTool
    from photos.metadata.fields import MetadataFields, PhotoMetadata
    from photos.metadata.sidecars import SidecarNames
    from photos.metadata.written import Order

_TAGS = {
    "title": "XMP-dc:Title-x-default<XMP-dc:Title",
    "description": "XMP-dc:Description-x-default<XMP-dc:Description",
    "keywords": "XMP-dc:Subject<XMP-dc:Subject",
    "hierarchical": "XMP-lr:HierarchicalSubject<XMP-lr:HierarchicalSubject",
    "headline": "XMP-photoshop:Headline<XMP-photoshop:Headline",
}
"""exiftool's names; in a language alternative the default alone is replaced, and the other languages stay."""

_NEW = "XMP-photoshop:SidecarForExtension<XMP-photoshop:SidecarForExtension"


@dataclass(frozen=True)
class Sidecar:
    """A sidecar at work.

    Attributes:
        place: the file that is there, or where one is to be made.
        said: what it says now.
        data: its bytes; None where there is none.
    """

    place: Original | Vacancy
    said: Packet
    data: bytes | None


def place_beside(photo: Path, names: SidecarNames) -> Path:
    """Where a photo's sidecar is or would be made.

    Raises:
        WriteRefused: it may not be written, and why.
        MetadataUnreadable: it is damaged.
    """
    return _found(photo.resolve(), names).place.path


def write_beside(
    photo: Path,
    names: SidecarNames,
    order: Order,
    exiftool: ExifTool,
    read: Callable[[Path], PhotoMetadata],
) -> Written:
    """Write fields into a photo's sidecar, which is made where there is none.

    Args:
        photo: the photo; it may be read-only, as nothing is written into it.
        names: how sidecars are named.
        order: what is to be written.
        exiftool: rewrites the sidecar.
        read: tells what the photo says, its sidecar before all else.

    Raises:
        WriteRefused: not tried, and why.
        WriteFailed: tried on a copy and given up.
        MetadataUnreadable: the sidecar is damaged.
    """
    photo = photo.resolve()
    sidecar = _found(photo, names)
    identity = photo_id(photo)
    order.check_picture(photo, identity)
    before = read(photo)
    fields = completed(order.fields(lambda: before), before)
    if not _changes(sidecar, fields):
        digest = hashlib.sha256(sidecar.data or b"").hexdigest()
        return Written(sidecar.place.path, identity, False, digest, digest, b"", fields, before, before)
    with naming(sidecar.place.path), explaining(sidecar.place.path):
        data = _rewritten(photo, sidecar, fields, exiftool)
        after = _checked(sidecar, data, fields)
    with hidden_copy(sidecar.place.path) as copy:
        with explaining(copy):
            copy.write_bytes(data)
        make_ready(copy, sidecar.place)
        record, facts = undo_record(sidecar.place, copy)
        written = Written(
            path=sidecar.place.path,
            photo_id=identity,
            changed=True,
            before_sha256=facts.before_sha256,
            after_sha256=facts.after_sha256,
            undo=record,
            fields=fields,
            before=before,
            after=_said_afterwards(before, after, fields, path=sidecar.place.path),
        )
        publish(written, copy, sidecar.place, order)
    return written


def _found(photo: Path, names: SidecarNames) -> Sidecar:
    with explaining(photo):
        path = sidecar_for(photo, names)
    if not path.is_symlink() and not path.exists():
        return Sidecar(Vacancy.at(path, beside=photo), Packet.empty(), None)
    original = Original.at(path)
    said = read_packet(original.path)
    if not is_of(said, path, photo):
        raise SidecarShared(
            f"{path_text(photo)}: {path.name} says that it is the sidecar of a "
            f"{said.text(packet.SIDECAR_FOR)} file, so this photo was left alone; set "
            "IMAGEWORKS_SIDECAR_NAMES=darktable to give each its own"
        )
    with explaining(original.path):
        data = original.path.read_bytes()
    original.check_unchanged()
    return Sidecar(original, said, data)


def _changes(sidecar: Sidecar, fields: MetadataFields) -> bool:
    return packet_fields.put_into(Packet.parse(sidecar.data or b""), fields)


def _rewritten(photo: Path, sidecar: Sidecar, fields: MetadataFields, exiftool: ExifTool) -> bytes:
    values = Packet.empty()
    packet_fields.put_into(values, fields)
    wanted = fields.as_dict()
    # What is empty goes: exiftool takes an assignment of nothing for that.
    assignments = [
        f"-{tag}" if wanted[name] else f"-{tag.split('<')[0]}="
        for name, tag in _TAGS.items()
        if name in wanted
    ]
    # An empty file holds no packet that could be kept.
    old = sidecar.data if sidecar.data and sidecar.data.strip() else None
    if old is None and photo.suffix:
        values.set_text(packet.SIDECAR_FOR, extension_of(photo))
        assignments.append(f"-{_NEW}")
    return exiftool.rewritten(old, values.serialize().encode(), assignments)


def _checked(sidecar: Sidecar, data: bytes, fields: MetadataFields) -> Packet:
    """The rewritten sidecar, proved.

    Raises:
        MetadataWouldBeLost: something that others wrote is gone or altered.
        NotReadBack: a field of ours is not there.
    """
    after = Packet.parse(data)
    name = path_text(sidecar.place.path)
    lost = packet_fields.lost(sidecar.said, after) if sidecar.data else ()
    if lost:
        raise MetadataWouldBeLost(
            f"{name}: writing would lose or alter {', '.join(lost[:8])}; the sidecar was left alone"
        )
    asked = packet_fields.asked_and_found(after, fields)
    unsaid = [field for field, (given, found) in asked.items() if given != found]
    if unsaid:
        raise NotReadBack(f"{name}: {', '.join(unsaid)} did not read back; the sidecar was left alone")
    return after


def _said_afterwards(
    before: PhotoMetadata, after: Packet, fields: MetadataFields, *, path: Path
) -> PhotoMetadata:
    """What the photo said, with what the sidecar says now of our fields."""
    now = metadata_of_packet(after)
    taken = {
        "title": ("title",),
        "description": ("description", "descriptions"),
        "keywords": ("keywords",),
        "hierarchical": ("hierarchical_keywords",),
        "headline": ("headline",),
    }
    values = {each: getattr(now, each) for name in fields.as_dict() for each in taken[name]}
    sources = (path.name, *(each for each in before.sources if each != path.name))
    return replace(before, sources=sources, **values)
