from __future__ import annotations

import pytest

from imageworks.judge_vision.competition import Competition, Rules, default_competition
from imageworks.judge_vision.compliance import (
    Compliance,
    EntryFacts,
    byte_words,
    check,
    check_all,
)

CLUB = Competition(
    id="club",
    rules=Rules(
        max_width=1600,
        max_height=1200,
        min_width=600,
        max_bytes=2_000_000,
        formats=("JPEG",),
        color_space="sRGB IEC61966-2.1",
        naming="{title} by {author}",
        entries_per_author=2,
    ),
)


def entry(name="Blue Hour by Ann Lee.jpg", **changes):
    facts = {
        "entry_id": f"round/{name}",
        "file_name": name,
        "format": "jpeg",
        "width": 1600,
        "height": 1067,
        "file_size": 900_000,
        "color_space": "sRGB",
        "photo_id": f"photo-{name}",
        "file_sha256": f"file-{name}",
    }
    return EntryFacts(**{**facts, **changes})


def rules_of(compliance):
    return {finding.rule: finding.verdict for finding in compliance.findings}


def test_an_entry_within_all_limits_passes_without_findings():
    assert check(entry(), CLUB) == Compliance(entry_id="round/Blue Hour by Ann Lee.jpg", verdict="pass")


@pytest.mark.parametrize(
    ("changes", "rule", "verdict"),
    [
        ({"width": 1601}, "max_width", "fail"),
        ({"height": 1201}, "max_height", "fail"),
        ({"width": 599}, "min_width", "fail"),
        ({"file_size": 2_000_001}, "max_bytes", "fail"),
        ({"format": "png"}, "formats", "fail"),
        ({"color_space": "Adobe RGB (1998)"}, "color_space", "fail"),
        ({"color_space": "unknown"}, "color_space", "query"),
        ({"color_space": None}, "color_space", "query"),
        ({"color_space": "Gray"}, "color_space", "query"),
        ({"name": "IMG_1.jpg"}, "naming", "fail"),
    ],
)
def test_each_rule_is_checked_at_its_edge(changes, rule, verdict):
    compliance = check(entry(**changes), CLUB)
    assert rules_of(compliance)[rule] == verdict


@pytest.mark.parametrize(
    ("error_class", "words"),
    [
        ("empty_file", "empty"),
        ("truncated", "cut off"),
        ("not_a_picture", "not a picture"),
        ("new_error", "opened"),
    ],
)
def test_a_file_that_cannot_be_opened_fails_in_plain_words(error_class, words):
    compliance = check(entry(width=None, height=None, format=None, error_class=error_class), CLUB)
    assert compliance.verdict == "fail"
    assert words in compliance.findings[0].message


def test_a_name_that_lies_about_the_format_is_a_query():
    compliance = check(entry(name="Blue Hour.jpg", format="png"), default_competition())
    assert rules_of(compliance) == {"extension": "query"}
    assert check(entry(name="Blue Hour.jfif"), default_competition()).verdict == "pass"


def test_a_grey_picture_is_what_rules_for_grey_ones_ask_for():
    grey = Competition(id="grey", rules=Rules(color_space="Gray"))
    assert check(entry(color_space="Gray"), grey).verdict == "pass"
    assert check(entry(), grey).verdict == "fail"


def test_a_portrait_keeps_to_the_height_too():
    assert check(entry(width=1200, height=1600), CLUB).verdict == "fail"
    assert check(entry(width=900, height=1200), CLUB).verdict == "pass"


def test_without_rules_everything_readable_passes():
    assert check(entry(width=99_999, color_space="unknown"), default_competition()).verdict == "pass"


def test_of_equal_pictures_the_first_stays_in():
    first = entry("A by Ann Lee.jpg", photo_id="same", file_sha256="one")
    again = entry("B by Bo Li.jpg", photo_id="same", file_sha256="one")
    retagged = entry("C by Cy Po.jpg", photo_id="same", file_sha256="two")
    found = check_all([retagged, first, again], CLUB)
    assert [compliance.verdict for compliance in found] == ["fail", "query", "fail"]
    assert "other metadata" in found[0].findings[0].message
    assert "same file" in found[2].findings[0].message


def test_of_equal_pictures_one_that_keeps_the_other_rules_stays_in():
    misnamed = entry("DSC1.jpg", photo_id="same")
    kept = entry("Sunset by Ann Lee.jpg", photo_id="same")
    found = check_all([misnamed, kept], CLUB)
    assert [compliance.verdict for compliance in found] == ["fail", "query"]
    assert rules_of(found[0]) == {"naming": "fail", "duplicate": "fail"}
    assert "this one counts" in found[1].findings[0].message


def test_where_no_copy_keeps_the_other_rules_none_is_said_to_count():
    found = check_all([entry("DSC1.jpg", photo_id="same"), entry("DSC2.jpg", photo_id="same")], CLUB)
    assert [compliance.verdict for compliance in found] == ["fail", "fail"]
    assert not any("counts" in finding.message for compliance in found for finding in compliance.findings)


