"""The way to load models at a server, by its provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from backends.loading.ollama import OllamaLoading
from backends.loading.supervised import Supervised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backends.leases.records import ServerAddress
    from backends.loading.protocol import Loading

_BY_PROVIDER: Final[Mapping[str, Callable[[ServerAddress], Loading]]] = {
    "ollama": OllamaLoading,
    "tf_iqa": Supervised,
    "trtllm": Supervised,
    "vllm": Supervised,
}

LOADED_BY_US: Final = tuple(sorted(_BY_PROVIDER))
"""The providers whose servers load and unload as they are told."""


def loading_at(server: ServerAddress) -> Loading:
    """The way to load at this server.

    Raises:
        KeyError: Its provider loads nothing as it is told.
        ModelMisconfigured: Its key is not set.
    """
    return _BY_PROVIDER[server.provider](server)
