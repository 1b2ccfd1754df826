"""Prompts edited, tested, kept and promoted over the console."""

from __future__ import annotations

import re

import pytest
from judged_round import HOSTILE, ROUND

from gateway.console.prompts.diffs import difference
from prompt_hub.hub import PromptHub

TEXT = """id: club-judge
description: A judge who says {words}.
"""
BROKEN = """id: club-judge
stages:
  critique:
    user: |
      Look at {{ titel }}.
"""


def digest_of(visitor, profile="club-judge"):
    return re.search(r'name="digest" value="([^"]*)"', visitor.get(f"/prompts/{profile}").text)[1]


def revision_of(visitor, profile="club-judge"):
    return re.search(r'<option value="([0-9a-f]{64})"', visitor.get(f"/prompts/{profile}").text)[1]


@pytest.fixture
def author(visitor_of):
    return visitor_of("author")


def test_a_broken_text_is_told_with_its_line_as_it_is_typed(author):
    answer = author.post("/prompts/club-judge/draft", partial=True, text=BROKEN)
    assert answer.status_code == 200
    assert "titel" in answer.text
    assert "line 5" in answer.text or "line 4" in answer.text
    assert "<html" not in answer.text


def test_what_a_model_would_get_is_shown_as_it_is_typed(author):
    answer = author.post(
        "/prompts/club-judge/draft", partial=True, text=TEXT.format(words="it"), values="case:prompt:0"
    )
    assert "Valid" in answer.text
    assert "&lt;title&gt;The cameraman&lt;/title&gt;" in answer.text


def test_it_is_shown_with_the_values_of_an_entry_and_its_photo(author):
    answer = author.post(
        "/prompts/club-judge/draft",
        partial=True,
        text="id: club-judge\n",
        values=f"entry:{ROUND}:critique:{ROUND}/photo-0001.jpg",
    )
    assert f"/console/results/judge/{ROUND}/picture?entry=" in answer.text
    assert HOSTILE not in answer.text
    assert "alert(1)" in answer.text


def test_a_photo_of_ones_choice_is_shown_beside_it(author):
    answer = author.post(
        "/prompts/club-judge/draft",
        partial=True,
        text="id: club-judge\n",
        values="case:prompt:0",
        photo=f"judge:{ROUND}:{ROUND}/photo-0003.jpg",
    )
    assert "photo-0003.jpg" in answer.text


@pytest.mark.parametrize(
    "values", ["case:nothing:0", "case:prompt:999", "entry:nothing:critique:x", "entry", "x:y"]
)
def test_values_that_are_not_there_are_told(author, values):
    answer = author.post("/prompts/club-judge/draft", partial=True, text="id: club-judge\n", values=values)
    assert "alert" in answer.text


def test_an_edit_is_saved_and_the_next_one_stands_on_it(author):
    first = author.post("/prompts/club-judge/save", text=TEXT.format(words="first"), digest=digest_of(author))
    assert "A judge who says first." in first.text
    second = author.post(
        "/prompts/club-judge/save", text=TEXT.format(words="second"), digest=digest_of(author)
    )
    assert "A judge who says second." in second.text


def test_whoever_was_second_loses_nothing_and_sees_what_is_there(author):
    old = digest_of(author)
    author.post("/prompts/club-judge/save", text=TEXT.format(words="theirs"), digest=old)
    answer = author.post("/prompts/club-judge/save", text=TEXT.format(words="mine"), digest=old or "0" * 64)
    assert answer.status_code == 409
    assert "says mine" in answer.text
    assert "The file as it is now" in answer.text
    assert "says theirs" in answer.text


def test_a_broken_text_is_not_saved_and_stays_in_the_editor(author):
    answer = author.post("/prompts/club-judge/save", text=BROKEN, digest=digest_of(author))
    assert answer.status_code == 400
    assert "Nothing was saved" in answer.text
    assert "titel" in answer.text


