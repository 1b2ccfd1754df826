"""Several judges of one batch: each answer is a request of its own, and one mark comes of them."""

from __future__ import annotations

import csv
import json
from collections import Counter

import pytest
from at_terminal import complaint, imageworks
from made_up_photos import write_photo
from vllm_double import VllmDouble

import telemetry
from imageworks.judge_vision.playoff import Pair
from imageworks_dagster.checking import Checked, answers_fit_the_schema, prompt_tested, share_of_failures
from imageworks_dagster.judging.earlier import marks_of
from imageworks_dagster.judging.opinions import models_of
from imageworks_dagster.judging.results import asked_pairs, judges_of
from imageworks_dagster.pipelines import JUDGE
from imageworks_dagster.promotions import overtaken
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import Identity
from prompt_hub.revisions.store import PromptStore
from store.batches import batch as registered_batch

pytestmark = pytest.mark.slow

REGISTRY = """
models:
  near-vlm:
    roles: [judge, pairwise]
    capabilities:
      chat: {{context_tokens: 8192, max_output_tokens: 2048, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    deployments: [{{name: local, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}]
    revision: "1"
"""

JUDGES = "baseline-judge, near-vlm:club-judge*2"


@pytest.fixture(scope="module")
def judged(tmp_path_factory, open_platform):
    place = tmp_path_factory.mktemp("panel")
    for number in range(3):
        write_photo(place / "round" / f"Title {number} by Member {number:02d}.jpg", seed=number)
    with open_platform(place) as platform, VllmDouble() as double:
        platform.store.home.registry.write_text(REGISTRY.format(url=double.url), encoding="utf-8")
        batch = platform.register("judge", place / "round")
        first = platform.run("judge", batch, config={"judge/critiques": {"judges": JUDGES}})
        assert first.success
        yield platform, batch, first


def test_each_judge_answers_for_each_entry_and_one_mark_comes_of_it(judged):
    platform, batch, first = judged

    assert platform.asked(first)["judge/critiques"] == 9
    for row in platform.rows("judge/critiques", batch):
        opinions = json.loads(row["opinions"])
        assert [(one["judge"], one["sample"], one["model"]) for one in opinions] == [
            ("baseline-judge", 0, "baseline-judge"),
            ("near-vlm:club-judge", 0, "near-vlm"),
            ("near-vlm:club-judge", 1, "near-vlm"),
        ]
        scores = [one["score"] for one in opinions]
        assert row["score_low"] == min(scores) <= row["score"] <= max(scores) == row["score_high"]
        assert row["request_digest"] in {one["request_digest"] for one in opinions}
        assert len({one["request_digest"] for one in opinions}) == 3


def test_the_results_and_the_drift_name_every_model_that_marked(judged):
    platform, batch, _ = judged
    both = ("baseline-judge", "near-vlm")
    results, critiques = (platform.rows(asset, batch) for asset in ("judge/results", "judge/critiques"))

    assert {tuple(row["models"]) for row in results} == {both}
    assert marks_of(batch, results).models == marks_of(batch, critiques).models == both


def test_a_model_that_gave_no_mark_is_not_named_and_an_earlier_table_names_the_shown_one():
    opinions = [{"model": "near-vlm", "score": None}, {"model": "baseline-judge", "score": 11}]
    row = {
        "score": 11,
        "model": "baseline-judge",
        "opinions": json.dumps(opinions),
        "opinions_asked": "[{}, {}]",
    }
    assert models_of(row) == ["baseline-judge"]
    assert models_of({"model": None, "score": None}) == []
    assert marks_of("spring", [{"score": 11, "model": "old-judge"}]).models == ("old-judge",)


def test_every_answer_joins_to_its_event(judged):
    platform, batch, first = judged
    asked = [
        one["answered_by"]
        for row in platform.rows("judge/critiques", batch)
        for one in json.loads(row["opinions_asked"])
    ]
    with telemetry.connect(platform.store.home, platform.store.database) as connection:
        events = connection.execute(
            "SELECT event_id FROM events WHERE stage = 'judge/critiques' AND run_id = ?", [first.run_id]
        ).fetchall()

    assert len(set(asked)) == 9
    assert set(asked) == {str(event) for (event,) in events}


def test_the_manifest_has_every_judge_and_the_batch_keeps_them(judged):
    platform, batch, first = judged
    pinned = platform.manifest(first).judges["judge/critiques"]

    assert [(one.judge, one.samples, one.model.model) for one in pinned] == [
        ("baseline-judge", 1, "baseline-judge"),
        ("near-vlm:club-judge", 2, "near-vlm"),
    ]
    pins = registered_batch(platform.store.database, "judge", batch).pins
    assert pins["judge/critiques"]["judges"] == JUDGES


