"""A backup of a home, the home that is made of it, and archives that are no backup."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import tarfile
from uuid import uuid4

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from imageworks_dagster.backup.restoring import restore
from imageworks_dagster.backup.taking import Telling, take_backup
from imageworks_dagster.command.app import app
from imageworks_dagster.errors import BackupFailed, BackupRefused
from store.artifacts import TableStore
from store.batches import batches, register
from store.database import StateDatabase
from store.errors import ArchiveRefused, StoreError
from store.settings import Settings
from store.tables import table_pointers
from telemetry.fsck import fsck

QUIET = Telling(lambda *_: None, lambda _: None, lambda _: None)
ROWS = pa.table({"entry_id": ["a", "b"], "photo_id": ["p", "q"]})


def restored(file, place):
    return restore(file, place, lambda _: None)


@pytest.fixture
def settings(tmp_path):
    """A home with a batch, two runs' tables, a spool that is being written, prompts and a registry."""
    made = Settings(home=tmp_path / "home")
    with StateDatabase.open(made) as database:
        (tmp_path / "spring").mkdir()
        register(database, pipeline="judge", name="spring", folder=tmp_path / "spring")
        tables = TableStore(database.home, database)
        first = tables.publish(asset="judge/entries", batch="spring", run_id="one", table=ROWS, expected=None)
        tables.publish(asset="judge/entries", batch="spring", run_id="two", table=ROWS, expected=first)
        home = database.home
    (home.spool / "spool-x.jsonl").write_bytes(b'{"seq":0}\n{"seq":1}\n{"se')
    (home.prompts / "mine.yaml").write_text("id: mine\n", encoding="utf-8")
    home.registry.write_text("roles: {}\n", encoding="utf-8")
    (home.manifests / "one.json").write_text("{}", encoding="utf-8")
    (home.manifests / ".lock").touch()
    (home.root / "cache").mkdir()
    (home.root / "cache" / "prompts.json").write_text("{}", encoding="utf-8")
    return made


def test_a_restored_home_is_the_owners_alone_and_has_no_configuration_that_could_name_code(
    settings, tmp_path
):
    home = tmp_path / "home"
    (home / "dagster").mkdir(exist_ok=True)
    (home / "dagster" / "dagster.yaml").write_text("python_logs: {}\n", encoding="utf-8")
    restored(take_backup(settings, tmp_path / "b.tar", QUIET).file, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere" / "dagster" / "dagster.yaml").exists()
    assert (tmp_path / "elsewhere").stat().st_mode & 0o077 == 0


@pytest.fixture
def archive(settings, tmp_path):
    return take_backup(settings, tmp_path / "b.tar", QUIET).file


def remade(archive, change):
    """The archive with its files changed: a mapping of name to content."""
    with tarfile.open(archive) as tar:
        files = {one.name: tar.extractfile(one).read() for one in tar}
    files = change(files) or files
    with tarfile.open(archive, "w") as tar:
        for name, content in files.items():
            facts = tarfile.TarInfo(name)
            facts.size = len(content)
            tar.addfile(facts, io.BytesIO(content))
    return archive


def test_a_restored_home_has_the_tables_the_whole_lines_and_what_the_user_wrote(settings, archive, tmp_path):
    made = restored(archive, tmp_path / "new")

    assert (made.tables, [one.name for one in made.batches], made.without_folder) == (2, ["spring"], ())
    root = made.home.root
    assert (root / "telemetry/spool/spool-x.jsonl").read_bytes() == b'{"seq":0}\n{"seq":1}\n'
    assert (root / "prompts/mine.yaml").read_text(encoding="utf-8") == "id: mine\n"
    assert not (root / "cache").exists()
    assert not list(root.rglob("*.lock"))
    assert not list(tmp_path.glob(".*"))
    with StateDatabase.open(Settings(home=root)) as database:
        assert len(batches(database)) == 1
        tables = TableStore(made.home, database)
        for run in (None, "one"):
            assert tables.read("judge/entries", "spring", run).column("entry_id").to_pylist() == ["a", "b"]
    assert [
        problem.what.split(":")[0] for problem in fsck(made.home).problems if "spool" in str(problem.path)
    ]


def test_a_table_that_was_damaged_before_is_told_and_stops_nothing(settings, tmp_path):
    (part,) = (settings.home / "assets/judge/entries/spring/one").glob("part-*")
    part.unlink()

    taken = take_backup(settings, tmp_path / "b.tar.zst", QUIET)

    assert [(one.path, one.current) for one in taken.damaged] == [("judge/entries/spring/one", False)]
    assert restored(taken.file, tmp_path / "new").tables == 1


def test_runs_that_publish_meanwhile_do_not_stop_the_backup_of_a_home_with_a_damaged_table(
    settings, tmp_path
):
    (part,) = (settings.home / "assets/judge/entries/spring/one").glob("part-*")
    part.unlink()
    with StateDatabase.open(settings) as database:
        tables = TableStore(database.home, database)

        def publish(done, pages):
            if done == pages:
                tables.publish(
                    asset="judge/signals", batch="spring", run_id=uuid4().hex, table=ROWS, expected=None
                )

        telling = Telling(publish, lambda _: None, lambda _: None)
        taken = take_backup(settings, tmp_path / "b.tar", telling)

    assert [one.path for one in taken.damaged] == ["judge/entries/spring/one"]


def test_a_folder_that_cannot_be_looked_into_fails_the_backup_and_is_named(settings, tmp_path, monkeypatch):
    closed = str(settings.home / "manifests")
    scan = os.scandir

    def refuse(place):
        if str(place) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), closed)
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(BackupFailed, match=rf"Permission denied \({closed}\)"):
        take_backup(settings, tmp_path / "b.tar", QUIET)

    assert not (tmp_path / "b.tar").exists()


