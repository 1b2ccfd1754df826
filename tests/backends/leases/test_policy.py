from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from soak import amount

from backends.leases.decisions import Evict, Grant, Load, Wait
from backends.leases.placing import places_on
from backends.leases.policy import Limits, plan
from backends.leases.state import Device, HeldLease, Place, Resident, ServedModel, Waiter

CARD = Device("card", 24_000)
LIMITS = Limits(interactive_wait_s=30, batch_wait_s=900, worth=8, linger_s=3, chat_linger_s=45)


def served(name, memory_mib=16_000, *, devices=(CARD,), prefers_slice=False, **more):
    ordered = places_on(devices, model=name, deployments=["only"], prefers_slice=prefers_slice)
    places = tuple(place._replace(deployment=place.device) for place in ordered)
    return ServedModel(name, memory_mib, places, **{"slots": 2, "load_s": 60, "unload_s": 2} | more)


JUDGE, TAGGER, CHAT = served("judge"), served("tagger"), served("chat", load_s=20)


def at(model, device="card"):
    return Place(model.name, device, device)


def ready(model, *, since=0.0, used_at=None, device="card", **more):
    return Resident(at(model, device), "ready", since, since if used_at is None else used_at, **more)


def batch(model, since=0.0, name=None):
    return Waiter(name or f"{model.name}@{since:g}", model.name, "batch", since)


def person(model, since=0.0):
    return Waiter(f"{model.name}!{since:g}", model.name, "interactive", since)


def decide(waiters, *, now, residents=(), held=(), devices=(CARD,), models=(JUDGE, TAGGER, CHAT)):
    return plan(
        devices,
        residents,
        [HeldLease(place, priority) for place, priority in held],
        waiters,
        now,
        models={model.name: model for model in models},
        limits=LIMITS,
    )


def what(decisions):
    return [(type(one), one.waiter) for one in decisions]


def test_a_resident_that_is_ready_serves_who_waits_for_it_up_to_its_slots():
    waiters = [batch(JUDGE, since) for since in (0.0, 1.0, 2.0)]
    decided = decide(waiters, now=3, residents=[ready(JUDGE)])
    assert what(decided) == [(Grant, "judge@0"), (Grant, "judge@1"), (Wait, "judge@2")]
    assert decided[2].reason == "all 2 slots of judge are taken"


def test_a_model_is_loaded_where_there_is_room():
    (decided,) = decide([batch(JUDGE)], now=0)
    assert decided == Load("judge@0", at(JUDGE), "card has room for 16000 MiB")


def test_a_model_is_loaded_once_however_many_wait_for_it():
    devices = (CARD, Device("second", 24_000))
    model = served("judge", devices=devices)
    waiters = [batch(model, since) for since in (0.0, 1.0, 2.0)]
    decided = decide(waiters, now=2, devices=devices, models=[model])
    assert what(decided) == [(Load, "judge@0"), (Wait, "judge@1"), (Wait, "judge@2")]
    assert [one.reason for one in decided[1:]] == ["judge is on its way", "all 2 slots of judge are taken"]


def test_nothing_is_loaded_beside_what_is_on_its_way_in_or_out():
    small = served("small", 2_000)
    for state in ("loading", "draining", "unloading"):
        (decided,) = decide(
            [batch(small)], now=1, residents=[replace(ready(JUDGE), state=state)], models=(JUDGE, small)
        )
        assert isinstance(decided, Wait)


def test_a_model_too_large_for_every_device_is_told_so():
    (decided,) = decide([batch(served("huge", 40_000))], now=0, models=(served("huge", 40_000),))
    assert decided == Wait("huge@0", "huge needs 40000 MiB, and no device of its has that")


def test_memory_of_strangers_is_nobodys_to_promise():
    (decided,) = decide([batch(JUDGE)], now=0, devices=(replace(CARD, foreign_mib=10_000),))
    assert isinstance(decided, Wait)


