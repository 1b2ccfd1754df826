"""What an edit makes stale, as the web UI shows it, and what the next materialization then asks."""

import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_graphql.cli import execute_query
from made_up_photos import write_photo
from vllm_double import VllmDouble

from imageworks_dagster.assets.nodes import observe_now
from imageworks_dagster.pipelines import TAGGER
from imageworks_dagster.tagging import captions

pytestmark = pytest.mark.slow

PHOTOS = 2
BATCH = "harbor"
WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"
SENSOR = "observe_prompts_and_models_sensor"

KEYWORDS_EDITED = """
id: library
stages:
  keywords:
    system: You choose keywords, and you choose them in Welsh.
"""

REGISTRY = """
models:
  double-vlm:
    description: A double of a vLLM server.
    roles: [{roles}]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 1, max_long_side: 1024}}
    deployments:
      - {{name: here, provider: vllm, base_url: "{url}"}}
    revision: "{revision}"
roles: {{{assigned}}}
"""


@pytest.fixture(scope="module")
def double():
    """Its answers depend on what it is asked, word for word, as a model's do."""
    with VllmDouble() as serving:
        yield serving


@pytest.fixture(scope="module")
def tagged_once(tmp_path_factory, open_platform, double):
    """A home, an instance and a batch that was tagged by a model on a server, observed before as by a reload."""
    place = tmp_path_factory.mktemp("tagged")
    with open_platform(place) as platform:
        tag_a_shoot(platform, place / "Harbor", double)
    return place


@pytest.fixture
def platform(tagged_once, tmp_path, open_platform):
    """A copy of that home and instance; the photos are shared, and not written into."""
    for kept in ("home", "dagster"):
        shutil.copytree(tagged_once / kept, tmp_path / kept)
    with open_platform(tmp_path) as opened:
        yield opened


@pytest.fixture
def own_photos(tmp_path, open_platform, double):
    """A batch of its own, whose photos may be written into."""
    with open_platform(tmp_path) as platform:
        tag_a_shoot(platform, tmp_path / "Harbor", double)
        yield platform


def tag_a_shoot(platform, folder, double):
    for number in range(PHOTOS):
        write_photo(folder / f"IMG_{number:04d}.jpg", seed=100 + number)
    use_model(platform, double, revision="1")
    platform.register("tagger", folder)
    observe_now(platform.instance, platform.assembly())
    result = platform.run("tagger", BATCH)
    assert platform.asked(result) == {stage.asset: PHOTOS for stage in TAGGER.asking}


def use_model(platform, double, *, revision, roles=("caption", "keywords", "description"), assigned=None):
    """The double as a model that may have ``roles``, and has those in ``assigned``: by default all of them."""
    platform.settings.home.mkdir(parents=True, exist_ok=True)
    text = REGISTRY.format(
        url=double.url,
        revision=revision,
        roles=", ".join(roles),
        assigned=", ".join(f"{role}: double-vlm" for role in (roles if assigned is None else assigned)),
    )
    (platform.settings.home / "registry.yaml").write_text(text, encoding="utf-8")


def edit_keywords(platform, text=KEYWORDS_EDITED):
    (platform.settings.home / "prompts" / "mine.yaml").write_text(text, encoding="utf-8")


def stale(platform):
    """Stages that are stale or missing, by the resolver that the web UI asks."""
    resolver = CachingStaleStatusResolver(
        platform.instance,
        platform.definitions().resolve_asset_graph(),
        LoadingContextForTest(platform.instance),
    )
    return {
        stage.asset
        for stage in TAGGER.stages
        if resolver.get_status(dg.AssetKey(stage.asset.split("/")), BATCH) is not StaleStatus.FRESH
    }


def observed(tick):
    return [event.asset_key.to_user_string() for event in tick.asset_events]


FROM_KEYWORDS_ON = {"tagger/keywords", "tagger/descriptions", "tagger/metadata"}


