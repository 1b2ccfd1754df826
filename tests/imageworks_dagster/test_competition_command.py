"""`imageworks competition check`, as an organizer at a terminal sees it."""

from __future__ import annotations

from at_terminal import imageworks


def test_a_rules_file_is_told_in_plain_words(tmp_path):
    rules = tmp_path / "club.toml"
    rules.write_text('[competition.club]\nname = "Spring [1]"\n[competition.club.rules]\nmax_width = 1600\n')

    said = imageworks(tmp_path / "home", "competition", "check", rules)

    assert said.code == 0, said
    assert "Spring [1]" in said.out
    assert "at most 1600 pixels wide; anything else is kept out." in said.out
    assert "The file can be used." in said.out
    assert not (tmp_path / "home").exists()


def test_a_wrong_file_ends_with_what_is_wrong_in_it(tmp_path):
    rules = tmp_path / "club.toml"
    rules.write_text("[competition.club.rules]\nmax_widht = 1600\n")

    said = imageworks(tmp_path / "home", "competition", "check", rules)

    assert said.code == 1
    assert "competition.club.rules.max_widht is not a known key; did you mean 'max_width'?" in said.err


def test_two_competitions_in_a_file_are_both_told_and_said_to_need_a_file_each(tmp_path):
    rules = tmp_path / "club.toml"
    rules.write_text("[competition.spring]\n[competition.autumn]\n")

    said = imageworks(tmp_path / "home", "competition", "check", rules)

    assert (said.code, "spring" in said.out, "autumn" in said.out) == (0, True, True)
    assert "each in a file of its own" in said.out
