"""Switches: what a turn has begun is carried out at the servers, each in a thread of its own, and written down."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from backends.errors import BackendError
from backends.leases.records import TRIES
from backends.leases.settling import wait_until_free
from backends.leases.turning import Told
from store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.leases.ledger import Ledger
    from backends.leases.records import Phase, ServerAddress, Transition
    from backends.leases.taking import Task
    from backends.loading.protocol import Loading
    from telemetry.decisions import DecisionKind

_LOG: Final = logging.getLogger(__name__)

# What is told of a transition that went well, and of one that did not.
_ENDINGS: Final[dict[Phase, tuple[DecisionKind, DecisionKind]]] = {
    "load": ("loaded", "load_failed"),
    "unload": ("unloaded", "unload_failed"),
    "revoke": ("revoked", "revoke_failed"),
}
_UNREVOKED: Final = (
    " The lease has ended all the same: should its holder live, its server still answers what it asks, beside others "
    "who have its slot now."
)


class Switches:
    """Loads, unloads and revokes for one party. Its threads are daemons: none keeps a process from ending."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        told: Callable[[Told, float | None], None],
        loading: Callable[[ServerAddress], Loading],
        ended: Callable[[], None],
        used_mib: Callable[[str], int | None] = lambda _device: None,
    ) -> None:
        """Make it.

        Args:
            ledger: Where it is written down how each ended.
            told: Hears of that, and how many seconds it took.
            loading: Gives the way to load at a server.
            ended: Called once one is over, from its thread.
            used_mib: Memory in use on a device, by the ledger's name; None of one that cannot be looked at here.
        """
        self._ledger = ledger
        self._told = told
        self._loading = loading
        self._ended = ended
        self._used_mib = used_mib
        self._busy: set[int] = set()
        self._stopped = False

    def __bool__(self) -> bool:
        """Whether any is under way."""
        return bool(self._busy)

    def carry_out(self, task: Task) -> None:
        """Begin with one."""
        self._busy.add(task.transition.token)
        thread = threading.Thread(
            target=self._switch, args=(task,), name=f"leases-{task.transition.phase}", daemon=True
        )
        thread.start()

    def stop(self) -> None:
        """Give up what is under way, for somebody else to finish."""
        self._stopped = True

    def _switch(self, task: Task) -> None:
        transition, began = task.transition, time.monotonic()
        try:
            detail, peak_mib = self._switched(task)
            if detail and self._stopped:
                # It was given up and has not failed: who takes it over begins anew.
                return
            seconds = time.monotonic() - began
            if self._finished(transition, detail, peak_mib):
                self._told(_ending(task, detail), seconds)
        finally:
            self._busy.discard(transition.token)
            self._ended()

    def _finished(self, transition: Transition, detail: str, peak_mib: int | None) -> bool:
        """Write down how a transition ended: until that is there, nobody else can go on with its resident."""
        while True:
            try:
                return self._ledger.finish(
                    transition, "failed" if detail else "done", detail=detail, peak_mib=peak_mib
                )
            except StoreError as error:
                _LOG.warning("How a %s ended could not be written down: %s", transition.phase, error)
                if self._stopped:
                    # Its owner says nothing any longer: who takes it over does it again.
                    return False
            time.sleep(1.0)

    def _switched(self, task: Task) -> tuple[str, int | None]:
        """Load, unload or revoke: why it failed, empty if it did not, and the memory that was seen."""
        transition = task.transition
        server = task.served.servers[transition.place.deployment]
        peak_mib = None
        try:
            with closing(self._loading(server)) as loading:
                if transition.phase == "load":
                    peak_mib = loading.load(transition.token, going_on=self._going_on)
                elif transition.phase == "unload":
                    self._unload(loading, task, server)
                elif transition.subject is not None:
                    loading.revoke(transition.subject)
        except BackendError as error:
            return str(error) or type(error).__name__, None
        except Exception as error:  # noqa: BLE001 - those who wait for it must hear of it
            _LOG.exception("A %s ended in a way that was not foreseen.", transition.phase)
            return f"{type(error).__name__}: {error}", None
        return "", peak_mib

    def _unload(self, loading: Loading, task: Task, server: ServerAddress) -> None:
        device = task.transition.place.device
        before = self._used_mib(device) if server.frees_late else None
        loading.unload(task.transition.token, going_on=self._going_on)
        if before is not None:
            wait_until_free(
                lambda: self._used_mib(device),
                before_mib=before,
                resident_mib=task.served.model.memory_mib,
                going_on=self._going_on,
            )

    def _going_on(self) -> bool:
        return not self._stopped


def _ending(task: Task, detail: str) -> Told:
    transition, place = task.transition, task.transition.place
    if detail and transition.phase == "revoke":
        detail += " It is tried once more." if transition.tries < TRIES else _UNREVOKED
    kinds = _ENDINGS[transition.phase]
    return Told(kinds[bool(detail)], place.model, detail or "done", place, token=transition.token)
