"""`imageworks prompts trial` against a server on a socket: two revisions asked about the same batch."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner
from vllm_double import Http, VllmDouble

from imageworks_dagster.command.prompts import app
from imageworks_dagster.errors import NothingToTry
from prompt_hub.errors import ReadsNoPrompt
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import Identity
from prompt_hub.revisions.store import PromptStore
from telemetry.catalog import connect

# Whole batches.
pytestmark = pytest.mark.slow

ANN = Identity("ann")
REGISTRY = """\
models:
  near-vlm:
    roles: [judge, caption, keywords]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    deployments: [{{name: local, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}]
    revision: "1"
"""


@pytest.fixture
def server():
    with VllmDouble() as double:
        yield double


@pytest.fixture
def model(platform, server):
    platform.settings.home.mkdir(parents=True, exist_ok=True)
    (platform.settings.home / "registry.yaml").write_text(REGISTRY.format(url=server.url), encoding="utf-8")


@pytest.fixture
def labelled(platform, tmp_path):
    """Lets a label point at a shipped profile with something changed."""
    kept = PromptStore.over(platform.store.database)

    def label(name, profile_id, stages="{}"):
        file = tmp_path / "change.yaml"
        file.write_text(f"id: {profile_id}\nstages: {stages}\n", encoding="utf-8")
        one = PromptHub.load(None, files=[file]).get(profile_id)
        kept.revisions.keep(one, author="ann", message="")
        kept.labels.move(ANN, name, kept.revisions.get(one.id, one.hash), why="")
        return one

    return label


@pytest.fixture
def try_(platform, monkeypatch, tmp_path):
    monkeypatch.setenv("IMAGEWORKS_HOME", str(platform.settings.home))

    def run(*arguments):
        done = CliRunner().invoke(app, ["trial", *arguments, "--output", str(tmp_path / "trial")])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        said = json.loads((tmp_path / "trial" / "trial.json").read_text(encoding="utf-8"))
        return said, done.output

    return run


JUDGE = "club-judge@production", "club-judge@staging"


@pytest.fixture
def judged(platform, entries_folder, labelled):
    """A round judged by rule, and two revisions to try on it."""
    labelled("production", "club-judge")
    labelled("staging", "club-judge", "{critique: {system: You judge in one word.}}")
    batch = platform.register("judge", entries_folder)
    assert platform.run("judge", batch).success
    return batch


@pytest.mark.usefixtures("model")
def test_two_judges_are_asked_about_every_entry_and_no_result_changes(
    platform, judged, server, try_, tmp_path
):
    before = platform.store.tables.current("judge/critiques", judged)
    said, told = try_(judged, *JUDGE, "--model", "near-vlm")
    assert platform.store.tables.current("judge/critiques", judged) == before
    assert len(server.history) == 12
    assert (
        sum("You judge in one word." in json.dumps(asked.body["messages"]) for asked in server.history) == 6
    )
    assert said["summary"]["compared"] == len(said["entries"]) == 6
    assert {one["first"]["score"] is None for one in said["entries"]} == {False}
    assert said["trial"]["model"] == "near-vlm"
    assert "6 entries, 6 answered by both; the second marks" in told
    page = (tmp_path / "trial" / "trial.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 6
    assert (tmp_path / "trial" / "trial.csv").exists()


def test_a_trial_is_in_telemetry_and_its_answers_are_known_to_a_later_run(
    platform, judged, model, server, try_
):
    try_(judged, *JUDGE, "--model", "near-vlm")
    with connect(platform.store.home) as catalog:
        found = catalog.execute(
            "SELECT DISTINCT stage, batch, profile_id FROM events WHERE stage = 'prompts/trial'"
        ).fetchall()
    assert found == [("prompts/trial", judged, "club-judge")]
    asked = platform.run(
        "judge",
        judged,
        config={"judge/critiques": {"profile": "club-judge@staging", "model": "near-vlm"}},
        only=["judge/entries", "judge/compliance", "judge/signals", "judge/critiques"],
    )
    assert platform.asked(asked) == {}
    assert len(server.history) == 12
    said, _ = try_(judged, *JUDGE, "--model", "near-vlm")
    assert said["summary"]["first"]["recalled"] == 6


def test_an_entry_without_an_answer_is_told_and_the_others_are_compared(judged, model, server, try_):
    server.faults.append(Http(400, message="no such thing"))
    said, _ = try_(judged, *JUDGE, "--model", "near-vlm")
    assert said["summary"]["compared"] == 5
    assert said["summary"]["first"]["errors"] + said["summary"]["second"]["errors"] == 1


@pytest.mark.usefixtures("model")
def test_a_keyword_stage_is_tried_on_the_captions_that_there_are(
    platform, shoot_folder, labelled, server, try_
):
    labelled("production", "library")
    labelled("staging", "library", "{keywords: {system: You choose keywords in Welsh.}}")
    batch = platform.register("tagger", shoot_folder)
    platform.run("tagger", batch, config={asset: {"model": "baseline-tagger"} for asset in _TAGGER})
    said, _ = try_(
        batch, "library@production", "library@staging", "--stage", "keywords", "--model", "near-vlm"
    )
    assert said["trial"]["stage"] == "tagger/keywords"
    captions = {row["caption"] for row in platform.rows("tagger/captions", batch)}
    assert all(any(caption in asked.text for caption in captions) for asked in server.history)
    assert said["summary"]["added"] == sum(len(one["added"]) for one in said["entries"])


_TAGGER = ("tagger/captions", "tagger/keywords", "tagger/descriptions")


def test_what_compares_nothing_is_told(judged, model, try_):
    with pytest.raises(NothingToTry, match="ask the same at stage critique"):
        try_(judged, "club-judge@production", "club-judge@production", "--model", "near-vlm")
    with pytest.raises(NothingToTry, match="There is no judge batch 'nope'"):
        try_("nope", *JUDGE)
    with pytest.raises(NothingToTry, match="does not ask one question an entry"):
        try_(judged, *JUDGE, "--stage", "pairwise", "--model", "near-vlm")
    with pytest.raises(NothingToTry, match="there are critique, pairwise"):
        try_(judged, *JUDGE, "--stage", "nope")
    with pytest.raises(NothingToTry, match="two revisions of one profile"):
        try_(judged, "club-judge@production", "library", "--model", "near-vlm")


def test_a_baseline_tries_no_prompt(judged, try_):
    with pytest.raises(ReadsNoPrompt, match="answers by rule"):
        try_(judged, *JUDGE)
