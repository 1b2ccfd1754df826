from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageworks.personal_tagger.merging import OurTags, merge, photographers_own
from photos.metadata.fields import PhotoMetadata
from photos.metadata.hierarchy import completed
from photos.metadata.spelling import keyword_key

OURS = OurTags(caption="A lake", description="A calm lake.", keywords=("lake", "calm"))

WORDS = st.lists(
    st.sampled_from(["lake", "Lake", "calm", "sea", "Anna", "trip", "sky"]), max_size=5, unique=True
)


def after(existing, merged):
    """The photo's metadata once the merge has been written."""
    return PhotoMetadata(
        title=existing.title if merged.fields.title is None else merged.fields.title,
        description=existing.description if merged.fields.description is None else merged.fields.description,
        keywords=existing.keywords if merged.fields.keywords is None else merged.fields.keywords,
    )


def test_a_bare_photo_gets_all_of_it():
    merged = merge(PhotoMetadata(), OURS)
    assert merged.fields.title == "A lake"
    assert merged.fields.description == "A calm lake."
    assert merged.fields.keywords == ("lake", "calm")
    assert merged.ours == OURS
    assert merged.kept == ()


def test_the_photographers_words_stay_and_ours_stand_behind_them():
    existing = PhotoMetadata(title="Garda", description="Our trip.", keywords=("Anna", "Lake"))
    merged = merge(existing, OURS)
    assert merged.fields.title is None
    assert merged.fields.description is None
    assert merged.kept == ("title", "description")
    assert merged.fields.keywords == ("Anna", "Lake", "calm")
    assert merged.ours == OurTags(keywords=("calm",))


def test_writing_the_same_again_changes_nothing():
    first = merge(PhotoMetadata(keywords=("Anna",)), OURS)
    again = merge(after(PhotoMetadata(keywords=("Anna",)), first), OURS, first.ours)
    assert again.fields.is_empty
    assert again.ours == first.ours


def test_what_somebody_changed_beside_xmp_alone_stays_with_all_of_the_field():
    standing = PhotoMetadata(title="A lake", description="A calm lake.", contradicted=("description",))
    merged = merge(standing, OurTags("A pond", "A small pond."), OURS)
    assert merged.fields.title == "A pond"
    assert merged.fields.description is None
    assert merged.kept == ("description",)
    assert merged.ours == OurTags("A pond")


def test_what_we_wrote_before_is_replaced_and_not_taken_for_theirs():
    first = merge(PhotoMetadata(keywords=("Anna",)), OURS)
    standing = after(PhotoMetadata(keywords=("Anna",)), first)
    second = merge(standing, OurTags("A pond", "A small pond.", ("pond", "calm")), first.ours)
    assert second.fields.title == "A pond"
    assert second.fields.description == "A small pond."
    assert second.fields.keywords == ("Anna", "pond", "calm")
    assert second.removed_keywords == ("lake",)
    assert second.added_keywords == ("pond",)


def test_a_text_of_ours_that_somebody_edited_is_theirs_now():
    first = merge(PhotoMetadata(), OURS)
    edited = PhotoMetadata(title="A lake", description="A calm lake near Garda.", keywords=("lake", "calm"))
    second = merge(edited, OurTags("A pond", "A pond.", ("pond",)), first.ours)
    assert second.fields.description is None
    assert second.kept == ("description",)
    assert second.ours.description == ""


def test_hostile_text_from_a_model_is_made_writable():
    merged = merge(PhotoMetadata(), OurTags("a\x00b\x1b[31m", "c\ud800d", ("x\x07y",)))
    assert merged.fields.title == "a b [31m"
    assert merged.fields.description == "c d"
    assert merged.fields.keywords == ("x y",)


def test_their_keywords_are_carried_to_the_letter():
    merged = merge(PhotoMetadata(keywords=("red\nfox", "a  b")), OURS)
    assert merged.fields.keywords == ("red\nfox", "a  b", "lake", "calm")


@pytest.mark.parametrize("theirs", ["x" * 2001, "a\ufffeb", "An\x00na"])
def test_where_one_of_their_keywords_cannot_be_written_all_keywords_stay_and_the_rest_is_written(theirs):
    before = OurTags(caption="A pond", keywords=("pond",))
    merged = merge(PhotoMetadata(title="A pond", keywords=(theirs, "pond")), OURS, before)
    assert merged.fields.keywords is None
    assert merged.fields.title == "A lake"
    assert merged.ours.keywords == ("pond",)
    assert merged.added_keywords == merged.removed_keywords == ()
    assert merged.keywords_kept.startswith("keywords holds")