def test_the_report_and_the_csv_show_what_each_judge_gave(judged):
    platform, batch, _ = judged
    folder = platform.store.home.reports / "judge" / batch
    page = (folder / "report.html").read_text(encoding="utf-8")
    rows = list(csv.DictReader((folder / "results.csv").read_text(encoding="utf-8-sig").splitlines()))

    assert page.count('class="opinions"') == 3
    assert (
        "Judges: baseline-judge, asked once about each entry; near-vlm:club-judge (model near-vlm), asked twice about "
        "each entry."
    ) in page
    assert "near-vlm:club-judge #2" in page
    assert "Each score is the median of several judges" in page
    assert page.count("<td>judge/critiques</td>") == 2
    assert all(row["judges"].count(";") == 2 and row["score_low"] for row in rows)


def test_the_checks_look_at_every_judges_answers(judged):
    platform, batch, _ = judged
    checked = Checked.open(platform.settings, JUDGE, "judge/critiques", batch)

    assert answers_fit_the_schema(checked).metadata["looked_at"] == 9
    assert share_of_failures(checked).description == "9 questions, none failed"
    assert prompt_tested(checked).description


def test_the_judges_share_the_playoff_and_each_row_names_its_own(judged):
    platform, batch, first = judged
    rows = platform.rows("judge/playoff", batch)
    names = ["baseline-judge", "near-vlm:club-judge"]

    assert {row["judge"] for row in rows} == set(names)
    assert all(row["judges"] == names for row in rows)
    assert all(row["judge"].split(":")[0] == row["model"] for row in rows)
    # Three entries in four rounds, whoever is asked.
    assert platform.asked(first)["judge/playoff"] == len(rows) <= 2 * 4
    asked = [(frozenset((row["entry_id"], row["opponent_id"])), row["judge"]) for row in rows]
    assert set(Counter(asked).values()) == {2}
    assert [one.judge for one in platform.manifest(first).judges["judge/playoff"]] == names


def test_report_csv_and_results_say_how_many_comparisons_each_judge_made(judged):
    platform, batch, _ = judged
    rows = platform.rows("judge/playoff", batch)
    made = Counter(row["judge"] for row in rows)
    folder = platform.store.home.reports / "judge" / batch
    told = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    page = (folder / "report.html").read_text(encoding="utf-8")
    in_csv = list(csv.DictReader((folder / "results.csv").read_text(encoding="utf-8-sig").splitlines()))

    assert {one["judge"]: 2 * one["comparisons"] for one in told["playoff_judges"]} == made
    assert told["position_bias"] is None
    assert all(one["position_bias"]["pairs"] == one["comparisons"] for one in told["playoff_judges"])
    assert sum(sum(row["compared_by"].values()) for row in told["rows"]) == len(rows)
    assert "The judges of the playoff" in page
    assert "The pairs were shared out among 2 judges" in page
    assert {row["entry_id"]: row["compared_by"] for row in in_csv} == {
        row["entry_id"]: "; ".join(f"{judge} {count}" for judge, count in row["compared_by"].items())
        for row in told["rows"]
    }


def test_a_model_beside_the_judges_compares_alone_and_its_rows_are_those_of_one_judge(judged):
    platform, batch, _ = judged
    one = platform.run("judge", batch, config={"judge/playoff": {"model": "near-vlm"}})

    assert one.success
    rows = platform.rows("judge/playoff", batch)
    assert {(row["model"], row["judge"], row["judges"]) for row in rows} == {("near-vlm", None, None)}

    again = platform.run("judge", batch, config={"judge/playoff": {"model": "default"}})
    assert again.success
    assert platform.asked(again) == {}
    assert {row["judge"] for row in platform.rows("judge/playoff", batch)} == {
        "baseline-judge",
        "near-vlm:club-judge",
    }


def test_a_table_of_an_earlier_version_is_that_of_one_judge():
    row = {"entry_id": "a", "opponent_id": "b", "playoff_round": 1, "winner": "first"}
    turned = {"entry_id": "b", "opponent_id": "a", "playoff_round": 1, "winner": "second"}
    assert judges_of([row, turned]) == judges_of([]) == ()
    assert asked_pairs([row, turned]) == {Pair(1, "a", "b"): ("first", "second")}


def test_a_second_run_asks_nobody_and_finds_the_same(judged):
    platform, batch, _ = judged
    assets = ("judge/critiques", "judge/playoff", "judge/results")
    before = [platform.store.tables.current(asset, batch).data_version for asset in assets]

    again = platform.run("judge", batch)

    assert again.success
    assert platform.asked(again) == {}
    assert [platform.store.tables.current(asset, batch).data_version for asset in assets] == before


