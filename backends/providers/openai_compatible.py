"""The OpenAI chat protocol, with the particulars of vLLM and TensorRT-LLM."""

from __future__ import annotations

import os
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from backends.errors import EmptyAnswer, NotJson
from backends.providers.messages import StreamedMessage, message_of, text_of, timing_of, usage_of
from backends.providers.parameters import OPENAI, TRTLLM, VLLM, map_parameters
from backends.providers.protocol import RawAnswer
from backends.providers.reading import items, part, read_json, string, words
from backends.providers.server import Server
from backends.providers.writing import encode, encode_system, holds_to_schema, repair_messages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backends.providers.protocol import Observed, Question, Repair, Tell
    from backends.request import Request
    from backends.transport import Transport
    from registry.schema import Deployment, Model

JSON_SCHEMA: Final = (b'{"type":"json_schema","json_schema":{"name":"answer","schema":', b"}}")
"""What stands before and after a schema to hold an answer to it."""

_CHAT: Final = "/v1/chat/completions"
_DATA: Final = b"data:"
_DONE: Final = b"[DONE]"

# TensorRT-LLM's, in every version: its newer ones alone know the other form.
_JSON: Final = (b'{"type":"json","schema":', b"}")


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What a server of the protocol calls things.

    Attributes:
        names: Parameters by canonical name.
        health: The page that tells whether it is alive.
        answer_format: As ``JSON_SCHEMA``.
    """

    names: Mapping[str, str]
    health: str = "/health"
    answer_format: tuple[bytes, bytes] = JSON_SCHEMA


_DIALECTS: Final = {
    # Its health tells of a dead engine.
    "vllm": _Dialect(VLLM),
    "trtllm": _Dialect(TRTLLM, answer_format=_JSON),
    # Not every server has a page for its health: the list of models has to do.
    "openai": _Dialect(OPENAI, health="/v1/models"),
}


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
        """Make one; see ``Server`` for what is raised.

        Args:
            model: The logical model.
            deployment: Of provider ``vllm``, ``trtllm`` or ``openai``.
            transport: Carries the requests.
            environ: For the base URL's variables and the API key.
        """
        self._model = model
        self._server = Server(model, deployment, transport, environ)
        self._dialect = _DIALECTS[deployment.provider]

    async def check(self) -> None:
        """See ``Backend``: alive, and serving the model under the id that the registry says."""
        await self._server.checked(self._dialect.health)
        served = _served(await self._server.checked("/v1/models"))
        if self._server.served_model_id not in served:
            raise self._server.not_served(served, "Start it with that model")

    async def probe(self) -> None:
        """See ``Backend``."""
        await self._server.get(self._dialect.health)

    async def ask(self, question: Question, observed: Observed) -> RawAnswer:
        """See ``Backend``."""
        request = question.request
        mapped = map_parameters(self._model, request.parameters, self._dialect.names, sample=request.sample)
        observed.dropped_parameters = mapped.dropped
        body = chat_body(
            request,
            served_model=self._server.served_model_id,
            fields=mapped.fields,
            pictures=question.pictures,
            repair=question.repair,
            answer_format=self._dialect.answer_format,
            stream=question.tell is not None,
        )
        if question.tell is None:
            said = await self._server.ask(_CHAT, body, question, observed)
            observed.raw = read_chat(said, whole=request.conversation is not None)
        else:
            observed.raw = await self._streamed(body, question, question.tell, observed)
        return observed.raw

    async def _streamed(
        self,
        body: Sequence[bytes],
        question: Question,
        tell: Tell,
        observed: Observed,
    ) -> RawAnswer:
        streamed = StreamedMessage(self._server.named)
        lines = self._server.ask_for_lines(_CHAT, body, question, observed)
        async with aclosing(lines):
            async for line in lines:
                # Server-sent events: each is one line of data here; others are comments and names.
                if not line.startswith(_DATA) or (data := line[len(_DATA) :].strip()) == _DONE:
                    continue
                if (chunk := streamed.add(read_json(data))) is not None:
                    observed.streamed = True
                    await tell(chunk)
        return streamed.whole()


def chat_body(
    request: Request,
    *,
    served_model: str,
    fields: Mapping[str, Any],
    pictures: Sequence[bytes],
    repair: Repair | None = None,
    answer_format: tuple[bytes, bytes] = JSON_SCHEMA,
    stream: bool = False,
) -> list[bytes]:
    """The body of a chat completion, in pieces.

    Args:
        request: What is asked.
        served_model: The deployment's id of the model.
        fields: Parameters by the provider's names.
        pictures: The request's images as base64, in order.
        repair: For the repair try, the answer that missed its schema and why.
        answer_format: What stands before and after the schema.
        stream: Whether the answer is to come in parts.
    """
    body = [b'{"model":', encode(served_model), b',"messages":']
    body += _messages(request, pictures) if request.conversation is None else [request.conversation.encoded]
    if repair is not None:
        body.append(repair_messages(repair))
    # What was counted is not said of a streamed answer unless it is asked for.
    body.append(b'],"stream":true,"stream_options":{"include_usage":true}' if stream else b'],"stream":false')
    if request.conversation is not None and request.conversation.tools:
        said = {"tools": list(request.conversation.tools), **request.conversation.options}
        body += (b",", encode(said)[1:-1])
    if fields:
        body += (b",", encode(fields)[1:-1])
    if request.schema is not None and holds_to_schema(request.model):
        before, after = answer_format
        body += (b',"response_format":', before, request.schema.encoded, after)
    body.append(b"}")
    return body


def _messages(request: Request, pictures: Sequence[bytes]) -> list[bytes]:
    body = [b"["]
    if request.system:
        body += (b'{"role":"system","content":', encode_system(request.system), b"},")
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
        body += (b'{"type":"text","text":', encode(request.user), b"}]")
    else:
        body.append(encode(request.user))
    body.append(b"}")
    return body


def read_chat(body: bytes, *, whole: bool = False) -> RawAnswer:
    """What a chat completion says.

    Args:
        body: The response's body, of status 200.
        whole: Whether all of the message is wanted, and not its text alone.

    Raises:
        NotJson: The body is not JSON: cut off, or from something else than a model server.
        EmptyAnswer: There is no choice in it.
    """
    said = read_json(body)
    choice = next(iter(items(part(said, "choices"))), None)
    if not isinstance(choice, dict):
        raise EmptyAnswer("The response has no choice in it.", http_status=200)
    message = part(choice, "message")
    return RawAnswer(
        text=text_of(part(message, "content")),
        message=message_of(message) if whole else None,
        finish_reason=words(part(choice, "finish_reason")),
        refusal=words(part(message, "refusal")),
        served_model=words(part(said, "model")),
        **usage_of(said),
        **timing_of(said),
    )


def _served(body: bytes) -> list[str]:
    try:
        listed = items(part(read_json(body), "data"))
    except NotJson:
        return []
    return sorted(name for card in listed if (name := string(part(card, "id"))) is not None)
