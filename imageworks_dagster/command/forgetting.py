"""Remove all that is known of some photos."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from sqlalchemy import or_, select

from imageworks.counting import counted
from imageworks_dagster.command.commands import run_command
from imageworks_dagster.command.same_picture import files_with, known_files, undo_to_keep
from imageworks_dagster.errors import BatchTaken, NothingKnown
from imageworks_dagster.judging.evidence import forget_evidence
from imageworks_dagster.judging.mentions import mentions_of, unmentioning
from imageworks_dagster.opened import has_home, open_store, which_home
from imageworks_dagster.owning import owner_of
from imageworks_dagster.parts import forget_parts
from imageworks_dagster.picturing import thumbnail_path
from imageworks_dagster.pipelines import PIPELINES
from imageworks_dagster.tagging.mentions import unmention
from imageworks_dagster.turns import turn
from photos.discovery import discover
from photos.errors import NoPhotos
from photos.identity import photo_id
from store.batches import batch, batches
from store.errors import DamagedTable
from store.forgetting import forget_photos
from store.path_text import path_text
from store.tables import metadata_writes, photo_identities, published_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import dagster as dg
    import pyarrow as pa
    from sqlalchemy import Column, ColumnElement

    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.pipelines import PipelineName
    from store.artifacts import RemovedTable, Unmention
    from store.settings import Settings

_WHAT_STAYS = (
    "Their files are as they were. Telemetry still has their names and ids, and Dagster's run history may show small "
    "pictures of them: delete those runs in the web UI."
)
_IN_WORDS = {
    "table_rows": ("table row", "table rows"),
    "kept_answers": ("kept answer", "kept answers"),
    "measurements": ("measurement", "measurements"),
    "photo_identities": ("known file", "known files"),
    "overrides": ("override", "overrides"),
    "metadata_writes": ("metadata write", "metadata writes"),
    "compared_photos": ("comparison with its round", "comparisons with their rounds"),
    "alike_photos": ("pair of photos that are alike", "pairs of photos that are alike"),
}
_NOT_NOW = (
    "It would keep anew what it has of the photos, so nothing was removed: forget them when it has ended, or terminate "
    "it first."
)
_LOG_IN_USE = (
    "Another program has the state database open, so copies may stay in its log (state.db-wal) until every run and "
    "web UI of this home has ended."
)


@dataclass(frozen=True)
class Report:
    """The report of a batch that held one of the photos, and the command that makes it anew."""

    folder: Path
    name: str
    again: str


@dataclass(frozen=True)
class Forgetting:
    """What is to be removed, and what that takes along.

    Attributes:
        store: where it is removed from.
        path: the photo or folder that was named.
        ids: the pictures.
        others: files outside ``path`` that hold one of the pictures; what is known of it is theirs too.
        undo: by file of those, the writes of ours that stand in it. Their records stay, or the tags could never be
            taken back. A record holds the file's old metadata and our tags, which are in the file anyway, and no
            picture.
        reports: of every batch that held one of the photos, or names one of them, removed whole.
        evidence: names of the pictures of evidence that show one of them, with whichever other photo.
        batches: pipelines and names of those that may have one of the photos, or name one, in what their runs make.
    """

    store: OpenStore
    path: Path
    ids: frozenset[str]
    others: tuple[Path, ...]
    undo: dict[Path, frozenset[str]]
    reports: tuple[Report, ...]
    evidence: frozenset[str]
    batches: tuple[tuple[PipelineName, str], ...]

    def words(self) -> str:
        """What will be removed, before it is."""
        photos = counted(len(self.ids), "photo")
        lines = [
            f"All that is known of {photos} at {path_text(self.path)} will be removed:",
            "rows of every table, kept answers, and the undo of tags that were written there.",
        ]
        if self.others:
            lines.append(
                f"The same picture is in {counted(len(self.others), 'other file')}, whose rows and answers go too:"
            )
            lines += map(self._other, self.others)
        if self.reports:
            lines.append("These reports will be removed whole, with what they say of other photos:")
            lines += [f"  {report.name}; made again by: {report.again}" for report in self.reports]
        lines += [_WHAT_STAYS, "A file that is still in its folder is taken again by the folder's next run."]
        return "\n".join(lines)

    def carry_out(self, instance: dg.DagsterInstance) -> str:
        """Remove it. A report goes as a whole; the batch's next run makes it anew.

        Args:
            instance: where Dagster keeps what became of runs.

        Returns:
            Sentences on what was removed.

        Raises:
            BatchTaken: a run of one of the batches is under way; nothing was removed.
            store.errors.PublishFailed: a table could not be rewritten; doing it again goes on from there.
            store.errors.ArtifactsUnreachable: the store of objects that holds them does not answer; as above.
        """
        with self._no_run(instance):
            return self._carry_out()

    @contextmanager
    def _no_run(self, instance: dg.DagsterInstance) -> Iterator[None]:
        """Have the batches for the length of the block: a run that begins meanwhile waits."""
        home = self.store.home
        with ExitStack() as held:
            for pipeline, name in self.batches:
                its_turn = turn(home, pipeline, name, who="imageworks forget", waiting=_refuse, then=_NOT_NOW)
                held.enter_context(its_turn)
                # Between two steps of a run in several processes nobody has the turn.
                owner = owner_of(home, pipeline, name, instance)
                if owner is not None:
                    _refuse(f"Batch {name!r} is being worked on by run {owner}. {_NOT_NOW}")
            yield

    def _carry_out(self) -> str:
        # Before the tables: once those are rewritten, nothing tells any more which reports held the photos.
        for report in self.reports:
            shutil.rmtree(report.folder)
        forget_evidence(self.store.home, self.ids, self.evidence)
        for identity in self.ids:
            thumbnail_path(self.store.home, identity).unlink(missing_ok=True)
        forget_parts(self.store.home)
        kept_writes = frozenset().union(*self.undo.values())
        forgotten = forget_photos(
            self.store.database,
            self.store.tables,
            self.ids,
            kept_writes=kept_writes,
            unmention=_unmentioning(self.ids),
        )
        removed = [counted(count, *_IN_WORDS[name]) for name, count in forgotten.counts.items() if count]
        removed += [f"the report of {report.name}" for report in self.reports]
        sentences = [
            f"{counted(len(self.ids), 'photo')} forgotten: {', '.join(removed) or 'nothing more was kept of them'}.",
            *map(_removed, forgotten.unreadable),
            *([] if forgotten.log_emptied else [_LOG_IN_USE]),
            *([_unfinished(forgotten.unfinished)] if forgotten.unfinished else []),
            _WHAT_STAYS,
        ]
        return "\n".join([" ".join(sentences), *self._also()])

    def _also(self) -> Iterator[str]:
        if self.others:
            count = counted(len(self.others), "other file")
            yield f"What was known of the same picture in {count} went too:"
            yield from map(self._other, self.others)
        if self.reports:
            yield "Make the reports again, without what was forgotten or with it asked anew, by:"
            yield from (f"  {report.again}" for report in self.reports)

    def _other(self, file: Path) -> str:
        kept = "; the undo of the tags in it is kept" if file in self.undo else ""
        return f"  {path_text(file)}{kept}"


def _refuse(words: str) -> NoReturn:
    raise BatchTaken(words)


def _unmentioning(ids: frozenset[str]) -> Unmention:
    of_judging = unmentioning(ids)

    def work(asset: str, others: pa.Table, forgotten: pa.Table, /) -> pa.Table:
        return unmention(asset, of_judging(asset, others, forgotten), forgotten)

    return work


def plan_forgetting(settings: Settings, path: Path) -> Forgetting:
    """Find all that is known of the photos at ``path``, and what else is of the same pictures.

    Photos are those that are there now and those that were seen there before, so that a file which was deleted or
    replaced can be forgotten too.

    Raises:
        NothingKnown: no photo is there, and none was ever seen there.
        photos.errors.PhotoError: a file or folder that is there cannot be read.
    """
    if not has_home(settings):
        raise NothingKnown(
            f"Nothing was ever kept in this home, so nothing was removed. {which_home(settings)}"
        )
    store = open_store(settings)
    ids = frozenset(_photos_now(path) | _photos_before(store, path))
    if not ids:
        raise NothingKnown(f"No photo is at {path_text(path)}, and none was seen there; nothing was removed.")
    others = files_with(store.database, ids, outside=path)
    mentions = mentions_of(store, ids)
    reports = tuple(_reports_with(store, ids, mentions.batches))
    return Forgetting(
        store=store,
        path=path,
        ids=ids,
        others=tuple(sorted(others)),
        undo=undo_to_keep(store.database, others),
        reports=reports,
        evidence=mentions.evidence,
        batches=tuple(_batches_with(store, path, ids, mentions.batches, reports)),
    )


def _unfinished(count: int) -> str:
    return (
        f"{counted(count, 'table')} of the last hour was uploaded and is not published: a run is at work, or was "
        "killed. Such a table may hold the photos; forget them again in an hour."
    )


def _removed(table: RemovedTable) -> str:
    again = f" Materialize {table.asset} again." if table.was_current else ""
    return (
        f"The table {table.asset} of batch {table.batch!r} by run {table.run_id} could not be read and may have held "
        f"them, so it was removed.{again}"
    )


def _photos_now(path: Path) -> set[str]:
    if not path.exists():
        return set()
    if not path.is_dir():
        return {photo_id(path)}
    try:
        return {photo_id(file.path) for file in discover(path).found}
    except NoPhotos:
        return set()


def _photos_before(store: OpenStore, path: Path) -> set[str]:
    place = path_text(path.resolve())

    def here(seen: Column[str]) -> ColumnElement[bool]:
        return or_(seen == place, seen.startswith(f"{place.rstrip('/')}/", autoescape=True))

    with store.database.read() as connection:
        return {
            identity
            for table in (photo_identities, metadata_writes)
            for identity in connection.execute(select(table.c.photo_id).where(here(table.c.path))).scalars()
        }


def _reports_with(store: OpenStore, ids: frozenset[str], naming: frozenset[str]) -> Iterator[Report]:
    """Reports of all batches one of whose tables, current or older, held one of the photos; of judging those `naming`.

    The report of a later round says where a photo took part before, and shows it.
    """
    for pipeline in PIPELINES.values():
        first = pipeline.stages[0].asset
        for folder in sorted((store.home.reports / pipeline.name).glob("*/")):
            tables = select(published_tables.c.run_id).where(
                published_tables.c.asset == first, published_tables.c.batch == folder.name
            )
            with store.database.read() as connection:
                runs = connection.execute(tables).scalars().all()
            named = pipeline.name == "judge" and folder.name in naming
            if named or any(_holds(store, first, folder.name, run, ids) for run in runs):
                yield _report(store, pipeline.name, folder)


def _batches_with(
    store: OpenStore, path: Path, ids: frozenset[str], naming: frozenset[str], reports: Sequence[Report]
) -> Iterator[tuple[PipelineName, str]]:
    """Batches in whose folder a file with one of the photos is or was, and those that are known to have or name one.

    The first run of a batch has no table yet that tells.
    """
    told = {report.folder for report in reports}
    place = path.resolve()
    seen = {folder for file, _ in known_files(store.database, sorted(ids)) for folder in file.parents}
    seen |= {place, *place.parents}
    for one in batches(store.database):
        known = store.home.reports / one.pipeline / one.name in told
        named = one.pipeline == "judge" and one.name in naming
        if known or named or one.folder in seen or one.folder.is_relative_to(place):
            yield one.pipeline, one.name


def _report(store: OpenStore, pipeline: PipelineName, folder: Path) -> Report:
    photos = batch(store.database, pipeline, folder.name).folder
    again = run_command(pipeline, photos, folder.name)
    return Report(folder, f"{pipeline} {folder.name}", again)


def _holds(store: OpenStore, asset: str, batch: str, run_id: str, ids: frozenset[str]) -> bool:
    try:
        table = store.tables.read(asset, batch, run_id)
    except DamagedTable:  # what cannot be read cannot speak for the report
        return True
    return not ids.isdisjoint(table["photo_id"].to_pylist())