def test_a_run_that_changes_nothing_makes_nothing_stale(platform):
    assert stale(platform) == set()

    again = platform.run("tagger", BATCH)

    assert platform.asked(again) == {}
    assert platform.tick(SENSOR).skip_message
    assert stale(platform) == set()


def test_the_sensor_shows_an_edit_of_one_profile_stage_from_that_stage_on(platform):
    edit_keywords(platform)

    tick = platform.tick(SENSOR)

    # The storyteller extends the library, and takes its keywords from there.
    assert observed(tick) == ["prompts/library/keywords", "prompts/storyteller/keywords"]
    assert stale(platform) == FROM_KEYWORDS_ON


def test_after_an_edit_exactly_the_stages_from_it_on_are_asked_and_then_nothing_is_stale(platform):
    edit_keywords(platform)
    platform.tick(SENSOR)

    again = platform.run("tagger", BATCH)

    assert platform.asked(again) == {"tagger/keywords": PHOTOS, "tagger/descriptions": PHOTOS}
    assert stale(platform) == set()


def test_the_command_and_a_reload_show_an_edit_at_once(platform):
    edit_keywords(platform)
    assert stale(platform) == set()

    observe_now(platform.instance, platform.assembly())

    assert stale(platform) == FROM_KEYWORDS_ON
    assert platform.tick(SENSOR).skip_message


@pytest.mark.slow
def test_a_run_that_comes_before_the_sensor_has_the_edit_in_it(platform):
    edit_keywords(platform)
    again = platform.run("tagger", BATCH)
    assert platform.asked(again) == {"tagger/keywords": PHOTOS, "tagger/descriptions": PHOTOS}

    platform.tick(SENSOR)

    assert stale(platform) == set()


@pytest.mark.slow
def test_an_edit_in_the_middle_of_a_run_is_not_in_it_and_shows_as_stale(platform, monkeypatch):
    """The run goes on with the prompts of its start, and must not pass for made with the new ones."""
    caption = captions.caption_photos

    def edit_meanwhile(stage):
        outcome = caption(stage)
        edit_keywords(platform)
        platform.tick(SENSOR)
        return outcome

    monkeypatch.setattr(captions, "caption_photos", edit_meanwhile)
    assert platform.asked(platform.run("tagger", BATCH)) == {}
    monkeypatch.undo()

    assert stale(platform) == FROM_KEYWORDS_ON
    assert platform.asked(platform.run("tagger", BATCH)) == {
        "tagger/keywords": PHOTOS,
        "tagger/descriptions": PHOTOS,
    }
    assert stale(platform) == set()


def test_an_edit_that_means_the_same_makes_nothing_stale(platform):
    edit_keywords(platform, "# a remark\nid: library\nstages: {}\n")

    assert platform.tick(SENSOR).skip_message
    assert stale(platform) == set()


@pytest.mark.slow
def test_the_edit_undone_is_fresh_again_and_asks_nothing(platform):
    edit_keywords(platform)
    platform.tick(SENSOR)
    (platform.settings.home / "prompts" / "mine.yaml").unlink()

    platform.tick(SENSOR)

    assert stale(platform) == set()
    assert platform.asked(platform.run("tagger", BATCH)) == {}


@pytest.mark.slow
def test_after_writing_the_tags_nothing_is_stale_and_no_photo_is_asked_again(own_photos):
    applied = own_photos.run("tagger", BATCH, config={"tagger/metadata": {"action": "apply"}})

    assert applied.success
    assert own_photos.asked(applied) == {}
    assert {row["state"] for row in own_photos.rows("tagger/metadata", BATCH)} == {"written"}
    assert stale(own_photos) == set()
    assert own_photos.asked(own_photos.run("tagger", BATCH)) == {}
    assert stale(own_photos) == set()


@pytest.mark.slow
def test_another_revision_of_a_model_makes_stale_what_asks_it(platform, double):
    use_model(platform, double, revision="2")

    tick = platform.tick(SENSOR)

    assert observed(tick) == ["models/double-vlm", "roles/caption", "roles/description", "roles/keywords"]
    assert stale(platform) == {"tagger/captions", *FROM_KEYWORDS_ON}
    assert platform.asked(platform.run("tagger", BATCH)) == {stage.asset: PHOTOS for stage in TAGGER.asking}
    assert stale(platform) == set()


