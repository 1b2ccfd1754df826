"""A photo library: cut into batches, and tagged where something changed."""

from __future__ import annotations

import errno
import json
import os
import shutil

import pytest
from at_terminal import imageworks
from made_up_photos import write_photo
from sqlalchemy import select

from imageworks_dagster.identifying import identify_folder
from imageworks_dagster.library import look_through
from imageworks_dagster.partitions import add_batches
from imageworks_dagster.progress import Silent, StageProgress
from store.batches import publish
from store.tables import photo_identities


@pytest.fixture
def library(tmp_path):
    """Two folders of two photos, and one beside them."""
    root = tmp_path / "Pictures"
    for number, name in enumerate(["2023/may/a.jpg", "2023/may/b.jpg", "2024/june/c.jpg", "2024/june/d.jpg"]):
        write_photo(root / name, seed=number)
    write_photo(root / "beside.jpg", seed=9)
    return root


@pytest.fixture
def look(platform, library):
    def looked(**options):
        return look_through(platform.store, library, **{"most": 2, **options})

    return looked


@pytest.fixture
def run_due(platform, look):
    """Runs what is due, all its stages or some, and gives the runs by batch."""

    def run(only=None):
        runs = {}
        for part in look().due:
            batch = part.registered(platform.store).name
            add_batches(platform.instance, "tagger", [batch])
            runs[batch] = platform.run("tagger", batch, only=only)
            assert runs[batch].success
        return runs

    return run


@pytest.fixture
def list_due(run_due):
    return lambda: run_due(["tagger/photos"])


def gone(platform):
    missed = select(photo_identities.c.path).where(photo_identities.c.gone_at.is_not(None))
    with platform.store.database.read() as connection:
        return {path.rpartition("/")[2] for path in connection.execute(missed).scalars()}


def due_of(found):
    return {part.folder.name: part.due for part in found.due}


def test_a_library_that_was_never_tagged_is_new_and_looking_registers_nothing(platform, look):
    found = look()
    assert found.photos == 5
    assert due_of(found) == {"Pictures": "new", "2023": "new", "2024": "new"}
    assert [part.below for part in found.batches] == [False, True, True]
    assert look().batches == found.batches


@pytest.mark.slow
def test_what_was_tagged_is_due_again_only_where_something_changed(platform, look, run_due, library):
    run_due()
    assert look().due == ()
    assert [row["entry_id"] for row in platform.rows("tagger/photos", "pictures")] == ["pictures/beside.jpg"]

    write_photo(library / "2024/june/e.jpg", seed=20)
    assert due_of(look()) == {"2024": "changed"}
    runs = run_due()
    stages = ("tagger/captions", "tagger/keywords", "tagger/descriptions")
    assert platform.asked(runs["2024"]) == dict.fromkeys(stages, 1)
    assert look().due == ()


@pytest.mark.slow
def test_what_we_wrote_ourselves_makes_nothing_due(platform, look, run_due):
    run_due()
    for batch in ("pictures", "2023"):
        apply = {"tagger/metadata": {"action": "apply"}}
        assert platform.run("tagger", batch, config=apply).success
        assert {row["state"] for row in platform.rows("tagger/metadata", batch)} == {"written"}

    assert look().due == ()


@pytest.mark.slow
def test_a_run_that_was_broken_off_leaves_its_batch_due(look, list_due):
    list_due()
    assert set(due_of(look()).values()) == {"unfinished"}


@pytest.mark.slow
def test_a_file_that_was_moved_is_known_again_and_what_is_gone_is_marked(platform, look, list_due, library):
    list_due()
    shutil.move(library / "2023/may/b.jpg", library / "2024/june/b.jpg")
    (library / "2024/june/c.jpg").unlink()
    assert due_of(look()) == {"Pictures": "unfinished", "2023": "changed", "2024": "changed"}

    list_due()

    moved = {row["file_name"]: row["moved_from"] for row in platform.rows("tagger/photos", "2024")}
    assert moved == {"b.jpg": str(library / "2023/may/b.jpg"), "d.jpg": None}
    assert gone(platform) == {"b.jpg", "c.jpg"}

    shutil.move(library / "2024/june/b.jpg", library / "2023/may/b.jpg")
    list_due()
    assert gone(platform) == {"b.jpg", "c.jpg"}
    assert len(platform.rows("tagger/photos", "2023")) == 2


