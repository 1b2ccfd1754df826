from __future__ import annotations

import pytest

from imageworks.errors import CompetitionFileError, UnknownCompetition
from imageworks.judge_vision.competition import Competition, default_competition
from imageworks.judge_vision.competition_file import load_competition, read_competitions

CLUB = """
[competition.club_dpi_2025]
categories = ["Colour", "Mono"]
score_bands = { Merit = [14, 15], Credit = [16, 17], Distinction = [18, 19, 20] }
awards = ["Distinction", "Credit", "Merit"]
pairwise_rounds = 0
anchors = []
notes = '''
- Images are scored out of 20.
- Mono means one global tone.
'''

[competition.club_dpi_2025.rules]
max_width = 1600
max_height = 1200
borders = "disallowed"
manipulation = "allow minor cloning"
watermark_allowed = false
colour_space = "sRGB IEC61966-2.1"
"""


def test_a_file_as_clubs_have_it_is_read_with_its_older_names():
    club = read_competitions(CLUB)["club_dpi_2025"]
    assert club.playoff.rounds == 0
    assert club.rules.color_space == "sRGB IEC61966-2.1"
    assert club.rules.max_width == 1600
    assert club.award_for(16) == "Credit"
    assert club.award_for(13) is None
    assert club.award_order() == ("Distinction", "Credit", "Merit")


def test_a_pattern_for_names_may_say_their_extension():
    club = read_competitions("[competition.a.rules]\nnaming = '{title} by {author}.jpg'")["a"]
    assert club.rules.naming == "{title} by {author}.jpg"


@pytest.mark.parametrize(
    ("band", "marks"),
    [
        ("[16, 20]", {16, 17, 18, 19, 20}),
        ("[20, 16]", {16, 17, 18, 19, 20}),
        ("[19, 20]", {19, 20}),
        ("[18, 18]", {18}),
        ("[18]", {18}),
        ("18", {18}),
        ("[12, 15, 20]", {12, 15, 20}),
        ("[]", set()),
    ],
)
def test_two_marks_of_a_band_are_a_range_one_is_itself_and_more_are_a_list(band, marks):
    club = read_competitions(f"[competition.a]\nscore_bands = {{Gold = {band}}}")["a"]
    assert {mark for mark in range(21) if club.award_for(mark)} == marks
    assert Competition.model_validate(club.model_dump(mode="json")) == club


def test_marks_between_two_bands_earn_nothing():
    club = read_competitions("[competition.a]\nscore_bands = {Gold = [18, 20], Bronze = [10, 12]}")["a"]
    assert [club.award_for(mark) for mark in (12, 15, 18)] == ["Bronze", None, "Gold"]


def test_awards_may_go_by_place_instead():
    club = read_competitions("[competition.a]\nplace_bands = {Commended = [2, 4], Winner = 1}")["a"]
    assert [club.award_for(20, place) for place in (1, 2, 4, 5)] == ["Winner", "Commended", "Commended", None]
    assert club.award_order() == ("Winner", "Commended")
    assert Competition.model_validate(club.model_dump(mode="json")) == club


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("score_bands = {Gold = 20}\nplace_bands = {Gold = 1}", "keep one"),
        ("place_bands = {Gold = [1, 2], Silver = [2, 3]}", "a place earns one award"),
        ("place_bands = {Gold = 0}", "greater than or equal to 1"),
        ("awards = ['Gold']\nplace_bands = {Silver = 1}", "not among the awards"),
    ],
)
def test_places_that_earn_no_award_for_certain_are_refused(text, words):
    with pytest.raises(CompetitionFileError, match=words):
        read_competitions(f"[competition.a]\n{text}")


def test_what_is_wrong_between_two_keys_is_said_without_a_dump_of_the_file():
    with pytest.raises(CompetitionFileError) as refusal:
        read_competitions("[competition.a]\nscore_bands = {Gold = [18, 20], Silver = [15, 19]}")
    assert "{" not in str(refusal.value)


def test_the_judge_is_told_in_words_what_cannot_be_measured():
    notes = read_competitions(CLUB)["club_dpi_2025"].rules_notes()
    assert "one global tone" in notes
    assert "Borders: disallowed." in notes
    assert "logo" in notes


