"""How a process that runs stages treats its memory: pictures' memory is used again, and what is loaded stays.

Both are for speed alone. A decoded photo is megabytes, which glibc gives back to the system as soon as they are
freed: a page fault for every 4 KiB of the next photo, up to a fifth of what a critique costs. And the collector
looks through the modules of Dagster, SQLAlchemy and all others again and again, though they never go.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
from functools import cache
from typing import Final

# From <malloc.h>.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
# The most that glibc takes; a larger photo's memory goes back to the system at once, as it should.
_MMAP_THRESHOLD: Final = 32 * 1024 * 1024
_TRIM_THRESHOLD: Final = 2 * _MMAP_THRESHOLD


@cache
def settle() -> None:
    """Do so for this process, once; call it when all is loaded. Where the C library is another, less is done."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
    gc.collect()
    gc.freeze()
    # At its end modules are taken down after all, and DuckDB's would be counted as leaks.
    atexit.register(gc.unfreeze)
