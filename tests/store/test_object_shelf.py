"""Tables in a store of objects: published by the pointer alone, read whole, forgotten, and what is left behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import object_shelf_processes
import pyarrow as pa
import pytest
from object_store import BUCKET, CuttingProxy, object_store, variables

import store.object_shelf
from store.artifacts import TableStore
from store.data_version import data_version
from store.database import StateDatabase
from store.errors import ArtifactsUnreachable, DamagedTable, PublishConflict, SettingsError
from store.object_paths import ObjectPath
from store.object_shelf import uploads
from store.settings import Settings
from store.table_files import UNPUBLISHED

ASSET = "judge/critiques"


@pytest.fixture(scope="module")
def endpoint():
    with object_store() as endpoint:
        yield endpoint


@pytest.fixture
def reached(endpoint, monkeypatch):
    for name, value in variables(endpoint).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def settings(tmp_path, reached):
    return Settings(home=tmp_path / "home", artifacts_url=f"s3://{BUCKET}/{tmp_path.name}")


@pytest.fixture
def database(settings):
    with StateDatabase.open(settings) as database:
        yield database


def table(rows=3, **columns):
    return pa.table(
        {
            "entry_id": [f"b/{number}" for number in range(rows)],
            "photo_id": [f"photo-{number}" for number in range(rows)],
            **columns,
        }
    )


def publish(tables, run="r1", rows=None, expected=None):
    return tables.publish(
        asset=ASSET, batch="b", run_id=run, table=table() if rows is None else rows, expected=expected
    )


@contextmanager
def faults(reached, endpoint, cut_at):
    """A wire to the store that is cut at the n-th question that changes something there."""
    with CuttingProxy(endpoint, cut_at) as proxy:
        reached.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy
        reached.setenv("AWS_ENDPOINT_URL", endpoint)


def test_a_table_has_the_layout_of_a_home_below_the_url_and_says_the_same(tables, database, tmp_path):
    rows = table(4001)
    there = publish(tables, rows=rows)
    run, *_ = there.path.name.partition("~")
    assert (run, there.path.parent) == ("r1", database.home.assets / "judge" / "critiques" / "b")
    assert [part.name for part in there.parts] == [f"part-0000{number}.parquet" for number in range(3)]
    assert there.expected_parts == there.parts
    assert not list((tmp_path / "home").rglob("*.parquet"))
    with StateDatabase.open(Settings(home=tmp_path / "on-disk")) as other:
        here = publish(TableStore(other.home, other), rows=rows)
        assert here.data_version == there.data_version
        assert TableStore(other.home, other).read(ASSET, "b").equals(tables.read(ASSET, "b"))


def test_a_file_url_is_a_folder_like_any_other(tmp_path):
    made = Settings(home=tmp_path / "home", artifacts_url=(tmp_path / "a folder").as_uri())
    with StateDatabase.open(made) as database:
        pointer = publish(TableStore(database.home, database))
        assert pointer.path == tmp_path / "a folder" / ASSET / "b" / "r1"


def test_each_run_can_be_read_and_the_pointer_says_which_is_current(tables):
    first = publish(tables, "r1", table(2))
    second = publish(tables, "r2", table(5), expected=first)
    assert tables.current(ASSET, "b") == second
    assert tables.read(ASSET, "b").num_rows == 5
    assert tables.read(ASSET, "b", "r1").num_rows == 2


def test_who_comes_second_leaves_no_object(tables, database):
    first = publish(tables)
    with pytest.raises(PublishConflict):
        publish(tables, "r2", expected=None)
    assert [one.place for one in uploads(database.home.assets)] == [first.path]


def test_two_tries_of_a_run_never_share_a_name(tables):
    first = publish(tables)
    second = publish(tables, "r1", table(4))
    assert first.path != second.path
    assert tables.read(ASSET, "b").num_rows == 4


def test_a_lost_object_is_told(tables):
    publish(tables, rows=table(2500)).parts[1].unlink()
    with pytest.raises(DamagedTable, match="has 2000 rows"):
        tables.read(ASSET, "b")


def test_objects_that_changed_are_told(tables):
    publish(tables).parts[0].write(b"holiday")
    with pytest.raises(DamagedTable, match="no readable Parquet"):
        tables.read(ASSET, "b")


def test_forgotten_photos_are_in_no_object(tables, database):
    first = publish(tables, "r1", table(2500))
    publish(tables, "r2", table(2500), expected=first)
    assert tables.forget(["photo-7"]).count == 2
    assert tables.read(ASSET, "b").num_rows == tables.read(ASSET, "b", "r1").num_rows == 2499
    for one in database.home.assets.below():
        assert b"photo-7\x00" not in one.path.read_bytes()
    left = uploads(database.home.assets)
    assert len(left) == 2
    assert not any(one.is_marked for one in left)


@pytest.mark.slow
def test_a_store_that_is_away_is_told_with_what_to_do(tables, reached):
    pointer = publish(tables)
    reached.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ArtifactsUnreachable, match="IMAGEWORKS_ARTIFACTS_URL"):
        tables.read(ASSET, "b")
    with pytest.raises(ArtifactsUnreachable):
        publish(tables, "r2", expected=pointer)
    with pytest.raises(ArtifactsUnreachable):
        tables.forget(["photo-1"])
    assert tables.current(ASSET, "b") == pointer


def test_a_bucket_or_protocol_that_is_none_is_told(reached):
    with pytest.raises(ArtifactsUnreachable, match="there is no 'none'"):
        ObjectPath("s3://none/x").check()
    with pytest.raises(ArtifactsUnreachable, match="not known"):
        ObjectPath("nonsense://club/x").check()


def test_a_secret_is_in_no_message(tables, reached, endpoint):
    with faults(reached, endpoint, 1), pytest.raises(ArtifactsUnreachable) as told:
        publish(tables)
    assert variables(endpoint)["AWS_SECRET_ACCESS_KEY"] not in f"{told.value} {told.value.__cause__!r}"


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:secret-word@club/x",
        "s3://club/../x",
        "s3://club/x?access_key=secret-word",
        "club",
        "file://x/secret-word",
    ],
)
def test_a_url_that_may_hold_a_secret_or_leads_elsewhere_is_refused_unquoted(tmp_path, url):
    with pytest.raises(SettingsError, match="IMAGEWORKS_ARTIFACTS_URL: must be") as told:
        Settings(home=tmp_path, artifacts_url=url)
    assert "secret-word" not in str(told.value)


@pytest.mark.slow
def test_a_store_that_fails_at_any_change_leaves_the_table_that_was_current(
    tables, database, reached, endpoint
):
    first = publish(tables, rows=table(2500, made_by=["first"] * 2500))
    new = table(2500, made_by=["new"] * 2500)
    cut_at = 0
    while True:
        cut_at += 1
        with faults(reached, endpoint, cut_at) as proxy:
            try:
                now = publish(tables, f"new-{cut_at}", new, expected=first)
            except ArtifactsUnreachable:
                now = tables.current(ASSET, "b")
                assert now == first
        read = tables.read(ASSET, "b")
        assert read["made_by"].unique().to_pylist() == (["first"] if now == first else ["new"])
        assert data_version(read) == now.data_version
        if now != first:
            break
    # A mark and two parts before the pointer, and then the mark, whose removal can wait.
    assert cut_at == 4
    assert proxy.cut
    left = {one.place.name.partition("~")[0] for one in uploads(database.home.assets) if one.is_marked}
    assert left >= {"new-2", "new-3"}


def test_what_was_left_goes_with_the_next_run_once_it_is_old_and_what_was_published_stays(
    tables, database, reached, endpoint, monkeypatch
):
    first = publish(tables)
    with faults(reached, endpoint, 2), pytest.raises(ArtifactsUnreachable):
        publish(tables, "r2", expected=first)
    assert tables.forget(["photo-1"]).unfinished == 1
    first = tables.current(ASSET, "b")
    second = publish(tables, "r3", expected=first)
    assert sum(one.is_marked for one in uploads(database.home.assets)) == 1
    monkeypatch.setattr(store.object_shelf, "UNFINISHED_FOR", timedelta(0))
    third = publish(tables, "r4", expected=second)
    assert {one.place for one in uploads(database.home.assets)} == {first.path, second.path, third.path}
    (third.path / UNPUBLISHED).write(b"")
    assert tables.forget(["photo-2"]).unfinished == 0
    assert tables.read(ASSET, "b").num_rows == 2


def test_tables_that_a_lost_database_knew_are_left_alone(settings, monkeypatch):
    monkeypatch.setattr(store.object_shelf, "UNFINISHED_FOR", timedelta(0))
    for run in ("r1", "r2"):
        with StateDatabase.open(settings) as database:
            publish(TableStore(database.home, database), run)
            place = database.home.assets
        (settings.home / "state.db").unlink()
    assert {one.place.name.partition("~")[0] for one in uploads(place)} == {"r1", "r2"}


@pytest.mark.parametrize("rounds", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_after_a_kill_at_any_moment_the_last_acknowledged_table_or_a_later_one_is_current(settings, rounds):
    for _ in range(rounds):
        process = subprocess.Popen(
            [sys.executable, object_shelf_processes.__file__, settings.home, settings.artifacts_url],
            stdout=subprocess.PIPE,
            env=os.environ,
        )
        last = [process.stdout.readline() for _ in range(random.randint(1, 3))][-1]
        # Not a wait for anything: the moment of the kill is drawn.
        time.sleep(random.random() / 5)
        process.send_signal(signal.SIGKILL)
        last = ([last] + [line for line in process.stdout if line.endswith(b"\n")])[-1]
        process.stdout.close()
        process.wait()
        acknowledged = int(last)
        with StateDatabase.open(settings) as database:
            read = TableStore(database.home, database).read(ASSET, "b")
            assert read.num_rows == 4500
            (maker,) = read["made_by"].unique().to_pylist()
            assert maker in {acknowledged, acknowledged + 1}


def test_other_protocols_are_those_of_fsspec():
    place = ObjectPath("memory://club/x") / "part-00000.parquet"
    place.write(b"rows")
    assert place.read_bytes() == b"rows"
    assert [one.path for one in ObjectPath("memory://club").below()] == [place]
    ObjectPath("memory://club").remove()
    with pytest.raises(FileNotFoundError):
        place.read_bytes()
    assert Path(str(place.relative_to(ObjectPath("memory://club")))) == Path("x/part-00000.parquet")