def test_an_idle_resident_makes_room_for_a_batch_after_a_moment():
    residents = [ready(JUDGE, used_at=100)]
    (kept,) = decide([batch(TAGGER, 100)], now=102, residents=residents)
    assert kept == Wait("tagger@100", "judge on card may be asked again; it is kept for 1 s", 103)
    (gone,) = decide([batch(TAGGER, 100)], now=103, residents=residents)
    assert isinstance(gone, Evict)
    assert gone.place == at(JUDGE)


def test_an_idle_resident_makes_room_for_a_person_at_once():
    assert what(decide([person(CHAT, 100)], now=100, residents=[ready(JUDGE, used_at=100)])) == [
        (Evict, "chat!100")
    ]


def test_a_resident_that_somebody_chats_with_is_kept_from_batches_for_the_next_question():
    residents = [ready(CHAT, used_at=100, chatted_at=100)]
    (kept,) = decide([batch(JUDGE, 90)], now=140, residents=residents)
    assert kept.until == 145
    assert what(decide([batch(JUDGE, 90)], now=145, residents=residents)) == [(Evict, "judge@90")]


def test_a_batch_keeps_its_model_for_as_long_as_makes_the_switch_worth_while():
    # What a switch there and back costs: 2 s to unload, 60 s to load either.
    turn_ends = 8 * 122
    waiters = [batch(JUDGE, turn_ends - 1), batch(TAGGER, 500)]
    held = [(at(JUDGE), "batch")]
    now = turn_ends - 0.5
    decided = decide(waiters, now=now, residents=[ready(JUDGE)], held=held)
    assert what(decided) == [(Wait, "tagger@500"), (Grant, f"judge@{turn_ends - 1}")]
    assert decided[0].until == turn_ends
    decided = decide(waiters, now=turn_ends, residents=[ready(JUDGE)], held=held)
    assert what(decided) == [(Evict, "tagger@500"), (Wait, f"judge@{turn_ends - 1}")]
    assert "it has had its turn, 976 s" in decided[0].reason


def test_a_person_does_not_wait_for_a_batchs_turn_to_end():
    held = [(at(JUDGE), "batch")]
    decided = decide([person(CHAT, 100), batch(JUDGE, 50)], now=100, residents=[ready(JUDGE)], held=held)
    assert what(decided) == [(Evict, "chat!100"), (Wait, "judge@50")]


def test_not_even_a_person_throws_out_what_has_hardly_come():
    held = [(at(JUDGE), "batch")]
    (decided,) = decide([person(CHAT, 100)], now=100, residents=[ready(JUDGE, since=90)], held=held)
    assert decided.until == 150


def test_a_batch_does_not_end_a_chat_before_it_has_waited_past_the_limit():
    residents, held = [ready(CHAT, since=0)], [(at(CHAT), "interactive")]
    (decided,) = decide([batch(JUDGE, 100)], now=999, residents=residents, held=held)
    assert decided.until == 1000
    decided = decide([batch(JUDGE, 100), person(CHAT, 999)], now=1000, residents=residents, held=held)
    assert what(decided) == [(Evict, "judge@100"), (Wait, "chat!999")]
    assert "somebody has waited for 900 s" in decided[0].reason


def test_who_has_waited_past_the_limit_comes_before_people():
    waiters = [person(JUDGE, 899), batch(JUDGE, 0.0)]
    (first, second) = decide(waiters, now=900, residents=[ready(JUDGE)], held=[(at(JUDGE), "batch")])
    assert what([first, second]) == [(Grant, "judge@0"), (Wait, "judge!899")]


def test_the_residents_that_are_evicted_are_those_whose_return_costs_least():
    cheap = served("cheap", 8_000, load_s=10)
    dear = served("dear", 8_000, load_s=200)
    small = served("small", 2_000, load_s=5)
    residents = [ready(one, used_at=0) for one in (dear, cheap, small)]
    wanted = served("wanted", 12_000)
    decided = decide([batch(wanted)], now=100, residents=residents, models=(cheap, dear, small, wanted))
    # 6,000 MiB are free: the small one would not be enough, the cheap one is.
    assert [one.place.model for one in decided] == ["cheap"]


