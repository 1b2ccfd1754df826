"""Folders in the inbox: waited for until they are quiet, registered, and due again when they change."""

import logging
import os
from datetime import UTC, datetime, timedelta

import pytest
from made_up_photos import write_photo

from imageworks_dagster.inbox import folder_fingerprint, ready_folders
from imageworks_dagster.opened import close_stores, open_store
from store.batches import batch, batches, name_for, publish, register

QUIET_S = 30.0
BEGIN = datetime(2026, 4, 1, 20, 0, tzinfo=UTC)
LOG = logging.getLogger(__name__)


@pytest.fixture
def database(settings):
    yield open_store(settings).database
    close_stores()


@pytest.fixture
def inbox(tmp_path):
    for name in ("judge", "tag"):
        (tmp_path / "inbox" / name).mkdir(parents=True)
    return tmp_path / "inbox"


@pytest.fixture
def looking(database, inbox):
    """Looks into the inbox so many seconds after the evening began."""

    def look(seconds=0.0):
        now = BEGIN + timedelta(seconds=seconds)
        return ready_folders(database, inbox, quiet_s=QUIET_S, log=LOG, now=now)

    return look


def named(ready):
    return [(folder.pipeline, folder.batch) for folder in ready]


def test_a_folder_is_ready_once_it_has_been_quiet_and_not_before(looking, inbox, database):
    write_photo(inbox / "judge" / "Spring Round" / "a.jpg", seed=1)

    assert looking(0) == []
    assert looking(QUIET_S - 1) == []
    assert batches(database) == ()
    assert named(looking(QUIET_S)) == [("judge", "spring-round")]


def test_a_ready_folder_is_registered_for_its_pipeline(looking, inbox, database):
    for name in ("judge", "tag"):
        write_photo(inbox / name / "April" / "a.jpg", seed=1)
    looking(0)

    assert named(looking(QUIET_S)) == [("judge", "april"), ("tagger", "april")]
    assert batch(database, "judge", "april").folder == inbox / "judge" / "April"
    assert batch(database, "tagger", "april").folder == inbox / "tag" / "April"


def test_a_folder_that_is_still_being_copied_waits_on(looking, inbox):
    folder = inbox / "judge" / "Spring"
    for number in range(4):
        write_photo(folder / f"{number}.jpg", seed=number)
        assert looking(number * 20) == []

    assert looking(60 + QUIET_S - 1) == []
    assert named(looking(60 + QUIET_S)) == [("judge", "spring")]


def test_a_photo_that_grows_is_a_change(looking, inbox):
    photo = write_photo(inbox / "judge" / "Spring" / "a.jpg", seed=1)
    looking(0)
    with photo.open("ab") as file:
        file.write(b"more")

    assert looking(QUIET_S) == []
    assert named(looking(2 * QUIET_S)) == [("judge", "spring")]


def test_a_quiet_folder_asks_for_one_run_however_often_it_is_looked_at(looking, inbox):
    write_photo(inbox / "judge" / "Spring" / "a.jpg", seed=1)
    looking(0)

    keys = {looking(seconds)[0].run_key for seconds in (30, 45, 60, 86_400)}

    assert len(keys) == 1


def test_added_photos_ask_for_another_run_after_another_quiet_time(looking, inbox):
    folder = inbox / "judge" / "Spring"
    write_photo(folder / "a.jpg", seed=1)
    looking(0)
    (first,) = looking(30)
    write_photo(folder / "b.jpg", seed=2)

    assert looking(40) == []
    (second,) = looking(70)

    assert second.batch == first.batch
    assert second.run_key != first.run_key


def test_a_photo_that_came_and_went_asks_for_a_run_without_it(looking, inbox):
    folder = inbox / "judge" / "Spring"
    write_photo(folder / "a.jpg", seed=1)
    looking(0)
    keys = [looking(30)[0].run_key]
    guest = write_photo(folder / "b.jpg", seed=2)
    looking(40)
    keys.append(looking(70)[0].run_key)
    guest.unlink()
    looking(80)
    keys.append(looking(110)[0].run_key)

    assert len(set(keys)) == 3


def test_what_was_seen_outlives_the_process(settings, inbox):
    write_photo(inbox / "judge" / "Spring" / "a.jpg", seed=1)
    for seconds, ready in ((0, 0), (QUIET_S, 1)):
        found = ready_folders(
            open_store(settings).database,
            inbox,
            quiet_s=QUIET_S,
            log=LOG,
            now=BEGIN + timedelta(seconds=seconds),
        )
        close_stores()
        assert len(found) == ready


