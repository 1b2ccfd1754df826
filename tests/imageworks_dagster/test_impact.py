"""What a change makes stale, and what it costs: counted, and held to what a run then asks."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from imageworks_dagster.command.prompts import app
from imageworks_dagster.impact import StageSituation, impact_on, requests_of
from imageworks_dagster.pipelines import JUDGE, PIPELINES, TAGGER
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import Identity
from prompt_hub.revisions.store import PromptStore
from store.batches import pin, publish

ANN = Identity("ann")


def situations(pipeline, changing, *, askable=10, to_ask=4, without_table=()):
    return [
        StageSituation(
            stage.asset,
            stage.reads,
            stage.asset not in without_table,
            stage.asset in changing,
            askable if stage.asks else 0,
            to_ask if stage.asks else None,
        )
        for stage in pipeline.stages
    ]


def counts(impacts):
    return {one.asset: (one.requests, one.exact) for one in impacts}


def test_a_change_of_no_prompt_makes_nothing_stale():
    assert impact_on(situations(TAGGER, set())) == []


def test_a_stage_whose_prompt_changes_is_exact_and_what_reads_it_is_a_bound():
    found = impact_on(situations(TAGGER, {"tagger/keywords"}))
    assert counts(found) == {
        "tagger/keywords": (4, True),
        "tagger/descriptions": (10, False),
        "tagger/metadata": (0, True),
    }
    assert [(one.why, one.because) for one in found][:2] == [
        ("prompt", ()),
        ("inputs", ("tagger/keywords",)),
    ]
    assert requests_of(found) == (4, 14)


def test_a_stage_whose_prompt_and_inputs_change_is_a_bound():
    found = impact_on(situations(TAGGER, {"tagger/captions", "tagger/keywords"}))
    assert counts(found)["tagger/keywords"] == (10, False)
    assert found[1].why == "prompt"


def test_what_never_ran_is_not_stale():
    found = impact_on(
        situations(JUDGE, {"judge/critiques", "judge/playoff"}, without_table={"judge/playoff"})
    )
    assert [one.asset for one in found] == ["judge/critiques", "judge/results"]


def test_a_count_that_cannot_be_known_is_a_bound():
    found = impact_on(situations(JUDGE, {"judge/playoff"}, to_ask=None))
    assert counts(found) == {"judge/playoff": (10, False), "judge/results": (0, True)}


@given(
    st.sampled_from(list(PIPELINES.values())),
    st.sets(st.sampled_from([stage.asset for one in PIPELINES.values() for stage in one.asking])),
    st.integers(0, 50),
    st.integers(0, 50),
)
def test_the_least_is_no_more_than_the_most_and_nothing_upstream_of_a_change_is_stale(
    pipeline, changing, askable, known
):
    stages = situations(pipeline, changing, askable=askable, to_ask=min(askable, known))
    found = impact_on(stages)
    least, most = requests_of(found)
    assert least <= most
    stale = {one.asset for one in found}
    for stage in pipeline.stages:
        assert (stage.asset in stale) == bool(changing & {stage.asset, *stage.reads})


KEYWORDS = "id: library\nstages: {keywords: {system: You choose keywords in Welsh.}}\n"
CRITIQUE = "id: club-judge\nstages: {critique: {parameters: {temperature: 0.9}}}\n"


@pytest.fixture
def foresee(platform, monkeypatch):
    """What the command says, as JSON or as text."""
    monkeypatch.setenv("IMAGEWORKS_HOME", str(platform.settings.home))

    def run(*arguments, form="json"):
        done = CliRunner().invoke(app, ["impact", *map(str, arguments), "--format", form])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return json.loads(done.stdout) if form == "json" else done.output

    return run


@pytest.fixture
def change(tmp_path):
    def write(text):
        file = tmp_path / "change.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def adopt(platform, file):
    folder = platform.settings.home / "prompts"
    folder.mkdir(exist_ok=True)
    (folder / "mine.yaml").write_text(file.read_text(encoding="utf-8"), encoding="utf-8")


def foreseen(said):
    return {
        stage["asset"]: (stage["requests"], stage["exact"])
        for batch in said["batches"]
        for stage in batch["stages"]
    }


def test_a_file_is_foreseen_to_ask_exactly_what_the_next_run_asks(platform, shoot_folder, foresee, change):
    batch = platform.register("tagger", shoot_folder)
    assert platform.run("tagger", batch).success
    file = change(KEYWORDS)

    said = foresee(file)
    assert foreseen(said) == {
        "tagger/keywords": (5, True),
        "tagger/descriptions": (5, False),
        "tagger/metadata": (0, True),
    }
    assert said["requests"] == {"least": 5, "most": 10}
    shown = foresee(file, form="table")
    assert "5 to 10 requests, as the tables are now." in shown
    assert "at most 5" in shown
    assert f"Run it with: imageworks tag '{shoot_folder}' --batch {batch}" in shown

    adopt(platform, file)
    asked = platform.asked(platform.run("tagger", batch))
    assert asked["tagger/keywords"] == 5
    assert asked.get("tagger/descriptions", 0) <= 5
    assert "tagger/captions" not in asked


def test_answers_that_are_kept_cost_nothing(platform, shoot_folder, foresee, change, tmp_path):
    batch = platform.register("tagger", shoot_folder)
    platform.run("tagger", batch)
    file = change(KEYWORDS)
    adopt(platform, file)
    platform.run("tagger", batch)
    back = tmp_path / "back.yaml"
    shipped = PromptHub.load(None).get("library").stage("keywords").system
    back.write_text(
        json.dumps({"id": "library", "stages": {"keywords": {"system": shipped}}}), encoding="utf-8"
    )

    assert foreseen(foresee(back))["tagger/keywords"] == (0, True)
    assert "0 of 5, 5 known" in foresee(back, form="table")
    adopt(platform, back)
    assert platform.asked(platform.run("tagger", batch)) == {}


def test_a_label_is_foreseen_to_reach_the_batches_that_ask_with_it(
    platform, shoot_folder, entries_folder, foresee, change
):
    kept = PromptStore.over(platform.store.database)
    shipped = PromptHub.load(None).get("library")
    kept.revisions.keep(shipped, author="ann", message="")
    kept.labels.move(ANN, "production", kept.revisions.get("library", shipped.hash), why="")
    other = PromptHub.load(None, files=[change(KEYWORDS)]).get("library")
    kept.revisions.keep(other, author="ann", message="")
    batch = platform.register("tagger", shoot_folder)
    platform.run("tagger", batch, config={"tagger/keywords": {"profile": "library@production"}})
    others = platform.register("judge", entries_folder)
    platform.run("judge", others)

    said = foresee(f"library@{other.hash[:12]}", "--label", "production")
    assert [one["batch"] for one in said["batches"]] == [batch]
    assert foreseen(said)["tagger/keywords"] == (5, True)
    assert "tagger/captions" not in foreseen(said)
    # Nobody asks with staging, and what the label says already changes nothing.
    assert foresee(f"library@{other.hash[:12]}", "--label", "staging")["batches"] == []
    assert "No open batch becomes stale." in foresee(
        "library@production", "--label", "production", form="table"
    )


def test_a_playoff_is_foreseen_by_the_most_that_it_can_come_to(platform, entries_folder, foresee, change):
    batch = platform.register("judge", entries_folder)
    result = platform.run("judge", batch)
    file = change(CRITIQUE)
    found = foreseen(foresee(file))
    assert found["judge/critiques"] == (6, True)
    most, exact = found["judge/playoff"]
    assert not exact
    assert platform.asked(result)["judge/playoff"] <= most <= 6 * 5
    assert found["judge/results"] == (0, True)


def test_a_published_batch_is_listed_as_untouched(platform, shoot_folder, foresee, change):
    batch = platform.register("tagger", shoot_folder)
    platform.run("tagger", batch)
    publish(platform.store.database, "tagger", batch, by="ann")
    file = change(KEYWORDS)
    said = foresee(file)
    assert (said["batches"], [one["batch"] for one in said["published"]]) == ([], [batch])
    assert f"Published, and untouched: {batch}." in foresee(file, form="table")


def test_a_batch_whose_prompt_is_gone_is_told_and_stops_nobody(platform, shoot_folder, foresee, change):
    batch = platform.register("tagger", shoot_folder)
    platform.run("tagger", batch)
    pin(platform.store.database, "tagger", batch, "tagger/captions", profile="library@nightly")
    (one,) = foresee(change(KEYWORDS))["batches"]
    assert "no label 'nightly'" in one["problem"]


def test_a_revision_without_a_label_is_asked_for_one(platform, foresee):
    assert "library@production is no file" in foresee("library@production", form="table")
    assert "name one" in foresee("library", "birds", "--label", "staging", form="table")
