"""A review of a tagged batch: decisions are kept, told, and what is approved is written."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from made_up_photos import write_photo

from imageworks.personal_tagger.review import review_csv
from imageworks.personal_tagger.review_file import read_review
from imageworks_dagster.stages import BatchTables
from imageworks_dagster.tagging.reviewing import OTHER_WORDS, STALE, UNKNOWN, WRONG, Review
from photos.metadata.reading import read_metadata
from store.batches import batch as registered_batch
from store.overrides import Override, in_force, override, overrides_of

pytestmark = pytest.mark.slow

ALL = ("caption", "keywords", "description")


@pytest.fixture(scope="module")
def tagged(open_platform, tmp_path_factory):
    """A batch that was tagged once, of which each test decides on photos of its own."""
    place = tmp_path_factory.mktemp("reviewed")
    for number in range(5):
        write_photo(place / "shoot" / f"IMG_{number:04d}.jpg", seed=100 + number)
    with open_platform(place) as platform:
        batch = platform.register("tagger", place / "shoot")
        assert platform.run("tagger", batch).success
        yield platform, batch, place / "shoot"


@pytest.fixture
def tagged_anew(platform, shoot_folder):
    batch = platform.register("tagger", shoot_folder)
    assert platform.run("tagger", batch).success
    return platform, batch


def review_of(platform, batch):
    return Review(BatchTables(registered_batch(platform.store.database, "tagger", batch), platform.store))


def table(platform, batch):
    photos = review_of(platform, batch).photos(platform.settings)
    return {row["file"]: row for row in csv.DictReader(io.StringIO(review_csv(photos)))}


def take_back(platform, batch, rows):
    made = io.StringIO()
    writer = csv.DictWriter(made, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return review_of(platform, batch).take_back(read_review(made.getvalue()), who="Anna")


def decide(row, **said):
    """A row with each field approved, unless something else is said of it."""
    return {**row, **{f"{field}_decision": "approve" for field in ALL}, **said}


def in_force_of(platform, batch, file):
    words = overrides_of(platform.store.database, "tagger", batch).get(f"{batch}/{file}", [])
    return {column: word.value for column, word in in_force(words).items()}


def test_only_what_a_person_approved_is_written_in_the_persons_words(tagged):
    platform, batch, shoot_folder = tagged
    rows = table(platform, batch)
    first, second, third, *_ = rows
    outcome = take_back(
        platform,
        batch,
        [
            decide(rows[first]),
            decide(
                rows[second],
                keywords="Anna, pier",
                keywords_decision="edit",
                description="A pier.\r\n\r\n\r\nEarly  in May:\r\nno wind.",
                description_decision="edit",
                caption_decision="reject",
                reason="I was there",
            ),
            {**rows[third], "caption_decision": "approve"},
        ],
    )
    assert (outcome.approved, outcome.left) == (2, {})
    assert outcome.decided == {"approve": 4, "edit": 2, "reject": 1}

    platform.run(
        "tagger",
        batch,
        config={"tagger/metadata": {"action": "apply", "approved_only": True}},
        only=["tagger/metadata"],
    )

    states = {
        row["entry_id"].split("/", 1)[1]: row["state"] for row in platform.rows("tagger/metadata", batch)
    }
    assert {file: states[file] for file in (first, second, third)} == {
        first: "written",
        second: "written",
        third: "proposed",
    }
    said = read_metadata(shoot_folder / second)
    assert said.keywords == ("Anna", "pier")
    assert said.description == "A pier.\n\nEarly in May:\nno wind."
    assert said.title is None
    assert table(platform, batch)[first]["caption_decision"] == "approve"


def test_taking_the_same_file_back_twice_keeps_no_word_twice(tagged):
    platform, batch, _ = tagged
    row = decide(table(platform, batch)["IMG_0003.jpg"], caption="A pier", caption_decision="edit")
    for _ in range(2):
        assert take_back(platform, batch, [row]).left == {}
    words = overrides_of(platform.store.database, "tagger", batch)[f"{batch}/{row['file']}"]
    assert sorted(word.column for word in words) == ["approved", "caption"]


def test_a_rejected_text_that_we_wrote_is_taken_out_of_the_file(tagged_anew, shoot_folder):
    platform, batch = tagged_anew
    apply = {"tagger/metadata": {"action": "apply"}}
    platform.run("tagger", batch, config=apply, only=["tagger/metadata"])
    row = next(iter(table(platform, batch).values()))
    take_back(platform, batch, [{**row, "caption_decision": "reject", "keywords_decision": "reject"}])
    platform.run("tagger", batch, config=apply, only=["tagger/metadata"])
    said = read_metadata(shoot_folder / row["file"])
    assert (said.title, said.keywords) == (None, ())
    assert said.description


def test_lines_that_are_unknown_stale_or_wrong_are_left_out_and_told(tagged_anew, shoot_folder):
    platform, batch = tagged_anew
    rows = list(table(platform, batch).values())
    write_photo(shoot_folder / rows[1]["file"], seed=99)
    platform.run("tagger", batch)
    outcome = take_back(
        platform,
        batch,
        [
            {**decide(rows[0]), "file": "elsewhere.jpg"},
            decide(rows[1]),
            decide(rows[2], words="words:0123456789abcdef", caption="What was proposed then"),
            decide(rows[3], caption=" ", caption_decision="edit"),
            rows[4],
        ],
    )
    assert {why: len(lines) for why, lines in outcome.left.items()} == {
        UNKNOWN: 1,
        STALE: 1,
        OTHER_WORDS: 1,
        WRONG: 1,
    }
    assert (outcome.approved, outcome.undecided) == (0, 1)
    assert all(not in_force_of(platform, batch, row["file"]) for row in rows)
    told = "\n".join(outcome.words())
    assert "line 2, elsewhere.jpg" in told
    assert "write `reject` to leave it out" in told


def test_a_text_that_was_changed_is_not_approved_and_a_reason_too_long_stops_no_other_line(tagged):
    platform, batch, _ = tagged
    rows = list(table(platform, batch).values())
    outcome = take_back(
        platform,
        batch,
        [decide(rows[2], caption="A caption of my own"), decide(rows[3], reason="because " * 400)],
    )
    assert {why: len(lines) for why, lines in outcome.left.items()} == {WRONG: 2}
    assert "write `edit` to have yours" in "\n".join(outcome.words())
    assert "A reason has at most" in "\n".join(outcome.words())
    assert outcome.approved == 0


def test_what_is_approved_of_a_photo_is_kept_and_the_rest_is_open_until_it_is_decided(tagged):
    platform, batch, _ = tagged
    row = {**table(platform, batch)["IMG_0004.jpg"], **{f"{field}_decision": "" for field in ALL}}
    first = take_back(platform, batch, [{**row, "caption_decision": "approve"}])
    assert first.approved == 0
    assert first.open[row["file"]] == ("keywords", "description")
    assert "  IMG_0004.jpg: keywords, description" in list(first.words())
    seen = table(platform, batch)[row["file"]]
    assert [seen[f"{field}_decision"] for field in ALL] == ["approve", "", ""]

    second = take_back(
        platform, batch, [{**row, "keywords_decision": "reject", "description_decision": "approve"}]
    )

    assert second.approved == 1
    assert row["file"] not in second.open


def test_an_approval_is_of_the_words_that_were_seen(tagged):
    platform, batch, _ = tagged
    row = decide(table(platform, batch)["IMG_0004.jpg"])
    take_back(platform, batch, [row])
    made = Override(
        f"{batch}/{row['file']}", row["photo"][6:], "caption", "Another", "why", "Bo", datetime.now(UTC)
    )
    override(platform.store.database, pipeline="tagger", batch=batch, made=made)
    seen = table(platform, batch)[row["file"]]
    assert [seen[f"{field}_decision"] for field in ALL] == ["", "approve", "approve"]