def test_the_rules_in_the_folder_are_the_batchs(looking, inbox, database):
    folder = inbox / "judge" / "Spring"
    write_photo(folder / "a.jpg", seed=1)
    (folder / "competition.toml").write_text("[competition.spring]\n", encoding="utf-8")
    looking(0)
    looking(30)

    assert batch(database, "judge", "spring").rules == folder / "competition.toml"


def test_rules_that_come_later_or_change_ask_for_another_run(looking, inbox, database):
    folder = inbox / "judge" / "Spring"
    write_photo(folder / "a.jpg", seed=1)
    looking(0)
    keys = [looking(30)[0].run_key]
    for seconds, text in ((40, "[competition.spring]\n"), (100, "[competition.spring]\nnotes = 'x'\n")):
        (folder / "competition.toml").write_text(text, encoding="utf-8")
        assert looking(seconds) == []
        keys.append(looking(seconds + 30)[0].run_key)

    assert len(set(keys)) == 3
    assert batch(database, "judge", "spring").rules == folder / "competition.toml"


def test_a_published_batch_is_left_alone_even_when_photos_and_rules_come(looking, inbox, database):
    folder = inbox / "judge" / "Spring"
    write_photo(folder / "a.jpg", seed=1)
    looking(0)
    looking(30)
    publish(database, "judge", "spring", by="the organizer")
    write_photo(folder / "late.jpg", seed=2)
    (folder / "competition.toml").write_text("[competition.late]\n", encoding="utf-8")

    assert looking(40) == []
    assert looking(100) == []
    assert batch(database, "judge", "spring").rules is None


def test_folders_without_a_photo_hidden_ones_and_loose_files_are_left_alone(looking, inbox, database):
    (inbox / "judge" / "Empty").mkdir()
    (inbox / "judge" / "Notes").mkdir()
    (inbox / "judge" / "Notes" / "readme.txt").write_text("no photo", encoding="utf-8")
    write_photo(inbox / "judge" / ".sync" / "a.jpg", seed=1)
    write_photo(inbox / "judge" / "loose.jpg", seed=1)
    looking(0)

    assert looking(1000) == []
    assert batches(database) == ()


def test_an_inbox_that_is_not_there_yet_holds_nothing(database, tmp_path):
    assert ready_folders(database, tmp_path / "later", quiet_s=0, log=LOG, now=BEGIN) == []


def test_two_folders_whose_names_give_one_slug_are_two_batches(looking, inbox):
    for name in ("Spring Round", "spring-round"):
        write_photo(inbox / "judge" / name / "a.jpg", seed=len(name))
    looking(0)

    ready = looking(30)

    assert len({folder.batch for folder in ready}) == 2
    assert [folder.batch for folder in looking(60)] == [folder.batch for folder in ready]


def test_a_folder_that_was_judged_by_hand_before_keeps_its_batch(looking, inbox, database):
    folder = inbox / "judge" / "Spring"
    write_photo(folder / "a.jpg", seed=1)
    register(database, pipeline="judge", name="april-final", folder=folder)
    looking(0)

    assert named(looking(30)) == [("judge", "april-final")]


def test_a_name_that_is_no_utf8_is_a_folder_like_any_other(looking, inbox):
    photo = write_photo(inbox / "judge" / "Spring" / "a.jpg", seed=1)
    photo.parent.rename(inbox / "judge" / os.fsdecode(b"Fr\xfchling"))
    looking(0)

    assert len(looking(30)) == 1


def test_no_wait_means_ready_at_first_sight(database, inbox):
    write_photo(inbox / "judge" / "Spring" / "a.jpg", seed=1)

    assert len(ready_folders(database, inbox, quiet_s=0, log=LOG)) == 1


def test_the_fingerprint_is_of_names_sizes_and_times(database, tmp_path):
    photo = write_photo(tmp_path / "one" / "a.jpg", seed=1)
    before = folder_fingerprint(database, photo.parent)

    assert folder_fingerprint(database, photo.parent) == before
    os.utime(photo, (0, 0))
    touched = folder_fingerprint(database, photo.parent)
    photo.rename(photo.with_name("b.jpg"))

    assert len({before, touched, folder_fingerprint(database, photo.parent)}) == 3


