"""Resolve a model to the deployments that may be asked, each with its backend and its circuit breaker."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from backends.breaker import Breaker
from backends.errors import ModelMisconfigured, ModelUnreachable, RemoteNotAllowed
from backends.provider_settings import ProviderSettings
from backends.providers.embedded import Embedded
from backends.providers.gateway import Gateway
from backends.providers.ollama import Ollama
from backends.providers.openai_compatible import OpenAiCompatible
from backends.providers.tf_iqa import TfIqa
from registry.errors import BadDeploymentUrl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from backends.breaker import Standing
    from backends.providers.embedded import EmbeddedFunction
    from backends.providers.protocol import Backend
    from backends.transport import Transport
    from registry.schema import Deployment, Model
    from store.settings import Settings

_OVER_HTTP: Final[Mapping[str, Callable[[Model, Deployment, Transport, Mapping[str, str]], Backend]]] = {
    "gateway": Gateway,
    "ollama": Ollama,
    "openai": OpenAiCompatible,
    "tf_iqa": TfIqa,
    "trtllm": OpenAiCompatible,
    "vllm": OpenAiCompatible,
}


@dataclass(frozen=True, slots=True)
class Route:
    """One deployment of a model that may be asked."""

    deployment: Deployment
    backend: Backend
    breaker: Breaker


@dataclass(frozen=True, slots=True)
class Routes:
    """All deployments of a model that may be asked, in the registry's order of preference; at least one."""

    model: Model
    routes: tuple[Route, ...]

    @property
    def looks_at_pictures(self) -> bool:
        """Whether any of them looks at pictures."""
        return any(route.backend.looks_at_pictures for route in self.routes)

    def to_lease(self, *, failed: Deployment | None = None) -> list[Deployment]:
        """The deployments of which one is to be leased, in the order of preference; at least one.

        They are those that stand best: who leases takes the least busy one, and one that fails at once never is
        busy. One that it is time to look at again is among them, or it would never be found to be back.

        Args:
            failed: Where the last try failed; left out if there is another.
        """
        if len(self.routes) == 1:
            return [self.routes[0].deployment]
        best = self._best
        some = [r.deployment for r in self.routes if r.breaker.standing == best or r.breaker.due]
        return [one for one in some if failed is None or one.name != failed.name] or some

    def have_better(self, route: Route) -> bool:
        """Whether another deployment stands better than this one by now."""
        return self._best < route.breaker.standing

    @property
    def _best(self) -> Standing:
        return min(route.breaker.standing for route in self.routes)

    def route(self, deployment: Deployment) -> Route:
        """The route of a leased deployment."""
        return next(route for route in self.routes if route.deployment.name == deployment.name)

    async def check(self) -> None:
        """Return if at least one deployment serves the model now.

        Raises:
            ModelUnreachable: None does; the message says for each what was tried and what to do.
            ModelMisconfigured: None does, and none can as things are set.
        """
        problems: list[ModelUnreachable | ModelMisconfigured] = []
        for route in self.routes:
            try:
                await route.backend.check()
            except (ModelUnreachable, ModelMisconfigured) as error:
                problems.append(error)
            else:
                return
        if len(problems) == 1:
            raise problems[0]
        words = " ".join(str(problem) for problem in problems)
        if all(isinstance(problem, ModelMisconfigured) for problem in problems):
            raise ModelMisconfigured(words)
        raise ModelUnreachable(words)


def routes_of(
    model: Model,
    *,
    settings: Settings,
    transport: Callable[[str], Transport],
    embedded: Mapping[str, EmbeddedFunction],
    threads: Executor,
    environ: Mapping[str, str] = os.environ,
    providers: Mapping[str, ProviderSettings] | None = None,
) -> Routes:
    """The deployments of a model that may be asked.

    Args:
        model: The logical model.
        settings: Say whether remote deployments are consented to, and how patient the breaker is.
        transport: Gives a provider's HTTP transport; called only if a deployment needs one.
        embedded: Functions by model name.
        threads: Where they run.
        environ: For base URLs and API keys.
        providers: How servers are reached, by provider, where it is not as the registry says.

    Raises:
        ModelMisconfigured: None may be asked; the message says for each why.
        RemoteNotAllowed: None may be asked, for want of consent alone.
    """
    routes: list[Route] = []
    problems: list[ModelMisconfigured] = []
    reached = providers or {}
    for named in model.deployments:
        try:
            deployment = reached.get(named.provider, ProviderSettings()).deployment(named)
            backend = _backend(
                model,
                deployment,
                settings=settings,
                transport=transport,
                embedded=embedded,
                threads=threads,
                environ=environ,
            )
        except ModelMisconfigured as error:
            problems.append(error)
            continue
        breaker = Breaker(
            f"Deployment {deployment.name!r} of model {model.name!r}",
            backend.probe,
            failures=settings.breaker_failures,
            wait_s=settings.breaker_wait_s,
        )
        routes.append(Route(deployment, backend, breaker))
    if routes:
        return Routes(model, tuple(routes))
    words = " ".join(str(problem) for problem in problems)
    if problems and all(isinstance(problem, RemoteNotAllowed) for problem in problems):
        raise RemoteNotAllowed(words)
    raise ModelMisconfigured(words)


def _backend(
    model: Model,
    deployment: Deployment,
    *,
    settings: Settings,
    transport: Callable[[str], Transport],
    embedded: Mapping[str, EmbeddedFunction],
    threads: Executor,
    environ: Mapping[str, str],
) -> Backend:
    if deployment.provider == "embedded":
        return Embedded(model, embedded, threads)
    try:
        if deployment.needs_consent(environ) and not settings.allow_remote:
            raise RemoteNotAllowed(
                f"Deployment {deployment.name!r} of model {model.name!r} at {deployment.url(environ)} is outside "
                f"the private network, and photos would leave it. Set IMAGEWORKS_ALLOW_REMOTE=true to consent, or "
                f"choose another model."
            )
        return _OVER_HTTP[deployment.provider](model, deployment, transport(deployment.provider), environ)
    except BadDeploymentUrl as error:
        raise ModelMisconfigured(str(error)) from error
