"""The leasing that the settings ask for."""

from __future__ import annotations

import pytest
from lease_desk import EAGER, asked, served

from backends.errors import LedgerInOtherMode
from backends.leases.assembling import leasing_for
from backends.leases.broker import Broker
from backends.leases.ledger import Ledger
from backends.leases.observing import Observer
from backends.leases.seam import GrantedAtOnce
from registry.registry import Registry
from store.database import StateDatabase
from store.settings import Settings
from telemetry.spool import Spool

pytestmark = pytest.mark.anyio


@pytest.fixture
def lease(tmp_path):
    """Makes the leasing of a mode, on one ledger; and the ledger."""
    registry = Registry.load(tmp_path / "registry.yaml", environ={})
    with (
        StateDatabase.open(Settings(home=tmp_path / "home")) as database,
        Spool(database.home.spool) as spool,
    ):

        def made(mode):
            settings = Settings(home=tmp_path / "home", leases=mode)
            return leasing_for(settings, registry, database, {}, spool)

        made.database = database
        yield made


async def test_each_mode_has_its_own(lease):
    for mode, kind in [("off", GrantedAtOnce), ("observe", Observer), ("enforce", Broker)]:
        leasing = lease(mode)
        assert isinstance(leasing, kind)
        await leasing.close()


async def test_who_comes_in_another_mode_than_those_who_are_there_is_refused(lease):
    leasing = lease("observe")
    watching = Ledger(lease.database, "watching", limits=EAGER, mode="observe")
    watching.turn(enter=[asked("a", served(devices=("host",)))])
    with pytest.raises(LedgerInOtherMode, match="mode observe now, and watching uses them"):
        lease("enforce")
    await lease("observe").close()
    await leasing.close()