def test_a_resident_long_unused_is_rather_evicted_than_one_just_used():
    one, other = served("one", 12_000), served("other", 12_000)
    residents = [ready(one, used_at=990), ready(other, used_at=10)]
    wanted = served("wanted", 10_000)
    decided = decide([batch(wanted)], now=1000, residents=residents, models=(one, other, wanted))
    assert [evicted.place.model for evicted in decided] == ["other"]


def test_an_exclusive_model_shares_its_device_with_nobody():
    alone = served("alone", 2_000, exclusive=True)
    residents = [ready(JUDGE, used_at=0)]
    (decided,) = decide([batch(alone)], now=100, residents=residents, models=(JUDGE, alone))
    assert isinstance(decided, Evict)


@pytest.mark.parametrize(
    ("tags", "others", "share"),
    [((), (), True), (("a",), (), False), (("a",), ("a", "b"), True), (("a",), ("b",), False)],
)
def test_models_with_tags_share_a_device_only_with_those_that_have_one_of_theirs(tags, others, share):
    one, other = served("one", tags=frozenset(tags)), served("other", tags=frozenset(others))
    assert one.may_share(other) is share
    assert other.may_share(one) is share


def test_a_device_that_is_cleared_for_one_model_is_not_taken_by_another():
    small = served("small", 2_000)
    residents = [ready(JUDGE, used_at=0)]
    decided = decide(
        [person(TAGGER, 1), batch(small, 2)], now=100, residents=residents, models=(JUDGE, TAGGER, small)
    )
    assert what(decided) == [(Evict, "tagger!1"), (Wait, "small@2")]


def test_another_copy_is_loaded_where_there_is_room_once_the_wait_is_longer_than_its_loading():
    devices = (Device("card", 24_000), Device("second", 24_000))
    model = served("judge", devices=devices)
    held = [(at(model), "batch")] * 2
    residents = [ready(model)]
    (early,) = decide(
        [batch(model, 100)], now=130, residents=residents, held=held, devices=devices, models=[model]
    )
    assert early.until == 160
    (late,) = decide(
        [batch(model, 100)], now=160, residents=residents, held=held, devices=devices, models=[model]
    )
    assert late.place == at(model, "second")


def test_another_copy_takes_the_place_of_what_is_idle_but_never_of_what_is_in_use():
    devices = (Device("card", 24_000), Device("second", 24_000))
    model, other = served("judge", devices=devices), served("tagger", devices=devices)
    residents = [ready(model), ready(other, device="second", used_at=50)]
    held = [(at(model), "batch")] * 2
    told = {"now": 160, "residents": residents, "devices": devices, "models": (model, other)}
    assert what(decide([batch(model, 100)], held=held, **told)) == [(Evict, "judge@100")]
    held.append((at(other, "second"), "batch"))
    (waits,) = decide([batch(model, 100)], held=held, **told)
    assert waits == Wait("judge@100", "all slots of judge are taken, and no device is idle")


TWO = (Device("card", 24_000), Device("second", 24_000))


def test_a_deployment_that_may_be_on_several_devices_has_one_copy_of_its_model():
    places = (Place("judge", "only", "card"), Place("judge", "only", "second"))
    model = ServedModel("judge", 16_000, places, slots=1, load_s=60)
    for state in ("ready", "loading", "draining"):
        residents = [Resident(places[0], state, 0.0, 0.0)]
        (waits,) = decide(
            [batch(model, 100)],
            now=9_000,
            residents=residents,
            held=[(places[0], "batch")],
            devices=TWO,
            models=[model],
        )
        assert isinstance(waits, Wait)


def of_one_server(name, deployment, device, server="http://studio:8600"):
    return ServedModel(name, 16_000, (Place(name, deployment, device),), servers={deployment: server})


