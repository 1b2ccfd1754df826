"""Our fields in an XMP packet: put in, read back, and told apart from what is others' in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photos.metadata import packet

if TYPE_CHECKING:
    from photos.metadata.fields import MetadataFields
    from photos.metadata.packet import Packet

OURS = (packet.TITLE, packet.DESCRIPTION, packet.SUBJECT, packet.HIERARCHICAL, packet.HEADLINE)


def put_into(said: Packet, wanted: MetadataFields) -> bool:
    """Change a packet in place. Returns whether anything changed."""
    changed = False
    if wanted.title is not None:
        changed |= said.set_default_language(packet.TITLE, wanted.title)
    if wanted.description is not None:
        changed |= said.set_default_language(packet.DESCRIPTION, wanted.description)
    if wanted.keywords is not None:
        changed |= said.set_bag(packet.SUBJECT, wanted.keywords)
    if wanted.hierarchical is not None:
        changed |= said.set_bag(packet.HIERARCHICAL, wanted.hierarchical)
    if wanted.headline is not None:
        changed |= said.set_text(packet.HEADLINE, wanted.headline)
    return changed


def asked_and_found(said: Packet, wanted: MetadataFields) -> dict[str, tuple[object, object]]:
    """What each field was to say, and what the packet says."""
    found: dict[str, object] = {
        "title": said.languages(packet.TITLE).get(packet.X_DEFAULT, ""),
        "description": said.languages(packet.DESCRIPTION).get(packet.X_DEFAULT, ""),
        "keywords": said.items(packet.SUBJECT),
        "hierarchical": said.items(packet.HIERARCHICAL),
        "headline": said.text(packet.HEADLINE) or "",
    }
    return {
        name: (getattr(wanted, name), value)
        for name, value in found.items()
        if getattr(wanted, name) is not None
    }


def lost(before: Packet, after: Packet) -> tuple[str, ...]:
    """Names of what is not ours to touch and is not the same in both packets, in either direction."""
    old, new = _others(before), _others(after)
    return tuple(dict.fromkeys((*packet.missing(old, new), *packet.missing(new, old))))


def other_languages(said: Packet) -> dict[str, str]:
    """Title and description in all languages but the default."""
    return {
        f"{name}@{language}": text
        for name in (packet.TITLE, packet.DESCRIPTION)
        for language, text in said.languages(name).items()
        if language != packet.X_DEFAULT
    }


def _others(said: Packet) -> dict[str, str]:
    return (
        said.flatten(leaving_out=OURS) | said.lists(leaving_out=OURS) | said.beside() | other_languages(said)
    )
