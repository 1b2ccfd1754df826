"""The sensors as Dagster's daemon evaluates them."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime

import dagster as dg
import pytest
from made_up_photos import write_photo

from backends.recall import KeptAnswer, keep, look_up
from imageworks_dagster.pipelines import JUDGE
from imageworks_dagster.step_claims import StepClaim, look, take
from photos.metadata.fields import MetadataFields
from photos.metadata.writing import MetadataWriter
from registry.errors import RegistryFileError
from store.batches import publish
from store.home import Home
from telemetry import compaction
from telemetry.errors import CompactionError
from telemetry.manifest import RunManifest, open_manifest

OBSERVING, INBOX, UPKEEP = "observe_prompts_and_models_sensor", "inbox_sensor", "upkeep_sensor"

TAGS_OF_A_CHILD = (
    "import json; from imageworks_dagster.run_process import process_tags; print(json.dumps(process_tags()))"
)


@pytest.fixture
def platform(platform_on_disk):
    return platform_on_disk


@pytest.fixture
def with_inbox(platform, tmp_path):
    """The platform with an inbox whose folders are handled at first sight."""
    platform.settings = platform.settings.model_copy(
        update={"inbox": tmp_path / "inbox", "inbox_quiet_s": 0.0}
    )
    return platform


def keys(tick):
    return {event.asset_key.to_user_string() for event in tick.asset_events}


@pytest.mark.slow
def test_the_first_look_observes_every_node_of_the_graph_and_the_second_none(platform):
    nodes = {
        spec.key.to_user_string()
        for spec in platform.definitions().resolve_all_asset_specs()
        # One that is partitioned has a version for a batch that ran, and none before.
        if spec.group_name == "platform" and spec.partitions_def is None
    }

    assert keys(platform.tick(OBSERVING)) == nodes
    assert platform.tick(OBSERVING).skip_message == "no prompt, no model and no role has changed"


def test_a_prompt_that_no_graph_shows_yet_waits_for_a_reload(platform):
    platform.tick(OBSERVING)
    shown = platform.definitions()
    (platform.settings.home / "prompts").mkdir(parents=True)
    (platform.settings.home / "prompts" / "mine.yaml").write_text(
        "id: mine\nextends: library\napplication: personal_tagger\ndescription: Mine.\n", encoding="utf-8"
    )

    assert platform.tick(OBSERVING, definitions=shown).skip_message
    assert keys(platform.tick(OBSERVING)) == {
        f"prompts/mine/{stage}" for stage in ("caption", "keywords", "description")
    }


def test_a_broken_registry_fails_the_tick_with_file_line_and_field(platform):
    shown = platform.definitions()
    platform.settings.home.mkdir(parents=True)
    (platform.settings.home / "registry.yaml").write_text(
        "models:\n  mine:\n    roles: [juge]\n", encoding="utf-8"
    )

    with pytest.raises(RegistryFileError, match=r"registry\.yaml:3: models\.mine\.roles"):
        platform.tick(OBSERVING, definitions=shown)


def test_without_an_inbox_the_sensor_says_so_and_is_off_at_first(platform):
    assert platform.tick(INBOX).skip_message == "IMAGEWORKS_INBOX is not set"
    sensor = platform.definitions().resolve_sensor_def(INBOX)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED


def test_with_an_inbox_the_sensor_is_on_at_first(with_inbox):
    sensor = with_inbox.definitions().resolve_sensor_def(INBOX)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert with_inbox.tick(INBOX).skip_message == "no folder with photos has been quiet for long enough"


def test_a_quiet_folder_is_requested_as_a_run_of_its_pipeline(with_inbox, tmp_path):
    write_photo(tmp_path / "inbox" / "judge" / "Spring" / "a.jpg", seed=1)
    write_photo(tmp_path / "inbox" / "tag" / "Harbor" / "a.jpg", seed=2)

    tick = with_inbox.tick(INBOX)

    assert {(one.job_name, one.partition_key) for one in tick.run_requests} == {
        ("judge", "spring"),
        ("tagger", "harbor"),
    }
    assert with_inbox.instance.get_dynamic_partitions("judge_batches") == ["spring"]
    assert with_inbox.instance.get_dynamic_partitions("tagger_batches") == ["harbor"]


def test_the_same_photos_ask_for_the_same_run_and_more_photos_for_another(with_inbox, tmp_path):
    folder = tmp_path / "inbox" / "judge" / "Spring"
    write_photo(folder / "a.jpg", seed=1)
    run_keys = [with_inbox.tick(INBOX).run_requests[0].run_key for _ in range(2)]
    write_photo(folder / "b.jpg", seed=2)
    run_keys.append(with_inbox.tick(INBOX).run_requests[0].run_key)

    assert run_keys[0] == run_keys[1] != run_keys[2]


@pytest.mark.slow
def test_what_we_wrote_into_the_photos_or_took_back_asks_for_no_other_run(with_inbox, tmp_path):
    photo = write_photo(tmp_path / "inbox" / "tag" / "Harbor" / "a.jpg", seed=1)
    run_keys = [with_inbox.tick(INBOX).run_requests[0].run_key]
    with_inbox.run("tagger", "harbor")
    sizes = [photo.stat().st_size]
    for action in ("apply", "undo"):
        with_inbox.run("tagger", "harbor", config={"tagger/metadata": {"action": action}})
        sizes.append(photo.stat().st_size)
        run_keys.append(with_inbox.tick(INBOX).run_requests[0].run_key)

    assert sizes[0] != sizes[1]
    assert len(set(run_keys)) == 1


@pytest.mark.slow
def test_what_somebody_else_wrote_into_a_photo_of_ours_asks_for_another_run(with_inbox, tmp_path):
    photo = write_photo(tmp_path / "inbox" / "tag" / "Harbor" / "a.jpg", seed=1)
    before = with_inbox.tick(INBOX).run_requests[0].run_key
    with_inbox.run("tagger", "harbor", config={"tagger/metadata": {"action": "apply"}})
    with MetadataWriter() as writer:
        writer.write(photo, MetadataFields(headline="Edited by hand"))

    assert with_inbox.tick(INBOX).run_requests[0].run_key != before


@pytest.mark.slow
def test_a_published_folder_is_requested_no_more(with_inbox, tmp_path):
    write_photo(tmp_path / "inbox" / "judge" / "Spring" / "a.jpg", seed=1)
    with_inbox.tick(INBOX)
    publish(with_inbox.store.database, "judge", "spring", by="the organizer")

    assert with_inbox.tick(INBOX).run_requests == []


def test_what_the_inbox_requests_runs_and_judges_by_the_folders_rules(with_inbox, tmp_path):
    folder = tmp_path / "inbox" / "judge" / "Spring"
    write_photo(folder / "a.jpg", seed=1, width=640, height=480)
    (folder / "competition.toml").write_text(
        "[competition.spring]\n[competition.spring.rules]\nmax_width = 320\n", encoding="utf-8"
    )
    (request,) = with_inbox.tick(INBOX).run_requests

    result = with_inbox.run("judge", request.partition_key, only=["judge/entries", "judge/compliance"])

    assert result.success
    assert [row["verdict"] for row in with_inbox.rows("judge/compliance", "spring")] == ["fail"]


@pytest.mark.slow
def test_upkeep_closes_runs_whose_process_is_gone(platform):
    child = subprocess.run(
        [sys.executable, "-c", TAGS_OF_A_CHILD], capture_output=True, check=True, text=True
    )
    job = platform.definitions().resolve_job_def(JUDGE.name)
    run = platform.instance.create_run_for_job(
        job, tags=json.loads(child.stdout), status=dg.DagsterRunStatus.STARTED
    )
    # A worker elsewhere has a step of it, and would go on with it.
    database = platform.store.database
    assert take(database, StepClaim(run.run_id, "judge__critiques", 1), worker="elsewhere", ttl_s=3600)

    tick = platform.tick(UPKEEP)

    assert look(database, run.run_id, "judge__critiques") is None
    assert "closed 1 dead runs" in tick.skip_message
    assert platform.instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE


def test_upkeep_tells_of_a_damaged_manifest_and_marks_the_others(platform):
    home = Home.of(platform.settings).create()
    (home.manifests / "a.json").write_text("{", encoding="utf-8")
    open_manifest(home, RunManifest(run_id="crashed", pipeline="judge", pid_started=1))

    tick = platform.tick(UPKEEP)

    assert "marked 1 manifests" in tick.skip_message
    assert f"{home.manifests}/a.json is not a run manifest" in tick.skip_message


@pytest.mark.slow
def test_upkeep_compacts_the_telemetry_once_an_hour(platform, tmp_path):
    write_photo(tmp_path / "Harbor" / "a.jpg", seed=1)
    batch = platform.register("tagger", tmp_path / "Harbor")
    assert platform.run("tagger", batch, only=["tagger/photos", "tagger/captions"]).success

    tick = platform.tick(UPKEEP)

    assert list(Home.of(platform.settings).events.rglob("*.parquet"))
    assert "compacted 1 events" in tick.skip_message
    if tick.cursor == str(int(time.time() // 3600)):  # else the hour has just struck
        assert "compacted" not in platform.tick(UPKEEP, cursor=tick.cursor).skip_message
    assert "compacted 0 events" in platform.tick(UPKEEP, cursor="0").skip_message


def test_upkeep_makes_room_on_a_disk_that_is_too_full_for_a_compaction(platform, monkeypatch):
    platform.settings = platform.settings.model_copy(update={"telemetry_days": 30})
    place = Home.of(platform.settings).create().events / "date=2020-01-01"
    place.mkdir(parents=True)

    def full(_home):
        raise CompactionError("no space left on device")

    monkeypatch.setattr(compaction, "compact", full)

    with pytest.raises(CompactionError):
        platform.tick(UPKEEP)

    assert not place.exists()


def test_upkeep_lets_go_what_is_too_old(platform):
    platform.settings = platform.settings.model_copy(update={"telemetry_days": 30, "kept_answers_days": 30})
    place = Home.of(platform.settings).create().events / "date=2020-01-01"
    place.mkdir(parents=True)
    (place / "a.parquet").touch()
    old = KeptAnswer(
        request_digest="a",
        answered_by="b",
        model="m",
        model_revision="1",
        deployment="d",
        provider="vllm",
        text="{}",
        kept_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    platform.store.database.write(lambda connection: keep(connection, [old]))

    tick = platform.tick(UPKEEP)

    assert "let 1 days of telemetry go, let 1 kept answers go" in tick.skip_message
    assert not place.exists()
    assert look_up(platform.store.database, ["a"]) == {}
