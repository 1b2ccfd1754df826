"""The catalog: one DuckDB connection in memory with a view over everything an analyst asks about.

Views: `events`, `attempts`, `decisions`, `gpu_samples`, `runs`, `run_stages`, one per asset with its current tables
(`judge/critiques` is `judge_critiques`), and `catalog_problems`, which names what could not be shown.

It changes nothing that is kept, and makes no `.duckdb` file, which would admit one writing process only.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa

from store.home import Home
from store.object_paths import ObjectPath
from store.pointers import current_pointers
from store.reading import reading
from store.settings import Settings
from store.table_files import parts_of
from telemetry.arrow import arrow_schema, table_of
from telemetry.errors import DamagedManifest, DamagedParquet, NewerRecord, QueryRefused
from telemetry.manifest import RunManifest, manifest_files, read_manifest
from telemetry.record_kinds import KIND_OF, KINDS
from telemetry.spool_reading import BadLine, read_spool, spool_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from store.database import StateDatabase
    from store.object_paths import Place
    from store.pointers import TablePointer
    from telemetry.record_kinds import Record, RecordKind
    from telemetry.stored_parts import StoredParts

# Parts in a store of objects; see `telemetry.stored_parts`.
_STORED: Final = "artifacts://"
_LOG: Final = logging.getLogger(__name__)
# Nothing is fetched from the network because a query names a function that is not there.
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}

RUNS: Final = pa.schema(
    [
        ("run_id", pa.string()),
        ("pipeline", pa.string()),
        ("batch", pa.string()),
        ("status", pa.string()),
        ("started_at", pa.timestamp("us")),
        ("ended_at", pa.timestamp("us")),
        ("seconds", pa.float64()),
        ("host", pa.string()),
        ("pid", pa.int64()),
        ("git_sha", pa.string()),
        ("git_dirty", pa.bool_()),
        ("git_dirty_digest", pa.string()),
        ("python", pa.string()),
        ("registry_version", pa.string()),
        ("prompt_hub_version", pa.string()),
        ("manifest", pa.string()),
    ]
)
RUN_STAGES: Final = pa.schema(
    [
        ("run_id", pa.string()),
        ("stage", pa.string()),
        ("entries", pa.int64()),
        ("ok", pa.int64()),
        ("failed", pa.int64()),
        ("asked", pa.int64()),
        ("recalled", pa.int64()),
        ("seconds", pa.float64()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("lease_wait_ms", pa.float64()),
        ("dropped_events", pa.int64()),
        ("unsynced_events", pa.int64()),
        ("telemetry_failing", pa.bool_()),
        ("profile_id", pa.string()),
        ("profile_stage", pa.string()),
        ("profile_hash", pa.string()),
        ("stage_hash", pa.string()),
        ("model", pa.string()),
        ("model_revision", pa.string()),
    ]
)
_PROBLEMS: Final = pa.schema([("path", pa.string()), ("problem", pa.string())])


def connect(
    home: Home | None = None,
    database: StateDatabase | None = None,
    *,
    settings: Settings | None = None,
    locked: bool = False,
    bounds: Mapping[str, str | int] = MappingProxyType({}),
) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in memory with the views of this module.

    Parquet files that appear later are seen by later queries; spools, manifests and table pointers are those
    of now.

    Args:
        home: The home; that of the settings if not given.
        database: The state database, when it is open already.
        settings: Where the state database is, when it is not open; those of the environment if not given.
        locked: Allow reading below the home alone, and no change of the configuration. For queries of others.
        bounds: DuckDB's settings of what a query may take, such as ``memory_limit`` and ``threads``.

    Raises:
        StoreError: The state database cannot be read, or is of another version of this program; or the store of
            objects that holds the tables does not answer.
        DamagedParquet: A compacted file cannot be read.
    """
    if home is None:
        home = database.home if database is not None else Home.of(settings or Settings())
    connection = duckdb.connect(":memory:", config={**_CONFIG, **bounds})
    try:
        _fill(connection, home, _pointers(home, database, settings or Settings(home=home.root)))
        if locked:
            _lock(connection, home)
    except BaseException:
        connection.close()
        raise
    return connection


