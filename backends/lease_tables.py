"""How things stand with leases, for people, as tables, and for programs, as JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from backends.showing import cell, duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from backends.leases.standing import (
        DeviceStanding,
        LeaseStanding,
        ResidentStanding,
        Standing,
        TransitionStanding,
        WaiterStanding,
    )


def standing_table(devices: Iterable[DeviceStanding]) -> Table:
    """One row a device: what is on it, what is being done there, and who waits for it."""
    table = Table("leased device", "memory", "models on it", "under way", "waiting", title_justify="left")
    for device in devices:
        table.add_row(
            cell(f"{device.name}" if device.kind == "host" else f"{device.name} ({device.kind})"),
            cell(_memory(device)),
            cell("\n".join(map(_resident, device.residents))),
            cell("\n".join(map(_transition, device.transitions))),
            cell("\n".join(_waiting(device.waiters))),
        )
    return table


def leases_table(leases: Iterable[LeaseStanding]) -> Table:
    """One row a lease."""
    table = Table("token", "model", "deployment", "device", "priority", "holder", "age", "expires in")
    for one in leases:
        left = duration(one.expires_in_s) if one.expires_in_s > 0 else "has run out"
        told = (one.token, one.model, one.deployment, one.device, one.priority, one.holder)
        table.add_row(*map(cell, (*told, duration(one.age_s), left)))
    return table


def waiters_table(waiters: Iterable[WaiterStanding]) -> Table:
    """One row a waiter, who waits longest first."""
    table = Table("waiter", "model", "priority", "holder", "waits for", "may be on", "note")
    for one in waiters:
        note = "is gone" if one.gone else f"never will be granted: {one.refused}" if one.refused else ""
        told = (one.waiter, one.model, one.priority, one.holder, duration(one.waited_s))
        table.add_row(*map(cell, (*told, ", ".join(one.devices), note)))
    return table


def leases_json(standing: Standing) -> str:
    """All leases and waiters; times are seconds from now, as their names say."""
    plain = asdict(standing)
    return json.dumps({"leases": plain["leases"], "waiters": plain["waiters"]}, indent=2)


def _memory(device: DeviceStanding) -> str:
    taken = sum(one.memory_mib for one in device.residents)
    words = f"{taken:,} of {device.memory_mib:,} MiB"
    return f"{words}, {device.foreign_mib:,} MiB by others" if device.foreign_mib else words


def _resident(one: ResidentStanding) -> str:
    words = f"{one.model} ({one.deployment}) {one.state} for {duration(one.for_s)}"
    words += f", {one.leases} of {one.slots} leases"
    return f"{words}, makes room for {one.cleared_for}" if one.cleared_for else words


def _transition(one: TransitionStanding) -> str:
    words = f"{one.phase} {one.model} for {duration(one.for_s)}"
    if one.tries > 1:
        words += f", try {one.tries}"
    if one.owner is None:
        return f"{words}, by whoever comes next"
    return f"{words}, by {one.owner}, who is gone" if one.overdue else f"{words}, by {one.owner}"


def _waiting(waiters: Iterable[WaiterStanding]) -> Iterator[str]:
    # A batch stands in the queue once for each request that it has in flight.
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for one in waiters:
        if not one.gone and one.refused is None:
            groups[one.model, one.priority, one.holder].append(one.waited_s)
    for (model, priority, holder), waits in groups.items():
        yield f"{len(waits)} {priority} for {model}, up to {duration(max(waits))}, by {holder}"