def test_a_file_whose_name_no_restore_would_take_fails_the_backup_and_is_named(settings, tmp_path):
    (settings.home / "prompts" / "old\\mine.yaml").touch()

    with pytest.raises(BackupFailed, match=r"mine\.yaml', and nobody could restore"):
        take_backup(settings, tmp_path / "b.tar", QUIET)

    assert not (tmp_path / "b.tar").exists()


def test_a_home_that_holds_something_an_archive_within_it_and_one_of_no_kind_are_refused(
    settings, archive, tmp_path
):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "empty").mkdir()

    with pytest.raises(BackupRefused, match="holds something"):
        restored(archive, tmp_path / "full")
    with pytest.raises(BackupFailed, match="within the home"):
        take_backup(settings, settings.home / "b.tar", QUIET)
    with pytest.raises(BackupFailed, match=r"End its name in \.tar, "):
        take_backup(settings, tmp_path / "b.zip", QUIET)
    with pytest.raises(BackupFailed, match="nothing to back up"):
        take_backup(Settings(home=tmp_path / "none"), tmp_path / "c.tar", QUIET)
    assert restored(archive, tmp_path / "empty").files > 4


def _without_a_table(files):
    return {name: content for name, content in files.items() if "/one/" not in name}


def _without_a_table_and_its_word(files):
    left = _without_a_table(files)
    said = json.loads(left["files.json"])
    left["files.json"] = json.dumps(
        {name: facts for name, facts in said.items() if "/one/" not in name}
    ).encode()
    return left


def _changed(files):
    files["registry.yaml"] = b"roles: []\n"


def _newer(files):
    files["backup.json"] = b'{"format": 99}'


def _greedy(files):
    files["backup.json"] = json.dumps({**json.loads(files["backup.json"]), "most_bytes": 1 << 60}).encode()


def _lying(files):
    files["backup.json"] = json.dumps({**json.loads(files["backup.json"]), "most_bytes": 10}).encode()


def _with_more(files):
    files["dagster/more.txt"] = b"x"


