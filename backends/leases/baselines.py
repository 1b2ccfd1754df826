"""Policies to compare with: first in, first out; and least recently used, as model swappers do it today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends.leases.board import Board
from backends.leases.decisions import Evict, Grant, Load, Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from backends.leases.decisions import Decision
    from backends.leases.state import Device, HeldLease, Resident, ServedModel, Waiter


def first_in_first_out(
    devices: Iterable[Device],
    residents: Iterable[Resident],
    leases: Iterable[HeldLease],
    waiters: Sequence[Waiter],
    now: float,
    *,
    models: Mapping[str, ServedModel],
) -> list[Decision]:
    """Who came first is served first; nobody passes by on a device that somebody before waits for."""
    del now
    board = Board(devices, residents, leases, waiters, models=models)
    spoken_for: set[str] = set()
    decisions: list[Decision] = []
    for waiter in sorted(waiters, key=lambda one: (one.since, one.id)):
        model = board.models[waiter.model]
        place = board.free_slot(waiter)
        if place is not None and place.device not in spoken_for:
            board.grant(waiter, place)
            decisions.append(Grant(waiter.id, place, "came first"))
            continue
        if place is None and not board.is_served(waiter):
            decisions += _room(board, waiter, model, spoken_for, may_evict=lambda _: True)
        else:
            decisions.append(Wait(waiter.id, "waits in line"))
        spoken_for.update(one.device for one in model.places)
    return decisions


def least_recently_used(
    devices: Iterable[Device],
    residents: Iterable[Resident],
    leases: Iterable[HeldLease],
    waiters: Sequence[Waiter],
    now: float,
    *,
    models: Mapping[str, ServedModel],
) -> list[Decision]:
    """A model that is ready serves whoever asks it; another one waits until some resident has nothing to do."""
    del now
    held = list(leases)
    board = Board(devices, residents, held, waiters, models=models)
    busy = {lease.place for lease in held}
    decisions: list[Decision] = []
    for waiter in sorted(waiters, key=lambda one: (one.since, one.id)):
        model = board.models[waiter.model]
        place = board.free_slot(waiter)
        if place is not None:
            board.grant(waiter, place)
            busy.add(place)
            decisions.append(Grant(waiter.id, place, "is ready"))
        elif board.is_served(waiter):
            decisions.append(Wait(waiter.id, "is on its way, or has no free slot"))
        else:
            decisions += _room(board, waiter, model, set(), may_evict=lambda one: one.place not in busy)
    return decisions


def _room(
    board: Board,
    waiter: Waiter,
    model: ServedModel,
    spoken_for: set[str],
    *,
    may_evict: Callable[[Resident], bool],
) -> list[Decision]:
    places = [one for one in board.places(waiter) if one.device not in spoken_for]
    for place in places:
        if board.has_room(place):
            board.load(place)
            return [Load(waiter.id, place, "there is room")]
    for place in places:
        chosen: list[Resident] = []
        beside = board.beside(place)
        for resident in sorted(beside, key=lambda one: one.used_at):
            if not may_evict(resident):
                continue
            chosen.append(resident)
            free_mib = board.cards[place.device].free_mib + board.freed_mib(chosen, place)
            if free_mib >= model.memory_mib and all(
                board.may_stay(one, place) for one in beside if one not in chosen
            ):
                board.evict(chosen, place)
                return [Evict(waiter.id, one.place, "is the one least recently used") for one in chosen]
    return [Wait(waiter.id, "there is no room")]
