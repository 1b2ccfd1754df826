"""Tables in folders of a disk: one publisher at a time in each, and a rename that shows a table whole."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from store.errors import PublishConflict
from store.locking import locked
from store.publishing import make_folder, sync_folder
from store.table_files import STAGING, UNPUBLISHED, run_of, tables_in, write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from store.table_files import Publication

_LOCK: Final = ".lock"


class FolderShelf:
    """Writes and removes tables below one folder.

    `listed` says which tables the database names in a folder, relative to the root.
    """

    unfinished = 0
    """Uploads that somebody may be at work on: none, for the lock tells."""

    def __init__(self, root: Path, listed: Callable[[str], set[str]]) -> None:
        self._root = root
        self._listed = listed

    @contextmanager
    def written(self, below: str, run_id: str, table: pa.Table, publication: Publication) -> Iterator[Path]:
        """Write a table, and have it published by the body; one that lost against another run goes again.

        Raises:
            OSError: It could not be written.
            PublishFailed: It reads back as something else.
        """
        folder = self._root / below
        make_folder(folder)
        with locked(folder / _LOCK):
            self._sweep(folder, run_id)
            place = write_table(folder, run_id, table, publication)
            try:
                yield place
            except PublishConflict:
                shutil.rmtree(place)
                raise
            self.mark_published(place)

    def tables(self) -> Iterator[Path]:
        """Every table, published or not; while the caller is at one, nobody else publishes beside it.

        Raises:
            OSError: A folder could not be read or swept.
        """
        for lock in sorted(self._root.rglob(_LOCK)):
            with locked(lock):
                self._sweep(lock.parent)
                yield from sorted(tables_in(lock.parent))

    def rewrite(self, place: Path, table: pa.Table, publication: Publication) -> Path:
        """Write other rows of a table beside it.

        Raises:
            OSError: They could not be written.
            PublishFailed: They read back as something else.
        """
        return write_table(place.parent, run_of(place), table, publication)

    def mark_published(self, place: Path) -> None:
        """Tell a table that the database points at from a dead try."""
        (place / UNPUBLISHED).unlink()

    def remove(self, place: Path) -> None:
        """Remove a table.

        Raises:
            OSError: It could not be removed.
        """
        shutil.rmtree(place)
        sync_folder(place.parent)

    def _sweep(self, folder: Path, run_id: str | None = None) -> None:
        """Remove what killed publishers left in a table's folder, and older tries of `run_id`.

        The caller holds the folder's lock, so nobody is at work in it. A folder that was once published is
        never taken for a leftover, even when the database knows nothing of it.
        """
        listed = {self._root / path for path in self._listed(folder.relative_to(self._root).as_posix())}
        for place in folder.iterdir():
            if place.name.startswith(STAGING):
                shutil.rmtree(place)
            elif place in listed:
                (place / UNPUBLISHED).unlink(missing_ok=True)
            elif (place / UNPUBLISHED).exists() or run_of(place) == run_id:
                shutil.rmtree(place)
