"""What the gateway is made of, opened together and closed together."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.admission import Admission
from gateway.audit import Audit
from gateway.keys import Doorkeeper, Keys
from gateway.metrics import Meters
from gateway.models import LiveModels
from gateway.queries.analyst import Analyst
from imageworks.baseline.functions import EMBEDDED, embedded_revisions
from prompt_hub.hub import PromptHub
from prompt_hub.live import LiveHub
from prompt_hub.revisions.access import Identity, system_user
from prompt_hub.revisions.store import PromptStore
from prompt_hub.testing.case_files import CaseSet, load_case_sets
from prompt_hub.testing.requirements import present_in, required_sets
from store.database import StateDatabase
from store.home import Home
from telemetry.spool import Spool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from backends.providers.embedded import EmbeddedFunction
    from prompt_hub.schema import PromptProfile
    from store.settings import Settings


@dataclass(frozen=True)
class Parts:
    """The parts of a gateway that serves.

    Attributes:
        settings: In force.
        home: Where things are kept.
        database: The state database.
        spool: Takes the events.
        hub: The prompts by their files.
        prompts: What is kept of prompts, and who may do what.
        models: The registry and the client.
        admission: Lets requests in.
        door: Knows keys.
        audit: What was changed.
        meters: What is counted for Prometheus.
        analyst: Asks telemetry.
        user: Who asks without a key, on the loopback.
    """

    settings: Settings
    home: Home
    database: StateDatabase
    spool: Spool
    hub: LiveHub
    prompts: PromptStore
    models: LiveModels
    admission: Admission
    door: Doorkeeper
    audit: Audit
    meters: Meters
    analyst: Analyst
    user: Identity = field(default_factory=system_user)


@asynccontextmanager
async def open_parts(
    settings: Settings,
    *,
    embedded: Mapping[str, EmbeddedFunction] = EMBEDDED,
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[Parts]:
    """The parts, for the length of the block and within its event loop.

    Args:
        settings: In force.
        embedded: Functions that answer by rule, by model name.
        environ: For the registry's addresses and keys.

    Raises:
        store.errors.StoreError, registry.errors.RegistryError, prompt_hub.errors.PromptHubError: A file or the
            database cannot be used; the message names it.
    """
    home = Home.of(settings)
    async with AsyncExitStack() as last_first:
        database = last_first.enter_context(StateDatabase.open(settings))
        spool = last_first.enter_context(Spool(home.spool))
        asking = settings.model_copy(
            update={
                "concurrency": settings.gateway_at_once,
                "bytes_in_flight": settings.gateway_bytes_in_flight,
            }
        )
        revisions = embedded_revisions()
        models = LiveModels(
            asking,
            home.registry,
            database,
            spool,
            embedded=embedded,
            embedded_revisions=revisions,
            environ=environ,
        )
        last_first.push_async_callback(models.close)
        await models.reload()

        def unmet(label: str, profile: PromptProfile, named: str, /) -> Sequence[str]:
            # With the models as they are when a label is moved.
            present = present_in(lambda: models.registry)
            return required_sets(lambda: _sets_of(home), database, present)(label, profile, named)

        door = Doorkeeper(Keys(database))
        fresh = asyncio.create_task(door.keep_fresh())
        last_first.push_async_callback(_ended, fresh)
        admission = Admission(at_once=settings.gateway_at_once, waiting=settings.gateway_waiting)
        analyst = Analyst(settings)
        last_first.push_async_callback(analyst.close)
        yield Parts(
            settings=settings,
            home=home,
            database=database,
            spool=spool,
            hub=await asyncio.to_thread(LiveHub, home.prompts),
            prompts=PromptStore.over(database, unmet=unmet),
            models=models,
            admission=admission,
            door=door,
            audit=Audit(database),
            meters=Meters(admission, spool),
            analyst=analyst,
        )


def _sets_of(home: Home) -> list[CaseSet]:
    return load_case_sets(home.prompts, PromptHub.load_cached(home.prompts, home.cached_prompts).profiles)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
