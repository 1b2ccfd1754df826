"""Tables in a store of objects, as an operator and an analyst meet them: SQL, the doctor, backup and restore."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest
from object_store import BUCKET, object_store, variables
from typer.testing import CliRunner

import store.object_shelf
from imageworks_dagster.backup.restoring import restore
from imageworks_dagster.backup.taking import Telling, take_backup
from imageworks_dagster.command.app import app
from imageworks_dagster.doctor import kept
from imageworks_dagster.errors import BackupRefused
from store.artifacts import TableStore
from store.database import StateDatabase
from store.errors import ArtifactsUnreachable
from store.home import Home
from store.object_shelf import uploads
from store.settings import Settings
from store.table_files import UNPUBLISHED
from telemetry.catalog import connect

QUIET = Telling(lambda *_: None, lambda _: None, lambda _: None)
QUERY = "SELECT entry_id, score, batch FROM judge_critiques WHERE score > 1 ORDER BY entry_id"


@pytest.fixture(scope="module")
def endpoint():
    with object_store() as endpoint:
        yield endpoint


@pytest.fixture
def settings(tmp_path, endpoint, monkeypatch):
    for name, value in variables(endpoint).items():
        monkeypatch.setenv(name, value)
    return Settings(home=tmp_path / "home", artifacts_url=f"s3://{BUCKET}/{tmp_path.name}")


def fill(settings):
    """Two batches, the second of two parts and with a column more."""
    with StateDatabase.open(settings) as database:
        tables = TableStore(database.home, database)
        for batch, rows, more in (("autumn", 3, {}), ("spring", 2100, {"words": ["a"] * 2100})):
            table = pa.table(
                {
                    "entry_id": [f"{batch}/{number:04d}" for number in range(rows)],
                    "photo_id": [f"photo-{batch}-{number}" for number in range(rows)],
                    "score": list(range(rows)),
                    **more,
                }
            )
            tables.publish(asset="judge/critiques", batch=batch, run_id="one", table=table, expected=None)


def test_sql_says_the_same_as_of_tables_on_the_disk_also_where_it_is_locked(settings, tmp_path):
    here = Settings(home=tmp_path / "here")
    for one in (settings, here):
        fill(one)
    with connect(settings=settings, locked=True) as there, connect(settings=here, locked=True) as disk:
        assert there.execute(QUERY).fetchall() == disk.execute(QUERY).fetchall()
        assert there.cursor().execute("SELECT count(words) FROM judge_critiques").fetchall() == [(2100,)]
        assert there.execute("FROM catalog_problems").fetchall() == []


def test_sql_names_a_part_that_is_gone_and_a_store_that_is_away(settings, monkeypatch):
    fill(settings)
    lost = next(one.path for one in Home.of(settings).assets.below() if "/autumn/" in one.path.url)
    lost.unlink()
    with connect(settings=settings) as connection:
        assert connection.execute("SELECT path FROM catalog_problems").fetchall() == [(lost.url,)]
        assert connection.execute("SELECT DISTINCT batch FROM judge_critiques").fetchall() == [("spring",)]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ArtifactsUnreachable, match="See that the store runs"):
        connect(settings=settings)


def test_the_doctor_names_what_a_killed_run_left_and_a_store_that_is_away(settings, monkeypatch):
    fill(settings)
    place = Home.of(settings).assets
    (place / "judge" / "critiques" / "autumn" / "dead~1" / UNPUBLISHED).write(b"")
    (found,) = kept.artifacts(settings, place)
    assert found.level == "ok"
    monkeypatch.setattr(store.object_shelf, "UNFINISHED_FOR", timedelta(0))
    (found,) = kept.artifacts(settings, place)
    assert (found.level, "autumn/dead~1 was never published" in found.words) == ("look", True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ArtifactsUnreachable):
        list(kept.artifacts(settings, place))


def test_a_home_moves_to_a_store_and_back_by_backup_and_restore(settings, tmp_path):
    here = Settings(home=tmp_path / "here")
    fill(here)
    take_backup(here, tmp_path / "here.tar", QUIET)
    moved = restore(
        tmp_path / "here.tar", settings.home, lambda _: None, artifacts_url=settings.artifacts_url
    )
    assert len(uploads(moved.home.assets)) == 2
    assert not list(settings.home.rglob("*.parquet"))
    take_backup(settings, tmp_path / "there.tar", QUIET)
    back = restore(tmp_path / "there.tar", tmp_path / "back", lambda _: None)
    with connect(settings=here) as before, connect(settings=Settings(home=back.home.root)) as after:
        assert before.execute(QUERY).fetchall() == after.execute(QUERY).fetchall()


def test_a_restore_never_writes_over_another_table(settings, tmp_path):
    fill(settings)
    take_backup(settings, tmp_path / "one.tar", QUIET)
    other = next(one.path for one in Home.of(settings).assets.below() if one.path.name != UNPUBLISHED)
    other.write(b"another table")
    with pytest.raises(BackupRefused, match="holds another table"):
        restore(tmp_path / "one.tar", tmp_path / "new", lambda _: None, artifacts_url=settings.artifacts_url)
    assert other.read_bytes() == b"another table"
    assert not (tmp_path / "new").exists()


def test_config_shows_the_url_and_no_key(settings, endpoint, monkeypatch):
    monkeypatch.setenv("IMAGEWORKS_ARTIFACTS_URL", settings.artifacts_url)
    shown = CliRunner().invoke(app, ["config"], env={"COLUMNS": "300"})
    assert settings.artifacts_url in shown.output
    assert variables(endpoint)["AWS_SECRET_ACCESS_KEY"] not in shown.output
