"""A batch of the tagger that asks with two revisions; a competition that must not."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from imageworks_dagster.assets.chosen import changed_choices
from imageworks_dagster.checking import Checked, answers_fit_the_schema
from imageworks_dagster.choices import resolve_choices
from imageworks_dagster.errors import WrongChoice
from imageworks_dagster.pipelines import JUDGE, TAGGER
from prompt_hub.__main__ import app as hub_app
from prompt_hub.errors import AccessRefused, PromotionRefused
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import Identity
from prompt_hub.revisions.splits import part_of
from prompt_hub.revisions.store import PromptStore

# Whole batches.
pytestmark = pytest.mark.slow

ANN = Identity("ann")
KEYWORDS = "tagger/keywords"
SPLIT = "library@production:50,library@staging:50"
ONLY = ["tagger/photos", "tagger/captions", KEYWORDS]


def profile(tmp_path, keywords):
    file = tmp_path / "change.yaml"
    file.write_text(f"id: library\nstages: {{keywords: {keywords}}}\n", encoding="utf-8")
    return PromptHub.load(None, files=[file]).get("library")


@pytest.fixture
def kept(platform):
    return PromptStore.over(platform.store.database)


@pytest.fixture
def labelled(kept):
    """Keeps a profile and lets a label point at it."""

    def label(name, one):
        kept.revisions.keep(one, author="ann", message="")
        kept.labels.move(ANN, name, kept.revisions.get(one.id, one.hash), why="")
        return one

    return label


@pytest.fixture
def two(labelled, tmp_path):
    """What production and staging point at: staging wants two keywords."""
    production = labelled("production", PromptHub.load(None).get("library"))
    few = profile(tmp_path, "{output: {properties: {keywords: {maxItems: 2}}}}")
    return production, labelled("staging", few)


@pytest.fixture
def split(platform, two, shoot_folder):
    batch = platform.register("tagger", shoot_folder)
    result = platform.run("tagger", batch, config={KEYWORDS: {"profile": SPLIT}}, only=ONLY)
    assert result.success
    return batch, result


def test_each_row_names_the_revision_that_its_photo_fell_to(platform, two, split):
    batch, _ = split
    rows = platform.rows(KEYWORDS, batch)
    for row in rows:
        one = two[part_of(row["photo_id"], [50, 50])]
        assert row["stage_hash"] == one.stage_hash("keywords")
        assert len(row["keywords"]) <= (2 if one is two[1] else 100)
    assert len(rows) == 5
    assert {row["stage_hash"] for row in rows} == {one.stage_hash("keywords") for one in two}


def test_the_manifest_holds_all_revisions_that_the_run_resolved(platform, two, split):
    _, result = split
    pinned = platform.manifest(result).profiles[KEYWORDS]
    assert pinned.reference == SPLIT
    assert [(share.reference, share.percent, share.profile_hash) for share in pinned.shares] == [
        ("library@production", 50, two[0].hash),
        ("library@staging", 50, two[1].hash),
    ]


def test_the_report_counts_each_revision_by_itself(platform, two, shoot_folder):
    batch = platform.register("tagger", shoot_folder)
    assert platform.run("tagger", batch, config={KEYWORDS: {"profile": SPLIT}}).success
    report = platform.store.home.reports / "tagger" / batch / "report.html"
    page = report.read_text(encoding="utf-8")
    for one in two:
        assert f"<code>{one.stage_hash('keywords')[:12]}</code>" in page


def test_answers_are_held_to_the_schema_of_the_revision_that_asked(platform, split):
    batch, _ = split
    outcome = answers_fit_the_schema(Checked.open(platform.settings, TAGGER, KEYWORDS, batch))
    assert (outcome.passed, outcome.metadata["looked_at"]) == (True, 5)


def test_a_promotion_of_one_share_asks_its_photos_alone(platform, two, split, labelled, tmp_path):
    batch, _ = split
    staged = sum(row["stage_hash"] == two[1].stage_hash("keywords") for row in platform.rows(KEYWORDS, batch))
    assert _changed(platform) == []
    labelled("staging", profile(tmp_path, "{output: {properties: {keywords: {maxItems: 3}}}}"))
    assert _changed(platform) == ["promoted/tagger/keywords"]
    again = platform.run("tagger", batch, only=ONLY)
    assert platform.asked(again) == {KEYWORDS: staged}


def _changed(platform):
    registry = platform.assembly().registry
    found = changed_choices(platform.instance, platform.settings, registry)
    return [one.asset_key.to_user_string() for one in found]


def test_the_same_split_asks_nothing_twice(platform, split):
    batch, _ = split
    assert platform.asked(platform.run("tagger", batch, only=ONLY)) == {}


def test_a_competition_is_judged_by_one_prompt(platform, labelled, entries_folder):
    judge = labelled("production", PromptHub.load(None).get("club-judge"))
    labelled("staging", judge.model_copy(update={"description": "Another."}))
    batch = platform.register("judge", entries_folder)
    text = "club-judge@production:80,club-judge@staging:20"
    result = platform.run("judge", batch, config={"judge/critiques": {"profile": text}})
    assert not result.success
    (failure,) = result.get_step_failure_events()
    told = failure.step_failure_data.user_failure_data.description
    assert "all entries of a competition are judged by one" in told
    assert not JUDGE.may_split


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("library@production:80,library@nightly:20", "has no label 'nightly'"),
        ("library@production:80,library:20", "what the files say"),
        ("library@production:80", "splits nothing"),
    ],
)
def test_a_split_that_cannot_be_is_a_wrong_choice(platform, two, text, words):
    parts = platform.assembly()
    with pytest.raises(WrongChoice, match=words):
        resolve_choices(
            TAGGER,
            planned=[KEYWORDS],
            configured={KEYWORDS: {"profile": text}},
            pins={},
            hub=parts.hub,
            prompts=PromptStore.over(platform.store.database),
            registry=parts.registry,
        )


REQUIRED = """\
profile: library
sets:
  prompt:
    mode: static
    required_for: [production]
    tests:
      - description: it is about a photograph
        stage: keywords
        vars: {signals: soft, existing_keywords: [], folder_words: [], caption: A harbor, max_keywords: 9}
        assert: [{type: contains, value: photograph}]
  form:
    mode: static
    tests:
      - description: it knows the caption
        stage: keywords
        vars: {signals: soft, existing_keywords: [], folder_words: [], caption: A harbor, max_keywords: 9}
        assert: [{type: contains, value: A harbor}]
