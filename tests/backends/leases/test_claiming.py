"""Names of devices are of all hosts together: each finds a `host` and a `gpu-0`, and they are not one."""

from __future__ import annotations

import pytest
from client_desk import model_at
from lease_desk import EAGER, asked, resident, served

from backends.errors import ModelMisconfigured
from backends.leases.ledger import Ledger
from backends.leases.observing import Pretended
from backends.leases.serving import Serving
from backends.leases.state import Device

STUDIO = Device("gpu-0", 24_000, host="studio", uuid="GPU-1")
HALL = Device("gpu-0", 12_000, host="hall", uuid="GPU-2")
DECLARED = Device("gpu-0", 20_000)
ON_IT = served(devices=("gpu-0",))


def ledger(state, name, device):
    made = Ledger(state, name, limits=EAGER, ttl_s=30.0, learns=False)
    return made, made.declare([device])


def in_use(state):
    """The studio's card, with a lease on it."""
    studio, others = ledger(state, "studio", STUDIO)
    assert others == {}
    resident(studio, ON_IT)
    return studio, studio.turn(enter=[asked("a", ON_IT)]).granted["a"].token


def test_a_card_that_another_host_found_is_not_overwritten(state):
    studio, _ = in_use(state)
    _, others = ledger(state, "hall", HALL)
    assert others == {"gpu-0": "a device that studio has found"}
    assert studio.snapshot().devices == (STUDIO,)


def test_a_deployment_that_means_its_own_by_that_name_is_refused_and_told_what_to_do(state):
    in_use(state)
    hall = Ledger(state, "hall", limits=EAGER)
    serving = Serving(hall, [HALL], {}, loading=Pretended)
    for named in (("gpu-0",), ()):
        judge = model_at("http://127.0.0.1:1", deployment={"devices": named})
        with pytest.raises(ModelMisconfigured, match=r"studio has found.*declare .* a name of its own"):
            serving.served(judge, judge.deployments)


@pytest.mark.parametrize("waits", [True, False])
def test_whoever_waits_or_loads_keeps_the_name_too(state, waits):
    studio, _ = ledger(state, "studio", STUDIO)
    studio.turn(enter=[asked("a", ON_IT)])
    if not waits:
        studio.turn(leave=["a"])
    assert ledger(state, "hall", HALL)[1] == {"gpu-0": "a device that studio has found"}


def test_a_name_that_nobody_uses_passes_on_and_what_was_on_the_other_device_does_not(state):
    studio, token = in_use(state)
    studio.turn(give_back=[token])
    hall, others = ledger(state, "hall", HALL)
    assert others == {}
    left = hall.snapshot()
    assert (left.devices, left.residents) == ((HALL,), ())


def test_what_was_measured_of_a_card_stays_its_own(state):
    studio, token = in_use(state)
    studio.measured("gpu-0", 2_000)
    again, _ = ledger(state, "studio again", STUDIO)
    assert [device.foreign_mib for device in again.snapshot().devices] == [2_000]
    studio.turn(give_back=[token])
    hall, _ = ledger(state, "hall", HALL)
    assert [device.foreign_mib for device in hall.snapshot().devices] == [0]


def test_who_lives_on_while_the_name_passes_on_is_refused(state):
    studio, token = in_use(state)
    studio.turn(give_back=[token])
    hall, _ = ledger(state, "hall", HALL)
    with pytest.raises(ModelMisconfigured, match="gpu-0 is a device that hall has found meanwhile"):
        studio.turn(enter=[asked("b", ON_IT)])
    assert hall.snapshot().waiters == ()


def test_containers_of_one_machine_share_its_card_whatever_they_are_called(state):
    studio, _ = in_use(state)
    container = Device("gpu-0", 24_000, host="3f2a1b", uuid="GPU-1")
    assert ledger(state, "container", container)[1] == {}
    assert [kept.place.device for kept in studio.snapshot().residents] == ["gpu-0"]


def test_a_machine_that_was_started_again_knows_its_memory_by_its_own_name(state):
    before = Device("host", 32_000, kind="host", host="studio", uuid="boot-1")
    ledger(state, "studio", before)[0].turn(enter=[asked("a", served(devices=("host",)))])
    after = Device("host", 32_000, kind="host", host="studio", uuid="boot-2")
    assert ledger(state, "studio again", after)[1] == {}


def test_a_host_may_declare_what_it_had_found(state):
    in_use(state)
    declared = Device("gpu-0", 20_000, uuid="GPU-1")
    studio, others = ledger(state, "studio again", declared)
    assert others == {}
    assert studio.snapshot().devices == (declared,)


def test_what_is_declared_is_the_same_for_all_who_declare_it(state):
    one, _ = ledger(state, "one", DECLARED)
    one.turn(enter=[asked("a", ON_IT)])
    assert ledger(state, "two", DECLARED)[1] == {}


def test_two_cards_that_are_declared_by_one_name_are_told_apart(state):
    one, _ = ledger(state, "one", Device("gpu-0", 20_000, uuid="GPU-1"))
    one.turn(enter=[asked("a", ON_IT)])
    assert ledger(state, "two", Device("gpu-0", 20_000, uuid="GPU-2"))[1] == {
        "gpu-0": "a device that somebody else declares"
    }
