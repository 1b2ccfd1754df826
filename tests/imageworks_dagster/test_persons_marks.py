"""Which of people's marks the report shows beside the judge's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from imageworks.judge_vision.report_entry import PersonsWord
from imageworks_dagster.judging.report import persons_words
from store.overrides import Override, override

BEGAN = datetime(2026, 3, 4, tzinfo=UTC)


def say(platform, value, *, entry="b/dawn", photo="as-now", who="Ada", after=0):
    made = Override(entry, photo, "score", value, f"because {value}", who, BEGAN + timedelta(minutes=after))
    override(platform.store.database, pipeline="judge", batch="b", made=made)


def shown(platform, **photos):
    entries = {f"b/{name}": {"photo_id": photo} for name, photo in photos.items()}
    return persons_words(platform.store.database, "b", entries)


def test_the_latest_mark_given_to_this_picture_is_shown_with_who_and_why(platform):
    say(platform, 12)
    say(platform, 15, who="Ben", after=1)
    assert shown(platform, dawn="as-now", dusk="other") == {
        "b/dawn": PersonsWord(score=15, who="Ben", reason="because 15")
    }


def test_a_mark_that_was_given_to_another_picture_of_that_name_is_not_shown(platform):
    say(platform, 12)
    say(platform, 19, photo="as-before", after=1)
    assert shown(platform, dawn="as-now")["b/dawn"].score == 12
    assert shown(platform, dawn="as-never") == {}


def test_a_mark_that_was_taken_back_and_one_of_an_entry_that_is_gone_are_not_shown(platform):
    say(platform, 12)
    say(platform, None, after=1)
    say(platform, 14, entry="b/gone")
    assert shown(platform, dawn="as-now") == {}