def test_notes_that_come_or_change_are_told_to_the_tagger_by_another_run(looking, inbox):
    folder = inbox / "tag" / "Lake"
    write_photo(folder / "a.jpg", seed=1)
    looking(0)
    (before,) = looking(30)
    (folder / "notes.txt").write_text("A week at the lake.", encoding="utf-8")
    looking(40)

    (after,) = looking(70)

    assert after.run_key != before.run_key


@pytest.mark.parametrize("name", ["b.jpg.part", "b.tmp", ".b.jpg.Xy12Zw", "deep/b.crdownload"])
def test_a_folder_into_which_a_file_is_being_copied_is_not_quiet(looking, inbox, name):
    folder = inbox / "judge" / "Spring"
    write_photo(folder / "a.jpg", seed=1)
    (folder / "deep").mkdir()
    looking(0)
    on_its_way = folder / name
    on_its_way.write_bytes(b"half")
    assert looking(QUIET_S) == []
    on_its_way.write_bytes(b"half of it")
    assert looking(2 * QUIET_S) == []

    assert named(looking(3 * QUIET_S)) == [("judge", "spring")]


def test_what_is_no_photo_asks_for_no_run_of_its_own(looking, inbox):
    folder = inbox / "judge" / "Spring"
    write_photo(folder / "a.jpg", seed=1)
    looking(0)
    (before,) = looking(30)
    (folder / "notes.txt").write_text("to do", encoding="utf-8")
    looking(40)

    (after,) = looking(70)

    assert after.run_key == before.run_key


def test_rules_that_were_taken_out_leave_the_batch_without_and_ask_for_another_run(looking, inbox, database):
    folder = inbox / "judge" / "Spring"
    write_photo(folder / "a.jpg", seed=1)
    (folder / "competition.toml").write_text("[competition.spring]\n", encoding="utf-8")
    looking(0)
    (before,) = looking(30)
    (folder / "competition.toml").unlink()
    looking(40)

    (after,) = looking(70)

    assert after.run_key != before.run_key
    assert batch(database, "judge", "spring").rules is None


def test_rules_that_were_given_by_hand_stay(looking, inbox, database, tmp_path):
    folder = inbox / "judge" / "Spring"
    write_photo(folder / "a.jpg", seed=1)
    register(database, pipeline="judge", name="spring", folder=folder, rules=tmp_path / "club.toml")
    looking(0)
    looking(30)

    assert batch(database, "judge", "spring").rules == tmp_path / "club.toml"


# ---- what cannot be handled: told, and no harm to the others


@pytest.fixture
def only_the_good_one_is_ready(looking, inbox):
    """Whether a folder without fault is ready after the quiet time, and no other."""
    write_photo(inbox / "judge" / "Good" / "a.jpg", seed=1)

    def look():
        looking(0)
        return named(looking(QUIET_S)) == [("judge", "good")]

    return look


def test_a_link_that_leads_to_itself_stops_no_other_folder(inbox, only_the_good_one_is_ready, caplog):
    (inbox / "judge" / "loop").symlink_to("loop")

    assert only_the_good_one_is_ready()
    assert f"{inbox / 'judge' / 'loop'} is left alone: it cannot be looked at" in caplog.text


@pytest.mark.parametrize("closed", ["judge/Closed", "tag"])
def test_a_folder_that_may_not_be_read_stops_no_other_folder(
    inbox, only_the_good_one_is_ready, caplog, monkeypatch, closed
):
    (inbox / closed).mkdir(exist_ok=True)
    scandir = os.scandir

    def refuse(place):
        if str(place) == str(inbox / closed):
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refuse)

    assert only_the_good_one_is_ready()
    assert str(inbox / closed) in caplog.text
    assert "Permission denied" in caplog.text


def test_a_folder_that_no_batch_can_be_made_of_stops_no_other_folder(
    inbox, database, only_the_good_one_is_ready, caplog, tmp_path
):
    late = inbox / "judge" / "Late"
    write_photo(late / "a.jpg", seed=2)
    register(database, pipeline="judge", name="late", folder=tmp_path / "one")
    with_digest = name_for(database, "judge", late)
    register(database, pipeline="judge", name=with_digest, folder=tmp_path / "another")

    assert only_the_good_one_is_ready()
    assert f"{late} is left alone: The name {with_digest!r} belongs to" in caplog.text
