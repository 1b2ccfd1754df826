"""One deployment's server over HTTP: where it is, its key, and what its refusals and silences mean."""

from __future__ import annotations

import os
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from backends.errors import (
    AttemptFailed,
    HttpFailure,
    ModelMisconfigured,
    ModelUnreachable,
    NotJson,
    StaleLease,
)
from backends.keys import UnusableKey, masked, read_key
from backends.providers.reading import error_words, read_json, short

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from backends.providers.protocol import Observed, Question
    from backends.transport import Response, Transport
    from registry.schema import Deployment, Model

_CHECK_S: Final = 10.0
_OK: Final = 200
_CONFLICT: Final = 409
_STALE: Final = b'"stale_lease"'

LEASE_HEADER: Final = "X-ImageWorks-Lease"
"""Carries a lease's token to a supervisor."""


class Server:
    """Where a deployment of a model is asked.

    Attributes:
        served_model_id: The model's id there.
    """

    def __init__(
        self,
        model: Model,
        deployment: Deployment,
        transport: Transport,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Make one.

        Args:
            model: The logical model.
            deployment: Of a provider that is reached over HTTP.
            transport: Carries the requests.
            environ: For the base URL's variables and the API key.

        Raises:
            ModelMisconfigured: The API key's variable holds none.
            BadDeploymentUrl: The base URL cannot be used.
        """
        self.served_model_id = deployment.served_model_id
        self._model = model
        self._deployment = deployment
        self._transport = transport
        self._url = deployment.url(environ).rstrip("/")
        self._key = _api_key(model, deployment, environ)
        self._headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}

    async def get(self, path: str) -> bytes:
        """The body of a small page that a live server gives at once.

        Raises:
            AttemptFailed: It gives none.
        """
        url = f"{self._url}{path}"
        response = await self._transport.get(url, headers=self._headers, within_s=_CHECK_S)
        self._refuse(response, url)
        return self._shown(response.body)

    async def checked(self, path: str) -> bytes:
        """The same, for the check at a step's start.

        Raises:
            ModelUnreachable: The server does not answer; the message says what to do.
            ModelMisconfigured: It refuses us.
        """
        try:
            return await self.get(path)
        except HttpFailure as error:
            if error.http_status in {401, 403}:
                named = self._deployment.api_key_env
                advice = f"correct {named}" if named else "name the variable with its key in api_key_env"
                raise ModelMisconfigured(
                    f"{self.named} refuses us: {error} In the registry, or the environment, {advice}."
                ) from error
            raise ModelUnreachable(
                f"{self.named} is there and cannot be asked: {error} Where that does not say what to do, correct its "
                f"base_url (the run's, or the registry's), or choose another model."
            ) from error
        except AttemptFailed as error:
            raise ModelUnreachable(
                f"{self.named} does not answer: {error} Start the server, correct its base_url (the run's, or the "
                f"registry's), or choose another model."
            ) from error

    async def ask(
        self,
        path: str,
        body: Sequence[bytes],
        question: Question,
        observed: Observed,
        *,
        may_load: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The response to a question; what was seen of it is noted on the way.

        Args:
            path: Where the question goes.
            body: In pieces.
            question: What is asked.
            observed: Filled in.
            may_load: Whether the server loads the model when it is asked, and is given the time for that.
            headers: Beyond those of every question.

        Raises:
            AttemptFailed: None came, or a refusal.
        """
        observed.bytes_out = sum(map(len, body))
        url = f"{self._url}{path}"
        sent = {**self._sent(question), **(headers or {})}
        response = await self._transport.post(url, body, headers=sent, may_load=may_load)
        observed.http_status = response.status
        observed.headers = response.headers
        observed.bytes_in = len(response.body)
        self._refuse(response, url)
        return self._shown(response.body)

    async def ask_for_lines(
        self,
        path: str,
        body: Sequence[bytes],
        question: Question,
        observed: Observed,
        *,
        may_load: bool = False,
    ) -> AsyncGenerator[bytes]:
        """The same, line by line as they come.

        Raises:
            AttemptFailed: No whole response came, or a refusal.
        """
        observed.bytes_out = sum(map(len, body))
        url = f"{self._url}{path}"
        responses = self._transport.post_for_lines(url, body, headers=self._sent(question), may_load=may_load)
        async with aclosing(responses):
            async for response in responses:
                observed.http_status = response.status
                observed.bytes_in += len(response.body) + 1
                self._refuse(response, url)
                yield response.body

    def _sent(self, question: Question) -> dict[str, str]:
        """The headers that a question is sent with."""
        headers = {**self._headers, "X-Request-Id": question.request_id}
        if trace := question.request.labels.trace_id:
            headers["traceparent"] = f"00-{trace}-{question.request_id[:16]}-01"
        if question.lease_token is not None:
            headers[LEASE_HEADER] = str(question.lease_token)
        return headers

    @property
    def named(self) -> str:
        """The deployment, in words."""
        return f"Deployment {self._deployment.name!r} of model {self._model.name!r} at {self._url}"

    def not_served(self, served: Iterable[str], advice: str) -> ModelUnreachable:
        """The error of a server that is up and has other models."""
        has = short(masked(", ".join(sorted(served)), self._key)) or "nothing"
        return ModelUnreachable(
            f"{self.named} is up, and does not serve {self.served_model_id!r}; it serves {has}. {advice}, or correct "
            f"served_model_id in the registry."
        )

    def _shown(self, body: bytes) -> bytes:
        """A body as it is, or without our key if it is not JSON: then its beginning is shown."""
        if not self._key or self._key.encode() not in body:
            return body
        try:
            read_json(body)
        except NotJson:
            return body.replace(self._key.encode(), masked(self._key, self._key).encode())
        return body

    def _refuse(self, response: Response, url: str) -> None:
        if response.status == _OK:
            return
        words = masked(error_words(response.body), self._key)
        if response.status == _CONFLICT and _STALE in response.body:
            raise StaleLease(f"{url} refused the lease: {short(words)}.", http_status=response.status)
        raise HttpFailure(
            f"{url} answered {response.status}: {short(words)}.",
            http_status=response.status,
            retry_after_s=response.retry_after_s,
        )


def _api_key(model: Model, deployment: Deployment, environ: Mapping[str, str]) -> str | None:
    if deployment.api_key_env is None:
        return None
    try:
        return read_key(deployment.api_key_env, environ)
    except UnusableKey as error:
        raise ModelMisconfigured(
            f"Deployment {deployment.name!r} of model {model.name!r} needs an API key in the environment variable "
            f"{error}. Set it, or choose another model."
        ) from error