def select(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyConnection:
    """Ask one SELECT and nothing else: DuckDB's allowed folders would let `COPY … TO` write there.

    Returns:
        The connection, with the result to fetch: `description`, `fetchmany()`, `df()`.

    Raises:
        QueryRefused: It is something else, or several statements, or none.
        duckdb.Error: The query itself is wrong.
    """
    statements = duckdb.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise QueryRefused(f"One SELECT statement is answered; this is {kinds}.")
    return connection.execute(query)


def view_name(asset: str) -> str:
    """The view of an asset: `judge/critiques` → `judge_critiques`."""
    return re.sub(r"\W", "_", asset)


def _fill(connection: duckdb.DuckDBPyConnection, home: Home, pointers: tuple[TablePointer, ...]) -> None:
    problems: list[tuple[str, str]] = []
    connection.execute("CREATE SCHEMA behind")
    # The spools first: what compaction moves meanwhile is in Parquet when the views are asked.
    spooled = _spooled(home, problems)
    for kind in KINDS:
        _records(connection, home, kind, table_of(kind, list(spooled[kind].values())))
    _attempts(connection)
    _runs(connection, home, problems)
    _assets(connection, pointers, problems)
    _keep(connection, "catalog_problems", pa.Table.from_pylist(_named(_PROBLEMS, problems), schema=_PROBLEMS))
    for path, problem in problems:
        _LOG.warning("%s: %s", path, problem)


def _lock(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    # DuckDB compares patterns as they are written, so a folder with pattern letters is named both ways.
    names = {
        f"{name}/"
        for folder in (*(kind.folder(home) for kind in KINDS), home.assets)
        if isinstance(folder, Path)
        for name in (str(folder), _literally(folder))
    }
    if home.artifacts is not None:
        names.add(_STORED)
    connection.execute(f"SET allowed_directories = [{', '.join(map(_quoted, sorted(names)))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET lock_configuration = true")


def _spooled(home: Home, problems: list[tuple[str, str]]) -> dict[RecordKind, dict[str, Record]]:
    spooled: dict[RecordKind, dict[str, Record]] = {kind: {} for kind in KINDS}
    for path in spool_files(home.spool):
        try:
            for item in read_spool(path):
                # Bad lines are compaction's and fsck's to tell; a living spool always may end in one.
                if not isinstance(item, BadLine):
                    kind = KIND_OF[type(item)]
                    spooled[kind].setdefault(kind.id_of(item), item)
        except FileNotFoundError:
            continue
        except NewerRecord as error:
            problems.append((str(path), str(error)))
    return spooled


def _records(connection: duckdb.DuckDBPyConnection, home: Home, kind: RecordKind, spooled: pa.Table) -> None:
    _keep(connection, f"behind.spooled_{kind.view}", spooled)
    _keep(connection, f"behind.no_{kind.view}", arrow_schema(kind).empty_table())
    columns = ", ".join(f'"{facts.name}"' for facts in kind.fields)
    pattern = _quoted(f"{_literally(kind.folder(home))}/date=*/*.parquet")
    # The empty table first: it gives the columns that files of an older version, or no file at all, do not have.
    published = (
        f"SELECT *, NULL::DATE AS date FROM behind.no_{kind.view} UNION ALL BY NAME "  # noqa: S608 - quoted
        f"SELECT * FROM read_parquet({pattern}, allow_empty = true, "
        "union_by_name = true, hive_partitioning = true, hive_types = {'date': DATE})"
    )
    # Joined only where there is something to compare: it reads the ids of every record.
    fresh = f"SELECT * FROM behind.spooled_{kind.view}"  # noqa: S608 - ours
    if spooled.num_rows:
        fresh += f" ANTI JOIN behind.published_{kind.view} USING ({kind.id_field})"
    try:
        connection.execute(f"CREATE VIEW behind.published_{kind.view} AS {published}")
    except duckdb.Error as error:
        raise DamagedParquet(
            f"The Parquet files in {kind.folder(home)} cannot be read: {error}. `python -m telemetry fsck` names the "
            "file."
        ) from error
    connection.execute(
        f"CREATE VIEW {kind.view} AS SELECT {columns}, date FROM behind.published_{kind.view} UNION ALL "  # noqa: S608 - ours
        f"SELECT {columns}, {kind.time_field}::DATE AS date FROM ({fresh})"
    )


def _attempts(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE VIEW attempts AS SELECT event_id, run_id, batch, entry_id, stage, model, deployment, "
        "provider, enqueued_at, unnest(attempts, max_depth := 2) FROM events"
    )


def _runs(connection: duckdb.DuckDBPyConnection, home: Home, problems: list[tuple[str, str]]) -> None:
    runs: list[dict[str, Any]] = []
    stages: list[dict[str, Any]] = []
    for path in manifest_files(home):
        try:
            manifest = read_manifest(home, path.stem)
        except DamagedManifest as error:
            problems.append((str(path), str(error)))
            continue
        runs.append(_run(manifest))
        stages.extend(_stages(manifest))
    _keep(connection, "runs", pa.Table.from_pylist(runs, schema=RUNS))
    _keep(connection, "run_stages", pa.Table.from_pylist(stages, schema=RUN_STAGES))


def _run(manifest: RunManifest) -> dict[str, Any]:
    plain = manifest.model_dump(include=set(RUNS.names) - {"manifest", "seconds", "started_at", "ended_at"})
    started = _instant(manifest.started_at)
    ended = _instant(manifest.ended_at) if manifest.ended_at else None
    return {
        **plain,
        "status": "crashed" if manifest.has_crashed() else manifest.status,
        "started_at": started,
        "ended_at": ended,
        "seconds": (ended - started).total_seconds() if ended else None,
        "manifest": manifest.model_dump_json(),
    }


def _stages(manifest: RunManifest) -> Iterator[dict[str, Any]]:
    for stage in sorted({*manifest.stages, *manifest.profiles, *manifest.models}):
        summary = manifest.stages.get(stage)
        profile = manifest.profiles.get(stage)
        model = manifest.models.get(stage)
        yield {
            "run_id": manifest.run_id,
            "stage": stage,
            **({} if summary is None else {**summary.model_dump(), "failed": sum(summary.failed.values())}),
            **({} if profile is None else profile.model_dump(exclude={"content"})),
            **({} if model is None else model.model_dump(include={"model", "model_revision"})),
        }


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _pointers(home: Home, database: StateDatabase | None, settings: Settings) -> tuple[TablePointer, ...]:
    if database is None and settings.state_url is None and not home.state_db.exists():
        return ()
    with reading(settings) if database is None else database.read() as connection:
        return current_pointers(connection, home.assets)


def _assets(
    connection: duckdb.DuckDBPyConnection,
    pointers: tuple[TablePointer, ...],
    problems: list[tuple[str, str]],
) -> None:
    parts: dict[str, list[Place]] = {}
    for pointer in pointers:
        found = parts_of(pointer.path) if isinstance(pointer.path, Path) else pointer.expected_parts
        if not found:
            problems.append((str(pointer.path), f"the table {pointer.asset} of {pointer.batch} is gone"))
        parts.setdefault(pointer.asset, []).extend(found)
    stored = _stored_parts(connection) if any(isinstance(one.path, ObjectPath) for one in pointers) else None
    for asset, places in parts.items():
        names = [_literally(place) for place in places if isinstance(place, Path)]
        if stored is not None:
            names += stored.add((place for place in places if isinstance(place, ObjectPath)), problems)
        if not names:
            continue
        files = ", ".join(map(_quoted, names))
        try:
            connection.execute(
                f"CREATE VIEW {view_name(asset)} AS SELECT * FROM read_parquet([{files}], "  # noqa: S608 - quoted
                "union_by_name = true, hive_partitioning = false)"
            )
        except duckdb.Error as error:
            problems.append((asset, f"its tables cannot be shown together: {error}"))


def _stored_parts(connection: duckdb.DuckDBPyConnection) -> StoredParts:
    # Only here: a home whose tables are on its disk need not wait for fsspec.
    from telemetry.stored_parts import StoredParts  # noqa: PLC0415

    stored = StoredParts()
    connection.register_filesystem(stored)
    return stored


def _keep(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    """A table of the connection's own, which outlives the Arrow table and locks nothing."""
    connection.register("handed_over", table)
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM handed_over")  # noqa: S608 - names of this module
    connection.unregister("handed_over")


def _named(schema: pa.Schema, rows: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [dict(zip(schema.names, row, strict=True)) for row in rows]


def _literally(path: Path) -> str:
    """A path in which DuckDB finds no pattern."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
