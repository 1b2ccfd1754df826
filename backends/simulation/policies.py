"""The policies that can be played, by name."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from backends.leases.baselines import first_in_first_out, least_recently_used
from backends.leases.policy import plan

if TYPE_CHECKING:
    from backends.leases.policy import Limits, Policy


class PolicyName(StrEnum):
    """Ours, and those to compare with: first in first out, least recently used."""

    TURNS = "turns"
    FIFO = "fifo"
    LRU = "lru"


def policy_of(name: PolicyName, limits: Limits) -> Policy:
    """The policy of that name.

    Args:
        name: Which.
        limits: How patient ours is; the others know no patience.
    """
    match name:
        case PolicyName.TURNS:
            return partial(plan, limits=limits)
        case PolicyName.FIFO:
            return first_in_first_out
        case PolicyName.LRU:
            return least_recently_used
