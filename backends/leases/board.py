"""The state as a policy looks at it while it plans: who is where, what is free, who wants what.

A board is made for one plan and thrown away; what the plan has decided so far is marked on it, so that the next
waiter sees it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from backends.leases.state import Device, HeldLease, Place, Resident, ServedModel, Waiter

# Two to the tenth sets are looked at in full; beyond, the cheapest go first.
_ALL_SETS: Final = 10


@dataclass(slots=True)
class Card:
    """One device with what is on it.

    Attributes:
        device: The device.
        free_mib: Memory that may still be promised.
        residents: Those on it, in whatever state.
        switching: Whether something is on its way in or out, or will be: nothing else may begin then.
    """

    device: Device
    free_mib: int
    residents: list[Resident] = field(default_factory=list)
    switching: bool = False


class Board:
    """Devices, residents, leases and waiters, indexed, with the marks of the plan so far."""

    def __init__(
        self,
        devices: Iterable[Device],
        residents: Iterable[Resident],
        leases: Iterable[HeldLease],
        waiters: Iterable[Waiter],
        *,
        models: Mapping[str, ServedModel],
    ) -> None:
        self.models = models
        self.cards = {device.name: Card(device, device.memory_mib - device.foreign_mib) for device in devices}
        self._of_model: defaultdict[str, list[Resident]] = defaultdict(list)
        self._leases: Counter[Place] = Counter()
        self._chats: Counter[Place] = Counter()
        self._wanted: Counter[str] = Counter()
        self._wanted_by_chat: Counter[str] = Counter()
        self._closed: set[Place] = set()
        self._coming: Counter[str] = Counter()
        # However many residents are on their way out for it, one comes.
        cleared: set[str] = set()
        for resident in residents:
            card = self.cards[resident.place.device]
            card.residents.append(resident)
            card.free_mib -= models[resident.model].memory_mib
            if resident.cleared_for is not None and resident.place.device not in cleared:
                cleared.add(resident.place.device)
                self._coming[resident.cleared_for] += models[resident.cleared_for].slots
            if resident.state != "ready":
                card.switching = True
            self._of_model[resident.model].append(resident)
            if resident.state == "loading":
                self._coming[resident.model] += models[resident.model].slots
        for lease in leases:
            self._leases[lease.place] += 1
            if lease.priority == "interactive":
                self._chats[lease.place] += 1
        for waiter in waiters:
            self._wanted[waiter.model] += 1
            self._wanted_by_chat[waiter.model] += waiter.priority == "interactive"

    def free_slot(self, model: ServedModel) -> Place | None:
        """The resident of the model with the most free slots; None if all are taken, closed or not there."""
        best, most = None, 0
        for resident in self._of_model[model.name]:
            free = model.slots - self._leases[resident.place]
            if free > most and resident.state == "ready" and resident.place not in self._closed:
                best, most = resident.place, free
        return best

    def grant(self, waiter: Waiter, place: Place) -> None:
        """Mark a slot as taken."""
        self._leases[place] += 1
        self._chats[place] += waiter.priority == "interactive"
        self._wanted[waiter.model] -= 1
        self._wanted_by_chat[waiter.model] -= waiter.priority == "interactive"

    def take_coming_slot(self, model: ServedModel) -> bool:
        """Whether the model is on its way with a slot that nobody before has taken; marks it as taken."""
        if self._coming[model.name] <= 0:
            return False
        self._coming[model.name] -= 1
        return True

    def is_served(self, model: ServedModel) -> bool:
        """Whether a resident of the model takes leases, with a free slot or not, or is on its way."""
        return model.name in self._coming or any(
            one.state == "ready" and one.place not in self._closed for one in self._of_model[model.name]
        )

    def places(self, model: ServedModel) -> Iterator[tuple[Place, Card]]:
        """Where the model may go now, in its order of preference: its devices on which nothing is under way."""
        taken = {resident.place for resident in self._of_model[model.name]}
        for place in model.places:
            card = self.cards.get(place.device)
            if card is None or card.switching or place in taken:
                continue
            if model.memory_mib <= card.device.memory_mib - card.device.foreign_mib:
                yield place, card

    def fits_somewhere(self, model: ServedModel) -> bool:
        """Whether any of its devices could hold the model if nothing else were there."""
        return any(
            model.memory_mib <= card.device.memory_mib - card.device.foreign_mib
            for place in model.places
            if (card := self.cards.get(place.device)) is not None
        )

    def has_room(self, model: ServedModel, card: Card) -> bool:
        """Whether the model can be loaded beside what is on the device."""
        return model.memory_mib <= card.free_mib and all(
            model.may_share(self.models[one.model]) for one in card.residents
        )

    def load(self, model: ServedModel, place: Place) -> None:
        """Mark the model as on its way in; who asked for it has one of its slots."""
        card = self.cards[place.device]
        card.free_mib -= model.memory_mib
        card.switching = True
        self._coming[model.name] += model.slots - 1

    def evict(self, residents: Iterable[Resident], model: ServedModel) -> None:
        """Mark residents of one device as on their way out, for a model whose slot is taken by who asked."""
        for resident in residents:
            self._closed.add(resident.place)
            self.cards[resident.place.device].switching = True
        self._coming[model.name] += model.slots - 1

    def in_use(self, resident: Resident) -> bool:
        """Whether somebody has a lease on the resident or waits for its model."""
        return self._leases[resident.place] > 0 or self._wanted[resident.model] > 0

    def in_chat(self, resident: Resident) -> bool:
        """Whether somebody interactive has a lease on the resident or waits for its model."""
        return self._chats[resident.place] > 0 or self._wanted_by_chat[resident.model] > 0

    def cheapest_to_evict(
        self,
        model: ServedModel,
        card: Card,
        evictable: Sequence[Resident],
        cost: Callable[[Resident], float],
    ) -> tuple[float, tuple[Resident, ...]] | None:
        """The residents whose eviction makes room for the model at the least cost; None if none do.

        Args:
            model: The model that needs room.
            card: On this device.
            evictable: Residents of the device that may be evicted now.
            cost: What the eviction of one is expected to cost, in seconds.

        Returns:
            The cost of all, and the residents.
        """
        strangers = [one for one in card.residents if not model.may_share(self.models[one.model])]
        if any(one not in evictable for one in strangers):
            return None
        others = [one for one in evictable if one not in strangers]
        sets: Iterable[tuple[Resident, ...]]
        if len(others) <= _ALL_SETS:
            sets = (some for size in range(len(others) + 1) for some in combinations(others, size))
        else:
            by_cost = sorted(others, key=cost)
            sets = (tuple(by_cost[:size]) for size in range(len(others) + 1))
        best: tuple[float, tuple[Resident, ...]] | None = None
        for some in sets:
            chosen = (*strangers, *some)
            freed = sum(self.models[one.model].memory_mib for one in chosen)
            if not chosen or card.free_mib + freed < model.memory_mib:
                continue
            price = sum(map(cost, chosen))
            if best is None or price < best[0]:
                best = price, chosen
        return best
