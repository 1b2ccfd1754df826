"""The shortest makespan of a small workload, by playing every order in which its models may have the devices."""

from __future__ import annotations

from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, Final

from backends.leases.board import Board
from backends.leases.decisions import Evict, Grant, Load, Wait
from backends.simulation.errors import WorkloadError
from backends.simulation.figures import figures
from backends.simulation.playing import play

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from backends.leases.decisions import Decision
    from backends.leases.state import Device, HeldLease, Resident, ServedModel, Waiter
    from backends.simulation.workload import Workload

MOST_PLAYS: Final = 20_000

Orders = tuple[tuple[str, ...], ...]
"""For each device the models that have it to themselves, one after the other."""


def shortest_makespan(workload: Workload, devices: Sequence[Device], *, turns: int, seed: int = 0) -> float:
    """Seconds to the last answer in the best order, by trying all.

    In every order a device has one model at a time, for as long as somebody asks it.

    Args:
        workload: A small one.
        devices: A few.
        turns: Models that a device has one after the other, at most; a model may come again.
        seed: As for ``play``.

    Raises:
        WorkloadError: There are too many orders to try.
    """
    models = list(workload.models)
    of_one = sum(len(models) * max(1, len(models) - 1) ** (length - 1) for length in range(1, turns + 1))
    plays = prod([of_one + 1] * len(devices))
    if plays > MOST_PLAYS:
        raise WorkloadError(f"{plays} orders are too many to try; at most {MOST_PLAYS} are.")
    orders = product([(), *_orders(models, turns)], repeat=len(devices))
    return min(_makespan(workload, devices, order, seed) for order in orders)


def _orders(models: Sequence[str], turns: int) -> Iterator[tuple[str, ...]]:
    for length in range(1, turns + 1):
        for order in product(models, repeat=length):
            if all(one != other for one, other in pairwise(order)):
                yield order


def _makespan(workload: Workload, devices: Sequence[Device], orders: Orders, seed: int) -> float:
    played = play(workload, devices, _InOrder(devices, orders), seed=seed)
    asked = sum(batch.requests for batch in workload.batches)
    # An order that ends before the work does is no way to do it.
    return figures(played).makespan_s if len(played.served) >= asked else float("inf")


class _InOrder:
    """A policy that gives each device to its models in the order it was told."""

    def __init__(self, devices: Sequence[Device], orders: Orders) -> None:
        self._left = {device.name: list(order) for device, order in zip(devices, orders, strict=True)}

    def __call__(
        self,
        devices: Iterable[Device],
        residents: Iterable[Resident],
        leases: Iterable[HeldLease],
        waiters: Sequence[Waiter],
        now: float,
        *,
        models: Mapping[str, ServedModel],
    ) -> list[Decision]:
        del now
        board = Board(devices, residents, leases, waiters, models=models)
        decisions: list[Decision] = []
        waiting: dict[str, Waiter] = {}
        for waiter in sorted(waiters, key=lambda one: (one.since, one.id)):
            place = board.free_slot(waiter)
            if place is not None:
                board.grant(waiter, place)
                decisions.append(Grant(waiter.id, place, "is ready"))
            else:
                waiting.setdefault(waiter.model, waiter)
                decisions.append(Wait(waiter.id, "not its turn"))
        for device, left in self._left.items():
            decisions += self._turn(board, device, left, waiting)
        return decisions

    def _turn(
        self, board: Board, device: str, left: list[str], waiting: Mapping[str, Waiter]
    ) -> Iterator[Decision]:
        card = board.cards[device]
        if card.switching or not left or (waiter := waiting.get(left[0])) is None:
            return
        if card.residents:
            if not any(map(board.in_use, card.residents)):
                yield from (Evict(waiter.id, one.place, "its turn is over") for one in card.residents)
            return
        place = next(one for one in board.models[left[0]].places if one.device == device)
        del left[0]
        yield Load(waiter.id, place, "its turn has come")
