from __future__ import annotations

import pytest

from backends.leases.baselines import first_in_first_out, least_recently_used
from backends.leases.decisions import Grant
from backends.leases.policy import Limits, plan
from backends.simulation.errors import PolicyBroken
from backends.simulation.figures import figures
from backends.simulation.playing import play
from backends.simulation.policies import PolicyName, policy_of
from backends.simulation.workload import (
    Batch,
    Chat,
    PlayedModel,
    Workload,
    parse_devices,
    read_workload,
    shipped_workloads,
)

CARD = parse_devices(["24G"])
MODEL = PlayedModel(memory_mib=16_000, load_s=60, unload_s=2, slots=4)
ONE_BATCH = Workload(models={"a": MODEL}, batches=(Batch(name="one", model="a", requests=8, seconds=10),))
POLICIES = [policy_of(name, Limits()) for name in PolicyName]


@pytest.mark.parametrize("policy", POLICIES)
def test_one_batch_takes_its_loading_and_its_requests(policy):
    one = figures(play(ONE_BATCH, CARD, policy))
    # Two rounds of four requests, each of 8 to 12 s.
    assert 60 + 16 <= one.makespan_s <= 60 + 24
    assert (one.loads, one.switches, one.left_waiting) == (1, 0, 0)
    assert one.batch.requests == 8
    assert one.interactive.requests == 0
    assert one.interactive.p95_s is None


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_workloads())
@pytest.mark.parametrize("policy", POLICIES)
def test_every_request_of_every_shipped_workload_is_answered_once(policy, name):
    workload = read_workload(name)
    played = play(workload, parse_devices(workload.devices), policy)
    asked = sum(batch.requests for batch in workload.batches)
    asked += sum(chat.conversations * chat.messages for chat in workload.chats)
    assert len(played.served) == asked
    assert played.left_waiting == 0


@pytest.mark.parametrize("name", shipped_workloads())
def test_there_are_a_third_of_the_switches_of_first_in_first_out_and_no_chat_waits_longer(name):
    workload = read_workload(name)
    cards = parse_devices(workload.devices)
    ours, theirs = figures(play(workload, cards, plan)), figures(play(workload, cards, first_in_first_out))
    assert 3 * ours.switches <= theirs.switches
    assert ours.makespan_s <= theirs.makespan_s
    if ours.interactive.p95_s is not None:
        assert ours.interactive.p95_s <= theirs.interactive.p95_s


def test_a_chat_does_not_wait_for_the_end_of_a_batch_as_it_does_where_the_least_recently_used_must_be_idle():
    workload = read_workload("tagging-and-chat")
    ours, theirs = figures(play(workload, CARD, plan)), figures(play(workload, CARD, least_recently_used))
    assert ours.interactive.longest_s < 0.2 * theirs.interactive.longest_s


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_the_same_seed_plays_the_same_and_another_one_another(policy):
    workload = read_workload("tagging-and-chat")
    first, again, other = (play(workload, CARD, policy, seed=seed) for seed in (1, 1, 2))
    assert first.spans == again.spans
    assert first.spans != other.spans


def test_what_is_asked_does_not_depend_on_the_policy():
    workload = read_workload("tagging-and-chat")
    asked = [
        sorted(
            round(span.end_s - span.start_s, 6)
            for span in play(workload, CARD, policy).spans
            if span.kind == "request"
        )
        for policy in POLICIES
    ]
    assert asked[0] == asked[1] == asked[2]


def test_a_stage_waits_for_the_one_before_it():
    workload = Workload(
        models={"a": MODEL},
        batches=(
            Batch(name="first", model="a", requests=8, seconds=10),
            Batch(name="then", model="a", requests=4, seconds=1, after="first"),
        ),
    )
    spans = [span for span in play(workload, CARD, plan).spans if span.kind == "request"]
    first, then = spans[:8], spans[8:]
    assert min(span.start_s for span in then) >= max(span.end_s for span in first)


def test_who_chats_is_asked_by_persons_and_waits_for_nobody_when_the_model_is_there():
    chat = Chat(model="a", conversations=3, every_s=500, messages=2, pause_s=5, seconds=1)
    played = play(Workload(models={"a": MODEL}, chats=(chat,)), CARD, plan)
    waits = [one.wait_s for one in sorted(played.served, key=lambda one: one.answered_s)]
    assert {one.priority for one in played.served} == {"interactive"}
    assert waits[0] == 60
    assert waits[1:] == [0.0] * 5


def test_a_model_that_fits_no_device_leaves_its_requests_waiting_and_says_so():
    huge = Workload(
        models={"a": PlayedModel(memory_mib=50_000)},
        batches=(Batch(name="one", model="a", requests=8, seconds=1, concurrency=2),),
    )
    assert figures(play(huge, CARD, plan)).left_waiting == 2


def test_a_policy_that_grants_what_is_not_ready_is_broken():
    def broken(devices, residents, leases, waiters, now, *, models):
        del devices, residents, leases, now
        return [Grant(one.id, models[one.model].places[0], "why not") for one in waiters]

    with pytest.raises(PolicyBroken, match="not ready"):
        play(ONE_BATCH, CARD, broken)