"""


@pytest.fixture
def hub(platform, monkeypatch):
    """Runs a command about prompts in somebody's name; an error of ours is raised."""
    monkeypatch.setenv("IMAGEWORKS_HOME", str(platform.settings.home))

    def run(*arguments, by=None):
        done = CliRunner().invoke(hub_app, [*arguments, *(["--as", by] if by else [])])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run


def test_two_authors_gate_split_promote_and_roll_back(platform, hub, shoot_folder):
    prompts = platform.settings.home / "prompts"
    (prompts / "tests").mkdir(parents=True)
    (prompts / "tests" / "library.yaml").write_text(REQUIRED, encoding="utf-8")
    hub("roles", "ann", "publisher")
    hub("roles", "bob", "author")

    # The gate: what is required has to pass with exactly this revision, and bob may not move what is protected.
    hub("save", "library", "-m", "As shipped", by="bob")
    with pytest.raises(PromotionRefused, match="its set prompt has not passed") as refused:
        hub("label", "production", "library", by="ann")
    command = re.search(r"`python -m prompt_hub (test .*?)`", str(refused.value))[1]
    hub(*command.split())
    with pytest.raises(AccessRefused, match=r"bob \(by \w+\) may not move production"):
        hub("label", "production", "library", by="bob")
    hub("label", "production", "library", "--why", "The first", by="ann")

    # The split: bob's revision answers a share of the photos, beside the one that is promoted.
    file = prompts / "mine.yaml"
    file.write_text("id: library\nstages: {keywords: {parameters: {temperature: 0.9}}}\n", encoding="utf-8")
    hub("label", "staging", "library", "--why", "To try", by="bob")
    first, second = (PromptHub.load(folder).get("library") for folder in (None, prompts))
    batch = platform.register("tagger", shoot_folder)
    assert platform.run("tagger", batch, config={KEYWORDS: {"profile": SPLIT}}, only=ONLY).success
    for row in platform.rows(KEYWORDS, batch):
        mine = (first, second)[part_of(row["photo_id"], [50, 50])]
        assert row["stage_hash"] == mine.stage_hash("keywords")

    # The promotion, and the way back: what was answered before is found again.
    hub("test", "library@staging")
    hub("label", "production", "library@staging", "--why", "Liked by all", by="ann")
    whole = {KEYWORDS: {"profile": "library@production"}}
    assert platform.run("tagger", batch, config=whole, only=ONLY).success
    assert {row["stage_hash"] for row in platform.rows(KEYWORDS, batch)} == {second.stage_hash("keywords")}
    hub("rollback", "production", "library", "--why", "Too warm", by="ann")
    assert platform.run("tagger", batch, only=ONLY).success
    assert {row["stage_hash"] for row in platform.rows(KEYWORDS, batch)} == {first.stage_hash("keywords")}
    history = hub("history", "library")
    assert all(words in history for words in ("The first", "Liked by all", "Too warm", "To try"))
    assert "move production of library" in hub("refusals")
