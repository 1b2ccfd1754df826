"""The platform's parts as Dagster resources: visible in the web UI, changeable in the launchpad.

No secret is in here, and no name of one: keys are read from the environment variables that the registry names, and the
state database's URL and the consent to remote servers stay in the settings.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
from pydantic import Field, PrivateAttr, create_model

from store.home import Home
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from backends.client import Client
    from backends.leases.turning import Told
    from backends.sampling import Sampler
    from imageworks_dagster.assembly import EmbeddedFunction
    from imageworks_dagster.opened import OpenStore
    from prompt_hub.hub import PromptHub
    from registry.registry import Registry
    from telemetry.spool import Spool


_PROVIDERS: Final = ("vllm", "ollama", "trtllm", "tf_iqa", "gateway")


class ProviderServers(dg.Config):
    """How the servers of one provider are reached; what is empty or 0 stays as registry and settings say.

    Configuration and no resource: of a resource within a resource, Dagster lets no run change anything.
    """

    base_url: str = Field(
        default="",
        description="Address in place of every one that the registry names for this provider. It is sent no key: a "
        "server that needs one is declared in the registry.",
    )
    connect_timeout_s: float = Field(default=0.0, description="Seconds to connect; 0: the common ones.")
    first_byte_timeout_s: float = Field(
        default=0.0, description="Seconds from sending a request to the first byte back; 0: the common ones."
    )
    request_timeout_s: float = Field(
        default=0.0, description="Seconds for a whole attempt; 0: the common ones."
    )
    slots: int = Field(
        default=0, description="Requests that a server works on at once, for leases; 0: as the registry says."
    )


class ModelsResource(dg.ConfigurableResource["ModelsResource"]):
    """The one client through which every stage asks a model."""

    concurrency: int = Field(description="Requests under way at once.")
    attempts: int = Field(description="Tries of one request before its entry fails.")
    connect_timeout_s: float = Field(description="Seconds to connect.")
    first_byte_timeout_s: float = Field(description="Seconds from sending a request to the first byte back.")
    cold_load_timeout_s: float = Field(
        description="Seconds more where the server may have to load the model."
    )
    request_timeout_s: float = Field(description="Seconds for a whole attempt.")
    breaker_failures: int = Field(description="Failed attempts in a row that open a deployment's breaker.")
    breaker_wait_s: float = Field(description="Longest wait for an open breaker before the step fails.")
    leases: str = Field(
        description="How devices are shared: off, observe (tell what would have waited) or enforce."
    )
    lease_interactive_wait_s: float = Field(
        description="Seconds after which somebody interactive comes before all else."
    )
    lease_batch_wait_s: float = Field(description="Seconds after which a batch comes before all else.")
    vllm: ProviderServers = Field(default=ProviderServers(), description="Servers of vLLM.")
    ollama: ProviderServers = Field(default=ProviderServers(), description="Servers of Ollama.")
    trtllm: ProviderServers = Field(default=ProviderServers(), description="Servers of TensorRT-LLM.")
    tf_iqa: ProviderServers = Field(default=ProviderServers(), description="Workers of TF-IQA.")
    gateway: ProviderServers = Field(default=ProviderServers(), description="Gateways of other machines.")

    @classmethod
    def from_settings(cls, settings: Settings) -> ModelsResource:
        """The resource with the values of the settings, each by itself a default that a run may change."""
        values: dict[str, Any] = {
            name: getattr(settings, name) for name in cls.model_fields if name in Settings.model_fields
        }
        # Dagster takes an instance's values for one default as a whole: a run that changes a field must not have to
        # say all the others.
        defaults: dict[str, Any] = {
            name: (one.annotation, Field(default=values[name], description=one.description))
            for name, one in cls.model_fields.items()
            if name in values
        }
        made = create_model(
            cls.__name__, __base__=cls, __doc__=cls.__doc__, __module__=cls.__module__, **defaults
        )
        return made(**values)

    async def client(
        self,
        settings: Settings,
        *,
        registry: Registry,
        store: OpenStore,
        spool: Spool,
        embedded: Mapping[str, EmbeddedFunction],
        labels: Mapping[str, str],
        heard: Callable[[Told, float | None], None],
    ) -> Client:
        """A client for one step; make and use it inside that step's event loop.

        ``labels`` say in the decisions about its leases for what work they are: ``run_id``, ``batch``, ``stage``.
        ``heard`` hears of those decisions, from any thread.
        """
        # The definitions load this module.
        from backends.client import Client  # noqa: PLC0415 - see above
        from backends.leases.aside import aside  # noqa: PLC0415 - see above
        from backends.leases.assembling import leasing_for  # noqa: PLC0415 - see above
        from backends.provider_settings import ProviderSettings  # noqa: PLC0415 - see above

        given = self.model_dump()
        changed = settings.model_copy(
            update={name: value for name, value in given.items() if name in Settings.model_fields}
        )
        providers = {name: ProviderSettings(**given[name]) for name in _PROVIDERS}
        leasing = await aside(
            leasing_for, changed, registry, store.database, registry.environ, spool, heard=heard, **labels
        )
        return Client(
            changed, registry, store.database, spool, embedded, leasing=leasing, providers=providers
        )


class PromptHubResource(dg.ConfigurableResource["PromptHubResource"]):
    """The prompt profiles: shipped, and the user's over them."""

    user_folder: str = Field(description="Folder of the user's profiles.")

    def load(self) -> PromptHub:
        """The profiles as they are now."""
        from prompt_hub.hub import PromptHub  # noqa: PLC0415 - as above

        folder = Path(self.user_folder)
        return PromptHub.load_cached(folder, Home(folder.parent).cached_prompts)


