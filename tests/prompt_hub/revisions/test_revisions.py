"""Revisions: kept by their hash, the same ever after."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from prompt_hub.errors import AmbiguousRevision, DamagedRevision, UnknownRevision
from store.tables import prompt_revisions


def test_a_revision_is_the_profile_as_it_was(store, kept, profile_of):
    saved = kept("A: {{ title }}", author="ann", message="Ask shortly", layers={"id": "base.yaml"})
    found = store.revisions.get("made", saved.hash[:12])
    assert found.profile == profile_of(user="A: {{ title }}")
    assert (found.author, found.message, found.layers) == ("ann", "Ask shortly", {"id": "base.yaml"})
    assert found.parents == ()


def test_what_is_kept_stays_as_it_is(store, kept, profile_of):
    saved = kept(author="ann", message="First")
    assert not store.revisions.keep(profile_of(), author="bob", message="Mine")
    assert store.revisions.get("made", saved.hash).author == "ann"


def test_a_revision_is_made_from_the_newest_unless_it_is_said(store, kept):
    first = kept("1 {{ title }}")
    second = kept("2 {{ title }}")
    third = kept("3 {{ title }}", parents=[first.hash])
    assert (second.parents, third.parents) == ((first.hash,), (first.hash,))
    assert [one.hash for one in store.revisions.history("made")] == [third.hash, second.hash, first.hash]


def test_what_is_not_kept_is_told(store, kept):
    kept()
    with pytest.raises(UnknownRevision, match=r"No revision 012345 of profile 'made'.*history made"):
        store.revisions.get("made", "012345")
    with pytest.raises(UnknownRevision):
        store.revisions.get("other", kept().hash)


def test_digits_that_several_begin_with_are_told(store, kept):
    kept("1 {{ title }}")
    kept("2 {{ title }}")
    with pytest.raises(AmbiguousRevision, match="Give more digits"):
        store.revisions.get("made", "")


@pytest.mark.parametrize("content", ["{", "{}", '{"id": "made", "application": "base"}'])
def test_a_revision_that_somebody_changed_is_never_used(store, database, kept, content):
    saved = kept()
    database.write(lambda connection: connection.execute(update(prompt_revisions).values(content=content)))
    with pytest.raises(DamagedRevision, match=saved.hash[:12]):
        store.revisions.get("made", saved.hash)
