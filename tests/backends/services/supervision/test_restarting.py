"""When a crashed server is started anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backends.services.supervision.configuration import Restarts
from backends.services.supervision.restarting import wait_before_restart

RULES = Restarts(first_wait_s=1, longest_wait_s=60, give_up_after=8, within_s=600)


def test_each_recent_crash_doubles_the_wait_up_to_the_longest():
    crashes = [float(number) for number in range(7)]

    waits = [wait_before_restart(crashes[: count + 1], RULES) for count in range(7)]

    assert waits == [1, 2, 4, 8, 16, 32, 60]


def test_the_last_crash_that_is_borne_gives_up():
    assert wait_before_restart([float(number) for number in range(8)], RULES) is None


def test_crashes_of_long_ago_are_forgotten():
    assert wait_before_restart([0.0, 1.0, 2.0, 700.0], RULES) == 1


def test_a_first_wait_beyond_the_longest_is_cut():
    assert wait_before_restart([0.0], Restarts(first_wait_s=90, longest_wait_s=60)) == 60


@given(st.lists(st.floats(0, 10_000), min_size=1, max_size=40).map(sorted), st.integers(1, 10))
def test_it_gives_up_exactly_when_so_many_crashes_are_recent(crashes, give_up_after):
    rules = Restarts(give_up_after=give_up_after)
    recent = [crash for crash in crashes if crashes[-1] - crash < rules.within_s]

    wait = wait_before_restart(crashes, rules)

    assert (wait is None) == (len(recent) >= give_up_after)
    assert wait is None or rules.first_wait_s <= wait <= rules.longest_wait_s
