from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from photos.metadata.fields import MetadataFields, PhotoMetadata
from photos.metadata.hierarchy import completed

WORDS = st.lists(st.sampled_from(["sea", "Sea", "gull", "quay", "boat", "Küste"]), unique=True).map(tuple)
PATHS = st.lists(st.sampled_from(["sea|gull", "place|quay", "boat", "a|b|c"]), unique=True).map(tuple)


@given(WORDS, PATHS)
def test_every_part_of_a_path_is_a_keyword_and_every_keyword_is_in_a_path(keywords, paths):
    fields = completed(MetadataFields(keywords=keywords, hierarchical=paths), PhotoMetadata())
    parts = {part.casefold() for path in fields.hierarchical for part in path.split("|")}
    flat = {keyword.casefold() for keyword in fields.keywords}
    assert set(keywords) <= set(fields.keywords)
    assert (parts == flat) if paths else (fields.hierarchical == () and fields.keywords == keywords)


@given(WORDS, WORDS, PATHS)
def test_paths_that_are_there_stay_and_follow_the_keywords(old, new, paths):
    said = PhotoMetadata(keywords=old, hierarchical_keywords=paths)
    fields = completed(MetadataFields(keywords=new), said)
    assert fields.keywords == new
    if not paths:
        assert fields.hierarchical is None
    else:
        assert {path for path in paths if "|" in path} <= set(fields.hierarchical)
        assert completed(
            fields, PhotoMetadata(keywords=new, hierarchical_keywords=fields.hierarchical)
        ).hierarchical == (fields.hierarchical)


def test_a_keyword_that_is_taken_back_leaves_the_paths_as_they_were():
    said = PhotoMetadata(keywords=("sea", "gull"), hierarchical_keywords=("sea|gull",))
    with_ours = completed(MetadataFields(keywords=("sea", "gull", "boat")), said)
    assert with_ours.hierarchical == ("sea|gull", "boat")
    now = PhotoMetadata(keywords=with_ours.keywords, hierarchical_keywords=with_ours.hierarchical)
    assert completed(MetadataFields(keywords=("sea", "gull")), now).hierarchical == ("sea|gull",)


def test_another_spelling_of_a_keyword_is_that_keyword():
    wanted = MetadataFields(keywords=("Old Town", "caf\u00e9"), hierarchical=("place|old-town", "cafe\u0301"))
    fields = completed(wanted, PhotoMetadata())
    assert fields.keywords == ("Old Town", "caf\u00e9", "place")
    assert fields.hierarchical == ("place|old-town", "cafe\u0301")


def test_paths_that_are_taken_out_leave_the_keywords_alone():
    said = PhotoMetadata(keywords=("sea",), hierarchical_keywords=("sea",))
    assert completed(MetadataFields(hierarchical=()), said) == MetadataFields(hierarchical=())


def test_other_fields_are_nothing_to_complete():
    said = PhotoMetadata(keywords=("sea",), hierarchical_keywords=("x|y",))
    assert completed(MetadataFields(title="T"), said) == MetadataFields(title="T")
