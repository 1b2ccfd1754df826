"""Devices and models over the console."""

from __future__ import annotations

import pytest
from lease_desk import asked, party, resident

from store.database import StateDatabase


@pytest.fixture
def lease(guarded):
    """A lease on a judge that is ready; its token."""
    gateway, _ = guarded
    with StateDatabase.open(gateway.settings) as database:
        one = party(database, "box:1:a")
        resident(one)
        one.turn(enter=[asked("a", priority="interactive")])
    return gateway


def tokens(visitor):
    import re  # noqa: PLC0415

    return re.findall(r"/console/gpu/release\?token=(\d+)", visitor.get("/gpu").text)


def test_a_lease_is_released_by_a_publisher_after_asking(lease, visitor_of):
    publisher = visitor_of("publisher")
    token = tokens(publisher)[0]
    question = publisher.get(f"/gpu/release?token={token}")
    assert "Release the lease of judge?" in question.text
    answer = publisher.post("/gpu/release", token=token)
    assert answer.status_code == 200
    assert "has ended" in answer.text
    assert publisher.post("/gpu/release", token="999999").status_code == 400


def test_an_author_releases_nothing(lease, visitor_of):
    author = visitor_of("author")
    assert tokens(author) == []
    assert author.post("/gpu/release", token="1").status_code == 403


@pytest.mark.parametrize("token", ["", "x", "9" * 40, "-1"])
def test_what_is_no_token_is_refused(visitor_of, token):
    assert visitor_of("publisher").post("/gpu/release", token=token).status_code == 400


def test_the_part_that_is_asked_again_and_again_is_no_whole_page(admin):
    answer = admin.get("/gpu", headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert "Decisions" in answer.text


def test_a_model_is_tried_at_its_server_and_each_claim_is_told(visitor_of):
    answer = visitor_of("publisher").post("/registry/talker/check", partial=True)
    assert answer.status_code == 200
    assert "its server answers" in answer.text


def test_an_author_has_no_model_tried(visitor_of):
    assert visitor_of("author").post("/registry/talker/check", partial=True).status_code == 403


def test_a_model_says_where_it_is_used(admin):
    text = admin.get("/registry/talker").text
    assert "spring-round" in text
    assert "judge/critiques" in text
