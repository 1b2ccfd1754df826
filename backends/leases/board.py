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
class Coming:
    """A model that is on its way to one of some places.

    Attributes:
        places: Where it may come; more than one while room is made for it.
        slots: Those of its slots that nobody has taken.
    """

    places: tuple[Place, ...]
    slots: int

    def may_serve(self, waiter: Waiter) -> bool:
        """Whether the waiter may be served there."""
        return any(map(waiter.may_use, self.places))


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
        self._wanted: Counter[Place] = Counter()
        self._wanted_by_chat: Counter[Place] = Counter()
        self._closed: set[Place] = set()
        self._coming: defaultdict[str, list[Coming]] = defaultdict(list)
        self._on_server: defaultdict[str, list[Resident]] = defaultdict(list)
        # A deployment has one copy of its model, wherever that is; both are taken while one is on its way, too.
        self._taken: set[tuple[str, str]] = set()
        self._switching_servers: set[str] = set()
        for resident in residents:
            card = self.cards[resident.place.device]
            card.residents.append(resident)
            card.free_mib -= models[resident.model].memory_mib
            self._of_model[resident.model].append(resident)
            self._taken.add((resident.model, resident.place.deployment))
            if (server := self._server(resident.place)) is not None:
                self._on_server[server].append(resident)
            if resident.state != "ready":
                self._switch(resident.place)
            if resident.state == "loading":
                self._coming[resident.model].append(Coming((resident.place,), models[resident.model].slots))
            if resident.cleared_for is not None:
                self._expect(models[resident.cleared_for], resident)
        for lease in leases:
            self._leases[lease.place] += 1
            if lease.priority == "interactive":
                self._chats[lease.place] += 1
        for waiter in waiters:
            self._want(waiter, 1)

    def _want(self, waiter: Waiter, change: int) -> None:
        for resident in self._of_model[waiter.model]:
            if waiter.may_use(resident.place):
                self._wanted[resident.place] += change
                if waiter.priority == "interactive":
                    self._wanted_by_chat[resident.place] += change

    def _server(self, place: Place) -> str | None:
        """The place's server if it has one model at a time."""
        return self.models[place.model].servers.get(place.deployment)

    def _switch(self, place: Place) -> None:
        """Let nothing else begin on the place's device, nor at its server."""
        if (card := self.cards.get(place.device)) is not None:
            card.switching = True
        if (server := self._server(place)) is not None:
            self._switching_servers.add(server)

    def _expect(self, model: ServedModel, leaving: Resident) -> None:
        """Keep for the model what a resident leaves to it: a device, a server, or both."""
        server = self._server(leaving.place)
        places = tuple(
            place
            for place in model.places
            if place.device == leaving.place.device or (server is not None and self._server(place) == server)
        )
        for place in places:
            self._switch(place)
            self._taken.add((model.name, place.deployment))
        # However many residents are on their way out for it, one comes.
        if not any(place in coming.places for coming in self._coming[model.name] for place in places):
            self._coming[model.name].append(Coming(places, model.slots))

    def free_slot(self, waiter: Waiter) -> Place | None:
        """The resident with the most free slots that may serve the waiter; None if there is none with any."""
        best, most = None, 0
        slots = self.models[waiter.model].slots
        for resident in self._of_model[waiter.model]:
            free = slots - self._leases[resident.place]
            if free > most and self._serves(resident, waiter):
                best, most = resident.place, free
        return best

    def _serves(self, resident: Resident, waiter: Waiter) -> bool:
        return (
            resident.state == "ready"
            and resident.place not in self._closed
            and waiter.may_use(resident.place)
        )

    def grant(self, waiter: Waiter, place: Place) -> None:
        """Mark a slot as taken."""
        self._leases[place] += 1
        self._chats[place] += waiter.priority == "interactive"
        self._want(waiter, -1)

    def take_coming_slot(self, waiter: Waiter) -> bool:
        """Whether the model is on its way to the waiter with a slot that nobody has taken; marks it as taken."""
        for coming in self._coming[waiter.model]:
            if coming.slots > 0 and coming.may_serve(waiter):
                coming.slots -= 1
                return True
        return False

    def is_served(self, waiter: Waiter) -> bool:
        """Whether a resident that may serve the waiter takes leases, with a free slot or not, or is on its way."""
        return any(coming.may_serve(waiter) for coming in self._coming[waiter.model]) or any(
            self._serves(resident, waiter) for resident in self._of_model[waiter.model]
        )

    def places(self, waiter: Waiter) -> Iterator[Place]:
        """Where the model may go for the waiter, in its order of preference.

        That is where nothing is under way, neither on the device nor at the server, and by a deployment that has no
        copy of it yet.
        """
        model = self.models[waiter.model]
        for place in filter(waiter.may_use, model.places):
            card = self.cards.get(place.device)
            if card is None or card.switching or (model.name, place.deployment) in self._taken:
                continue
            if self._server(place) in self._switching_servers:
                continue
            if any(self.cards[one.place.device].switching for one in self._elsewhere(place)):
                continue
            if model.memory_mib <= card.device.memory_mib - card.device.foreign_mib:
                yield place

    def _elsewhere(self, place: Place) -> list[Resident]:
        """What the place's server has on other devices."""
        server = self._server(place)
        if server is None:
            return []
        return [one for one in self._on_server[server] if one.place.device != place.device]

    def beside(self, place: Place) -> list[Resident]:
        """What may have to go for a model to come there: all on its device, and what its server has elsewhere."""
        return [*self.cards[place.device].residents, *self._elsewhere(place)]

    def may_stay(self, resident: Resident, place: Place) -> bool:
        """Whether a model can come there beside the resident, memory apart."""
        server = self._server(place)
        if server is not None and self._server(resident.place) == server:
            return False
        if resident.place.device != place.device:
            return True
        return self.models[place.model].may_share(self.models[resident.model])

    def fits_somewhere(self, waiter: Waiter) -> bool:
        """Whether any device where the waiter may be served could hold the model if nothing else were there."""
        model = self.models[waiter.model]
        return any(
            model.memory_mib <= card.device.memory_mib - card.device.foreign_mib
            for place in filter(waiter.may_use, model.places)
            if (card := self.cards.get(place.device)) is not None
        )

    def has_room(self, place: Place) -> bool:
        """Whether the place's model can be loaded there beside what there is."""
        model, card = self.models[place.model], self.cards[place.device]
        return model.memory_mib <= card.free_mib and all(
            self.may_stay(one, place) for one in self.beside(place)
        )

    def load(self, place: Place) -> None:
        """Mark the place's model as on its way in; who asked for it has one of its slots."""
        self.cards[place.device].free_mib -= self.models[place.model].memory_mib
        self._come(place)

    def evict(self, residents: Iterable[Resident], place: Place) -> None:
        """Mark residents as on their way out for a place's model; who asked for it has one of its slots."""
        for resident in residents:
            self._closed.add(resident.place)
            self._switch(resident.place)
        self._come(place)

    def _come(self, place: Place) -> None:
        self._switch(place)
        self._taken.add((place.model, place.deployment))
        self._coming[place.model].append(Coming((place,), self.models[place.model].slots - 1))

    def freed_mib(self, residents: Iterable[Resident], place: Place) -> int:
        """What the residents take of the place's device."""
        return sum(self.models[one.model].memory_mib for one in residents if one.place.device == place.device)

    def in_use(self, resident: Resident) -> bool:
        """Whether somebody has a lease on the resident or waits for what it serves."""
        return self._leases[resident.place] > 0 or self._wanted[resident.place] > 0

    def in_chat(self, resident: Resident) -> bool:
        """Whether somebody interactive has a lease on the resident or waits for what it serves."""
        return self._chats[resident.place] > 0 or self._wanted_by_chat[resident.place] > 0

    def cheapest_to_evict(
        self,
        place: Place,
        evictable: Sequence[Resident],
        cost: Callable[[Resident], float],
    ) -> tuple[float, tuple[Resident, ...]] | None:
        """The residents whose eviction makes room for a place's model at the least cost; None if none do.

        Args:
            place: The model that needs room, and where.
            evictable: Those beside it that may be evicted now.
            cost: What the eviction of one is expected to cost, in seconds.

        Returns:
            The cost of all, and the residents.
        """
        model, card = self.models[place.model], self.cards[place.device]
        strangers = [one for one in self.beside(place) if not self.may_stay(one, place)]
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
            freed = self.freed_mib(chosen, place)
            if not chosen or card.free_mib + freed < model.memory_mib:
                continue
            price = sum(map(cost, chosen))
            if best is None or price < best[0]:
                best = price, chosen
        return best
