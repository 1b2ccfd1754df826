"""One mode at a time: what is pretended and what is done do not stand in one ledger."""

from __future__ import annotations

import pytest
from lease_desk import CARD, EAGER, asked, party, resident

from backends.errors import LedgerInOtherMode
from backends.leases.ledger import Ledger
from backends.leases.state import Resident
from store.tables import lease_ledger


def observer(state, *, ttl_s=30.0):
    return Ledger(state, "observer", limits=EAGER, ttl_s=ttl_s, mode="observe", learns=False)


def test_an_observer_does_not_begin_beside_somebody_who_holds_a_lease(state):
    one = party(state)
    resident(one)
    token = one.turn(enter=[asked("a")]).granted["a"].token
    with pytest.raises(LedgerInOtherMode, match=r"mode enforce now, and one uses .* same IMAGEWORKS_LEASES"):
        observer(state).declare([CARD])
    one.turn(give_back=[token])
    observer(state).declare([CARD])


def test_nobody_enforces_beside_somebody_who_observes_a_wait(state):
    watching = observer(state)
    watching.declare([CARD])
    watching.turn(enter=[asked("a")])
    with pytest.raises(LedgerInOtherMode, match="mode observe now, and observer uses"):
        party(state)
    # It waits no longer, and what it pretends to load is under way yet.
    watching.turn(leave=["a"])
    with pytest.raises(LedgerInOtherMode, match="mode observe now, and observer uses"):
        party(state)


def test_what_was_pretended_is_gone_once_it_is_enforced(state):
    watching = observer(state)
    watching.declare([CARD])
    resident(watching)
    assert [kept.place.model for kept in watching.snapshot().residents] == ["judge"]
    enforcing = party(state)
    assert enforcing.snapshot().residents == ()
    (task,) = enforcing.turn(enter=[asked("a")]).tasks
    assert task.transition.phase == "load"


def test_those_who_died_keep_nobody_from_another_mode(state):
    watching = observer(state, ttl_s=0.0)
    watching.declare([CARD])
    watching.turn(enter=[asked("a")])
    left = party(state).snapshot()
    assert (left.waiters, left.transitions, left.residents) == ((), (), ())


def test_who_lives_on_while_the_mode_is_changed_is_refused_and_mixes_nothing(state):
    watching = observer(state)
    watching.declare([CARD])
    enforcing = party(state)
    resident(enforcing)
    before = enforcing.snapshot()
    with pytest.raises(LedgerInOtherMode, match="went over to mode enforce"):
        watching.turn(enter=[asked("a")])
    place = before.residents[0].place
    with pytest.raises(LedgerInOtherMode):
        watching.miss(place, token=before.residents[0].token)
    with pytest.raises(LedgerInOtherMode):
        watching.adopt(Resident(place._replace(model="other"), "ready", 0.0, 0.0), asked("a").served)
    after = enforcing.snapshot()
    assert (after.residents, after.waiters) == (before.residents, ())


def test_the_end_of_what_was_pretended_changes_nothing_in_another_mode(state):
    watching = observer(state)
    watching.declare([CARD])
    (task,) = watching.turn(enter=[asked("a")]).tasks
    watching.leave()
    enforcing = party(state)
    enforcing.turn(enter=[asked("b")])
    assert not watching.finish(task.transition, "done")
    assert [kept.resident.state for kept in enforcing.snapshot().residents] == ["loading"]


def test_a_ledger_of_before_there_were_modes_takes_the_first_and_forgets_what_it_had(state):
    one = party(state)
    resident(one)
    state.write(lambda connection: connection.execute(lease_ledger.update().values(mode=None)))
    observer(state).declare([CARD])
    assert one.snapshot().residents == ()