def test_a_server_of_one_model_at_a_time_gives_up_what_it_has_on_another_device():
    one, other = of_one_server("one", "d", "card"), of_one_server("other", "d", "second")
    residents = [Resident(one.places[0], "ready", 0.0, 0.0)]
    told = {"devices": TWO, "models": (one, other)}
    (evicted,) = decide([batch(other, 90)], now=100, residents=residents, **told)
    assert (type(evicted), evicted.place) == (Evict, one.places[0])
    # Until it is gone nothing else is loaded there, nor where the other is to come.
    leaving = [replace(residents[0], state="unloading", cleared_for="other")]
    small = served("small", 2_000, devices=TWO)
    decided = decide(
        [batch(other, 90), batch(one, 91), batch(small, 92)],
        now=100,
        residents=leaving,
        devices=TWO,
        models=(one, other, small),
    )
    assert [type(one) for one in decided] == [Wait, Wait, Wait]
    assert decided[0].reason == "other is on its way"
    (loaded,) = decide([batch(other, 90)], now=100, **told)
    assert (type(loaded), loaded.place) == (Load, other.places[0])


def test_a_server_of_one_model_at_a_time_keeps_what_is_in_use_on_another_device():
    one, other = of_one_server("one", "d", "card"), of_one_server("other", "d", "second")
    residents = [Resident(one.places[0], "ready", 0.0, 0.0)]
    held = [(one.places[0], "batch")]
    (waits,) = decide(
        [batch(other, 90)], now=100, residents=residents, held=held, devices=TWO, models=(one, other)
    )
    assert isinstance(waits, Wait)
    assert "one is in use on card" in waits.reason


def test_models_of_two_servers_that_both_have_are_beside_each_other():
    def on_both(name):
        return ServedModel(
            name,
            16_000,
            (Place(name, "d1", "card"), Place(name, "d2", "second")),
            servers={"d1": "http://studio:8600", "d2": "http://studio:8601"},
        )

    one, other = on_both("one"), on_both("other")
    residents = [Resident(one.places[0], "ready", 0.0, 0.0)]
    held = [(one.places[0], "batch")]
    (loaded,) = decide(
        [batch(other, 90)], now=100, residents=residents, held=held, devices=TWO, models=(one, other)
    )
    assert (type(loaded), loaded.place) == (Load, other.places[1])


def test_who_may_not_be_served_where_the_model_is_ready_has_it_loaded_elsewhere():
    model = ServedModel(
        "judge", 16_000, (Place("judge", "d1", "card"), Place("judge", "d2", "second")), slots=1
    )
    residents = [Resident(model.places[0], "ready", 0.0, 0.0)]
    elsewhere = replace(batch(model, 1), deployments=frozenset({"d2"}))
    anywhere = batch(model, 2)
    decided = decide([elsewhere, anywhere], now=3, residents=residents, devices=TWO, models=[model])
    # The slot that is free is not taken by who cannot have it.
    assert what(decided) == [(Load, elsewhere.id), (Grant, anywhere.id)]
    assert decided[0].place == model.places[1]


def test_a_model_that_is_on_its_way_is_waited_for_only_by_those_whom_it_may_serve():
    model = ServedModel(
        "judge", 16_000, (Place("judge", "d1", "card"), Place("judge", "d2", "second")), slots=2
    )
    residents = [Resident(model.places[0], "loading", 0.0, 0.0)]
    elsewhere = replace(batch(model, 1), deployments=frozenset({"d2"}))
    decided = decide([elsewhere, batch(model, 2)], now=3, residents=residents, devices=TWO, models=[model])
    assert what(decided) == [(Load, elsewhere.id), (Wait, "judge@2")]
    assert decided[1].reason == "judge is on its way"


def test_a_resident_is_not_kept_for_those_whom_it_may_not_serve():
    model = ServedModel(
        "judge", 16_000, (Place("judge", "d1", "card"), Place("judge", "d2", "card")), slots=1
    )
    residents = [Resident(model.places[0], "ready", 0.0, 0.0)]
    elsewhere = replace(batch(model, 90), deployments=frozenset({"d2"}))
    assert what(decide([elsewhere], now=100, residents=residents, models=[model])) == [(Evict, elsewhere.id)]


