"""Image quality in judge/signals: where a batch has chosen a model for it, and never otherwise."""

import json

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from iqa_double import Fails, IqaDouble
from made_up_photos import write_photo
from served_gateway import Gateway

from imageworks_dagster.pipelines import JUDGE
from store.batches import batch as registered_batch
from store.home import Home
from telemetry.catalog import connect

pytestmark = pytest.mark.slow

SENSOR = "observe_prompts_and_models_sensor"
SIGNALS = "judge/signals"
UP_TO_SIGNALS = ["judge/entries", "judge/compliance", SIGNALS]

REGISTRY = """
models:
  near-iqa:
    roles: [iqa]
    capabilities: {{iqa: {{metrics: [nima_aesthetic, musiq_spaq, {more}]}}}}
    deployments: [{{name: here, provider: tf_iqa, base_url: "{url}"}}]
    revision: "{revision}"
roles: {{iqa: near-iqa}}
"""


@pytest.fixture
def double():
    with IqaDouble(metrics=["nima_aesthetic", "musiq_spaq", "house_metric"]) as serving:
        yield serving


def use(platform, double, *, revision="1", more="house_metric"):
    platform.settings.home.mkdir(parents=True, exist_ok=True)
    text = REGISTRY.format(url=double.url, revision=revision, more=more)
    (platform.settings.home / "registry.yaml").write_text(text, encoding="utf-8")


@pytest.fixture
def batch(platform, double, entries_folder):
    use(platform, double)
    return platform.register("judge", entries_folder)


def score(platform, batch, model="near-iqa", only=UP_TO_SIGNALS, **config):
    return platform.run("judge", batch, config={SIGNALS: {"model": model, **config}}, only=only)


def failure(result):
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data.description


def stale(platform, batch):
    resolver = CachingStaleStatusResolver(
        platform.instance,
        platform.definitions().resolve_asset_graph(),
        LoadingContextForTest(platform.instance),
    )
    return {
        stage.asset
        for stage in JUDGE.stages
        if resolver.get_status(dg.AssetKey(stage.asset.split("/")), batch) is StaleStatus.STALE
    }


def test_without_a_choice_nothing_is_asked_though_the_role_has_a_model(platform, batch, double):
    result = platform.run("judge", batch, only=UP_TO_SIGNALS)

    assert result.success
    assert double.history == []
    assert platform.asked(result) == {}
    assert SIGNALS not in platform.manifest(result).models
    for row in platform.rows(SIGNALS, batch):
        assert row["sharpness"] is not None
        assert {row[name] for name in ("nima_aesthetic", "musiq_spaq", "iqa", "iqa_error", "model")} == {None}


@pytest.mark.parametrize("chosen", ["near-iqa", "iqa"])
def test_with_one_each_entry_has_its_scores_beside_its_signals(platform, batch, double, chosen):
    result = score(platform, batch, chosen)

    assert result.success
    assert platform.asked(result) == {SIGNALS: 6}
    manifest = platform.manifest(result)
    assert (manifest.models[SIGNALS].model, manifest.stages[SIGNALS].failed) == ("near-iqa", {})
    rows = platform.rows(SIGNALS, batch)
    assert len({row["nima_aesthetic"] for row in rows}) == 6
    for row in rows:
        said = json.loads(row["iqa"])
        assert said.keys() == {"nima_aesthetic", "musiq_spaq", "house_metric"}
        assert row["musiq_spaq"] == said["musiq_spaq"]["mean"]
        assert (row["nima_technical"], row["iqa_error"]) == (None, None)
        assert row["sharpness"] is not None
        assert (row["model"], row["deployment"], row["recalled"]) == ("near-iqa", "here", False)
    answered = {row["answered_by"] for row in rows}
    assert len(answered) == 6


def test_through_a_gateway_each_entry_has_the_same_scores_and_its_event_there(
    platform, batch, double, tmp_path
):
    registry = REGISTRY.format(url=double.url, revision="1", more="house_metric")
    with Gateway(tmp_path / "gateway", registry) as gateway:
        ours = registry.replace("tf_iqa", "gateway").replace(double.url, gateway.url)
        (platform.settings.home / "registry.yaml").write_text(ours, encoding="utf-8")
        assert score(platform, batch).success
        through = platform.rows(SIGNALS, batch)
    use(platform, double)
    assert score(platform, batch, fresh=True).success
    direct = platform.rows(SIGNALS, batch)

    assert [row["iqa"] for row in through] == [row["iqa"] for row in direct]
    with connect(Home.of(gateway.settings)) as catalog:
        told = catalog.execute("SELECT event_id, entry_id, batch, stage FROM events").fetchall()
    assert {(row["answered_by"], row["entry_id"], batch, SIGNALS) for row in through} == set(told)


