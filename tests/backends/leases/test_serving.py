"""The ledger put right by what servers say, whatever others do meanwhile."""

from __future__ import annotations

import pytest
from client_desk import model_at
from lease_desk import asked, party
from model_host import HostLoading

from backends.errors import LoadingFailed, ModelMisconfigured
from backends.leases.serving import Serving
from backends.leases.state import Device
from backends.loading.protocol import Found, Inventory
from store.database import StateDatabase
from store.settings import Settings

CARDS = (Device("gpu0", 24_000), Device("gpu1", 24_000))
MODEL = model_at(
    "http://studio.test:8600",
    name="judge",
    deployment={"served_model_id": "judge", "devices": ("gpu0", "gpu1")},
    footprint={"vram_mib": 16_000, "source": "made up"},
)


@pytest.fixture
def state(tmp_path):
    with StateDatabase.open(Settings(home=tmp_path / "home")) as database:
        yield database


def says(inventory, *, meanwhile=lambda: None):
    """A server that says so; what happens before its answer has come happens then."""

    class Says(HostLoading):
        def inventory(self):
            meanwhile()
            return inventory

    return Says


HAS_IT = Inventory((Found("judge", ready=True, token=7),), token=7)


def look(state, inventory, **options):
    ledger = party(state, "looks")
    return Serving(ledger, CARDS, {}, loading=says(inventory, **options)).served(MODEL, MODEL.deployments)


def begin_loading(state, served):
    other = party(state, "other")
    (load,) = other.turn(enter=[asked("a", served)]).tasks
    return other, load.transition


def residents(state):
    return [(kept.place.device, kept.resident.state) for kept in party(state, "sees").snapshot().residents]


class RefusesTheKey(HostLoading):
    """A supervisor that does not know our key."""

    def inventory(self):
        raise LoadingFailed("http://studio.test:8600/state answered 401: no such key.", 401)


def test_a_server_that_refuses_our_key_is_no_matter_of_its_address(state):
    deployment = MODEL.deployments[0].model_copy(update={"control_key_env": "STUDIO_KEY"})
    serving = Serving(party(state, "looks"), CARDS, {}, loading=RefusesTheKey)
    with pytest.raises(ModelMisconfigured, match=r"answered 401: .* correct STUDIO_KEY") as caught:
        serving.served(MODEL.model_copy(update={"deployments": (deployment,)}), (deployment,))
    assert "base_url" not in str(caught.value)


def test_what_was_loaded_while_its_server_was_asked_is_not_struck_out(state):
    served = look(state, Inventory())

    def meanwhile():
        other, load = begin_loading(state, served)
        assert other.finish(load, "done")

    look(state, Inventory(), meanwhile=meanwhile)
    assert residents(state) == [("gpu0", "ready")]


def test_what_came_to_be_loaded_while_its_server_was_asked_is_not_struck_out(state):
    other, load = begin_loading(state, look(state, Inventory()))
    look(state, Inventory(), meanwhile=lambda: other.finish(load, "done"))
    assert residents(state) == [("gpu0", "ready")]


def test_what_was_unloaded_while_its_server_was_asked_is_not_put_down_again(state):
    other, load = begin_loading(state, look(state, Inventory()))
    assert other.finish(load, "done")
    look(state, HAS_IT, meanwhile=lambda: other.miss(load.place, token=load.token))
    assert residents(state) == []


@pytest.mark.parametrize(("says_where", "device"), [("gpu1", "gpu1"), ("elsewhere", "gpu0"), (None, "gpu0")])
def test_what_a_server_has_is_put_down_where_it_says_that_it_is(state, says_where, device):
    look(state, Inventory(HAS_IT.found, HAS_IT.token, says_where))
    assert residents(state) == [(device, "ready")]