def test_copies_name_each_other_and_say_which_counts_and_why():
    names = ["Blue Hour by Ann Lee.jpg", "Mono/Night by Bo Li.jpg"]
    first, second = check_all([entry(name, photo_id="same") for name in names], CLUB)
    assert first.findings[0].message == (
        "The same picture was handed in twice, also as “Mono/Night by Bo Li.jpg”; this one counts, as the first by "
        "name of those that keep all other rules."
    )
    assert second.findings[0].message == (
        "This is the same picture, with other metadata, as “Blue Hour by Ann Lee.jpg”, which counts, as the first by "
        "name of those that keep all other rules."
    )


def test_of_many_copies_a_few_are_named():
    names = [f"Night {number} by Bo Li.jpg" for number in range(9)]
    first, *_ = check_all([entry(name, photo_id="same") for name in names], CLUB)
    assert "“Night 5 by Bo Li.jpg” and 3 more; this one counts" in first.findings[0].message


def test_what_keeps_an_entry_out_comes_before_what_is_to_be_looked_at():
    compliance = check(entry(color_space=None, file_size=3_000_000), CLUB)
    assert [finding.verdict for finding in compliance.findings] == ["fail", "query"]


def test_entries_without_an_identity_are_nobodys_duplicates():
    nameless = [entry("A by Ann Lee.jpg", photo_id=None), entry("B by Bo Li.jpg", photo_id=None)]
    assert all(compliance.verdict == "pass" for compliance in check_all(nameless, CLUB))


def test_more_entries_of_one_author_than_allowed_are_a_persons_choice():
    names = ["A by Ann Lee.jpg", "B by ann lee.jpg", "C by Ann Lee.jpg", "D by Bo Li.jpg"]
    found = check_all([entry(name) for name in names], CLUB)
    assert ["entries_per_author" in rules_of(compliance) for compliance in found] == [True, True, True, False]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Dawn by Ann Lee by night.jpg", "more than once"),
        ("Ann by Ann Lee.jpg", "a word of the author's name"),
    ],
)
def test_a_title_that_the_judge_is_not_shown_is_looked_at_by_a_person(name, words):
    compliance = check(entry(name), CLUB)
    assert rules_of(compliance) == {"naming": "query"}
    assert words in compliance.findings[0].message


def test_an_author_that_is_not_certain_is_not_counted():
    names = ["A by Ann Lee.jpg", "B by Ann Lee.jpg", "C by night by Ann Lee.jpg"]
    assert not any(
        "entries_per_author" in rules_of(found) for found in check_all(list(map(entry, names)), CLUB)
    )


SECTIONS = Competition(
    id="sections", categories=("Colour", "Mono"), rules=Rules(naming="{category} - {title} by {author}")
)


def test_a_category_in_the_name_that_the_rules_do_not_have_fails():
    compliance = check(entry("Nature - Dawn by Ann Lee.jpg"), SECTIONS)
    assert rules_of(compliance) == {"category": "fail"}
    assert "Colour, Mono" in compliance.findings[0].message
    assert check(entry("mono - Dawn by Ann Lee.jpg"), SECTIONS).verdict == "pass"


def test_an_entry_beside_the_categories_is_looked_at_by_a_person():
    folders = Competition(id="folders", categories=("Colour", "Mono"))
    found = check_all([entry("Colour/Dawn.jpg"), entry("Dusk.jpg")], folders)
    assert [rules_of(compliance) for compliance in found] == [{}, {"category": "query"}]


def test_a_batch_of_which_nothing_says_a_category_is_not_divided():
    folders = Competition(id="folders", categories=("Colour", "Mono"))
    found = check_all([entry("Dawn.jpg"), entry("Dusk.jpg")], folders)
    assert all(compliance.verdict == "pass" for compliance in found)


def test_no_finding_repeats_the_authors_name():
    names = ["A by Ann Lee.jpg", "B by Ann Lee.jpg", "C by Ann Lee.jpg", "Ann_Lee_D.jpg"]
    names += ["Dawn by Ann Lee by night.jpg", "Ann by Ann Lee.jpg"]
    for compliance in check_all([entry(name) for name in names], CLUB):
        for finding in compliance.findings:
            assert "Ann" not in finding.message


@pytest.mark.parametrize(
    ("count", "words"), [(999, "999 bytes"), (940_000, "940 kB"), (2_100_000, "2.10 MB"), (2_000_000, "2 MB")]
)
def test_sizes_are_said_as_people_say_them(count, words):
    assert byte_words(count) == words


def test_a_compliance_survives_a_journey_through_json():
    compliance = check(entry(width=5000), CLUB)
    assert Compliance.model_validate(compliance.model_dump(mode="json")) == compliance
