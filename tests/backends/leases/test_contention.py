"""Many processes over few devices, killed and stopped at random: what must not happen does not."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

import pytest
from lease_crowd import DEVICES, MODELS, TTL_S, Crowd, crowded_host, write_config
from lease_process import served_model
from model_host import HostLoading, serving
from soak import amount

from backends.leases.attending import Answered, Attendant
from backends.leases.ledger import Ledger
from backends.leases.policy import Limits
from backends.leases.state import Device
from backends.leases.taking import Asked
from store.database import StateDatabase
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def state_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    if request.param == "sqlite":
        yield None
    else:
        yield request.getfixturevalue("postgresql_url")


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    "state_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.real)], indirect=True
)
def test_memory_and_slots_are_never_exceeded_and_nobody_waits_for_ever(tmp_path, state_url):
    host = crowded_host()
    with serving(host) as url:
        config = write_config(tmp_path, url, state_url=state_url)
        settings = Settings(home=tmp_path / "home", state_url=state_url)
        with StateDatabase.open(settings) as database:
            # Those who ask less often are disturbed more often, so that as many are killed and stopped.
            each = amount(150, 25)
            crowd = Crowd(
                tmp_path / "config.json", processes=8, each=each, seed=7, disturbed=0.008 * 150 / each
            )
            crowd.run(within_s=1200)
            told = crowd.told
            assert host.violations == []
            assert [line for line in told if line.get("refused")] == []
            # Who waited in vain would have ended its process, which the crowd notices. That whoever has waited
            # for long comes first is the policy's to promise, and held by its own tests, where no clock is slow.
            assert crowd.killed
            assert crowd.stopped
            settle(database, config)


def settle(database: StateDatabase, config: dict[str, Any]) -> None:
    """Who comes next finishes what the dead left; when that one is gone too, nothing is held or under way."""
    attendant = Attendant(
        Ledger(database, "next", limits=Limits(), ttl_s=TTL_S),
        holder="next",
        ttl_s=TTL_S,
        told=lambda *_: None,
        loading=HostLoading,
        poll_s=0.01,
    )
    devices = [Device(name, memory) for name, memory in DEVICES.items()]
    for name, facts in MODELS.items():
        answers: queue.SimpleQueue[Answered] = queue.SimpleQueue()
        attendant.enter(
            Asked(f"next-{name}", "interactive", served_model(name, *facts, devices, config)), answers.put
        )
        held = answers.get(timeout=60.0).held
        assert held is not None
        attendant.give_back(held)
    attendant.close(10.0)
    left = Ledger(database, "last", limits=Limits()).snapshot()
    assert left.leases == ()
    assert left.waiters == ()
    assert [one for one in left.transitions if one.expires_at <= left.now - TTL_S] == []
