"""`imageworks forget` at a terminal: what goes, what stays, and what is said of it."""

import io
import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from at_terminal import complaint, imageworks
from made_up_photos import write_photo
from sqlalchemy import func, select

from imageworks_dagster.command.commands import shell_word
from imageworks_dagster.picturing import thumbnail_path
from photos.identity import photo_id
from photos.metadata.reading import read_metadata
from store.tables import kept_answer_photos, measurements, metadata_writes, photo_identities


def everything_about(store, identity):
    """How many rows of assets' tables and of the state database name a photo, or have an answer about it."""
    count = 0
    for pointer in store.tables.pointers():
        rows = store.tables.read(pointer.asset, pointer.batch).to_pylist()
        count += sum(1 for row in rows if identity in json.dumps(row, default=str))
    with store.database.read() as connection:
        for table in (kept_answer_photos, measurements, photo_identities, metadata_writes):
            query = select(func.count()).select_from(table).where(table.c.photo_id == identity)
            count += connection.execute(query).scalar_one()
    return count + thumbnail_path(store.home, identity).exists()


def reports_in(home):
    return {path.parent.name for path in (home / "reports").rglob("report.html")}


def test_a_forgotten_photo_is_gone_everywhere_and_no_other_is(home, folders, store_of):
    shared, other = (photo_id(folders / "Harbor" / name) for name in ("shared.jpg", "other.jpg"))
    kept_before = everything_about(store_of(home), other)
    assert everything_about(store_of(home), shared) > 10

    said = imageworks(home, "forget", folders / "Harbor" / "shared.jpg", "--yes")

    assert said.code == 0, said.err
    assert "1 photo forgotten" in said.out
    assert everything_about(store_of(home), shared) == 0
    assert everything_about(store_of(home), other) == kept_before
    assert (folders / "Harbor" / "shared.jpg").exists()


def test_only_the_reports_that_held_the_photo_go(home, folders):
    assert reports_in(home) == {"spring-round", "harbor", "hills"}

    said = imageworks(home, "forget", folders / "Harbor" / "shared.jpg", "--yes")

    assert reports_in(home) == {"hills"}
    assert "the report of judge spring-round, the report of tagger harbor" in said.out


@pytest.mark.slow
def test_the_next_run_makes_the_report_anew(home, folders):
    imageworks(home, "forget", folders / "Harbor" / "shared.jpg", "--yes")

    assert imageworks(home, "tag", folders / "Harbor").code == 0
    assert reports_in(home) == {"hills", "harbor"}


def test_a_whole_folder_is_forgotten(home, folders, store_of):
    said = imageworks(home, "forget", folders / "Hills", "--yes")

    assert "2 photos forgotten" in said.out
    for photo in (folders / "Hills").iterdir():
        assert everything_about(store_of(home), photo_id(photo)) == 0
    assert reports_in(home) == {"spring-round", "harbor"}


@pytest.mark.slow
def test_a_photo_that_is_no_longer_there_is_forgotten_by_its_path(tmp_path, store_of):
    photo = write_photo(tmp_path / "Hills" / "a.jpg", seed=1)
    write_photo(tmp_path / "Hills" / "b.jpg", seed=2)
    identity = photo_id(photo)
    imageworks(tmp_path / "home", "tag", photo.parent)
    photo.unlink()

    said = imageworks(tmp_path / "home", "forget", photo, "--yes")

    assert "1 photo forgotten" in said.out
    assert everything_about(store_of(tmp_path / "home"), identity) == 0


@pytest.mark.slow
def test_an_older_tables_photo_takes_the_report_with_it(tmp_path):
    """The report on the disk may be of an earlier run than the current table of the first stage."""
    photo = write_photo(tmp_path / "Hills" / "a.jpg", seed=1)
    write_photo(tmp_path / "Hills" / "b.jpg", seed=2)
    home = tmp_path / "home"
    imageworks(home, "tag", photo.parent)
    photo.unlink()
    imageworks(home, "tag", photo.parent)
    assert reports_in(home) == {"hills"}

    imageworks(home, "forget", photo, "--yes")

    assert reports_in(home) == set()


def test_what_could_not_be_read_and_what_may_still_hold_the_photo_is_told(home, folders):
    (part,) = (home / "assets" / "tagger" / "captions" / "hills").glob("*/part-*.parquet")
    part.write_bytes(b"junk")
    with closing(sqlite3.connect(home / "state.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM measurements").fetchone()

        said = imageworks(home, "forget", folders / "Harbor" / "shared.jpg", "--yes")

    assert said.code == 0, said.err
    out = " ".join(said.out.split())
    assert "1 photo forgotten" in out
    assert "The table tagger/captions of batch 'hills' by run" in out
    assert "it was removed. Materialize tagger/captions again." in out
    assert (
        "copies may stay in its log (state.db-wal) until every run and web UI of this home has ended" in out
    )


def test_nothing_known_is_said_and_is_a_failure(home, tmp_path):
    complaint(imageworks(home, "forget", tmp_path / "never.jpg", "--yes"), "No photo is at", "never.jpg")


def test_forgetting_asks_first_and_no_is_no(home, folders, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))

    said = imageworks(home, "forget", folders / "Hills")

    assert said.code == 1
    assert reports_in(home) == {"spring-round", "harbor", "hills"}


@pytest.fixture
def twins(tmp_path):
    """One picture in two folders, tagged and written in both."""
    first = write_photo(tmp_path / "k1" / "a.jpg", seed=1)
    second = tmp_path / "k2" / "b.jpg"
    second.parent.mkdir()
    shutil.copy(first, second)
    for photo in (first, second):
        assert imageworks(tmp_path / "home", "tag", photo.parent, "--apply").code == 0
    return tmp_path / "home", first, second


@pytest.mark.slow
def test_tags_in_another_file_of_a_forgotten_picture_can_still_be_taken_back(twins):
    home, first, second = twins
    said = imageworks(home, "forget", first, "--yes")
    assert f"{second}; the undo of the tags in it is kept" in said.out

    undone = imageworks(home, "tag", second.parent, "--undo")

    assert "Taken back in 1 photo" in undone.out
    assert read_metadata(second).keywords == ()


@pytest.mark.slow
def test_a_kept_undo_goes_when_its_own_file_is_forgotten(twins, store_of):
    home, first, second = twins
    identity = photo_id(first)
    imageworks(home, "forget", first, "--yes")
    second.unlink()

    assert imageworks(home, "forget", second, "--yes").code == 0
    assert everything_about(store_of(home), identity) == 0


def test_before_forgetting_it_is_said_what_goes_with_the_photo(home, folders, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))

    out = imageworks(home, "forget", folders / "Harbor" / "shared.jpg").out

    assert "The same picture is in 1 other file, whose rows and answers go too:" in out
    assert str(folders / "Spring Round" / "Title 0 by Member 0.jpg") in out
    again = f"imageworks tag {shell_word(folders / 'Harbor')} --batch harbor"
    assert f"tagger harbor; made again by: {again}\n" in out
