"""The OpenAI chat protocol, with the particulars of vLLM."""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from backends.errors import (
    AttemptFailed,
    EmptyAnswer,
    HttpFailure,
    ModelMisconfigured,
    ModelUnreachable,
    NotJson,
)
from backends.providers.parameters import OPENAI, VLLM, map_parameters
from backends.providers.protocol import RawAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backends.providers.protocol import Observed, Question, Repair
    from backends.request import Request
    from backends.transport import Response, Transport
    from registry.schema import Deployment, Model

_NAMES: Final[Mapping[str, Mapping[str, str]]] = {"vllm": VLLM, "openai": OPENAI}
_CHECK_S: Final = 10.0
_SHOWN: Final = 200
_MASK: Final = "********"
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_DECODE: Final = json.JSONDecoder(strict=False).decode
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class OpenAiCompatible:
    """One deployment that speaks the OpenAI chat protocol."""

    looks_at_pictures = True
    repairs = True

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
            deployment: Of provider ``vllm`` or ``openai``.
            transport: Carries the requests.
            environ: For the base URL's variables and the API key.

        Raises:
            ModelMisconfigured: The API key's variable is not set.
        """
        self._model = model
        self._deployment = deployment
        self._transport = transport
        self._names = _NAMES[deployment.provider]
        self._url = deployment.url(environ).rstrip("/")
        self._key = _api_key(model, deployment, environ)
        self._headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}

    async def check(self) -> None:
        """See ``Backend``: alive, and serving the model under the id that the registry says."""
        try:
            await self.probe()
            response = await self._transport.get(
                f"{self._url}/v1/models", headers=self._headers, within_s=_CHECK_S
            )
            self._refuse(response, f"{self._url}/v1/models")
        except HttpFailure as error:
            if error.http_status in {401, 403}:
                named = self._deployment.api_key_env
                advice = f"correct {named}" if named else "name the variable with its key in api_key_env"
                raise ModelMisconfigured(
                    f"{self._asked} refuses us: {error} In the registry, or the environment, {advice}."
                ) from error
            raise self._unreachable(str(error)) from error
        except AttemptFailed as error:
            raise self._unreachable(str(error)) from error
        served = _served(response.body)
        if self._deployment.served_model_id not in served:
            raise ModelUnreachable(
                f"{self._asked} is up, and does not serve {self._deployment.served_model_id!r}; it serves "
                f"{', '.join(served) or 'nothing'}. Start it with that model, or correct served_model_id in the "
                f"registry."
            )

    async def probe(self) -> None:
        """See ``Backend``: ``/health`` of vLLM tells of a dead engine, elsewhere the list of models has to do."""
        url = f"{self._url}/health" if self._deployment.provider == "vllm" else f"{self._url}/v1/models"
        self._refuse(await self._transport.get(url, headers=self._headers, within_s=_CHECK_S), url)

    async def ask(self, question: Question, observed: Observed) -> RawAnswer:
        """See ``Backend``."""
        request = question.request
        mapped = map_parameters(self._model, request.parameters, self._names, sample=request.sample)
        observed.dropped_parameters = mapped.dropped
        body = chat_body(
            request,
            served_model=self._deployment.served_model_id,
            fields=mapped.fields,
            pictures=question.pictures,
            repair=question.repair,
        )
        observed.bytes_out = sum(map(len, body))
        url = f"{self._url}/v1/chat/completions"
        headers = {**self._headers, "X-Request-Id": question.request_id}
        if request.labels.trace_id:
            headers["traceparent"] = f"00-{request.labels.trace_id}-{question.request_id[:16]}-01"
        response = await self._transport.post(url, body, headers=headers)
        observed.http_status = response.status
        observed.bytes_in = len(response.body)
        self._refuse(response, url)
        observed.raw = read_chat(response.body)
        return observed.raw

    @property
    def _asked(self) -> str:
        return f"Deployment {self._deployment.name!r} of model {self._model.name!r} at {self._url}"

    def _unreachable(self, reason: str) -> ModelUnreachable:
        return ModelUnreachable(
            f"{self._asked} does not answer: {reason} Start the server, correct base_url in the registry, or choose "
            f"another model."
        )

    def _refuse(self, response: Response, url: str) -> None:
        if response.status == 200:  # noqa: PLR2004 - OK
            return
        words = _error_words(response.body)
        if self._key:
            words = words.replace(self._key, _MASK)
        words = words[:_SHOWN]
        raise HttpFailure(
            f"{url} answered {response.status}: {words}.",
            http_status=response.status,
            retry_after_s=response.retry_after_s,
        )


def chat_body(
    request: Request,
    *,
    served_model: str,
    fields: Mapping[str, Any],
    pictures: Sequence[bytes],
    repair: Repair | None = None,
) -> list[bytes]:
    """The body of a chat completion, in pieces.

    Pictures are put between the pieces of JSON as they are: encoding megabytes of base64 as a JSON string would
    scan and copy them three times, on the event loop.

    Args:
        request: What is asked.
        served_model: The deployment's id of the model.
        fields: Parameters by the provider's names.
        pictures: The request's images as base64, in order.
        repair: For the repair try, the answer that missed its schema and why.
    """
    body = [b'{"model":', _json(served_model), b',"messages":[']
    if request.system:
        body += (b'{"role":"system","content":', _kept_json(request.system), b"},")
    body.append(b'{"role":"user","content":')
    if pictures:
        body.append(b"[")
        for image, picture in zip(request.images, pictures, strict=True):
            body += (
                b'{"type":"image_url","image_url":{"url":"data:',
                image.media_type.encode("ascii"),
                b";base64,",
                picture,
                b'"}},',
            )
        body += (b'{"type":"text","text":', _json(request.user), b"}]")
    else:
        body.append(_json(request.user))
    body.append(b"}")
    if repair is not None:
        body += (
            b',{"role":"assistant","content":',
            _json(repair.text),
            b'},{"role":"user","content":',
            _json(
                f"{repair.problem} Answer again with the same content as one JSON object that fits the schema, "
                f"and nothing else."
            ),
            b"}",
        )
    body.append(b'],"stream":false')
    if fields:
        body += (b",", _json(fields)[1:-1])
    if request.schema is not None and _constrains(request.model):
        body += (
            b',"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":',
            request.schema.encoded,
            b"}}",
        )
    body.append(b"}")
    return body


def read_chat(body: bytes) -> RawAnswer:
    """What a chat completion says.

    Args:
        body: The response's body, of status 200.

    Raises:
        NotJson: The body is not JSON: cut off, or from something else than a model server.
        EmptyAnswer: There is no choice in it.
    """
    try:
        # A body in UTF-8 with a broken character is still an answer.
        said = _DECODE(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        shown = body[:_SHOWN].decode("utf-8", "replace")
        raise NotJson(f"The response is not JSON ({error}): {shown!r}.", http_status=200) from error
    said = _mapping(said)
    choice = _first(said.get("choices"))
    if not isinstance(choice, dict):
        raise EmptyAnswer("The response has no choice in it.", http_status=200)
    message, usage, metrics = (
        _mapping(choice.get("message")),
        _mapping(said.get("usage")),
        _mapping(said.get("metrics")),
    )
    ttft_ms = _number(metrics.get("time_to_first_token_ms"))
    return RawAnswer(
        text=_text(message.get("content")),
        finish_reason=_string(choice.get("finish_reason")),
        refusal=_string(message.get("refusal")),
        served_model=_string(said.get("model")),
        input_tokens=_count(usage.get("prompt_tokens")),
        image_tokens=_count(_mapping(usage.get("prompt_tokens_details")).get("image_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
        ttft_ms=ttft_ms,
        # vLLM starts its clock when it schedules the request, after its queue.
        ttft_origin=None if ttft_ms is None else "scheduled",
        queue_ms=_number(metrics.get("queue_time_ms")),
    )


def _api_key(model: Model, deployment: Deployment, environ: Mapping[str, str]) -> str | None:
    if deployment.api_key_env is None:
        return None
    key = environ.get(deployment.api_key_env, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ModelMisconfigured(
            f"The environment variable {deployment.api_key_env}, the API key of deployment {deployment.name!r} of "
            f"model {model.name!r}, holds characters that no key has. Set it anew."
        )
    if not key:
        raise ModelMisconfigured(
            f"Deployment {deployment.name!r} of model {model.name!r} needs an API key in the environment variable "
            f"{deployment.api_key_env}, which is not set. Set it, or choose another model."
        )
    return key


def _constrains(model: Model) -> bool:
    chat = model.capabilities.chat
    return chat is not None and chat.structured_output


def _json(value: Any) -> bytes:
    # Lone surrogates, from a file name that is not UTF-8, become question marks: no server takes them.
    return _ENCODE(value).encode("utf-8", "replace")


# One system message goes with all photos of a stage.
_kept_json = lru_cache(maxsize=64)(_json)


def _served(body: bytes) -> list[str]:
    try:
        listed = _part(json.loads(body), "data")
    except (ValueError, RecursionError):
        return []
    ids = [_part(card, "id") for card in listed] if isinstance(listed, list) else []
    return sorted(name for name in ids if isinstance(name, str))


def _error_words(body: bytes) -> str:
    """What an error response says, whichever of the usual shapes it has."""
    text = body[:4096].decode("utf-8", "replace")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    for found in (
        _part(_part(said, "error"), "message"),
        _part(said, "error"),
        _part(said, "message"),
        _part(said, "detail"),
    ):
        if isinstance(found, str) and found:
            text = found
            break
    text = " ".join(text.split()).rstrip(".")
    return text or "no words"


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _text(content: Any) -> str:
    """The text of a message, which is a string or a list of parts."""
    if isinstance(content, list):
        return "".join(text for part in content if (text := _string(_part(part, "text"))))
    return _string(content) or ""


def _string(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if _SURROGATE.search(value):
        # A lone one, escaped in the response's JSON, could not be stored anywhere.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None


def _number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if usable and 0 <= value < 1e12 else None  # noqa: PLR2004 - three centuries