@pytest.fixture
def identify(platform, library):
    def identified():
        return identify_folder(library, platform.store.database, StageProgress("s", 0, Silent(), print))

    return identified


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOTCONN])
def test_photos_of_a_folder_that_cannot_be_read_for_a_moment_are_not_gone(
    platform, library, identify, monkeypatch, number
):
    identify()
    look, refused = os.scandir, str(library / "2023/may")

    def scandir(path):
        if str(path) == refused:
            raise OSError(number, os.strerror(number), str(path))
        return look(path)

    (library / "2024/june/c.jpg").unlink()
    monkeypatch.setattr(os, "scandir", scandir)
    folder = identify()

    assert (gone(platform), folder.gone) == ({"c.jpg"}, 1)
    assert [problem.path_text for problem in folder.problems] == ["2023/may"]


def test_photos_of_a_folder_that_is_empty_all_at_once_are_not_gone_until_it_is_removed(
    platform, library, identify
):
    identify()
    disk = library / "2023/may"
    away = disk.rename(library.parent / "disk")
    disk.mkdir()  # as a place where a disk is mounted looks without it

    (problem,) = identify().problems
    assert (problem.path_text, gone(platform)) == ("2023/may", set())
    assert "mount its disk" in problem.message

    shutil.rmtree(disk.parent)
    assert identify().gone == 2
    assert gone(platform) == {"a.jpg", "b.jpg"}
    disk.parent.mkdir()
    away.rename(disk)
    assert (identify().problems, gone(platform)) == ((), set())


@pytest.mark.slow
def test_a_file_that_came_back_is_gone_no_longer(platform, list_due, library, tmp_path):
    list_due()
    shutil.move(library / "2023/may/b.jpg", tmp_path / "b.jpg")
    list_due()
    assert gone(platform) == {"b.jpg"}
    shutil.move(tmp_path / "b.jpg", library / "2023/may/b.jpg")
    list_due()
    assert gone(platform) == set()


@pytest.mark.slow
def test_a_published_batch_is_never_due(platform, look, list_due, library):
    list_due()
    publish(platform.store.database, "tagger", "2023", by="ada")
    write_photo(library / "2023/may/late.jpg", seed=21)
    assert "2023" not in due_of(look())


def test_the_sensor_waits_until_a_batch_is_as_it_was_a_look_ago(platform_on_disk, library):
    platform = platform_on_disk
    platform.settings = platform.settings.model_copy(update={"library": library, "library_batch": 2})
    first = platform.tick("library_sensor")
    assert first.run_requests in (None, [])

    write_photo(library / "2024/june/on_its_way.jpg", seed=22)
    second = platform.tick("library_sensor", cursor=first.cursor)
    assert {request.partition_key for request in second.run_requests} == {"pictures", "2023"}
    third = platform.tick("library_sensor", cursor=second.cursor)
    assert {request.partition_key for request in third.run_requests} == {"pictures", "2023", "june"}
    assert len(json.loads(third.cursor)) == 3


@pytest.mark.slow
def test_the_command_tells_what_is_due_and_tags_it_when_asked(tmp_path, library):
    def said(*options):
        one = imageworks(tmp_path / "home", "library", library, *options)
        assert one.code == 0, one
        return one.out

    told = said()
    assert "5 photos in 1 batch" in told
    assert "was never tagged" in told
    assert "--tag" in told

    assert "1 of 1" in said("--tag")
    assert "All of it is tagged as it is." in said()