def test_a_model_goes_where_it_would_rather_be_and_leaves_the_large_device_to_large_ones():
    devices = (Device("large", 48_000), Device("card", 24_000), Device("slice", 24_000, "mig", "1g.24gb"))
    for prefers_slice, device in ((False, "card"), (True, "slice")):
        model = served("judge", devices=devices, prefers_slice=prefers_slice)
        (decided,) = decide([batch(model)], now=0, devices=devices, models=[model])
        assert decided.place.device == device


MACHINE_DEVICES = (Device("a", 24_000), Device("b", 16_000), Device("c", 12_000, "mig", "1g.12gb"))
MACHINE_MODELS = {
    model.name: model
    for model in (
        served("large", 20_000, devices=MACHINE_DEVICES, load_s=90),
        served("middle", 14_000, devices=MACHINE_DEVICES, slots=1),
        served("other", 14_000, devices=MACHINE_DEVICES, load_s=30),
        served("slice", 9_000, devices=MACHINE_DEVICES, prefers_slice=True, load_s=20),
        served("small", 4_000, devices=MACHINE_DEVICES, slots=4, load_s=10, tags=frozenset({"tf"})),
        served("tiny", 2_000, devices=MACHINE_DEVICES, load_s=5, tags=frozenset({"tf", "x"})),
        served("alone", 6_000, devices=MACHINE_DEVICES, load_s=40, exclusive=True),
        served("wide", 10_000, devices=MACHINE_DEVICES, slots=3, load_s=25),
        # One deployment that may be anywhere; and two models of one server, each with a card of its own.
        ServedModel("one-copy", 5_000, tuple(Place("one-copy", "only", one) for one in "abc"), load_s=15),
        replace(of_one_server("first", "d", "a"), servers={"d": "shared"}),
        replace(of_one_server("second", "d", "b"), memory_mib=9_000, servers={"d": "shared"}),
        ServedModel(
            "either",
            3_000,
            (Place("either", "d1", "c"), Place("either", "d2", "a")),
            load_s=20,
            servers={"d2": "shared"},
        ),
    )
}


