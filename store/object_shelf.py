"""Tables in a store of objects, which renames nothing and locks nothing: the pointer alone publishes.

A table's objects get a name that no other try ever has, so that nobody writes over what somebody reads, and beside
them lies a mark until the state database points at them. What a killed publisher left is told by its mark and by its
age; there is no lock that would tell whether somebody is still at work.
"""

from __future__ import annotations

import io
import logging
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from store.errors import ArtifactsUnreachable, PublishConflict
from store.table_files import UNPUBLISHED, check_written, part_name, parts_in, run_of, write_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from store.object_paths import ObjectPath
    from store.table_files import Publication

_LOG: Final = logging.getLogger(__name__)

UNFINISHED_FOR: Final = timedelta(hours=1)
"""How long an upload may lack its pointer before it counts as left behind: uploads take seconds."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A table's objects, published or not.

    Attributes:
        place: What they lie below.
        is_marked: Whether they still are marked as unpublished.
        changed_at: When the last of them was written, by the store's clock.
    """

    place: ObjectPath
    is_marked: bool
    changed_at: datetime

    @property
    def is_old(self) -> bool:
        """Whether nobody can be at work on it."""
        return self.changed_at < datetime.now(UTC) - UNFINISHED_FOR


class ObjectShelf:
    """Writes and removes tables below one URL.

    `listed` says which tables the database names below a path, or all of them, relative to the root.
    """

    def __init__(self, root: ObjectPath, listed: Callable[[str], set[str]]) -> None:
        self._root = root
        self._listed = listed
        self.unfinished = 0
        """Uploads, at the last look at all tables, that were too young to tell whether somebody is at work on them."""

    @contextmanager
    def written(
        self, below: str, run_id: str, table: pa.Table, publication: Publication
    ) -> Iterator[ObjectPath]:
        """Upload a table, and have it published by the body; one that lost against another run goes again.

        Raises:
            ArtifactsUnreachable: The store does not answer, or refuses; nothing of the table can be seen.
            PublishFailed: It reads back as something else.
        """
        folder = self._root / below
        self._sweep(below, run_id)
        place = _upload(folder, run_id, table, publication)
        try:
            yield place
        except PublishConflict:
            place.remove()
            raise
        self.mark_published(place)

    def tables(self) -> Iterator[ObjectPath]:
        """Every table, but uploads that may be under way; those that come meanwhile are told too.

        Raises:
            ArtifactsUnreachable: The store does not answer, or refuses.
        """
        told: set[ObjectPath] = set()
        while True:
            self.unfinished = self._sweep("")
            listed = self._listed("")
            new = [
                one.place
                for one in uploads(self._root)
                if one.place not in told and (not one.is_marked or self._name(one.place) in listed)
            ]
            if not new:
                return
            for place in new:
                told.add(place)
                yield place

    def rewrite(self, place: ObjectPath, table: pa.Table, publication: Publication) -> ObjectPath:
        """Upload other rows of a table beside it.

        Raises:
            ArtifactsUnreachable: The store does not answer, or refuses.
            PublishFailed: They read back as something else.
        """
        return _upload(place.parent, run_of(place), table, publication)

    def mark_published(self, place: ObjectPath) -> None:
        """Tell a table that the database points at from a dead try; if the store does not answer now, later."""
        try:
            (place / UNPUBLISHED).unlink()
        except ArtifactsUnreachable as error:
            # It is published, whatever its mark says: the next sweep finds it in the database.
            _LOG.warning("%s keeps its mark until its asset is published again: %s", place, error)

    def remove(self, place: ObjectPath) -> None:
        """Remove a table.

        Raises:
            ArtifactsUnreachable: The store does not answer, or refuses.
        """
        place.remove()

    def _sweep(self, below: str, run_id: str | None = None) -> int:
        """Remove what killed publishers left below a path, and older tries of `run_id`; count what is too young.

        What was once published is never taken for a leftover, even when the database knows nothing of it.
        """
        # The listing first: what is published in between is in the database when it is asked.
        found = uploads(self._root / below if below else self._root)
        listed = self._listed(below)
        young = 0
        for one in found:
            if self._name(one.place) in listed:
                if one.is_marked and one.is_old:
                    self.mark_published(one.place)
            elif one.is_marked or run_of(one.place) == run_id:
                if one.is_old:
                    one.place.remove()
                else:
                    young += one.is_marked
        return young

    def _name(self, place: ObjectPath) -> str:
        return place.relative_to(self._root).as_posix()


def uploads(folder: ObjectPath) -> list[Upload]:
    """Every table below a folder, by name.

    Raises:
        ArtifactsUnreachable: The store does not answer, or refuses.
    """
    names: dict[ObjectPath, set[str]] = defaultdict(set)
    changed: dict[ObjectPath, datetime] = {}
    for one in folder.below():
        place = one.path.parent
        names[place].add(one.path.name)
        changed[place] = max(one.changed_at, changed.get(place, one.changed_at))
    return [Upload(place, UNPUBLISHED in names[place], changed[place]) for place in sorted(names)]


def _upload(folder: ObjectPath, run_id: str, table: pa.Table, publication: Publication) -> ObjectPath:
    place = folder / f"{run_id}~{uuid4().hex[:12]}"
    # The mark first: whatever is there later is told to be no table yet.
    (place / UNPUBLISHED).write(b"unpublished\n")
    for number, rows in enumerate(parts_in(publication.onto(table))):
        part = place / part_name(number)
        content = io.BytesIO()
        write_rows(rows, content)
        part.write(content.getvalue())
        check_written(part, rows, publication)
    return place
