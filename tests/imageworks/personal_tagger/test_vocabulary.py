from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.errors import UnknownLanguage, VocabularyFileError
from imageworks.personal_tagger.lemmas import Lemmas
from imageworks.personal_tagger.settling import KeywordRules, settle_keywords
from imageworks.personal_tagger.vocabulary_file import load_vocabulary, read_vocabulary

EXPORT = (
    "[WHAT]\n\tAnimals\n\t\tBirds\n\t\t\theron\n\t\t\t\t{grey heron}\n\t\t\tcrane\n\tMachines\n\t\tcrane\n"
    "harbor\n\t{harbour}\ntree\nglass\n# ours\n!photo\n"
)
VOCABULARY = read_vocabulary(EXPORT)
ENGLISH = Lemmas("en")
RULES = KeywordRules(VOCABULARY, lemmas=ENGLISH)
STRICT = KeywordRules(VOCABULARY, strict=True, lemmas=ENGLISH)


def test_a_lightroom_export_is_read_with_its_levels_synonyms_and_categories():
    assert [term.path for term in VOCABULARY.terms] == [
        "Animals",
        "Animals|Birds",
        "Animals|Birds|heron",
        "Animals|Birds|crane",
        "Machines",
        "Machines|crane",
        "harbor",
        "tree",
        "glass",
    ]
    assert VOCABULARY.terms[2].synonyms == ("grey heron",)
    assert VOCABULARY.categories == ("WHAT",)
    assert VOCABULARY.forbidden == ("photo",)


def test_a_term_brings_the_keywords_that_it_lies_under_and_its_whole_path():
    settled = settle_keywords([["grey heron", "dusk"]], RULES)
    assert settled.keywords == ("heron", "Birds", "Animals", "dusk")
    assert settled.paths == ("Animals|Birds|heron",)
    assert settled.suggestions == ("dusk",)


def test_strict_writes_the_vocabularys_terms_and_keeps_the_rest_as_suggestions():
    settled = settle_keywords([["harbour", "dusk"]], STRICT)
    assert settled.keywords == ("harbor",)
    assert settled.suggestions == ("dusk",)


@pytest.mark.parametrize(
    ("said", "written"),
    [("trees", "tree"), ("Harbour", "harbor"), ("Herons", "heron"), ("glasses", "glass"), ("tree", "tree")],
)
def test_forms_and_synonyms_are_written_as_the_file_spells_them(said, written):
    assert written in settle_keywords([[said]], STRICT).keywords


@pytest.mark.parametrize("word", ["horses", "cat", "cathedral", "Alps", "painting", "rowing", "geese"])
def test_a_word_that_the_vocabulary_does_not_have_stays_as_it_is(word):
    settled = settle_keywords([[word, "cathedral"]], RULES)
    assert settled.suggestions == tuple(dict.fromkeys((word, "cathedral")))


def test_a_word_of_two_meanings_is_a_suggestion_until_its_place_is_said():
    assert settle_keywords([["crane"]], STRICT).suggestions == ("crane",)
    assert settle_keywords([["Machines > crane"]], STRICT).paths == ("Machines|crane",)
    assert [word for word, _ in VOCABULARY.doubles()] == ["crane"]


@pytest.mark.parametrize("word", ["photo", "Photo", "photos"])
def test_a_forbidden_word_is_neither_written_nor_suggested(word):
    settled = settle_keywords([[word, "dusk"]], RULES)
    assert (settled.keywords, settled.suggestions) == (("dusk",), ("dusk",))


def test_samples_agree_on_forms_of_one_word_and_the_surest_comes_first():
    answers = [["fog", "boats"], ["boat", "gull"], ["boat", "fog"]]
    settled = settle_keywords(answers, KeywordRules(lemmas=ENGLISH, agreement=0.6))
    assert settled.keywords == ("boats", "fog")
    assert settled.confidence == pytest.approx((1, 2 / 3))


def test_who_says_two_forms_in_one_answer_means_both():
    assert settle_keywords([["glass", "glasses"]], KeywordRules(lemmas=ENGLISH)).keywords == (
        "glass",
        "glasses",
    )


@given(
    st.lists(st.lists(st.sampled_from(["tree", "trees", "heron", "dusk", "fog"]), unique=True), min_size=1)
)
def test_whatever_is_said_keywords_are_distinct_and_each_has_a_share(answers):
    settled = settle_keywords(answers, RULES)
    assert len(set(settled.keywords)) == len(settled.keywords) == len(settled.confidence)
    assert all(0.5 <= share <= 1 for share in settled.confidence)
    assert all(set(path.split("|")) <= set(settled.keywords) for path in settled.paths)


def test_every_wrong_line_is_told_with_its_number():
    with pytest.raises(VocabularyFileError) as told:
        read_vocabulary("a, b\n\t\tdeep\n[x]\n\t{y}\n_wip\nsea\nsea\n!sea\n  led\n", source="my.txt")
    lines = str(told.value).splitlines()
    numbers = [int(line.removeprefix("my.txt, line ").partition(":")[0]) for line in lines]
    assert numbers == [1, 2, 4, 5, 7, 8, 9]
    assert "would be written as 'wip'" in str(told.value)


def test_a_file_that_is_no_text_says_where(tmp_path):
    file = tmp_path / "v.txt"
    file.write_bytes("sea\nK\xfcste\n".encode("latin-1"))
    with pytest.raises(VocabularyFileError, match=r"v\.txt, line 2: this is no UTF-8"):
        load_vocabulary(file)
    with pytest.raises(VocabularyFileError, match="cannot be read"):
        load_vocabulary(tmp_path / "none.txt")


def test_a_language_without_tables_is_refused_with_those_there_are():
    with pytest.raises(UnknownLanguage, match=r"'xx': choose 'none' or one of .*de, .*en"):
        Lemmas("xx")


def test_german_nouns_keep_their_capitals_and_are_compared_all_the_same():
    vocabulary = read_vocabulary("Haus\n")
    settled = settle_keywords([["Häuser"]], KeywordRules(vocabulary, lemmas=Lemmas("de")))
    assert settled.keywords == ("Haus",)
