"""What of ours stands in a file, told by what the file is and not by whose picture it holds."""

from __future__ import annotations

import hashlib
import shutil
from types import SimpleNamespace

import pytest
from made_up_photos import write_photo

from imageworks.personal_tagger.merging import OurTags
from imageworks_dagster.picturing import PhotoFile
from imageworks_dagster.tagging.written import (
    record_prepared,
    record_state,
    settle_prepared,
    standing_writes,
    writes_into,
)
from photos.identity import photo_id
from photos.metadata.fields import MetadataFields
from photos.metadata.undo import make_record
from photos.metadata.writing import MetadataWriter

OURS = OurTags(caption="A pier", keywords=("pier",))


@pytest.fixture
def database(platform):
    return platform.store.database


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "shoot" / "a.jpg"
    write_photo(path, seed=1)
    return path


def file_of(path):
    return PhotoFile(photo_id(path), path)


def write_tags(database, path, *keywords, told=True):
    """Write as a run does; not ``told``: a kill comes before it says that it has written."""
    ids = []
    with MetadataWriter() as writer:
        writer.write(
            path,
            MetadataFields(title="A pier", keywords=keywords or ("pier",)),
            before_replace=lambda written: ids.append(
                record_prepared(database, written, ours=OURS, batch="shoot", run_id="r")
            ),
        )
    if told:
        record_state(database, ids[0], "written")
    return ids[0]


def make_sidecar(database, raw, *, content=b"<x/>"):
    """A new sidecar, as a run that is killed just afterwards leaves it."""
    sidecar = raw.with_suffix(".xmp")
    sidecar.write_bytes(content)
    record, facts = make_record(None, sidecar)
    written = SimpleNamespace(
        path=sidecar,
        photo_id=photo_id(raw),
        before_sha256=facts.before_sha256,
        after_sha256=facts.after_sha256,
        undo=record,
    )
    record_prepared(database, written, ours=OURS, batch="shoot", run_id="r")
    return sidecar


def told(database, path):
    return [write.state for write in writes_into(database, photo_id(path))]


def test_a_copy_that_we_never_wrote_into_has_nothing_of_ours(database, photo):
    copy = photo.with_name("copy.jpg")
    shutil.copy(photo, copy)
    with MetadataWriter() as writer:
        writer.write(copy, MetadataFields(keywords=("pier",)))
    write_tags(database, photo)

    assert set(standing_writes(database, [file_of(photo), file_of(copy)])) == {photo}


def test_a_copy_of_what_we_wrote_has_it_too_also_of_an_earlier_write(database, photo):
    first = write_tags(database, photo)
    copy = photo.with_name("copy.jpg")
    shutil.copy(photo, copy)
    second = write_tags(database, photo, "pier", "sea")

    standing = standing_writes(database, [file_of(photo), file_of(copy)])

    assert {path: write.write_id for path, write in standing.items()} == {photo: second, copy: first}


def test_a_photo_that_was_moved_and_edited_still_has_what_we_wrote(database, photo):
    write_tags(database, photo)
    moved = photo.rename(photo.with_name("moved.jpg"))
    with MetadataWriter() as writer:
        writer.write(moved, MetadataFields(headline="By hand"))

    assert set(standing_writes(database, [file_of(moved)])) == {moved}


def test_a_copy_from_before_the_write_has_nothing_of_ours_once_the_file_itself_is_gone(database, photo):
    copy = photo.with_name("copy.jpg")
    shutil.copy(photo, copy)
    write_tags(database, photo)
    photo.unlink()

    assert standing_writes(database, [file_of(copy)]) == {}


def test_a_new_sidecar_that_was_moved_with_its_photo_after_a_kill_keeps_its_undo(database, photo):
    raw = photo.rename(photo.with_suffix(".nef"))
    sidecar = make_sidecar(database, raw)
    elsewhere = photo.parent.with_name("elsewhere")
    elsewhere.mkdir()
    moved = raw.rename(elsewhere / raw.name)
    sidecar.rename(elsewhere / sidecar.name)

    settle_prepared(database, "shoot", [])
    assert told(database, moved) == ["prepared"]
    settle_prepared(database, "elsewhere", [file_of(moved)])

    assert told(database, moved) == ["written"]
    assert set(standing_writes(database, [file_of(moved)])) == {moved}


def test_a_sidecar_that_a_kill_kept_from_being_made_is_dropped_where_its_photo_still_lies(database, photo):
    raw = photo.rename(photo.with_suffix(".nef"))
    make_sidecar(database, raw).unlink()

    settle_prepared(database, "another", [file_of(raw)])
    assert told(database, raw) == ["prepared"]  # a run of its own batch may be about to make it
    settle_prepared(database, "shoot", [file_of(raw)])

    assert told(database, raw) == []


def test_a_photo_that_was_moved_after_a_kill_is_settled_by_its_content(database, photo):
    write_tags(database, photo, told=False)
    moved = photo.rename(photo.with_name("moved.jpg"))
    before = hashlib.sha256(moved.read_bytes()).hexdigest()

    settle_prepared(database, "shoot", [file_of(moved)])

    assert told(database, moved) == ["written"]
    assert hashlib.sha256(moved.read_bytes()).hexdigest() == before
