"""Who may do what, whoever calls the library, and what is kept of those who were refused."""

from __future__ import annotations

import logging

import pytest

from prompt_hub.errors import AccessRefused, LastAdmin, UnknownRole
from prompt_hub.revisions.access import ROLES, Identity, system_user

ANN, BOB, EVE = Identity("ann"), Identity("bob"), Identity("eve")


@pytest.fixture
def access(store):
    return store.access


def test_as_long_as_nobody_has_a_role_everybody_is_an_admin(access):
    assert access.role_of(EVE) == "admin"
    access.require(EVE, "admin", "do anything")


def test_whoever_gives_the_first_role_is_an_admin_and_all_others_are_viewers_from_then_on(access):
    access.give(ANN, "bob", "author")
    assert access.roles() == {"ann": "admin", "bob": "author"}
    assert access.role_of(EVE) == "viewer"


@pytest.mark.slow
@pytest.mark.parametrize("has", ROLES)
@pytest.mark.parametrize("needed", ROLES)
def test_a_role_may_do_all_that_those_below_it_may(access, has, needed):
    access.give(ANN, "bob", has)
    if ROLES.index(has) >= ROLES.index(needed):
        access.require(BOB, needed, "do that")
        return
    with pytest.raises(
        AccessRefused, match=f"bob may not do that: bob is an? {has}, and that takes an? {needed}"
    ):
        access.require(BOB, needed, "do that")


def test_a_refusal_is_kept_and_logged(access, caplog):
    access.give(ANN, "bob", "viewer")
    with caplog.at_level(logging.WARNING), pytest.raises(AccessRefused):
        access.require(BOB, "author", "save a revision of club-judge")
    (refusal,) = access.refusals()
    assert (refusal.who, refusal.action) == (BOB, "save a revision of club-judge")
    assert "bob is a viewer" in refusal.why
    assert "Refused: bob may not save a revision of club-judge" in caplog.text


@pytest.mark.parametrize("change", ["give", "take_away", "protect", "unprotect"])
def test_only_admins_change_roles_and_protection(access, change):
    access.give(ANN, "bob", "publisher")
    arguments = ("bob", "admin") if change == "give" else ("production",)
    with pytest.raises(AccessRefused):
        getattr(access, change)(BOB, *arguments)
    assert access.roles() == {"ann": "admin", "bob": "publisher"}
    assert access.protected() == {"production"}


def test_an_admin_may_act_in_anothers_name_with_that_ones_role_and_both_are_kept(access):
    access.give(ANN, "bob", "author")
    acting = access.acting_as(ANN, "bob")
    assert str(acting) == "bob (by ann)"
    with pytest.raises(AccessRefused, match=r"bob \(by ann\) may not"):
        access.require(acting, "admin", "give roles")
    assert access.refusals()[0].who == acting


def test_nobody_else_may_act_in_anothers_name(access):
    access.give(ANN, "bob", "publisher")
    with pytest.raises(AccessRefused, match="bob may not act in the name of ann"):
        access.acting_as(BOB, "ann")


def test_an_unknown_role_is_told_with_those_that_there_are(access):
    with pytest.raises(UnknownRole, match="'editor'; there are viewer, author, publisher, admin"):
        access.give(ANN, "bob", "editor")


def test_the_last_admin_stays_one(access):
    access.give(ANN, "bob", "author")
    with pytest.raises(LastAdmin):
        access.give(ANN, "ann", "author")
    with pytest.raises(LastAdmin):
        access.take_away(ANN, "ann")
    assert access.role_of(ANN) == "admin"


def test_the_system_says_who_somebody_is_and_the_environment_does_not(monkeypatch):
    before = system_user()
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert system_user() == before
