"""The leasing that the settings ask for, put together for one client."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from backends.devices import Devices
from backends.leases.attending import Attendant
from backends.leases.broker import Broker
from backends.leases.devices import leased_devices
from backends.leases.ledger import Ledger
from backends.leases.measuring import Machine
from backends.leases.observing import Observer, Pretended
from backends.leases.policy import Limits
from backends.leases.seam import GrantedAtOnce
from backends.leases.serving import Serving
from backends.leases.telling import Decisions
from backends.loading.choosing import loading_at
from telemetry.processes import boot_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backends.leases.seam import Leasing
    from backends.leases.turning import Told
    from registry.registry import Registry
    from store.database import StateDatabase
    from store.settings import Settings
    from telemetry.spool import Spool


def leasing_for(
    settings: Settings,
    registry: Registry,
    database: StateDatabase,
    environ: Mapping[str, str],
    spool: Spool,
    *,
    heard: Callable[[Told, float | None], None] | None = None,
    **labels: str,
) -> Leasing:
    """Leases by the setting. Begins the driver of this machine's cards, which may take seconds, and blocks meanwhile.

    Args:
        settings: The mode, and how patient the policy is.
        registry: Declares devices.
        database: Has the ledger.
        environ: For deployments' addresses.
        spool: Takes the decisions.
        heard: Hears, from any thread, of what was decided for this client, and what it carried out.
        labels: Of them: ``run_id``, ``batch``, ``stage``.

    Raises:
        ModelMisconfigured: The registry declares a device wrongly.
        LedgerInOtherMode: Somebody leases in the other mode.
    """
    if settings.leases == "off":
        return GrantedAtOnce()
    holder = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
    observes = settings.leases == "observe"
    told = Decisions(spool, settings.leases, holder, heard=heard, **labels)
    ttl_s = settings.lease_ttl_s
    ledger = Ledger(
        database,
        holder,
        limits=limits_of(settings),
        ttl_s=ttl_s,
        mode=settings.leases,
        learns=not observes,
    )
    devices = Devices()
    try:
        leased = leased_devices(
            registry.devices, devices.read().devices, host=socket.gethostname(), boot=boot_id()
        )
        serving = Serving(ledger, leased.devices, environ)
    except BaseException:
        devices.close()
        raise
    attendant = Attendant(
        ledger,
        holder=holder,
        ttl_s=ttl_s,
        told=told,
        loading=Pretended if observes else loading_at,
        observes=observes,
        machine=Machine(devices, leased.names),
    )
    return (Observer if observes else Broker)(attendant, serving, name=holder)


def limits_of(settings: Settings) -> Limits:
    """How patient the policy is by the settings."""
    return Limits(
        interactive_wait_s=settings.lease_interactive_wait_s, batch_wait_s=settings.lease_batch_wait_s
    )
