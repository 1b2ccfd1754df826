from __future__ import annotations

from imageworks.personal_tagger.changes import changes
from imageworks.personal_tagger.merging import OurTags, merge
from photos.metadata.fields import PhotoMetadata

OURS = OurTags(caption="A lake", description="A calm\n\nlake.", keywords=("lake", "calm"))


def said(existing, ours=OURS, before=None):
    return changes(existing, merge(existing, ours, before))


def test_what_comes_is_told_field_by_field():
    assert said(PhotoMetadata()) == (
        "+ title: A lake",
        "+ description: A calm lake.",
        "+ keywords: lake, calm",
    )


def test_what_stays_is_told_as_the_photographers():
    existing = PhotoMetadata(title="Garda", description="Ours.", keywords=("Anna", "Lake"))
    assert said(existing) == ("+ keywords: calm", "= title: yours stays", "= description: yours stays")


def test_what_we_said_before_goes_and_what_we_say_now_comes():
    before = OurTags(caption="A pond", keywords=("pond",))
    existing = PhotoMetadata(title="A pond", description="A calm\n\nlake.", keywords=("Anna", "pond"))
    assert said(existing, before=before) == (
        "- title: A pond",
        "+ title: A lake",
        "- keywords: pond",
        "+ keywords: lake, calm",
        "= description: yours stays",
    )


def test_hostile_words_stay_on_their_line():
    existing = PhotoMetadata(keywords=("x",))
    (title,) = (
        line
        for line in said(existing, OurTags(caption="a\u202eb\x1b[31m\n+ title: forged"))
        if "title" in line
    )
    assert title.startswith("+ title: ab")
    assert "\x1b" not in title