def test_their_own_are_all_but_those_that_we_added():
    assert photographers_own(("Anna", "Lake", "calm"), ("calm",)) == ("Anna", "Lake")


def test_a_word_of_ours_that_they_respelled_is_theirs():
    before = OurTags(keywords=("blue sky", "lake"))
    merged = merge(PhotoMetadata(keywords=("Blue Sky", "lake")), OURS, before)
    assert merged.fields.keywords == ("Blue Sky", "lake", "calm")
    assert merged.removed_keywords == ()


def test_a_word_of_ours_that_they_filed_under_another_is_theirs():
    filed = PhotoMetadata(keywords=("cat", "Animals"), hierarchical_keywords=("Animals|cat",))
    merged = merge(filed, OurTags(keywords=("dog",)), OurTags(keywords=("cat",)))
    assert merged.fields.keywords == ("cat", "Animals", "dog")
    assert merged.ours.keywords == ("dog",)


@given(theirs=WORDS, first=WORDS, second=WORDS)
def test_no_keyword_of_the_photographers_is_ever_lost(theirs, first, second):
    existing = PhotoMetadata(keywords=tuple(theirs))
    once = merge(existing, OurTags(keywords=tuple(first)))
    standing = after(existing, once)
    twice = merge(standing, OurTags(keywords=tuple(second)), once.ours)
    keywords = after(standing, twice).keywords
    assert keywords[: len(theirs)] == tuple(theirs)
    keys = {keyword_key(keyword) for keyword in keywords}
    assert keys == {keyword_key(keyword) for keyword in (*theirs, *second)}
    assert photographers_own(keywords, twice.ours.keywords) == tuple(theirs)


FILED = OurTags(keywords=("heron", "Birds", "dusk"), paths=("Birds|heron",))


def filed(existing, merged):
    paths = merged.fields.hierarchical
    return replace(
        after(existing, merged),
        hierarchical_keywords=existing.hierarchical_keywords if paths is None else paths,
    )


def test_a_path_is_written_with_all_its_levels_behind_the_photographers_own():
    existing = PhotoMetadata(keywords=("Anna", "People"), hierarchical_keywords=("People|Anna",))
    merged = merge(existing, FILED)
    assert merged.fields.hierarchical == ("People|Anna", "Birds|heron")
    assert merged.fields.keywords == ("Anna", "People", "heron", "Birds", "dusk")


def test_a_path_whose_level_a_person_took_out_is_not_written_at_all():
    merged = merge(PhotoMetadata(), OurTags(keywords=("heron",), paths=("Birds|heron",)))
    assert merged.fields.hierarchical is None
    assert merged.ours.paths == ()


def test_paths_of_ours_are_known_again_and_taken_back_with_their_words():
    first = merge(PhotoMetadata(keywords=("Anna",)), FILED)
    standing = filed(PhotoMetadata(keywords=("Anna",)), first)
    assert merge(standing, FILED, first.ours).fields.is_empty
    second = merge(standing, OurTags(keywords=("dusk",)), first.ours)
    assert second.fields.hierarchical == ()
    assert second.fields.keywords == ("Anna", "dusk")


def test_a_word_of_ours_that_the_writer_made_a_path_of_goes_with_the_word():
    standing = PhotoMetadata(
        keywords=("Places", "Garda", "cat"), hierarchical_keywords=("Places|Garda", "cat")
    )
    merged = merge(standing, FILED, OurTags(keywords=("cat",)))
    assert merged.fields.hierarchical == ("Places|Garda", "Birds|heron")
    assert "cat" not in completed(merged.fields, standing).keywords
    assert merge(standing, OurTags(keywords=("cat",)), OurTags(keywords=("cat",))).fields.is_empty


def test_a_word_of_ours_that_was_filed_elsewhere_is_theirs():
    first = merge(PhotoMetadata(), FILED)
    standing = replace(filed(PhotoMetadata(), first), hierarchical_keywords=("Garden|heron",))
    second = merge(standing, OurTags(keywords=("dusk",)), first.ours)
    assert second.fields.keywords == ("heron", "dusk")
    assert second.fields.hierarchical is None
