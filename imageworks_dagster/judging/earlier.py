"""Earlier rounds: whether a photo took part in one, by its id and by what photos are compared by; and their marks.

An earlier round is another batch of this home, of another folder, that was registered before and has results; of its
entries those count that kept the rules. Its photos may be gone: what is compared are their kept thumbnails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imageworks.judge_vision.drift import RoundMarks
from imageworks.judge_vision.seen import Reused
from imageworks_dagster.comparing import Comparable, alike_to_earlier, thumbnail_pixels
from imageworks_dagster.judging.kept_hashes import keep_hashes, kept_hashes
from imageworks_dagster.judging.opinions import models_of
from imageworks_dagster.picturing import kept_thumbnail
from photos.hashing import upright
from photos.likeness import describe
from store.batches import batches
from store.errors import MissingTable
from telemetry.errors import MissingManifest
from telemetry.manifest import read_manifest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from imageworks.judge_vision.seen import AlikePhotos
    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.picturing import PhotoFile
    from store.batches import Batch
    from store.settings import Settings

_TELLING = {"equal": 0, "same": 1, "frame": 2}


@dataclass(frozen=True, slots=True)
class EarlierEntry:
    """An entry of an earlier round."""

    photo_id: str
    entry_id: str
    batch: str

    @property
    def file_name(self) -> str:
        """Its file, with folders."""
        return self.entry_id.removeprefix(f"{self.batch}/")


@dataclass(frozen=True, slots=True)
class Before:
    """What was found among earlier rounds.

    Attributes:
        reused: Photos that took part before, the most telling first.
        alike: Those that are not the very same picture, with what lays one over the other.
        compared: Earlier photos that were compared with.
        without_picture: Earlier photos of which no picture is kept: only equal pictures are found of them.
    """

    reused: tuple[Reused, ...] = ()
    alike: tuple[AlikePhotos, ...] = ()
    compared: int = 0
    without_picture: int = 0


def entries_before(store: OpenStore, batch: Batch) -> list[EarlierEntry]:
    """Entries of earlier rounds that kept the rules, the oldest round first."""
    found: list[EarlierEntry] = []
    rounds = [
        one
        for one in batches(store.database, "judge")
        if one.folder != batch.folder and one.registered_at < batch.registered_at
    ]
    for one in sorted(rounds, key=lambda each: (each.registered_at, each.name)):
        try:
            table = store.tables.read("judge/results", one.name)
        except MissingTable:
            continue
        rows = table.select(["photo_id", "entry_id", "verdict"]).to_pylist()
        found += [
            EarlierEntry(row["photo_id"], row["entry_id"], one.name)
            for row in rows
            if row["photo_id"] and row["verdict"] != "fail"
        ]
    return found


def rounds_before(store: OpenStore, batch: Batch, competition_id: str) -> list[RoundMarks]:
    """The marks of earlier rounds of a competition, by the rules that their results were made under; oldest first."""
    found: list[RoundMarks] = []
    for one in sorted(batches(store.database, "judge"), key=lambda each: (each.registered_at, each.name)):
        pointer = store.tables.current("judge/results", one.name)
        if one.name == batch.name or one.registered_at >= batch.registered_at or pointer is None:
            continue
        try:
            rules = read_manifest(store.home, pointer.run_id).rules
        except MissingManifest:
            continue
        if rules is not None and rules.file is not None and rules.content.get("id") == competition_id:
            found.append(marks_of(one.name, store.tables.read("judge/results", one.name).to_pylist()))
    return found


def marks_of(name: str, rows: Sequence[Mapping[str, Any]]) -> RoundMarks:
    """The marks of a round, by its rows of judge/results or judge/critiques."""
    marked = [row for row in rows if row["score"] is not None]
    # A table of results says it in a column, but for one of an earlier version, which knows the shown judge alone.
    models = {model for row in marked for model in row.get("models") or models_of(row)}
    return RoundMarks(
        name,
        tuple(sorted(row["score"] for row in marked)),
        tuple(sorted(models)),
    )


def look_before(
    store: OpenStore, batch: Batch, photos: Collection[PhotoFile], *, settings: Settings
) -> Before:
    """What of a round's photos took part before.

    Args:
        store: Has the earlier rounds.
        batch: The round.
        photos: Those of its photos that can be decoded.
        settings: For what has to be decoded again.
    """
    earlier: dict[str, EarlierEntry] = {}
    for entry in entries_before(store, batch):
        earlier.setdefault(entry.photo_id, entry)
    own = {photo.photo_id for photo in photos}
    equal = [
        Reused(photo_id, photo_id, one.entry_id, one.file_name, one.batch, "equal", 1.0)
        for photo_id in sorted(own)
        if (one := earlier.get(photo_id)) is not None
    ]
    others = [photo_id for photo_id in earlier if photo_id not in own]
    hashes = _hashes(store, others)
    new = [photo for photo in photos if photo.photo_id not in earlier] if hashes else []
    alike = alike_to_earlier(
        Comparable(new, home=store.home, settings=settings),
        hashes,
        lambda photo_id: kept_thumbnail(store.home, photo_id),
    )
    edited = [
        Reused(
            pair.second,
            pair.first,
            earlier[pair.first].entry_id,
            earlier[pair.first].file_name,
            earlier[pair.first].batch,
            pair.alike.kind,
            pair.alike.confidence,
        )
        for pair in alike
    ]
    order = {photo_id: place for place, photo_id in enumerate(earlier)}
    return Before(
        reused=tuple(
            sorted(
                (*equal, *edited),
                key=lambda one: (_TELLING[one.kind], -one.confidence, order[one.earlier_id]),
            )
        ),
        alike=tuple(alike),
        compared=len(earlier) - (len(others) - len(hashes)),
        without_picture=len(others) - len(hashes),
    )


def _hashes(store: OpenStore, photo_ids: Sequence[str]) -> dict[str, NDArray[np.uint64]]:
    """The upright hashes of earlier photos, kept once a photo; of those whose thumbnail is kept."""
    known = kept_hashes(store.database, photo_ids)
    fresh = {
        photo_id: describe(thumbnail_pixels(kept)).hashes
        for photo_id in photo_ids
        if photo_id not in known and (kept := kept_thumbnail(store.home, photo_id)) is not None
    }
    if fresh:
        store.database.write(lambda connection: keep_hashes(connection, fresh))
    together = known | {photo_id: upright(one) for photo_id, one in fresh.items()}
    return {photo_id: together[photo_id] for photo_id in photo_ids if photo_id in together}