def test_a_model_beside_judges_and_a_judge_that_is_not_there_are_refused(judged):
    platform, batch, _ = judged
    for config, why in (
        ({"model": "near-vlm"}, "They name their models"),
        ({"judges": "nobody"}, "nobody"),
        ({"judges": "a*99"}, "asks 99 times"),
    ):
        failed = platform.run("judge", batch, config={"judge/critiques": config}, only=["judge/critiques"])
        assert not failed.success
        (event,) = [one for one in failed.all_events if one.is_step_failure and "critiques" in one.step_key][
            :1
        ]
        assert why in event.step_failure_data.error.to_string() + str(event.event_specific_data)


def test_a_promotion_reaches_the_judge_that_asks_by_label_and_is_told_until_the_next_run(judged):
    platform, batch, _ = judged
    kept = PromptStore.over(platform.store.database)

    def promote(text):
        folder = platform.store.home.prompts
        (folder / "mine.yaml").write_text(text, encoding="utf-8")
        profile = PromptHub.load(folder).get("club-judge")
        kept.revisions.keep(profile, author="ann", message="")
        revision = kept.revisions.get("club-judge", profile.hash)
        kept.labels.move(Identity("ann"), "production", revision, why="Better")
        return profile.stage_hash("critique")

    promote("id: club-judge\nstages:\n  critique:\n    parameters: {temperature: 0.3}\n")
    judges = {"judge/critiques": {"judges": "baseline-judge, near-vlm:club-judge@production"}}
    assert platform.run("judge", batch, config=judges).success
    assert overtaken(platform.store, platform.settings) == []

    promoted = promote("id: club-judge\nstages:\n  critique:\n    parameters: {temperature: 0.4}\n")
    (stale,) = overtaken(platform.store, platform.settings)
    assert (stale.batch.name, stale.assets) == (batch, ("judge/critiques",))

    assert platform.run("judge", batch).success
    assert overtaken(platform.store, platform.settings) == []
    (row, *_) = platform.rows("judge/critiques", batch)
    assert json.loads(row["opinions"])[1]["stage_hash"] == promoted


def test_every_judge_that_cannot_be_reached_is_named_before_the_first_photo_is_asked(
    platform, entries_folder
):
    with VllmDouble() as double:
        gone = "".join(
            REGISTRY.format(url=f"http://127.0.0.1:{port}").replace("near-vlm", name).replace("models:\n", "")
            for name, port in (("far-vlm", 9), ("lost-vlm", 11))
        )
        registry = REGISTRY.format(url=double.url) + gone.strip("\n").replace("\n\n", "\n") + "\n"
        platform.store.home.registry.write_text(registry, encoding="utf-8")
        batch = platform.register("judge", entries_folder)
        judges = "near-vlm, far-vlm:club-judge*2, lost-vlm, far-vlm"

        result = platform.run("judge", batch, config={"judge/critiques": {"judges": judges}})

        assert double.history == []
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    words = failure.step_failure_data.user_failure_data.description
    assert words.startswith("3 judges of the panel cannot be asked, so none was asked about a photo.")
    assert "far-vlm:club-judge, far-vlm: " in words
    assert "lost-vlm: " in words
    assert "http://127.0.0.1:9" in words
    assert "http://127.0.0.1:11" in words
    assert f"{judges!r} stays the choice of batch {batch!r}" in words
    assert "--judges default ends it" in words


def test_a_judge_whose_answers_are_all_kept_need_not_be_there(platform, entries_folder):
    with VllmDouble() as double:
        platform.store.home.registry.write_text(REGISTRY.format(url=double.url), encoding="utf-8")
        batch = platform.register("judge", entries_folder)
        config = {"judge/critiques": {"judges": "baseline-judge, near-vlm"}}
        up_to = ["judge/entries", "judge/compliance", "judge/signals", "judge/critiques"]
        assert platform.run("judge", batch, config=config, only=up_to).success

    again = platform.run("judge", batch, only=["judge/critiques"])
    assert again.success
    assert platform.asked(again) == {}


def test_a_panel_with_a_judge_that_cannot_be_reached_says_how_the_batch_leaves_it(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "registry.yaml").write_text(REGISTRY.format(url="http://127.0.0.1:9"), encoding="utf-8")
    write_photo(tmp_path / "round" / "Gate by Member.jpg", seed=1)

    said = imageworks(home, "judge", tmp_path / "round", "--judges", JUDGES)
    complaint(said, f"{JUDGES!r} stays the choice of batch 'round'", "--judges default ends it")

    left = imageworks(home, "judge", tmp_path / "round", "--judges", "default", "--model", "default")
    assert left.code == 0, left