def test_a_batch_without_rules_has_awards_and_a_playoff():
    competition = default_competition()
    assert competition.award_for(20) == "Gold"
    assert competition.playoff.shortlist == 12
    assert competition.rules_notes() == ""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "[competition.a.rules]\nmax_widht = 3",
            ("rules.toml", "competition.a.rules.max_widht", "max_width"),
        ),
        ("[competition.a]\nplayof = 3", ("competition.a.playof", "playoff")),
        ("[competition.a.rules]\nmax_width = 'wide'", ("competition.a.rules.max_width", "wide")),
        ("[competition.a]\nscore_bands = {Gold = [21]}", ("score_bands", "0 to 20", "21")),
        ("[competition.a]\nscore_bands = {Gold = [20], Silver = [20]}", ("Gold", "Silver", "20")),
        (
            "[competition.a]\nscore_bands = {Gold = [18, 20], Silver = [15, 19]}",
            ("'Gold' (18 to 20)", "'Silver' (15 to 19)", "overlap at 18, 19"),
        ),
        ("[competition.a]\nawards = ['Gold', 'Silver', 'Gold']", ("awards", "'Gold'", "more than once")),
        ("[competition.a]\nawards = ['A']\nscore_bands = {Gold = [20]}", ("'Gold'", "['A']")),
        ("[competition.a.rules]\nmin_width = 9\nmax_width = 8", ("min_width 9", "max_width 8")),
        ("[competition.a.rules]\nnaming = '{name}'", ("{name}", "{title}")),
        ("[competition.a.rules]\nnaming = '{author} only'", ("{title} once",)),
        ("[competition.a.rules]\nnaming = '{title}{author}'", ("between two fields",)),
        ("[competition.a.rules]\nnaming = '{title} by {author'", ("rules.naming", "brace")),
        ("[competition.a.rules]\nformats = ['JPGE']", ("rules.formats.0", "did you mean JPEG", "JPGE")),
        ("[competition.a.rules]\ncolour_space = 'sRBG'", ("rules.colour_space", "did you mean sRGB", "sRBG")),
        ("[competition.a.rules]\nentries_per_author = 2", ("{author}",)),
        ("[competition.a]\npairwise_rounds = 2\nplayoff = {rounds = 3}", ("keep one",)),
        ("[competition.a]\nx = = 1", ("rules.toml", "line 2")),
        ("[contest.a]", ("[competition.<id>]", "'contest'")),
        ("", ("[competition.<id>]",)),
        ("competition = 3", ("[competition.<id>]",)),
        ("[competition]\na = 3", ("[competition.a]",)),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_the_key_and_what_is_right(text, named):
    with pytest.raises(CompetitionFileError) as refusal:
        read_competitions(text, "rules.toml")
    for words in named:
        assert words in str(refusal.value)


def test_the_only_competition_of_a_file_needs_no_name(tmp_path):
    path = tmp_path / "competitions.toml"
    path.write_text(CLUB, encoding="utf-8")
    assert load_competition(path).id == "club_dpi_2025"


def test_a_wrong_id_is_answered_with_the_nearest_and_all(tmp_path):
    path = tmp_path / "competitions.toml"
    path.write_text("[competition.spring]\n[competition.autumn]\n", encoding="utf-8")
    with pytest.raises(UnknownCompetition, match=r"Did you mean spring\? It has autumn, spring"):
        load_competition(path, "sprnig")
    with pytest.raises(UnknownCompetition, match=r"autumn and spring.* into a file of its own"):
        load_competition(path)


def test_a_file_with_the_mark_that_windows_puts_in_front_is_read(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text('[competition.spring]\nname = "Spring"\n', encoding="utf-8-sig")
    assert load_competition(path).title == "Spring"


def test_rules_are_read_with_their_accents_composed_as_names_of_files_are():
    text = '[competition.spring]\ncategories = ["Cre\u0301atif"]\n'
    assert read_competitions(text)["spring"].categories == ("Créatif",)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(CompetitionFileError, match="No such file"):
        load_competition(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"[competition.caf\xe9]")
    with pytest.raises(CompetitionFileError, match="UTF-8"):
        load_competition(tmp_path / "latin.toml")
    (tmp_path / "huge.toml").write_bytes(b"#" * 1_048_577)
    with pytest.raises(CompetitionFileError, match="larger than 1 MiB"):
        load_competition(tmp_path / "huge.toml")


def test_a_competition_survives_a_journey_through_json():
    club = read_competitions(CLUB)["club_dpi_2025"]
    assert type(club).model_validate(club.model_dump(mode="json")) == club


def test_a_competition_is_the_same_after_a_trip_through_json():
    club = read_competitions(CLUB)["club_dpi_2025"]

    assert Competition.model_validate_json(club.model_dump_json()) == club


@pytest.mark.parametrize("key", ["playoff]\nseed", "rules]\nmax_bytes"])
def test_a_whole_number_that_json_cannot_carry_is_refused(key):
    with pytest.raises(CompetitionFileError, match="less than or equal to 9007199254740991"):
        read_competitions(f"[competition.april.{key} = 9007199254740992\n")
