"""Readings of devices for people, as a table, and for programs, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from backends.showing import cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backends.leases.standing import DeviceStanding
    from backends.readings import Reading, Readings


def device_table(readings: Readings) -> Table:
    """One row a device; what it does not tell is empty."""
    table = Table(
        "name", "kind", "product", "memory", "used", "free", "busy", "power", "temperature", "processes"
    )
    for device in readings.devices:
        table.add_row(*map(cell, _words(device)))
    return table


def device_json(readings: Readings, leased: Sequence[DeviceStanding] = ()) -> str:
    """All that is known of each device; units are in the names, memory in MiB, shares from 0 to 1.

    Args:
        readings: This host's, under ``devices``, with the ``problems`` of reading them.
        leased: What the ledger has on each device, of whatever host, under ``leased``.
    """
    return json.dumps({**asdict(readings), "leased": [asdict(device) for device in leased]}, indent=2)


def _words(device: Reading) -> list[str]:
    kind = f"{device.kind}, sliced" if device.is_sliced else device.mig_profile or device.kind
    return [
        device.name,
        kind,
        device.product,
        _with(device.memory_total_mib, "{:,} MiB"),
        _with(device.memory_used_mib, "{:,} MiB"),
        _with(device.memory_free_mib, "{:,} MiB"),
        _with(device.utilization, "{:.0%}"),
        _with(device.power_w, "{:.0f} W"),
        _with(device.temperature_c, "{:.0f} °C"),
        "" if device.processes is None else str(len(device.processes)),
    ]


def _with(value: float | None, words: str) -> str:
    return "" if value is None else words.format(value)