def test_the_model_is_the_batchs_from_then_on_until_default_ends_that(platform, batch, double):
    score(platform, batch)
    assert registered_batch(platform.store.database, "judge", batch).pins == {SIGNALS: {"model": "near-iqa"}}

    again = platform.run("judge", batch, only=[SIGNALS])

    assert platform.asked(again) == {}
    assert all(row["recalled"] and row["nima_aesthetic"] for row in platform.rows(SIGNALS, batch))
    assert score(platform, batch, "default", only=[SIGNALS]).success
    assert all(row["nima_aesthetic"] is None for row in platform.rows(SIGNALS, batch))
    assert registered_batch(platform.store.database, "judge", batch).pins == {}


def test_a_second_run_finds_the_same_and_fresh_asks_again(platform, batch, double):
    score(platform, batch)
    before = platform.store.tables.current(SIGNALS, batch).data_version

    platform.run("judge", batch, only=[SIGNALS])
    assert platform.store.tables.current(SIGNALS, batch).data_version == before

    fresh = score(platform, batch, only=[SIGNALS], fresh=True)
    assert platform.asked(fresh) == {SIGNALS: 6}


def test_a_model_that_cannot_be_reached_fails_the_step_at_once(platform, batch, double):
    double.ready = False

    result = score(platform, batch)

    assert not result.success
    assert double.url in failure(result)
    assert "503" in failure(result)


def test_what_fails_is_told_in_its_column_and_takes_no_entry_out_of_the_competition(platform, batch, double):
    double.broken = {"musiq_spaq"}
    double.faults.append(Fails(("nima_aesthetic", "musiq_spaq", "house_metric"), "metric_failed"))

    result = score(platform, batch, only=[*UP_TO_SIGNALS, "judge/critiques"])

    assert result.success
    rows = platform.rows(SIGNALS, batch)
    assert {row["error_class"] for row in rows} == {None}
    assert sum(1 for row in rows if row["nima_aesthetic"] is None) == 1
    assert all("musiq_spaq failed" in row["iqa_error"] for row in rows)
    assert {row["error_class"] for row in platform.rows("judge/critiques", batch)} == {None}
    # The one that failed as a whole is asked again, the others have their answers.
    assert platform.asked(platform.run("judge", batch, only=[SIGNALS])) == {SIGNALS: 1}


def test_a_photo_that_cannot_be_decoded_is_never_sent(platform, double, entries_folder):
    use(platform, double)
    whole = write_photo(entries_folder / "Broken by Member 09.jpg", seed=9).read_bytes()
    (entries_folder / "Broken by Member 09.jpg").write_bytes(whole[: len(whole) // 2])
    batch = platform.register("judge", entries_folder)

    assert score(platform, batch).success

    rows = {row["entry_id"]: row for row in platform.rows(SIGNALS, batch)}
    assert rows[f"{batch}/Broken by Member 09.jpg"]["error_class"]
    assert len(double.history) == 6


@pytest.mark.parametrize(
    ("chosen", "words"),
    [("baseline-judge", "cannot do iqa"), ("near-iqaa", "near-iqa")],
)
def test_a_wrong_model_is_told_before_any_work_with_the_right_ones(platform, batch, chosen, words):
    result = score(platform, batch, chosen)

    assert not result.success
    told = failure(result)
    assert told.startswith("judge/signals: ")
    assert words in told
    assert "Models for it: musiq-spaq, near-iqa, nima-mobilenet." in told
    assert registered_batch(platform.store.database, "judge", batch).pins == {}


@pytest.mark.slow
def test_an_edit_of_the_model_makes_stale_the_batches_that_use_it_and_no_other(
    platform_on_disk, double, tmp_path
):
    platform = platform_on_disk
    use(platform, double)
    batches = []
    for name in ("scored", "plain"):
        for number in range(2):
            write_photo(tmp_path / name / f"Title {number} by Member {number:02d}.jpg", seed=number)
        batches.append(platform.register("judge", tmp_path / name))
    scored, plain = batches
    assert score(platform, scored, only=None).success
    assert platform.run("judge", plain).success
    platform.tick(SENSOR)
    assert (stale(platform, scored), stale(platform, plain)) == (set(), set())

    use(platform, double, revision="2")
    platform.tick(SENSOR)

    assert SIGNALS in stale(platform, scored)
    assert stale(platform, plain) == set()
    again = platform.run("judge", scored)
    assert platform.asked(again)[SIGNALS] == 2
    assert stale(platform, scored) == set()
    assert platform.tick(SENSOR).skip_message
    assert score(platform, scored, "default", only=None).success
    assert stale(platform, scored) == set()
