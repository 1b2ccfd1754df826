"""What `imageworks status`, `config` and `publish` say at a terminal."""

import dagster as dg
import pytest
from at_terminal import complaint, imageworks
from made_up_photos import write_photo

from imageworks_dagster.command.commands import shell_word
from store.batches import batch, batches, register
from store.home import Home
from store.settings import Settings, variable
from telemetry.manifest import manifests, update_manifest

pytestmark = pytest.mark.slow


def test_status_of_a_new_home_says_where_to_begin(tmp_path):
    said = imageworks(tmp_path / "home", "status")

    assert said.code == 0
    assert said.out.startswith("No batch yet. Begin with: imageworks demo\n")


def test_status_of_a_new_home_names_it_and_does_not_make_it(tmp_path):
    said = imageworks(tmp_path / "home", "status")

    assert f"The home is {tmp_path / 'home'}; name another in IMAGEWORKS_HOME" in said.out
    assert not (tmp_path / "home").exists()


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


def test_a_run_of_a_published_batch_says_that_it_is_published(home, folders):
    imageworks(home, "publish", "spring-round")

    assert "'spring-round' is published" in imageworks(home, "judge", folders / "Spring Round").out
