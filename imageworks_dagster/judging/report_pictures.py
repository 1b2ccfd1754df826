"""The pictures of a report: sharp ones where a projector shows them, small ones elsewhere, all of them WebP files."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imageworks_dagster.judging.evidence import kept_evidence, pictured
from imageworks_dagster.picturing import decoded, reduced, thumbnails, webp
from photos.errors import PictureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from imageworks.judge_vision.findings import Finding
    from imageworks.judge_vision.results import ResultRow
    from imageworks_dagster.picturing import PhotoFile
    from imageworks_dagster.stages import Stage

log = logging.getLogger(__name__)

PODIUM: Final = 3
MOST_SHARP: Final = 120
"""Entries with a sharp picture: the page is one file, which is mailed and opens on a telephone."""

MOST_EVIDENCE_BYTES: Final = 3_000_000
LARGE: Final = 1280, 76
"""Long side in pixels, and WebP's quality, of a picture on the podium; as of those below."""
SHARP: Final = 800, 66
"""A card is some 770 pixels wide on a projector of 1920."""
SMALL: Final = 360, 66


def sharp_ones(rows: Sequence[ResultRow]) -> frozenset[str]:
    """The entries that are to be sharp on a projector: all of a small round, of a large one the first with an award."""
    if len(rows) <= MOST_SHARP:
        return frozenset(row.entry_id for row in rows)
    awarded = sorted((row for row in rows if row.award is not None), key=lambda row: row.place or 0)
    return frozenset(row.entry_id for row in awarded[:MOST_SHARP])


@dataclass(frozen=True)
class Shown:
    """What a report shows of a photo.

    Attributes:
        card: the picture in the gallery; None where the photo cannot be opened now.
        large: the picture on the podium; None for who does not stand there.
    """

    card: bytes | None
    large: bytes | None = None


@dataclass
class Pictures:
    """Makes the pictures of a report; docs/judging.md says what they come to.

    Attributes:
        stage: whose batch it is.
        sharp: entries whose pictures are sharp on a projector.
        left: bytes that pictures of the evidence may still take: where most entries are like others, all of them would
            make a page that no telephone opens.
    """

    stage: Stage
    sharp: frozenset[str]
    left: int = MOST_EVIDENCE_BYTES

    def of(self, row: ResultRow, photo: PhotoFile) -> Shown:
        """The pictures of an entry."""
        on_podium = row.place is not None and row.place <= PODIUM
        if row.entry_id not in self.sharp and not on_podium:
            return Shown(self._small(photo))
        try:
            with decoded(photo.path, self.stage.settings) as picture:
                pixels = picture.pixels
        except PictureError as error:
            # Its thumbnail may be kept still.
            log.warning("No sharp picture: %s", error)
            return Shown(self._small(photo))
        return Shown(_webp(pixels, SHARP), _webp(pixels, LARGE) if on_podium else None)

    def _small(self, photo: PhotoFile) -> bytes | None:
        long_side, quality = SMALL
        for made in thumbnails(self.stage.store.home, self.stage.settings, [photo]):
            return reduced(made, long_side=long_side, quality=quality)
        return None

    def evidence(self, photo_id: str, findings: Sequence[Finding]) -> dict[str, bytes]:
        """The pictures of the evidence that are kept, by name."""
        found: dict[str, bytes] = {}
        for finding in pictured(findings):
            if finding.evidence is None:
                continue
            picture = kept_evidence(self.stage.store.home, photo_id, finding.evidence)
            if picture is not None and len(picture) <= self.left:
                found[finding.evidence] = picture
                self.left -= len(picture)
        return found


def _webp(pixels: NDArray[np.uint8], form: tuple[int, int]) -> bytes:
    long_side, quality = form
    return webp(pixels, long_side=long_side, quality=quality)