class ModelRegistryResource(dg.ConfigurableResource["ModelRegistryResource"]):
    """The models: shipped, and the user's over them."""

    user_file: str = Field(description="The user's registry.yaml.")

    def load(self, embedded_revisions: Mapping[str, str]) -> Registry:
        """The models as they are now; ``embedded_revisions`` are code digests by model name."""
        from registry.registry import Registry  # noqa: PLC0415 - as above

        return Registry.load(Path(self.user_file), embedded=embedded_revisions)


class TelemetryResource(dg.ConfigurableResource["TelemetryResource"]):
    """Where events are spooled; when a run's last step is over, it sees to it that the manifest says so."""

    spool_folder: str = Field(description="Folder of the spool.")

    _store: OpenStore | None = PrivateAttr(default=None)
    _held: ExitStack = PrivateAttr(default_factory=ExitStack)

    def spool(self) -> Spool:
        """The spool of one step; close it at the step's end."""
        from telemetry.spool import Spool  # noqa: PLC0415 - as above

        return Spool(Path(self.spool_folder))

    @contextmanager
    def sampler(self, *, every_s: float, run_id: str) -> Iterator[Sampler]:
        """Samples this host's devices for a run, from when it is told to begin until the block is left."""
        from backends.sampling import Sampler  # noqa: PLC0415 - as above

        with self.spool() as spool, Sampler(spool, every_s=every_s, run_id=run_id) as sampler:
            yield sampler

    def close_manifest_in(self, store: OpenStore) -> None:
        """From now on the run's manifest may be open in ``store``: close it however the run ends."""
        self._store = store

    def hold_to_the_end(self, held: AbstractContextManager[None]) -> None:
        """Enter ``held`` now, and leave it when the run's last step is over, however the run ends."""
        self._held.enter_context(held)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the manifest of a run that failed or was interrupted, and let go of what the run held."""
        with self._held:
            self._end_run(context)

    def _end_run(self, context: dg.InitResourceContext) -> None:
        from imageworks_dagster.runs import end_run  # noqa: PLC0415 - as above

        if self._store is None or context.instance is None or context.run is None:
            return
        try:
            end_run(self._store, context.instance, context.run)
        except Exception:
            # Dagster would say nothing of it.
            if context.log is not None:
                context.log.exception("How the run ended could not be written into its manifest.")
            raise
