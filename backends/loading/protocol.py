"""What whoever switches models asks of a server, whatever its provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Found:
    """A model that a server has in memory.

    Attributes:
        served_model_id: The model's id there.
        ready: Whether it answers.
        token: The fencing token that it was loaded under; 0 where its server sees none.
        memory_mib: What it takes, as the server says.
    """

    served_model_id: str
    ready: bool
    token: int = 0
    memory_mib: int | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a server has.

    Attributes:
        found: Models in its memory.
        token: The highest fencing token that it has seen; it refuses lower ones.
        device: The ledger's name of the device that they are on, where the server says.
    """

    found: tuple[Found, ...] = ()
    token: int = 0
    device: str | None = None


class Loading(Protocol):
    """One server. Its methods block, for minutes if need be; call them from a thread of their own."""

    def load(self, token: int, *, going_on: Callable[[], bool]) -> int | None:
        """Load the model, and return once it answers.

        Args:
            token: The transition's; a server that fences refuses lower ones from now on.
            going_on: Asked now and then; when it says no, this gives up.

        Returns:
            The memory that it takes, in MiB, if the server says.

        Raises:
            LoadingFailed: It could not; the message holds the server's last words.
        """

    def unload(self, token: int, *, going_on: Callable[[], bool]) -> None:
        """Unload it, and return once its memory is free, as far as the server can tell.

        Raises:
            LoadingFailed: It could not.
        """

    def revoke(self, token: int) -> None:
        """See to it that the server refuses what comes with this lease's token.

        Raises:
            LoadingFailed: It could not.
        """

    def close(self) -> None:
        """Let go of the connection to it."""

    def inventory(self) -> Inventory:
        """What the server has in memory now.

        Raises:
            LoadingFailed: It does not say.
        """
