"""The host's own memory as a device: a model that runs on the processor is resident there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from backends.readings import Reading

_MEMINFO: Final = Path("/proc/meminfo")
_LINE: Final = re.compile(r"^(MemTotal|MemAvailable):\s+(\d+) kB$", re.MULTILINE)
_MIB: Final = 1024 * 1024


def host_memory(meminfo: Path = _MEMINFO) -> Reading:
    """The memory of this host; where ``/proc`` does not tell, all of it and not what is used."""
    try:
        kib = {name: int(value) for name, value in _LINE.findall(meminfo.read_text(encoding="ascii"))}
    except OSError:
        kib = {}
    total = kib["MemTotal"] // 1024 if "MemTotal" in kib else _physical_mib()
    # Free is what can be had without swapping, caches included; the kernel's own estimate.
    free = kib["MemAvailable"] // 1024 if "MemAvailable" in kib else None
    return Reading(
        name="host",
        uuid="host",
        kind="host",
        product=f"{os.cpu_count()} cores",
        memory_total_mib=total,
        memory_used_mib=None if free is None else total - free,
        memory_free_mib=free,
    )


def _physical_mib() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MIB
