"""The ledger: what one party does, another sees; who dies leaves nothing that nobody finishes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lease_desk import CARD, asked, on_two_cards, party, resident, served

from backends.leases.state import Device, Place, Resident

JUDGE = Place("judge", "only", "gpu0")


def test_the_first_who_asks_for_a_model_is_to_load_it_and_then_has_a_lease(state):
    one = party(state)
    taken = one.turn(enter=[asked("a")])
    (task,) = taken.tasks
    assert (task.transition.phase, task.transition.place) == ("load", JUDGE)
    assert taken.granted == {}
    assert taken.standing == {"a"}
    assert one.finish(task.transition, "done")
    lease = one.turn().granted["a"]
    assert lease.place == JUDGE
    assert lease.token > task.transition.token


def test_a_ready_model_is_granted_within_the_turn_that_asks(state):
    one = party(state)
    resident(one)
    taken = one.turn(enter=[asked("a")])
    assert taken.granted["a"].place == JUDGE
    assert one.snapshot().waiters == ()


def test_another_party_sees_the_same_and_waits_for_a_slot(state):
    one, two = party(state), party(state, "two")
    resident(one)
    token = one.turn(enter=[asked("a")]).granted["a"].token
    waiting = two.turn(enter=[asked("b")])
    assert waiting.granted == {}
    assert "slots of judge are taken" in waiting.turn.waits["b"]
    assert one.glance().wanted == {("judge", "two", "batch")}
    one.turn(give_back=[token])
    assert two.turn().granted["b"].token > token


def test_tokens_only_rise_whoever_gets_them(state):
    one, two = party(state), party(state, "two")
    resident(one, served(slots=9))
    tokens = [
        ledger.turn(enter=[asked(f"{number}", served(slots=9))]).granted[f"{number}"].token
        for number, ledger in enumerate([one, two, one, two])
    ]
    assert tokens == sorted(set(tokens))


def test_who_leaves_leaves_nothing_behind_granted_or_not(state):
    one = party(state)
    resident(one)
    one.turn(enter=[asked("a")])
    one.turn(enter=[asked("b")])
    one.turn(leave=["a", "b"])
    left = one.snapshot()
    assert (left.leases, left.waiters) == ((), ())


def test_who_enters_and_leaves_in_one_turn_never_stood_there(state):
    one = party(state)
    one.turn(enter=[asked("a")], leave=["a"])
    left = one.snapshot()
    assert (left.waiters, left.transitions, left.residents) == ((), (), ())


def test_a_model_whose_devices_nobody_has_declared_waits_and_says_so(state):
    one = party(state)
    taken = one.turn(enter=[asked("a", served(devices=("elsewhere",)))])
    assert taken.turn.waits == {"a": "judge needs 16000 MiB, and no device of its has that"}


@pytest.mark.parametrize("provider", ["vllm", "ollama"])
def test_a_lease_that_runs_out_is_lost_to_its_holder(state, provider):
    model = served(provider=provider)
    dead, two = party(state, "dead", ttl_s=-1.0), party(state, "two")
    resident(two, model)
    token = dead.turn(enter=[asked("a", model)])
    # Its waiter has run out as well, before it was granted anything.
    assert token.granted == {}
    assert two.renew() == frozenset()


def test_an_expired_lease_on_a_server_that_fences_holds_its_slot_until_it_is_revoked(state):
    one, two = party(state), party(state, "two")
    resident(one)
    held = one.turn(enter=[asked("a")]).granted["a"]
    two.turn(enter=[asked("b")])
    two.release([held.token])
    taken = two.turn()
    (task,) = taken.tasks
    assert (task.transition.phase, task.transition.subject) == ("revoke", held.token)
    assert taken.granted == {}
    assert one.renew() == frozenset()
    # Nobody revokes it twice.
    assert two.turn().tasks == ()
    assert two.finish(task.transition, "done")
    assert two.turn().granted["b"].token > held.token


def test_a_revoking_that_fails_is_tried_once_more_before_its_slot_is_given_to_another(state):
    one, two = party(state), party(state, "two")
    resident(one)
    held = one.turn(enter=[asked("a")]).granted["a"]
    two.turn(enter=[asked("b")])
    two.release([held.token])
    (first,) = two.turn().tasks
    assert two.finish(first.transition, "failed", detail="the key is not set")
    taken = two.turn()
    (second,) = taken.tasks
    assert (second.transition.phase, second.transition.tries) == ("revoke", 2)
    assert second.transition.subject == held.token
    assert [told.reason for told in taken.turn.told] == [
        "its server could not be told, and is told once more"
    ]
    assert taken.granted == {}
    assert two.finish(second.transition, "failed", detail="the key is not set")
    assert two.turn().granted["b"].token > held.token


def test_an_expired_lease_on_a_server_that_does_not_fence_ends_at_once(state):
    model = served(provider="ollama")
    one, two = party(state), party(state, "two")
    resident(one, model)
    held = one.turn(enter=[asked("a", model)]).granted["a"]
    two.turn(enter=[asked("b", model)])
    two.release([held.token])
    taken = two.turn()
    assert taken.tasks == ()
    assert "b" in taken.granted


@pytest.mark.parametrize("provider", ["vllm", "ollama"])
@pytest.mark.parametrize("waits", ["somebody", "nobody"])
def test_a_lease_that_ran_out_before_its_holder_looked_for_it_is_not_handed_out(state, provider, waits):
    model = served(provider=provider)
    one, two = party(state), party(state, "two")
    resident(two, model)
    held = two.turn(enter=[asked("b", model)]).granted["b"]
    one.turn(enter=[asked("a", model)])
    # `two` grants it to `one`, which is asleep for longer than that holds.
    two.turn(give_back=[held.token])
    (lease,) = two.snapshot().leases
    assert lease.holder == "one"
    if waits == "somebody":
        two.turn(enter=[asked("c", model)])
    two.release([lease.token])
    taken = one.turn()
    assert (taken.granted, taken.standing) == ({}, frozenset())
    # Who asks again is served again.
    for task in taken.tasks:
        assert one.finish(task.transition, "done")
    two.turn(leave=["c"])
    taken = one.turn(enter=[asked("a", model)])
    for task in taken.tasks:
        assert one.finish(task.transition, "done")
    assert one.turn().granted["a"].token > lease.token


def test_a_turn_whose_answer_was_lost_is_taken_again_without_harm(state):
    one = party(state)
    resident(one)
    granted = [one.turn(enter=[asked("a")]).granted["a"].token for _ in range(2)]
    assert granted[0] == granted[1]
    for _ in range(2):
        assert one.turn(enter=[asked("b")]).standing == {"b"}
    left = one.snapshot()
    assert [lease.waiter for lease in left.leases] == ["a"]
    assert [kept.waiter.id for kept in left.waiters] == ["b"]


def test_a_loading_whose_owner_dies_is_taken_over_and_its_owner_fenced_off(state):
    dead, two = party(state, "dead", ttl_s=0.0), party(state, "two")
    two.turn(enter=[asked("b", served("other", 23_000))])
    # The card is being switched for `other`; it was `dead` who was to do it, had it not died at once.
    (first,) = two.snapshot().transitions
    assert first.owner == "two"
    assert two.finish(first, "done")
    two.turn(leave=["b"])
    resident_of_other = two.snapshot().residents
    assert [kept.place.model for kept in resident_of_other] == ["other"]
    two.turn(enter=[asked("c")])
    del dead
    unloading = two.snapshot().transitions
    assert [one.phase for one in unloading] == ["unload"]


def test_a_transition_of_a_party_that_left_is_begun_anew_under_a_higher_token(state):
    one, two = party(state), party(state, "two")
    (old,) = one.turn(enter=[asked("a")]).tasks
    one.leave()
    (new,) = two.turn(enter=[asked("b")]).tasks
    assert (new.transition.phase, new.transition.place) == ("load", JUDGE)
    assert new.transition.token > old.transition.token
    assert not one.finish(old.transition, "done")
    assert two.finish(new.transition, "done")
    assert "b" in two.turn().granted


def test_a_loading_that_fails_is_tried_once_more_and_then_those_who_wait_are_told_why(state):
    one = party(state)
    (first,) = one.turn(enter=[asked("a")]).tasks
    assert one.finish(first.transition, "failed", detail="no kernel image")
    (second,) = one.turn().tasks
    assert second.transition.tries == 2
    assert one.finish(second.transition, "failed", detail="out of memory")
    taken = one.turn()
    assert taken.refused == {"a": "out of memory"}
    one.turn(leave=["a"])
    # Who comes after that has it tried anew.
    (third,) = one.turn(enter=[asked("b")]).tasks
    assert third.transition.tries == 1


def test_a_model_that_cannot_be_loaded_on_one_device_is_loaded_on_another(state):
    one = party(state)
    one.declare([CARD, Device("gpu1", 24_000)])
    model = served(devices=("gpu0", "gpu1"))
    for _ in range(2):
        (task,) = one.turn(enter=[asked("a", model)] if not one.snapshot().waiters else []).tasks
        assert task.transition.place.device == "gpu0"
        one.finish(task.transition, "failed", detail="broken")
    (task,) = one.turn().tasks
    assert task.transition.place.device == "gpu1"


def test_who_has_failed_where_a_model_is_ready_has_it_loaded_at_another_deployment(state):
    one, two = party(state), party(state, "two")
    one.declare([CARD, Device("gpu1", 24_000)])
    both = on_two_cards("d1", "d2")
    resident(one, both)
    # The first try failed at d1; it is left out of the next.
    taken = one.turn(enter=[asked("a", on_two_cards("d2"))])
    (load,) = taken.tasks
    assert load.transition.place == Place("judge", "d2", "gpu1")
    # Nor is the slot at d1 kept from another.
    assert two.turn(enter=[asked("b", both)]).granted["b"].place.deployment == "d1"
    assert one.finish(load.transition, "done")
    assert one.turn().granted["a"].place.deployment == "d2"


def test_a_resident_in_the_way_is_drained_unloaded_and_replaced(state):
    one, two = party(state), party(state, "two")
    resident(one)
    held = one.turn(enter=[asked("a")]).granted["a"]
    waiting = two.turn(enter=[asked("b", served("other"), priority="interactive")])
    assert [told.kind for told in waiting.turn.told] == ["evict"]
    assert one.glance().closed == {JUDGE: "draining"}
    # Nothing is unloaded while a lease on it is held.
    assert waiting.tasks == ()
    (unload,) = one.turn(give_back=[held.token]).tasks
    assert unload.transition.phase == "unload"
    assert one.finish(unload.transition, "done")
    (load,) = two.turn().tasks
    assert load.transition.place.model == "other"
    assert two.finish(load.transition, "done")
    assert two.turn().granted["b"].place.model == "other"


def test_an_unloading_that_fails_is_told_to_who_waits_for_it_and_tried_again_for_the_next(state):
    one = party(state)
    resident(one)
    (unload,) = one.turn(enter=[asked("b", served("other"))]).tasks
    assert one.finish(unload.transition, "failed", detail="the supervisor does not answer")
    taken = one.turn()
    assert taken.refused == {"b": "the supervisor does not answer"}
    assert [task.transition.phase for task in taken.tasks] == ["unload"]


def test_an_unloading_that_fails_on_another_device_of_the_server_is_told_too(state):
    one = party(state)
    one.declare([CARD, Device("gpu1", 24_000)])
    pair = [
        replace(model, model=replace(model.model, servers={deployment: "http://studio.test:8600"}))
        for deployment, name in [("d1", "judge"), ("d2", "other")]
        for model in [on_two_cards(deployment, name=name, url="http://studio.test:8600")]
    ]
    resident(one, pair[0])
    (unload,) = one.turn(enter=[asked("b", pair[1])]).tasks
    assert (unload.transition.phase, unload.transition.place.device) == ("unload", "gpu0")
    assert one.finish(unload.transition, "failed", detail="the supervisor does not answer")
    assert one.turn().refused == {"b": "the supervisor does not answer"}


def test_what_a_switch_takes_is_learned(state):
    one = party(state, learns=True)
    (load,) = one.turn(enter=[asked("a")]).tasks
    one.finish(load.transition, "done", peak_mib=17_000)
    cost = one.snapshot().costs["judge", "only"]
    assert cost.load_s is not None
    assert cost.load_s >= 0
    assert cost.peak_mib == 17_000


def test_measured_memory_counts_where_it_is_more_than_is_declared(state):
    one = party(state, learns=True)
    (load,) = one.turn(enter=[asked("a")]).tasks
    one.finish(load.transition, "done", peak_mib=20_000)
    one.turn(leave=["a"])
    small = served("small", 6_000)
    taken = one.turn(enter=[asked("b", small, priority="interactive")])
    # Beside the declared 16,000 MiB there would be room.
    assert [told.kind for told in taken.turn.told] == ["evict"]


def test_memory_of_strangers_is_not_promised(state):
    one = party(state)
    one.measured("gpu0", 10_000)
    taken = one.turn(enter=[asked("a")])
    assert taken.tasks == ()
    assert "no device of its has that" in taken.turn.waits["a"]


def test_memory_of_strangers_is_not_forgotten_when_another_party_comes(state):
    one = party(state)
    one.measured("gpu0", 10_000)
    party(state, "two")
    one.declare([Device("gpu0", 20_000)])
    (device,) = one.snapshot().devices
    assert (device.memory_mib, device.foreign_mib) == (20_000, 10_000)


def test_what_a_server_has_is_adopted_and_what_it_has_lost_is_struck_out(state):
    one = party(state)
    assert one.adopt(Resident(JUDGE, "ready", 0.0, 0.0), served(), token=41)
    lease = one.turn(enter=[asked("a")]).granted["a"]
    assert lease.token > 41
    assert not one.adopt(Resident(JUDGE, "ready", 0.0, 0.0), served(), token=41)
    assert not one.adopt(Resident(JUDGE._replace(device="gpu1"), "ready", 0.0, 0.0), served(), token=41)
    # Somebody who saw it before it was loaded anew strikes nothing out.
    assert not one.miss(JUDGE, token=7)
    assert one.miss(JUDGE, token=41)
    assert one.renew() == frozenset()


def test_what_was_to_be_revoked_on_a_resident_that_is_struck_out_is_left_to_nobody(state):
    one, two = party(state), party(state, "two")
    resident(one)
    held = one.turn(enter=[asked("a")]).granted["a"]
    two.turn(enter=[asked("b")])
    two.release([held.token])
    (task,) = two.turn().tasks
    assert task.transition.phase == "revoke"
    (kept,) = two.snapshot().residents
    assert two.miss(JUDGE, token=kept.token)
    assert two.snapshot().transitions == ()
    assert not two.finish(task.transition, "done")


def test_a_resident_that_its_server_has_lost_is_loaded_again_by_who_waits(state):
    one = party(state)
    resident(one)
    (kept,) = one.snapshot().residents
    held = one.turn(enter=[asked("a")]).granted["a"]
    assert not one.reload(JUDGE, token=kept.token + 1)
    assert one.reload(JUDGE, token=kept.token)
    assert one.glance().closed == {JUDGE: "loading"}
    taken = one.turn(enter=[asked("b")], give_back=[held.token])
    (load,) = taken.tasks
    assert (load.transition.phase, load.transition.tries) == ("load", 1)
    # Older leases are stale to the server from now on.
    assert load.transition.token > held.token
    assert [told.reason for told in taken.turn.told] == ["its server has lost it"]
    assert one.finish(load.transition, "done")
    assert "b" in one.turn().granted


def test_leases_on_a_resident_that_cannot_be_loaded_again_end_with_it(state):
    one = party(state)
    resident(one)
    (kept,) = one.snapshot().residents
    one.turn(enter=[asked("a")])
    assert one.reload(JUDGE, token=kept.token)
    for _ in range(2):
        (load,) = one.turn(enter=[asked("b")]).tasks
        assert one.finish(load.transition, "failed", detail="no kernel image")
    left = one.snapshot()
    assert (left.residents, left.leases) == ((), ())


def test_the_token_rises_above_what_a_server_has_seen(state):
    one = party(state)
    one.raise_token(1000)
    (task,) = one.turn(enter=[asked("a")]).tasks
    assert task.transition.token == 1001


def test_an_operator_ends_leases_by_token_or_by_holder(state):
    one, two = party(state), party(state, "two")
    model = served(slots=4)
    resident(one, model)
    first = one.turn(enter=[asked("a", model)]).granted["a"]
    two.turn(enter=[asked("b", model)])
    assert one.release([first.token]) == 1
    assert one.release(holder="two") == 1
    assert one.renew() == frozenset()
    assert two.renew() == frozenset()