@pytest.mark.slow
def test_a_role_given_to_another_model_makes_stale_what_asks_by_it(platform, double):
    use_model(platform, double, revision="1", assigned=("caption",))

    tick = platform.tick(SENSOR)

    assert observed(tick) == ["roles/description", "roles/keywords"]
    assert stale(platform) == FROM_KEYWORDS_ON
    again = platform.run("tagger", BATCH)
    assert platform.manifest(again).models["tagger/keywords"].model == "baseline-tagger"
    assert platform.asked(again) == {"tagger/keywords": PHOTOS, "tagger/descriptions": PHOTOS}
    assert stale(platform) == set()


@pytest.mark.slow
def test_a_role_given_away_in_the_middle_of_a_run_is_not_in_it_and_shows_as_stale(
    platform, double, monkeypatch
):
    caption = captions.caption_photos

    def give_away_meanwhile(stage):
        outcome = caption(stage)
        use_model(platform, double, revision="1", assigned=("caption",))
        platform.tick(SENSOR)
        return outcome

    monkeypatch.setattr(captions, "caption_photos", give_away_meanwhile)
    assert platform.asked(platform.run("tagger", BATCH)) == {}

    assert stale(platform) == FROM_KEYWORDS_ON


def test_another_address_of_a_model_makes_nothing_stale(platform):
    with VllmDouble() as moved:
        use_model(platform, moved, revision="1")

        assert platform.tick(SENSOR).skip_message
        assert stale(platform) == set()


@pytest.mark.slow
def test_a_model_that_only_writes_keywords_leaves_captions_fresh(platform, double):
    use_model(platform, double, revision="1", roles=("keywords",))
    platform.run("tagger", BATCH)
    use_model(platform, double, revision="2", roles=("keywords",))

    platform.tick(SENSOR)

    assert stale(platform) == FROM_KEYWORDS_ON


def test_a_node_that_is_no_longer_there_is_left_alone(platform):
    before = platform.assembly()
    (platform.settings.home / "registry.yaml").unlink()
    now = platform.assembly()

    observe_now(platform.instance, replace(before, hub=now.hub, registry=now.registry))

    record = platform.instance.get_latest_data_version_record(
        dg.AssetKey(["models", "double-vlm"]), is_source=True
    )
    assert record.event_log_entry.asset_observation.tags["dagster/data_version"]


STALE_BY_PARTITION = """
query Stale($group: AssetGroupSelector) {
  assetNodes(group: $group) { assetKey { path } staleStatusByPartition }
}
"""


@pytest.mark.slow
def test_the_web_uis_own_query_shows_an_edit_after_a_reload(platform, monkeypatch):
    monkeypatch.setenv("IMAGEWORKS_HOME", str(platform.settings.home))
    monkeypatch.setenv("DAGSTER_HOME", platform.instance.root_directory)
    with WorkspaceProcessContext(platform.instance, WorkspaceFileTarget(paths=[str(WORKSPACE)])) as workspace:
        assert stale_in_the_web_ui(workspace) == set()
        edit_keywords(platform)
        assert stale_in_the_web_ui(workspace) == set()

        workspace.reload_code_location("imageworks")

        assert stale_in_the_web_ui(workspace) == FROM_KEYWORDS_ON


def stale_in_the_web_ui(workspace):
    (location,) = workspace.create_request_context().code_locations
    (repository,) = location.get_repositories().values()
    group = {
        "groupName": TAGGER.group,
        "repositoryName": repository.name,
        "repositoryLocationName": location.name,
    }
    said = execute_query(workspace, STALE_BY_PARTITION, {"group": group})
    return {
        "/".join(node["assetKey"]["path"])
        for node in said["data"]["assetNodes"]
        if node["staleStatusByPartition"] != ["FRESH"]
    }
