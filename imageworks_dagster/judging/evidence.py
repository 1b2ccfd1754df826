"""Pictures of the evidence: drawn once for a finding, small, and gone when one of the photos in it is forgotten.

A picture is named by what it is made from, so that a second run draws nothing and the report finds it by the finding.
It lies in the folder of each photo in it, which is how it is found when one of them is forgotten.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from typing import TYPE_CHECKING

from imageworks_dagster.comparing import thumbnail_pixels
from imageworks_dagster.looking import DETECTORS_VERSION
from imageworks_dagster.picturing import decoded, kept_thumbnail
from photos.borders import draw_borders
from photos.errors import PictureError
from photos.evidence import encoded
from photos.likeness import draw_alike
from photos.monochrome import draw_monochrome
from photos.overlay_text import draw_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from imageworks.judge_vision.compliance import Compliance
    from imageworks.judge_vision.findings import Finding
    from imageworks.judge_vision.seen import AlikePhotos, Seen
    from imageworks_dagster.picturing import PhotoFile
    from store.home import Home
    from store.settings import Settings

log = logging.getLogger(__name__)

MOST_PICTURES = 3
"""Pictures of the evidence for one entry."""


def evidence_path(home: Home, photo_id: str, name: str) -> Path:
    """Where a picture of the evidence is kept for one of the photos in it.

    Args:
        home: The home.
        photo_id: The photo.
        name: As the finding names it.
    """
    return home.evidence_of(photo_id, name, DETECTORS_VERSION)


def kept_evidence(home: Home, photo_id: str, name: str) -> bytes | None:
    """The picture as WebP; None where none was drawn, or it is gone."""
    path = evidence_path(home, photo_id, name)
    return path.read_bytes() if path.exists() and path.stat().st_size else None


def pictured(findings: Sequence[Finding]) -> list[Finding]:
    """Those of an entry's findings that have a picture: an entry that is like fifty others needs no fifty of them."""
    return [finding for finding in findings if finding.evidence is not None][:MOST_PICTURES]


def draw_evidence(
    judged: Iterable[Compliance],
    photos: Mapping[str, PhotoFile],
    seen: Mapping[str, Seen],
    alike: Mapping[str, AlikePhotos],
    *,
    home: Home,
    settings: Settings,
) -> int:
    """Draw what is not there yet for the findings of a batch.

    Args:
        judged: The findings.
        photos: The photo of each entry that could be decoded.
        seen: What was seen in it.
        alike: Two photos that show the same, by the name of their evidence.
        home: Where pictures are kept.
        settings: The limits of decoding.

    Returns:
        How many were drawn.
    """
    drawn = 0
    for compliance in judged:
        photo = photos.get(compliance.entry_id)
        for finding in pictured(compliance.findings):
            if photo is None or finding.evidence is None:
                continue
            if kept_evidence(home, photo.photo_id, finding.evidence) is not None:
                continue
            pair = alike.get(finding.evidence)
            try:
                picture = (
                    _pair(home, pair)
                    if pair is not None
                    else _alone(finding.rule, photo, seen[compliance.entry_id], settings)
                )
            except PictureError as error:
                # A picture for people must not fail a stage.
                log.warning("No picture of the evidence: %s", error)
                continue
            if picture is None:
                continue
            shown = (photo.photo_id,) if pair is None else (pair.first, pair.second)
            _keep([evidence_path(home, photo_id, finding.evidence) for photo_id in shown], encoded(picture))
            drawn += 1
    return drawn


def forget_evidence(home: Home, photo_ids: Collection[str], names: Collection[str]) -> None:
    """Remove all pictures of evidence that show one of these photos.

    Args:
        home: The home.
        photo_ids: The photos.
        names: As findings name the pictures in which they are. What lies in the photos' own folders goes too, with its
            copies: a picture may have been drawn for findings that are kept no longer.
    """
    lying = (path for photo_id in photo_ids for path in _folder(home, photo_id).glob("*.webp"))
    named = {*names, *map(_name, lying)}
    for path in home.evidence.glob("*/*/*.webp"):
        if _name(path) in named:
            path.unlink(missing_ok=True)
    for photo_id in photo_ids:
        shutil.rmtree(_folder(home, photo_id), ignore_errors=True)


def _name(path: Path) -> str:
    """A picture's name without the version of the detectors that it was drawn by."""
    return path.name.partition("-")[0]


def _folder(home: Home, photo_id: str) -> Path:
    return home.evidence / photo_id[:2] / photo_id


def _alone(rule: str, photo: PhotoFile, seen: Seen, settings: Settings) -> NDArray[np.uint8]:
    with decoded(photo.path, settings) as picture:
        if rule == "borders":
            return draw_borders(picture.pixels, seen.borders)
        if rule == "text":
            return draw_text(picture.pixels, seen.text)
        return draw_monochrome(picture.pixels)


def _pair(home: Home, pair: AlikePhotos) -> NDArray[np.uint8] | None:
    first, second = kept_thumbnail(home, pair.first), kept_thumbnail(home, pair.second)
    if first is None or second is None:
        return None
    return draw_alike(thumbnail_pixels(first), thumbnail_pixels(second), pair.alike)


def _keep(paths: Sequence[Path], picture: bytes) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A cache needs no sync: a picture lost with the power is drawn again.
        beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        beside.write_bytes(picture)
        beside.replace(path)
