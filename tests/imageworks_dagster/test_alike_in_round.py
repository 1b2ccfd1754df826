"""Photos of a round are compared with one another once, whoever comes and goes."""

from __future__ import annotations

import shutil

import cv2
import pytest
from made_up_photos import write_photo
from sqlalchemy import select

from imageworks_dagster import comparing
from imageworks_dagster.judging.alike import alike_in_round
from imageworks_dagster.picturing import PhotoFile
from store.batches import batch as registered_batch
from store.tables import compared_photos


class Round:
    """A registered folder of made-up photos, of which some are the same picture."""

    def __init__(self, platform, folder):
        self.store = platform.store
        self.settings = platform.settings
        folder.mkdir()
        self.folder = folder
        name = platform.register("judge", folder)
        self.batch = registered_batch(self.store.database, "judge", name)

    def photo(self, name, *, seed, smaller=False):
        path = write_photo(self.folder / f"{name}.jpg", seed=seed)
        if smaller:
            cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), None, fx=0.8, fy=0.8))
        return PhotoFile(name, path)

    def pairs(self, *photos):
        found = alike_in_round(self.store, self.batch, photos, settings=self.settings)
        assert all(pair.alike.kind == "same" for pair in found)
        return [(pair.first, pair.second) for pair in found]

    def compared(self):
        with self.store.database.read() as connection:
            return set(connection.execute(select(compared_photos.c.photo_id)).scalars())


@pytest.fixture
def round_(platform, tmp_path):
    return Round(platform, tmp_path / "round")


@pytest.fixture
def hashed(monkeypatch):
    """The ids of photos that were hashed anew."""
    seen = []
    once = comparing.Comparable.__init__

    def noting(self, photos, **options):
        photos = list(photos)
        seen.extend(photo.photo_id for photo in photos)
        once(self, photos, **options)

    monkeypatch.setattr(comparing.Comparable, "__init__", noting)
    return seen


def test_what_was_compared_is_not_compared_again(round_, hashed):
    photos = [round_.photo("b", seed=1), round_.photo("a", seed=1, smaller=True), round_.photo("c", seed=2)]

    assert round_.pairs(*photos) == [("a", "b")]
    del hashed[:]
    assert round_.pairs(*photos) == [("a", "b")]
    assert hashed == []


def test_a_later_photo_is_compared_with_those_that_were_there(round_, hashed):
    there = [round_.photo("b", seed=1), round_.photo("c", seed=2)]
    assert round_.pairs(*there) == []
    del hashed[:]
    later = [round_.photo("a", seed=1, smaller=True), round_.photo("d", seed=1, smaller=True)]

    assert set(round_.pairs(*there, *later)) == {("b", "a"), ("b", "d"), ("a", "d")}
    assert set(hashed) == {"a", "d"}


def test_a_photo_that_left_is_in_no_pair_and_is_new_when_it_comes_back(round_):
    one, same = round_.photo("a", seed=1), round_.photo("b", seed=1, smaller=True)
    other, again = round_.photo("c", seed=2), round_.photo("d", seed=1, smaller=True)
    assert round_.pairs(one, same, other) == [("a", "b")]

    assert round_.pairs(same, other) == []
    assert round_.pairs(same, other, again) == [("b", "d")]
    assert set(round_.pairs(one, same, other, again)) == {("b", "a"), ("b", "d"), ("d", "a")}


def test_a_photo_whose_small_picture_was_deleted_is_looked_at_again(round_):
    there = [round_.photo("a", seed=1), round_.photo("c", seed=2)]
    assert round_.pairs(*there) == []
    shutil.rmtree(round_.store.home.root / "thumbnails")

    assert round_.pairs(*there, round_.photo("b", seed=1, smaller=True)) == [("a", "b")]


def test_a_round_knows_nothing_of_another(platform, round_, tmp_path):
    other = Round(platform, tmp_path / "other")
    photos = [round_.photo("a", seed=1), round_.photo("b", seed=1, smaller=True)]
    assert round_.pairs(*photos) == [("a", "b")]

    assert other.pairs(photos[0]) == []
    assert other.pairs(*photos) == [("a", "b")]


def test_of_two_runs_at_once_the_second_keeps_nothing_that_missed_the_photos_of_the_first(
    round_, monkeypatch
):
    there = round_.photo("a", seed=2)
    assert round_.pairs(there) == []
    ours, theirs = round_.photo("b", seed=1), round_.photo("c", seed=1, smaller=True)
    once = comparing.Comparable.__init__

    def overtaken(self, photos, **options):
        once(self, photos, **options)
        monkeypatch.setattr(comparing.Comparable, "__init__", once)
        assert round_.pairs(there, theirs) == []

    monkeypatch.setattr(comparing.Comparable, "__init__", overtaken)

    assert round_.pairs(there, ours) == []
    assert round_.compared() == {"a", "c"}
    assert round_.pairs(there, ours, theirs) == [("c", "b")]