class Devices(RuleBasedStateMachine):
    """Anything may happen in any order; whatever `plan` decides is carried out and must be possible."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.residents = {}
        self.held = []
        self.waiting = {}
        self.came = 0

    @initialize(worth=st.sampled_from([0.0, 1.0, 8.0]), limit=st.sampled_from([20.0, 200.0, 900.0]))
    def begin(self, worth, limit):
        self.limits = Limits(interactive_wait_s=min(30, limit), batch_wait_s=limit, worth=worth)

    @rule(
        model=st.sampled_from(sorted(MACHINE_MODELS)),
        interactive=st.booleans(),
        left_out=st.sampled_from([None, 0, 1]),
    )
    def comes(self, model, interactive, left_out):
        self.came += 1
        priority = "interactive" if interactive else "batch"
        some = dict.fromkeys(place.deployment for place in MACHINE_MODELS[model].places if self.fits(place))
        deployments = frozenset(one for index, one in enumerate(some) if index != left_out)
        waiter = Waiter(str(self.came), model, priority, self.now, deployments)
        self.waiting[waiter.id] = waiter
        self.carry_out()

    @rule(data=st.data())
    def leaves(self, data):
        if self.waiting:
            del self.waiting[data.draw(st.sampled_from(sorted(self.waiting)))]
            self.carry_out()

    @rule(data=st.data())
    def ends(self, data):
        if self.held:
            self.end(data.draw(st.integers(0, len(self.held) - 1)))
            self.carry_out()

    @rule(data=st.data())
    def arrives_or_goes(self, data):
        moving = sorted(self.moving(), key=str)
        if moving:
            self.settle(data.draw(st.sampled_from(moving)))
            self.carry_out()

    @rule(seconds=st.sampled_from([0.1, 1, 5, 30, 300, 2000]))
    def time_passes(self, seconds):
        self.now += seconds
        self.carry_out()

    def fits(self, place):
        memory_mib = MACHINE_MODELS[place.model].memory_mib
        return any(
            device.name == place.device and memory_mib <= device.memory_mib for device in MACHINE_DEVICES
        )

    def moving(self):
        return [place for place, one in self.residents.items() if one.state in ("loading", "unloading")]

    def settle(self, place):
        resident = self.residents[place]
        if resident.state == "loading":
            self.residents[place] = replace(resident, state="ready", since=self.now, used_at=self.now)
        else:
            del self.residents[place]

    def end(self, index):
        place, priority = self.held.pop(index)
        resident = self.residents[place]
        chatted_at = self.now if priority == "interactive" else resident.chatted_at
        self.residents[place] = replace(resident, used_at=self.now, chatted_at=chatted_at)
        self.unload_if_drained(place)

    def unload_if_drained(self, place):
        resident = self.residents[place]
        if resident.state == "draining" and all(held != place for held, _ in self.held):
            self.residents[place] = replace(resident, state="unloading")

    def carry_out(self):
        decisions = plan(
            MACHINE_DEVICES,
            list(self.residents.values()),
            [HeldLease(place, priority) for place, priority in self.held],
            list(self.waiting.values()),
            self.now,
            models=MACHINE_MODELS,
            limits=self.limits,
        )
        assert {one.waiter for one in decisions} == set(self.waiting)
        assert all(one.reason for one in decisions)
        for one in decisions:
            match one:
                case Grant(waiter, place):
                    came = self.waiting.pop(waiter)
                    assert self.residents[place].state == "ready"
                    assert place.model == came.model
                    assert came.may_use(place)
                    self.held.append((place, came.priority))
                case Load(waiter, place):
                    assert place not in self.residents
                    assert place in MACHINE_MODELS[self.waiting[waiter].model].places
                    assert self.waiting[waiter].may_use(place)
                    beside = self.on(place.device)
                    assert all(other.state == "ready" for other in beside)
                    self.residents[place] = Resident(place, "loading", self.now, self.now)
                case Evict(waiter, place):
                    wanted = self.waiting[waiter].model
                    resident = self.residents[place]
                    assert resident.state == "ready"
                    self.residents[place] = replace(resident, state="draining", cleared_for=wanted)
                    self.unload_if_drained(place)
                case Wait(until=until):
                    assert until is None or until > self.now

    def on(self, device):
        return [one for place, one in self.residents.items() if place.device == device]

    @invariant()
    def memory_is_never_exceeded(self):
        for device in MACHINE_DEVICES:
            assert (
                sum(MACHINE_MODELS[one.model].memory_mib for one in self.on(device.name)) <= device.memory_mib
            )

    @invariant()
    def only_those_that_may_share_a_device_do(self):
        for device in MACHINE_DEVICES:
            models = [MACHINE_MODELS[one.model] for one in self.on(device.name)]
            for index, model in enumerate(models):
                assert all(model.may_share(other) for other in models[index + 1 :])

    @invariant()
    def no_deployment_has_two_copies_and_no_server_two_models_where_it_has_one(self):
        copies = Counter((place.model, place.deployment) for place in self.residents)
        assert all(count == 1 for count in copies.values())
        servers = Counter(
            MACHINE_MODELS[place.model].servers.get(place.deployment) for place in self.residents
        )
        assert all(count == 1 for server, count in servers.items() if server is not None)

    @invariant()
    def no_resident_has_more_leases_than_slots(self):
        for place in self.residents:
            assert sum(held == place for held, _ in self.held) <= MACHINE_MODELS[place.model].slots

    def teardown(self):
        """From wherever it got to: if leases end and models load in their time, everybody is served."""
        # Every model in turn, and each may be drained, unloaded and loaded again, in the worst order.
        for _ in range(40 * len(MACHINE_MODELS)):
            if not self.waiting:
                return
            self.now += 200
            for place in self.moving():
                self.settle(place)
            while self.held:
                self.end(0)
            self.carry_out()
        raise AssertionError(f"still waiting: {self.waiting}")


TestDevices = Devices.TestCase
TestDevices.settings = settings(max_examples=amount(60, 20), stateful_step_count=60, deadline=None)