def test_tests_are_run_kept_and_shown_then_a_revision_is_promoted_and_rolled_back(visitor_of):
    publisher = visitor_of("publisher")
    publisher.post("/prompts/library/revision", message="first")
    tested = publisher.post("/prompts/library/test", partial=True, reference="library")
    assert "passed" in tested.text
    label = {"label": "staging", "why": "to try it", "revision": revision_of(publisher, "library")}
    moved = publisher.post("/prompts/library/label", **label)
    assert moved.status_code == 200
    assert "to try it" in moved.text
    back = publisher.post("/prompts/library/rollback", label="staging", why="no")
    assert back.status_code == 400
    assert "there is no revision to go back to" in back.text


def test_a_label_that_requires_tests_is_not_moved_without_them_but_by_an_admin_with_a_reason(visitor_of):
    publisher, admin = visitor_of("publisher"), visitor_of("admin")
    publisher.post("/prompts/storyteller/revision", message="first")
    fields = {"label": "production", "revision": revision_of(publisher, "storyteller")}
    assert publisher.post("/prompts/storyteller/label", why="now", **fields).status_code == 400
    assert (
        publisher.post("/prompts/storyteller/label", why="now", override="yes", **fields).status_code == 403
    )
    answer = admin.post("/prompts/storyteller/label", why="the round is tonight", override="yes", **fields)
    assert answer.status_code == 200
    assert "Passed over" in answer.text
    assert "the round is tonight" in answer.text


def test_an_author_does_not_move_a_protected_label(author, visitor_of):
    visitor_of("publisher").post("/prompts/library/revision", message="first")
    answer = author.post(
        "/prompts/library/label", label="production", why="now", revision=revision_of(author, "library")
    )
    assert answer.status_code == 403


def test_a_label_that_somebody_else_has_moved_meanwhile_is_not_moved_again(visitor_of):
    publisher = visitor_of("publisher")
    publisher.post("/prompts/self-checking-judge/revision", message="first")
    fields = {"label": "tried", "revision": revision_of(publisher, "self-checking-judge"), "why": "now"}
    address = "/prompts/self-checking-judge/label"
    assert publisher.post(address, **fields).status_code == 200
    answer = publisher.post(address, **fields, **{"at-tried": "0" * 64})
    assert answer.status_code == 409
    assert "Somebody else was first" in answer.text


def test_every_change_is_in_the_log_without_the_prompts_text(guarded, author):
    author.post("/prompts/club-judge/save", text=TEXT.format(words="logged"), digest=digest_of(author))
    gateway, _ = guarded
    change = gateway._server.config.app.state.parts.audit.last(1)[0]
    assert (change.who, change.action, change.subject) == ("author-person", "prompt.edit", "club-judge")
    assert "logged" not in str(change.detail)


def test_a_batch_that_was_made_with_another_text_is_named(author):
    text = author.get("/prompts/club-judge").text
    assert "These batches are stale" in text
    assert ROUND in text


def test_the_difference_to_a_revision_is_shown(visitor_of):
    publisher = visitor_of("publisher")
    publisher.post("/prompts/house/revision", message="first")
    answer = publisher.post(
        "/prompts/house/difference",
        partial=True,
        text="id: house\ndescription: Other <words>.\n",
        against=revision_of(publisher, "house"),
    )
    assert "Other &lt;words&gt;." in answer.text


def test_a_profile_differs_from_itself_in_nothing():
    profile = PromptHub.load().get("club-judge")
    assert difference(profile, profile) == []


def test_a_broken_file_on_the_disk_leaves_the_editor_usable(guarded, author):
    gateway, _ = guarded
    file = gateway.settings.home / "prompts" / "broken.yaml"
    file.write_text("id: [\n")
    try:
        answer = author.get("/prompts/club-judge")
        assert answer.status_code == 200
        assert "broken.yaml" in answer.text
    finally:
        file.unlink()
