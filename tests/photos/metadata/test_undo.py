from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photos.metadata.errors import ReadOnlyFile, UndoRefused
from photos.metadata.fields import MetadataFields
from photos.metadata.undo import (
    HEADER_BYTES,
    Standing,
    UndoFacts,
    facts_of,
    make_record,
    rebuilds,
    standing,
    undo,
)

FIELDS = MetadataFields(title="T", description="D", keywords=("a", "b"))


def test_undo_gives_back_the_very_bytes_of_every_format(each_format, writer):
    before = each_format.read_bytes()
    written = writer.write(each_format, FIELDS)
    undone = undo(each_format, written.undo)
    assert each_format.read_bytes() == before
    assert (undone.sha256, undone.already) == (written.before_sha256, False)


def test_undoing_twice_is_no_mistake(photo, writer):
    written = writer.write(photo, FIELDS)
    undo(photo, written.undo)
    state = photo.stat()
    assert undo(photo, written.undo).already
    assert photo.stat().st_ino == state.st_ino


def test_several_writes_are_undone_from_the_last_to_the_first(photo, writer):
    before = photo.read_bytes()
    first = writer.write(photo, FIELDS)
    second = writer.write(photo, MetadataFields(keywords=("a", "b", "c")))
    with pytest.raises(UndoRefused):
        undo(photo, first.undo)
    undo(photo, second.undo)
    undo(photo, first.undo)
    assert photo.read_bytes() == before


def test_a_file_that_somebody_changed_since_is_not_undone(photo, writer):
    written = writer.write(photo, FIELDS)
    changed = photo.read_bytes() + b"!"
    photo.write_bytes(changed)
    with pytest.raises(UndoRefused, match="changed after we wrote"):
        undo(photo, written.undo)
    assert photo.read_bytes() == changed


def test_mode_and_time_stay_as_they_are_at_the_undo(photo, writer):
    written = writer.write(photo, FIELDS)
    photo.chmod(0o604)
    os.utime(photo, ns=(1, 1_500_000_000_000_000_001))
    undo(photo, written.undo)
    assert photo.stat().st_mtime_ns == 1_500_000_000_000_000_001
    assert photo.stat().st_mode & 0o777 == 0o604


def test_a_read_only_photo_is_not_undone(photo, writer):
    written = writer.write(photo, FIELDS)
    photo.chmod(0o400)
    with pytest.raises(ReadOnlyFile):
        undo(photo, written.undo)


def test_a_records_beginning_tells_its_facts(photo, writer):
    record = writer.write(photo, FIELDS).undo
    assert facts_of(record[:HEADER_BYTES]) == facts_of(record)
    largest = UndoFacts(2**63, 2**63, 2**63, 2**63, "f" * 64, "f" * 64)
    assert len(json.dumps(asdict(largest))) + 8 <= HEADER_BYTES


def test_a_record_is_small_whatever_the_photo(photo, writer):
    photo.write_bytes(photo.read_bytes() + os.urandom(500_000))
    assert len(writer.write(photo, FIELDS).undo) < 8_000


def test_a_record_tells_on_which_side_of_a_write_a_file_stands(photo, writer):
    written = writer.write(photo, FIELDS)
    assert standing(photo, written.undo) is Standing.AFTER
    undo(photo, written.undo)
    assert standing(photo, written.undo) is Standing.BEFORE
    photo.write_bytes(b"something else")
    assert standing(photo, written.undo) is Standing.OTHER


@pytest.mark.parametrize("cut", [0, 3, 7, 30, -1])
def test_a_damaged_record_changes_nothing(photo, writer, cut):
    written = writer.write(photo, FIELDS)
    after = photo.read_bytes()
    with pytest.raises(UndoRefused, match="damaged"):
        undo(photo, written.undo[:cut])
    assert photo.read_bytes() == after


def test_a_record_whose_middle_was_tampered_with_changes_nothing(photo, writer):
    written = writer.write(photo, FIELDS)
    after = photo.read_bytes()
    facts = facts_of(written.undo)
    other = written.undo.replace(facts.before_sha256.encode(), b"0" * 64)
    with pytest.raises(UndoRefused, match="damaged"):
        undo(photo, other)
    assert photo.read_bytes() == after


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_any_two_files_have_a_record_that_leads_back(tmp_path, head, old, new, tail):
    before, after = tmp_path / "before", tmp_path / "after"
    before.write_bytes(head + old + tail)
    after.write_bytes(head + new + tail)
    record, facts = make_record(before, after)
    assert make_record(before, after, alike=len(tail)) == (record, facts)
    assert facts.before_sha256 == hashlib.sha256(head + old + tail).hexdigest()
    assert facts.prefix + facts.suffix <= min(facts.before_size, facts.after_size)
    assert rebuilds(record, before, after)
    assert not rebuilds(record, after, before) or head + old + tail == head + new + tail
    undo(after, record)
    assert after.read_bytes() == head + old + tail
