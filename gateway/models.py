"""The models and the client that asks them, which a reload replaces in one step."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.client import Client
from backends.leases.aside import aside
from backends.leases.assembling import leasing_for
from registry.registry import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from backends.providers.embedded import EmbeddedFunction
    from store.database import StateDatabase
    from store.settings import Settings
    from telemetry.spool import Spool

STAGE = "gateway/chat"
"""What events of the gateway's own requests have as their stage."""


@dataclass(eq=False)
class _Reach:
    """A registry with its client, and how many requests use them."""

    registry: Registry
    client: Client
    users: int = 0
    is_old: bool = False


class LiveModels:
    """The registry as it was read last, with a client for it. Belongs to one event loop."""

    def __init__(
        self,
        settings: Settings,
        file: Path,
        database: StateDatabase,
        spool: Spool,
        *,
        embedded: Mapping[str, EmbeddedFunction],
        embedded_revisions: Mapping[str, str],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Make it; `reload` reads it for the first time.

        Args:
            settings: The client's.
            file: The user's registry.yaml.
            database: Keeps answers and leases.
            spool: Takes the events.
            embedded: Functions that answer by rule, by model name.
            embedded_revisions: Digests of their code.
            environ: For addresses and keys.
        """
        self._settings = settings
        self._file = file
        self._database = database
        self._spool = spool
        self._embedded = embedded
        self._revisions = embedded_revisions
        self._environ = environ
        self._reach: _Reach | None = None
        self._reloading = asyncio.Lock()

    @property
    def registry(self) -> Registry:
        """The models as they are now."""
        return self._current.registry

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[tuple[Registry, Client]]:
        """The models and their client, which stay as they are for the length of the block."""
        reach = self._current
        reach.users += 1
        try:
            yield reach.registry, reach.client
        finally:
            reach.users -= 1
            await self._let_go(reach)

    async def check(self) -> None:
        """Return if the registry can be read.

        Raises:
            registry.errors.RegistryError: A file is broken.
        """
        await asyncio.to_thread(self._read)

    async def reload(self) -> tuple[str | None, str]:
        """Read the registry anew; requests under way end with what they began with.

        Returns:
            ``registry_version`` before and after.

        Raises:
            registry.errors.RegistryError: A file is broken; all stays as it was.
        """
        async with self._reloading:
            registry = await asyncio.to_thread(self._read)
            before = self._reach
            if before is not None and before.registry.version == registry.version:
                return before.registry.version, registry.version
            leasing = await aside(
                leasing_for,
                self._settings,
                registry,
                self._database,
                registry.environ,
                self._spool,
                stage=STAGE,
            )
            client = Client(
                self._settings, registry, self._database, self._spool, self._embedded, leasing=leasing
            )
            self._reach = _Reach(registry, client)
            if before is not None:
                before.is_old = True
                await self._let_go(before)
            return before.registry.version if before else None, registry.version

    async def close(self) -> None:
        """Let go of everything."""
        if self._reach is not None:
            await self._reach.client.close()
            self._reach = None

    def _read(self) -> Registry:
        return Registry.load(self._file, embedded=self._revisions, environ=self._environ)

    async def _let_go(self, reach: _Reach) -> None:
        if reach.is_old and not reach.users:
            reach.is_old = False
            await reach.client.close()

    @property
    def _current(self) -> _Reach:
        if self._reach is None:
            raise RuntimeError("the models are used before they were read, or after they were let go of")
        return self._reach