def _cut(files):
    return dict(list(files.items())[:-2])


def _empty(files):
    return {"backup.json": files["backup.json"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        _without_a_table,
        _without_a_table_and_its_word,
        _changed,
        _newer,
        _greedy,
        _lying,
        _with_more,
        _cut,
        _empty,
    ],
)
def test_what_is_not_what_was_written_is_refused_and_leaves_nothing(archive, tmp_path, change):
    with pytest.raises((BackupRefused, ArchiveRefused)):
        restored(remade(archive, change), tmp_path / "new")

    assert sorted(one.name for one in tmp_path.iterdir()) == ["b.tar", "home", "spring"]


def test_a_database_that_names_a_table_outside_of_its_home_is_refused(settings, tmp_path):
    with StateDatabase.open(settings) as database:
        database.write(lambda one: one.execute(update(table_pointers).values(path="../../spring")))

    with pytest.raises((BackupRefused, StoreError)):
        restored(take_backup(settings, tmp_path / "b.tar", QUIET).file, tmp_path / "new")


@pytest.mark.real
@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="pg_dump is not installed")
def test_of_postgresql_a_dump_of_the_same_moment_is_inside(settings, tmp_path, postgresql_url):
    shared = Settings(home=settings.home, state_url=postgresql_url)
    with StateDatabase.open(shared) as database:
        tables = TableStore(database.home, database)
        tables.publish(asset="judge/entries", batch="autumn", run_id="three", table=ROWS, expected=None)

    made = restored(take_backup(shared, tmp_path / "b.tar.gz", QUIET).file, tmp_path / "new")
    without = take_backup(shared, tmp_path / "c.tar", QUIET, database=False)

    assert made.dump is not None
    listed = subprocess.run(["pg_restore", "--list", made.dump], capture_output=True, text=True, check=True)
    assert "table_pointers" in listed.stdout
    assert (made.home.assets / "judge/entries/autumn/three/part-00000.parquet").is_file()
    assert not (made.home.assets / "judge/entries/spring").exists()
    assert restored(without.file, tmp_path / "more").dump is None


@pytest.mark.real
@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="pg_dump is not installed")
def test_a_dump_may_take_longer_than_the_server_lets_a_transaction_idle(
    settings, tmp_path, postgresql_url, monkeypatch
):
    shared = Settings(home=settings.home, state_url=postgresql_url)
    StateDatabase.open(shared).close()
    name = postgresql_url.rpartition("/")[2]
    with psycopg.connect(postgresql_url, autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" SET idle_in_transaction_session_timeout = 100')
    programs = tmp_path / "programs"
    programs.mkdir()
    slow = programs / "pg_dump"
    slow.write_text(f'#!/bin/sh\nsleep 1\nexec {shutil.which("pg_dump")} "$@"\n', encoding="ascii")
    slow.chmod(0o700)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    assert take_backup(shared, tmp_path / "b.tar", QUIET).file.is_file()


def test_without_pg_dump_it_says_what_to_do(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    shared = Settings(home=settings.home, state_url="postgresql://nobody@127.0.0.1:9/none")

    with pytest.raises(BackupFailed, match="--without-database"):
        take_backup(shared, tmp_path / "b.tar", QUIET)


def test_the_commands_say_what_is_inside_and_what_is_to_be_done(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEWORKS_HOME", str(settings.home))
    (tmp_path / "spring").rmdir()

    kept = CliRunner().invoke(app, ["backup", str(tmp_path / "b.tar.zst")])
    made = CliRunner().invoke(
        app, ["restore", str(tmp_path / "b.tar.zst"), "--home", str(tmp_path / "new home")]
    )

    assert (kept.exit_code, made.exit_code) == (0, 0)
    assert "Photos are not inside" in kept.stdout
    assert "judge · spring: its photos are not here" in made.stdout
    assert f"IMAGEWORKS_HOME='{tmp_path}/new home' imageworks status" in made.stdout
