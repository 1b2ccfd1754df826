"""When a server that ended by itself is started anew: pure arithmetic over the times of its crashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backends.services.supervision.configuration import Restarts


def wait_before_restart(crashes: Sequence[float], rules: Restarts) -> float | None:
    """Seconds to wait after the latest crash, doubled with each recent one; None to give up.

    Args:
        crashes: Times of the crashes so far in seconds, ascending, the one that just happened last.
        rules: How often and how fast.
    """
    latest = crashes[-1]
    recent = sum(latest - crash < rules.within_s for crash in crashes)
    if recent >= rules.give_up_after:
        return None
    wait: float = rules.first_wait_s
    for _ in range(recent - 1):
        wait = min(2 * wait, rules.longest_wait_s)
    return min(wait, rules.longest_wait_s)
