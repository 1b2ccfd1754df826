"""Choosing the leases that an operator ends: never all by default, never others than were meant."""

from __future__ import annotations

import pytest

from backends.errors import ReleaseRefused
from backends.leases.releasing import leases_to_release
from backends.leases.standing import LeaseStanding


def lease(token, holder):
    return LeaseStanding(token, "judge", "only", "gpu-0", "batch", holder, 3.0, 12.0)


LEASES = (lease(3, "one"), lease(5, "two"), lease(8, "one"))


def tokens(**chosen):
    return [lease.token for lease in leases_to_release(LEASES, **chosen)]


def test_leases_are_chosen_by_token_by_holder_by_both_or_all():
    assert tokens(tokens=[8, 3]) == [3, 8]
    assert tokens(holder="one") == [3, 8]
    assert tokens(holder="one", tokens=[8]) == [8]
    assert tokens(everything=True) == [3, 5, 8]


def test_of_no_leases_all_are_none():
    assert leases_to_release((), everything=True) == ()


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({}, "Say which leases"),
        ({"everything": True, "tokens": [3]}, "give it alone"),
        ({"everything": True, "holder": "one"}, "give it alone"),
        ({"tokens": [3, 4, 9]}, "no lease with token 4, 9; there are: 3, 5, 8"),
        ({"holder": "three"}, "three holds no lease; those who do: one, two"),
        ({"holder": "one", "tokens": [5]}, "no lease of one with token 5; there are: 3, 8"),
    ],
)
def test_what_is_not_there_or_not_chosen_releases_nothing(chosen, words):
    with pytest.raises(ReleaseRefused, match=words):
        tokens(**chosen)
