"""How the servers of one provider are reached, in place of what the registry and the settings say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from backends.errors import ModelMisconfigured
from registry.addresses import problem_with_url
from registry.schema import Deployment

if TYPE_CHECKING:
    from store.settings import Settings

_OF_DEPLOYMENT: Final = ("base_url", "slots")
_TIMEOUTS: Final = ("connect_timeout_s", "first_byte_timeout_s", "request_timeout_s")
_LONGEST_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """What is changed for all servers of a provider; what is empty or 0 stays as it is.

    Attributes:
        base_url: In place of every address that the registry names. It is sent no key, and takes nothing from the
            environment: whoever may start a run is not to read there.
        connect_timeout_s: Seconds to connect.
        first_byte_timeout_s: Seconds from a sent request to the answer's first byte.
        request_timeout_s: Seconds for one attempt as a whole.
        slots: Requests that a server works on at once.
    """

    base_url: str = ""
    connect_timeout_s: float = 0.0
    first_byte_timeout_s: float = 0.0
    request_timeout_s: float = 0.0
    slots: int = 0

    def deployment(self, deployment: Deployment) -> Deployment:
        """The deployment as it is reached; one that is marked remote stays so, wherever it is now.

        Raises:
            ModelMisconfigured: Something that is changed cannot be used.
        """
        changes = self._given(_OF_DEPLOYMENT)
        if not changes:
            return deployment
        if self.base_url:
            # A key is for the server that the registry names it with, and for no other.
            changes = {"api_key_env": None, "control_key_env": None, **changes}
        problem = problem_with_url(self.base_url) if self.base_url else None
        if problem is not None:
            # The address itself is not shown: what made it unusable may be a password.
            raise _unusable(deployment.provider, f"base_url {problem}")
        try:
            return Deployment.model_validate({**deployment.model_dump(), **changes})
        except ValidationError as error:
            words = "; ".join(
                f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
                for one in error.errors(include_url=False, include_input=False)
            )
            raise _unusable(deployment.provider, words) from error

    def timeouts(self, settings: Settings, provider: str) -> Settings:
        """The settings with the provider's timeouts.

        Raises:
            ModelMisconfigured: One is no time that can be waited for.
        """
        changes = self._given(_TIMEOUTS)
        for name, seconds in changes.items():
            if not 0 < seconds <= _LONGEST_S:
                raise _unusable(provider, f"{name} is {seconds}, and seconds are from 0 to {_LONGEST_S}")
        return settings.model_copy(update=changes)

    def _given(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: value for name in names if (value := getattr(self, name))}


def _unusable(provider: str, words: str) -> ModelMisconfigured:
    return ModelMisconfigured(
        f"What is set for the servers of provider {provider} cannot be used: {words}. Correct it in the run's "
        f"configuration, or leave it empty for what the registry says."
    )
