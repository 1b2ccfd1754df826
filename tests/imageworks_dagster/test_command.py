"""The `imageworks` command, as a person at a terminal sees it."""

import fcntl
import io
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import dagster as dg
import pytest
from at_terminal import complaint, imageworks
from made_up_photos import write_photo
from sqlalchemy import func, select

from imageworks_dagster.command.commands import shell_word
from imageworks_dagster.opened import close_stores, open_store
from imageworks_dagster.picturing import thumbnail_path
from imageworks_dagster.pipelines import JUDGE, PIPELINES, TAGGER
from photos.identity import photo_id
from photos.metadata.reading import read_metadata
from store.batches import batch, batches, register
from store.home import Home
from store.settings import Settings, variable
from store.tables import kept_answer_photos, measurements, metadata_writes, photo_identities
from telemetry.manifest import manifests, update_manifest

COLUMNS = 80


def runs_in(home):
    """Runs in the instance that the web UI shows."""
    folder = home / "dagster"
    if not folder.exists():
        return []
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        return [(one.job_name, one.status.value) for one in instance.get_runs()]


@pytest.fixture
def store_of():
    yield lambda home: open_store(Settings(home=home))
    close_stores()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with a judged round and two tagged shoots; one photo is in the round and in the first shoot."""
    place = tmp_path_factory.mktemp("made")
    for number in range(2):
        write_photo(place / "Spring Round" / f"Title {number} by Member {number}.jpg", seed=number)
        write_photo(place / "Hills" / f"IMG_{number}.jpg", seed=200 + number)
    write_photo(place / "Harbor" / "other.jpg", seed=100)
    shutil.copy(place / "Spring Round" / "Title 0 by Member 0.jpg", place / "Harbor" / "shared.jpg")
    said = [
        imageworks(place / "home", command, place / folder)
        for command, folder in (("judge", "Spring Round"), ("tag", "Harbor"), ("tag", "Hills"))
    ]
    assert [one.code for one in said] == [0, 0, 0], said
    return place, said


@pytest.fixture
def home(made, tmp_path):
    """A copy of that home; the photos are shared, and not written into."""
    shutil.copytree(made[0] / "home", tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def folders(made):
    return made[0]


# ---- judge and tag


def test_judging_says_what_each_stage_did_and_where_the_report_lies(made):
    place, (judged, *_) = made

    assert judged.err == ""
    for stage in JUDGE.stages:
        assert re.search(rf"^{stage.asset} +\d", judged.out, re.MULTILINE)
    report = place / "home" / "reports" / "judge" / "spring-round" / "report.html"
    assert f"Report: {report}" in judged.out
    assert report.is_file()
    assert "baseline-judge: " in judged.out


def test_the_stages_lines_fit_a_terminal(made):
    _, said = made

    lines = [
        line for one in said for line in one.out.splitlines() if not line.startswith(("Report:", "No file"))
    ]
    assert max(map(len, lines)) <= COLUMNS
    assert not any("…" in line for line in lines)


def test_a_run_of_the_command_is_in_the_web_ui_too(made):
    assert sorted(runs_in(made[0] / "home")) == [
        ("judge", "SUCCESS"),
        ("tagger", "SUCCESS"),
        ("tagger", "SUCCESS"),
    ]


def test_approved_without_apply_is_refused(tmp_path):
    said = imageworks(tmp_path / "home", "tag", tmp_path, "--approved")

    assert said.code == 2
    assert "--approved goes with --apply" in said.err


def test_a_vocabulary_is_told_in_words_and_a_wrong_one_stops_tagging(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("bird\n\theron\n", encoding="utf-8")
    said = imageworks(tmp_path / "home", "vocabulary", "check", words)
    assert said.code == 0
    assert "2 keywords in 2 levels" in said.out
    words.write_text("bird\n\t\t\theron\n", encoding="utf-8")
    wrong = imageworks(tmp_path / "home", "tag", tmp_path, IMAGEWORKS_VOCABULARY=str(words))
    complaint(wrong, "line 2: it is 3 tabs deep")
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_a_second_run_asks_no_model_and_says_so(home, folders):
    again = imageworks(home, "judge", folders / "Spring Round")

    assert again.code == 0
    assert "No model was asked: all" in again.out


@pytest.mark.slow
def test_a_damaged_manifest_is_told_of_and_stops_no_run(home, folders):
    (home / "manifests" / "a.json").write_text("{", encoding="utf-8")

    said = imageworks(home, "tag", folders / "Harbor")

    assert said.code == 0, said.err
    assert f"{home}/manifests/a.json is not a run manifest" in said.out


def test_tagging_changes_no_file_and_says_how_to_write_the_tags(made):
    place, (_, tagged, _) = made

    command = f"imageworks tag {shell_word(place / 'Harbor')} --batch harbor --apply"
    assert f"No file was changed. Write the tags with: {command}" in tagged.out
    assert "other.jpg\n  + title: " in tagged.out
    assert "\n  + keywords: " in tagged.out
    assert read_metadata(place / "Harbor" / "other.jpg").keywords == ()


@pytest.mark.slow
def test_tags_are_written_and_taken_back(tmp_path):
    photo = write_photo(tmp_path / "Harbor" / "a.jpg", seed=1)
    before = photo.read_bytes()

    written = imageworks(tmp_path / "home", "tag", photo.parent, "--apply")
    assert written.code == 0
    assert read_metadata(photo).keywords
    back = f"imageworks tag {shell_word(photo.parent)} --batch harbor --undo"
    assert f"Tags written into 1 file.\nTake all back with: {back}\n" in written.out
    assert "made by rule" in written.out
    undone = imageworks(tmp_path / "home", "tag", photo.parent, "--undo")
    assert undone.code == 0
    assert "Taken back in 1 photo, byte for byte." in undone.out
    assert photo.read_bytes() == before


def test_an_undo_in_a_folder_that_was_never_tagged_says_that_there_is_nothing_to_take_back(tmp_path):
    write_photo(tmp_path / "Harbor" / "a.jpg", seed=1)

    said = imageworks(tmp_path / "home", "tag", tmp_path / "Harbor", "--undo")

    assert said.code == 0, said.err
    assert "Nothing was taken back: nothing was ever tagged in this home." in said.out
    assert str(tmp_path / "home") in said.out


def test_writing_and_taking_back_at_once_is_refused(tmp_path):
    said = imageworks(tmp_path / "home", "tag", tmp_path, "--apply", "--undo")

    assert said.code == 2
    assert "contradict" in said.err


@pytest.mark.slow
def test_a_folder_whose_name_looks_like_markup_is_named_as_it_is(tmp_path):
    folder = tmp_path / "[red]It's April[/red]"
    write_photo(folder / "a.jpg", seed=1)

    said = imageworks(tmp_path / "home", "tag", folder)

    assert said.code == 0, said.err
    assert shell_word(folder) in said.out


@pytest.mark.slow
def test_a_competitions_rules_are_taken_and_remembered(tmp_path, store_of):
    write_photo(tmp_path / "Round" / "a.jpg", seed=1)
    rules = tmp_path / "rules.toml"
    rules.write_text("[competition.april]\n[competition.april.rules]\nmax_width = 100\n", encoding="utf-8")

    said = imageworks(tmp_path / "home", "judge", tmp_path / "Round", "--rules", rules)

    assert said.code == 0, said.err
    assert "1 without a result: 1 not_eligible" in said.out
    assert batch(store_of(tmp_path / "home").database, "judge", "round").rules == rules


# ---- wrong folders, choices, variables and files: words, and no stack trace


@pytest.mark.parametrize("command", ["judge", "tag"])
def test_a_folder_that_is_not_there_is_refused(tmp_path, command, monkeypatch):
    # As in a narrow window, where no two words may stand in one line.
    monkeypatch.setenv("COLUMNS", "30")
    complaint(imageworks(tmp_path / "home", command, tmp_path / "nowhere"), "nowhere' does not exist", code=2)
    assert runs_in(tmp_path / "home") == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["judge", "tag"])
def test_a_folder_without_photos_fails_in_words(tmp_path, command):
    (tmp_path / "Empty").mkdir()

    step = "judge/entries: " if command == "judge" else "tagger/photos: "
    complaint(imageworks(tmp_path / "home", command, tmp_path / "Empty"), step, "Empty", "photo")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("judge", "--profile", "nobody"), ("'nobody'", "Profiles for this stage: club-judge.")),
        (("judge", "--model", "baseline-juge"), ("Did you mean baseline-judge", "Models for it: ")),
        (("judge", "--model", "nima-mobilenet"), ("nima-mobilenet cannot do chat", "baseline-judge")),
        (("tag", "--profile", "club-judge"), ("Profiles for this stage: library, storyteller.",)),
    ],
)
def test_a_wrong_choice_lists_the_right_ones_and_starts_no_run(tmp_path, arguments, parts):
    write_photo(tmp_path / "Round" / "a.jpg", seed=1)
    command, *options = arguments

    complaint(imageworks(tmp_path / "home", command, tmp_path / "Round", *options), *parts)

    assert runs_in(tmp_path / "home") == []
    assert manifests(Home(tmp_path / "home")).runs == ()


@pytest.mark.slow
def test_a_choice_is_remembered_for_the_batch(home, folders, store_of):
    said = imageworks(home, "tag", folders / "Hills", "--profile", "storyteller")

    assert said.code == 0
    pins = batch(store_of(home).database, "tagger", "hills").pins
    assert {stage.asset: pins[stage.asset]["profile"] for stage in TAGGER.asking} == {
        stage.asset: "storyteller" for stage in TAGGER.asking
    }


@pytest.mark.slow
def test_judges_share_the_playoff_until_a_model_is_named_for_it_and_again_when_they_are_named_alone(
    home, folders, store_of
):
    judges = "baseline-judge, baseline-judge:club-judge*2"

    def playoffs_model(*options):
        said = imageworks(home, "judge", folders / "Spring Round", *options)
        assert said.code == 0, said
        return (
            batch(store_of(home).database, "judge", "spring-round").pins.get("judge/playoff", {}).get("model")
        )

    assert playoffs_model("--judges", judges, "--model", "baseline-judge") == "baseline-judge"
    assert playoffs_model() == "baseline-judge"
    assert playoffs_model("--judges", judges) is None
    assert batch(store_of(home).database, "judge", "spring-round").pins["judge/critiques"]["judges"] == judges


def test_a_name_that_another_folder_has_is_refused(home, folders):
    said = imageworks(home, "tag", folders / "Hills", "--batch", "harbor")

    complaint(said, "'harbor'", str(folders / "Harbor"))


def test_a_variable_that_is_no_setting_is_warned_of(tmp_path):
    said = imageworks(tmp_path / "home", "status", IMAGEWORKS_CONCURENCY="8")

    assert said.code == 0
    assert "IMAGEWORKS_CONCURENCY is no setting and is ignored" in said.err


def test_a_variable_that_an_address_of_the_registry_is_read_from_is_not_warned_of(tmp_path):
    said = imageworks(tmp_path / "home", "status", IMAGEWORKS_TRTLLM_BASE_URL="http://gpu-box:8601")

    assert (said.code, said.err) == (0, "")


def test_a_registry_that_cannot_be_read_does_not_stop_a_command_that_needs_none(tmp_path):
    (tmp_path / "registry.yaml").write_text("models:\n  mine: [\n", encoding="utf-8")

    said = imageworks(tmp_path, "config", IMAGEWORKS_TRTLLM_BASE_URL="http://gpu-box:8601")

    assert said.code == 0
    assert "registry.yaml:" in said.err
    assert "is ignored" not in said.err


def test_a_variable_with_a_wrong_value_is_refused(tmp_path):
    said = imageworks(tmp_path / "home", "status", IMAGEWORKS_CONCURRENCY="many")

    complaint(said, "IMAGEWORKS_CONCURRENCY is 'many'")


def test_a_broken_registry_is_told_by_file_line_and_field(home, folders):
    (home / "registry.yaml").write_text("models:\n  mine:\n    roles: [juge]\n", encoding="utf-8")
    before = len(runs_in(home))

    said = imageworks(home, "judge", folders / "Spring Round")

    complaint(said, f"{home / 'registry.yaml'}:3: models.mine.roles")
    assert len(runs_in(home)) == before


def test_a_registry_that_is_no_yaml_is_told_by_file_and_line(home, folders):
    (home / "registry.yaml").write_text("models:\n  mine: [\n", encoding="utf-8")

    complaint(imageworks(home, "judge", folders / "Spring Round"), f"{home / 'registry.yaml'}:")


def test_a_broken_prompt_is_told_by_file_line_and_field(home, folders):
    (home / "prompts" / "mine.yaml").write_text(
        "id: library\nstages:\n  caption:\n    user: '{{ no_such_thing }}'\n", encoding="utf-8"
    )

    said = imageworks(home, "tag", folders / "Harbor")

    complaint(said, f"{home / 'prompts' / 'mine.yaml'}:4: stages.caption.user", "no_such_thing")


def test_broken_rules_are_told_by_file_line_and_field(home, folders, tmp_path):
    rules = tmp_path / "competition.toml"
    rules.write_text("[competition.april]\n[competition.april.rules]\nmax_width = 'wide'\n", encoding="utf-8")

    said = imageworks(home, "judge", folders / "Spring Round", "--rules", rules)

    complaint(said, str(rules), "max_width")


# ---- status, config, publish


def test_status_of_a_new_home_says_where_to_begin(tmp_path):
    said = imageworks(tmp_path / "home", "status")

    assert said.code == 0
    assert said.out.startswith("No batch yet. Begin with: imageworks demo\n")


def test_status_of_a_new_home_names_it_and_does_not_make_it(tmp_path):
    said = imageworks(tmp_path / "home", "status")

    assert f"The home is {tmp_path / 'home'}; name another in IMAGEWORKS_HOME" in said.out
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_status_names_every_batch_its_folder_and_its_last_run(home, folders):
    out = imageworks(home, "status").out

    for line in (
        "judge · spring-round · open",
        "tagger · harbor · open",
        f"    {folders / 'Spring Round'}",
        "2 entries",
    ):
        assert line in out
    assert out.count("last run ok") == 3


def test_status_tells_of_a_damaged_manifest_and_of_all_runs(home):
    (home / "manifests" / "a.json").write_text("{", encoding="utf-8")

    out = imageworks(home, "status").out

    assert f"{home}/manifests/a.json is not a run manifest" in out
    assert out.count("last run ok") == 3


def test_status_says_how_to_go_on_with_a_run_that_crashed(home, folders):
    newest = manifests(Home(home)).runs[0]

    def crashed(manifest):
        return manifest.model_copy(update={"status": "crashed"})

    update_manifest(Home(home), newest.run_id, crashed)

    out = imageworks(home, "status").out

    assert "last run crashed" in out
    assert f"Go on with: imageworks tag {shell_word(folders / 'Hills')} --batch hills" in out


def test_status_goes_on_with_what_a_crashed_run_was_to_write(home, folders):
    newest = manifests(Home(home)).runs[0]

    def crashed(manifest):
        return manifest.model_copy(update={"status": "crashed"})

    update_manifest(Home(home), newest.run_id, crashed)
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        run = instance.get_run_by_id(newest.run_id)
        config = {"ops": {"tagger__metadata": {"config": {"action": "apply"}}}}
        instance.delete_run(run.run_id)
        instance.add_run(run._replace(run_config=config))

    command = f"imageworks tag {shell_word(folders / 'Hills')} --batch hills --apply"
    assert f"Go on with: {command}\n" in imageworks(home, "status").out


def test_status_tells_of_events_that_are_lost(home):
    newest = manifests(Home(home)).runs[0]

    def lost(manifest):
        manifest.stages["tagger/captions"].dropped_events = 3

    update_manifest(Home(home), newest.run_id, lost)

    assert "3 of its telemetry events are lost, or may be: look at the disk" in imageworks(home, "status").out


def test_status_tells_of_a_batch_that_never_ran(tmp_path):
    write_photo(tmp_path / "Round" / "a.jpg", seed=1)
    imageworks(tmp_path / "home", "judge", tmp_path / "Round", "--profile", "nobody")

    out = imageworks(tmp_path / "home", "status").out

    assert f"never run; begin with: imageworks judge {tmp_path / 'Round'} --batch round" in out


def test_config_prints_every_setting_whole_with_its_meaning_and_no_secret(tmp_path):
    said = imageworks(
        tmp_path / "home",
        "config",
        IMAGEWORKS_STATE_URL="postgresql://club:sesame@db.example:5432/club",
        IMAGEWORKS_CONCURRENCY="3",
    )

    assert said.code == 0
    assert "sesame" not in said.out + said.err
    assert "IMAGEWORKS_CONCURRENCY = 3  (set)" in said.out
    for name in Settings.model_fields:
        assert f"\n{variable(name)} = " in f"\n{said.out}"
        assert (Settings.model_fields[name].description or "").split()[0] in said.out


def test_a_published_batch_says_so_ever_after(home, store_of):
    said = imageworks(home, "publish", "spring-round")

    assert said.code == 0
    assert "judge · spring-round · published" in imageworks(home, "status").out
    published = batch(store_of(home).database, "judge", "spring-round")
    assert (published.state, bool(published.published_by)) == ("published", True)


def test_a_tagged_shoot_is_published_by_its_pipeline(home, store_of):
    assert imageworks(home, "publish", "harbor", "--pipeline", "tagger").code == 0

    states = {one.name: one.state for one in batches(store_of(home).database)}
    assert states == {"harbor": "published", "hills": "open", "spring-round": "open"}


def test_a_batch_that_is_not_there_cannot_be_published(home):
    complaint(imageworks(home, "publish", "spring-rond"), "Did you mean spring-round?")


def test_a_batch_without_a_result_is_not_published(tmp_path, store_of):
    (tmp_path / "April").mkdir()
    register(store_of(tmp_path / "home").database, pipeline="judge", name="april", folder=tmp_path / "April")

    complaint(imageworks(tmp_path / "home", "publish", "april"), "has no result yet", "Run it first: ")

    assert "judge · april · open" in imageworks(tmp_path / "home", "status").out


@pytest.mark.slow
def test_a_run_of_a_published_batch_says_that_it_is_published(home, folders):
    imageworks(home, "publish", "spring-round")

    assert "'spring-round' is published" in imageworks(home, "judge", folders / "Spring Round").out


def test_the_version_is_printed(tmp_path):
    said = imageworks(tmp_path / "home", "--version")

    assert (said.code, said.out) == (0, f"imageworks {version('imageworks-dagster')}\n")


# ---- forget


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


# ---- ui


def test_a_taken_port_is_told_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        said = imageworks(tmp_path / "home", "ui", "--port", port)

    complaint(said, f"Port {port} of 127.0.0.1 cannot be had", "imageworks ui --port")


def test_a_second_web_ui_of_a_home_is_refused_with_the_firsts_address(tmp_path):
    home = Home(tmp_path / "home").create()
    with (home.locks / "ui.lock").open("w+", encoding="ascii") as held:
        held.write("http://127.0.0.1:3000")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)

        said = imageworks(home.root, "ui", "--port", 3001)

    complaint(said, "has a web UI already: http://127.0.0.1:3000")


# ---- as a process


@pytest.mark.slow
def test_the_installed_command_warns_of_nothing(tmp_path):
    write_photo(tmp_path / "Hills" / "a.jpg", seed=1)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEWORKS_")}
    environment.pop("DAGSTER_HOME", None)

    done = subprocess.run(
        [Path(sys.executable).with_name("imageworks"), "tag", tmp_path / "Hills"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / ".imageworks" / "reports" / "tagger" / "hills" / "report.html").is_file()


@pytest.mark.slow
def test_the_demo_runs_both_pipelines_and_asks_nothing_the_second_time(tmp_path):
    first, second = (imageworks(tmp_path / "home", "demo") for _ in range(2))

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.out.count("Report: ") == len(PIPELINES)
    assert second.out.count("No model was asked: all") == len(PIPELINES)
