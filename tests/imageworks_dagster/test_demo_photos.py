"""The demo's photos are what the guide says of them: good ones, and each fault once."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

from imageworks.judge_vision.competition_file import load_competition
from imageworks_dagster.demo import making, profiles
from imageworks_dagster.demo.making import DemoFolders, make_demo
from imageworks_dagster.demo.round_entries import ENTRIES
from imageworks_dagster.demo.shoot_photos import PHOTOS
from photos.color import describe_profile
from photos.decoding import decode
from photos.errors import EmptyFile, PictureError, Truncated
from photos.facts import read_facts
from photos.identity import photo_id
from photos.metadata.reading import read_metadata
from photos.signals import Signals, measure

SOURCES = Path(making.__file__).parent / "sources"
LIMITS = {"max_pixels": 100_000_000, "max_file_bytes": 300 << 20}


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> DemoFolders:
    return make_demo(tmp_path_factory.mktemp("demo"))


def digests(demo: DemoFolders) -> dict[str, str]:
    files = (path for path in demo.rules.parent.rglob("*") if path.is_file())
    return {
        str(path.relative_to(demo.rules.parent)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def entry(demo: DemoFolders, title: str) -> Path:
    (found,) = demo.judge.glob(f"{title}*")
    return found


def signals(demo: DemoFolders, title: str) -> Signals:
    return measure(decode(entry(demo, title), **LIMITS).pixels)


def test_it_makes_a_round_a_shoot_and_rules(demo):
    assert {path.name for path in demo.judge.iterdir()} == set(ENTRIES)
    assert {str(path.relative_to(demo.tag)) for path in demo.tag.rglob("*.*")} == set(PHOTOS)
    assert demo.rules.is_file()


def test_making_it_again_writes_nothing_and_keeps_what_was_changed(demo):
    photo = demo.tag / "DSC_0101.jpg"
    whole = photo.read_bytes()
    photo.write_bytes(whole + b"tagged")
    times = {path: path.stat().st_mtime_ns for path in demo.rules.parent.rglob("*")}
    make_demo(demo.rules.parent)
    assert {path: path.stat().st_mtime_ns for path in demo.rules.parent.rglob("*")} == times
    photo.write_bytes(whole)


def test_a_file_that_is_missing_comes_back_as_it_was(demo):
    before = digests(demo)
    for name in ("Morning Light by Member 07.jpg", "The Inner Eye by Member 17.jpg"):
        (demo.judge / name).unlink()
    (demo.tag / "DSC_0104.jpg").unlink()
    make_demo(demo.rules.parent)
    assert digests(demo) == before


@pytest.mark.slow
def test_the_bytes_hold_no_date_of_today_and_no_chance():
    for content in (
        ENTRIES["Island Universes by Member 15.jpg"],
        PHOTOS["DSC_0104.jpg"],
        PHOTOS["galaxies.png"],
    ):
        assert content() == content()


def test_the_rules_are_a_competition_that_the_judge_reads(demo):
    competition = load_competition(demo.rules, "demo_round")
    assert (competition.rules.max_width, competition.rules.max_height) == (1600, 1200)
    assert competition.rules.color_space == "sRGB"
    assert competition.rules.naming == "{title} by {author}"
    assert competition.playoff.rounds > 0
    assert set(competition.awards) == set(competition.score_bands)


def test_no_person_is_made_up(demo):
    named = [path.name for path in demo.judge.iterdir() if " by " in path.name]
    assert all(re.fullmatch(r".+ by Member \d\d\.jpg", name) for name in named)
    assert all(read_metadata(path).creator == () for path in demo.tag.rglob("*.*"))


@pytest.mark.parametrize(
    "title",
    [
        "Commander",
        "Corner Table",
        "Watchful",
        "Lift Off",
        "At Work",
        "Still Water",
        "Morning Light",
        "Old Wall",
    ],
)
def test_the_good_entries_keep_the_rules(demo, title):
    facts = read_facts(entry(demo, title))
    assert facts.width <= 1600
    assert facts.height <= 1200
    assert facts.color_space == "sRGB"
    assert facts.format == "jpeg"


def test_one_entry_is_too_large_and_one_portrait_too_tall(demo):
    large, tall = read_facts(entry(demo, "Ten Thousand")), read_facts(entry(demo, "Four Towers"))
    assert (large.width, large.height) == (1920, 1280)
    assert (tall.width, tall.height) == (1000, 1500)


def test_the_blurred_entry_is_much_softer_than_its_sharp_sister(demo):
    assert signals(demo, "Second Cup").sharpness < signals(demo, "Corner Table").sharpness / 10


def test_the_noisy_entry_is_much_noisier_than_its_clean_sister(demo):
    assert signals(demo, "Night Watch").noise > 4 * signals(demo, "Watchful").noise


def test_the_burnt_out_entry_clips_a_third_of_its_highlights(demo):
    assert signals(demo, "Noon").clipped_highlights > 0.3
    assert signals(demo, "Commander").clipped_highlights < 0.1


def test_the_wide_gamut_entry_says_adobe_rgb_and_means_it(demo):
    path = entry(demo, "Island Universes")
    assert read_facts(path).color_space == "Adobe RGB"
    assert decode(path, **LIMITS).pixels.shape == (1200, 1400, 3)


def test_one_entry_is_another_one_with_other_metadata(demo):
    first, second = entry(demo, "Corner Table"), entry(demo, "Second Helping")
    assert first.read_bytes() != second.read_bytes()
    assert photo_id(first) == photo_id(second)
    assert read_metadata(second).title == "Second Helping"
    counts = Counter(photo_id(path) for path in demo.judge.iterdir())
    assert sorted(counts.values())[-2:] == [1, 2]


def test_one_entry_is_a_png_by_another_name(demo):
    assert read_facts(entry(demo, "The Inner Eye")).format == "png"


def test_the_cut_off_and_the_empty_entry_cannot_be_decoded(demo):
    with pytest.raises(Truncated):
        decode(entry(demo, "Meadow"), **LIMITS)
    with pytest.raises(EmptyFile):
        decode(entry(demo, "Nothing Yet"), **LIMITS)


def test_every_other_photo_decodes(demo):
    failed = []
    for path in (*demo.judge.iterdir(), *demo.tag.rglob("*.*")):
        try:
            read_facts(path)
        except PictureError:
            failed.append(path.name)
    assert set(failed) <= {"Meadow by Member 18.jpg", "Nothing Yet by Member 19.jpg"}


def test_the_shoot_has_a_turned_photo_and_one_in_display_p3(demo):
    turned = read_facts(demo.tag / "DSC_0103.jpg")
    assert turned.orientation == 6
    assert (turned.width, turned.height) == (900, 1100)
    assert read_facts(demo.tag / "DSC_0105.jpg").color_space == "Display P3"


def test_the_shoot_carries_a_photographers_own_words(demo):
    assert "Café Küche" in read_metadata(demo.tag / "DSC_0102.jpg").keywords
    cat = read_metadata(demo.tag / "DSC_0104.jpg")
    assert cat.has_iptc
    assert cat.keywords == ("cat", "Chelsea")
    assert cat.rating == 4
    launch = read_metadata(demo.tag / "DSC_0106.jpg")
    assert set(launch.descriptions) == {"x-default", "de-DE"}
    assert launch.hierarchical_keywords == ("vehicle|spaceflight|rocket",)
    assert read_metadata(demo.tag / "DSC_0101.jpg").captured == "2024-05-11T08:12:40"


@pytest.mark.parametrize(
    ("space", "expected"),
    [(profiles.SRGB, "sRGB"), (profiles.ADOBE_RGB, "Adobe RGB"), (profiles.DISPLAY_P3, "Display P3")],
)
def test_each_profile_does_what_its_name_says(space, expected):
    described = describe_profile(profiles.icc_profile(space))
    assert described is not None
    assert (described.space, described.name) == (expected, space.name)


def test_the_committed_sources_are_small_and_each_is_accounted_for():
    sizes = {path.name: path.stat().st_size for path in SOURCES.glob("*.jpg")}
    assert max(sizes.values()) <= 120 * 1024
    assert sum(sizes.values()) <= 1.2 * 1024 * 1024
    told = (SOURCES.parent / "SOURCES.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in told for name in sizes)
