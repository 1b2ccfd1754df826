"""Ollama's own chat protocol."""

from __future__ import annotations

import json
import os
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from backends.errors import EmptyAnswer, InvalidRequest, ModelMisconfigured, NotJson
from backends.providers.messages import StreamedMessage, message_of, text_of
from backends.providers.parameters import OLLAMA, map_parameters
from backends.providers.protocol import RawAnswer
from backends.providers.reading import count, items, number, part, read_json, string, words
from backends.providers.server import Server
from backends.providers.writing import encode, encode_system, holds_to_schema, repair_messages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from backends.conversation import Conversation
    from backends.providers.protocol import Observed, Question, Repair, Tell
    from backends.request import Request
    from backends.transport import Transport
    from registry.schema import Deployment, Model

_CHAT: Final = "/api/chat"
# What the OpenAI protocol calls the system's words since its reasoning models.
_ROLES: Final = {"developer": "system"}
_NS_A_MS: Final = 1_000_000
_DEFAULT_TAG: Final = ":latest"


class Ollama:
    """One deployment on an Ollama server, which loads a model when it is asked."""

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
            deployment: Of provider ``ollama``.
            transport: Carries the requests.
            environ: For the base URL's variables and the API key.
        """
        self._model = model
        self._server = Server(model, deployment, transport, environ)

    async def check(self) -> None:
        """See ``Backend``: alive, with the model pulled, and a model that can what the registry says."""
        wanted = self._server.served_model_id
        pulled = _pulled(await self._server.checked("/api/tags"))
        capabilities = pulled.get(wanted, pulled.get(f"{wanted}{_DEFAULT_TAG}"))
        if capabilities is None:
            raise self._server.not_served(pulled, f"Run `ollama pull {wanted}` there")
        # Older servers do not say what a model can.
        if capabilities and self._model.capabilities.vision is not None and "vision" not in capabilities:
            raise ModelMisconfigured(
                f"{self._server.named} serves {wanted!r}, which cannot see: Ollama says that it can "
                f"{', '.join(sorted(capabilities))}. Take the vision block out of the registry, or choose another "
                f"model."
            )

    async def probe(self) -> None:
        """See ``Backend``."""
        await self._server.get("/api/version")

    async def ask(self, question: Question, observed: Observed) -> RawAnswer:
        """See ``Backend``."""
        request = question.request
        mapped = map_parameters(self._model, request.parameters, OLLAMA, sample=request.sample)
        # It has no choice of tools: the model chooses.
        chosen = tuple(request.conversation.options) if request.conversation else ()
        observed.dropped_parameters = (*mapped.dropped, *chosen)
        body = chat_body(
            request,
            served_model=self._server.served_model_id,
            fields=mapped.fields,
            pictures=question.pictures,
            repair=question.repair,
            leased=question.lease_token is not None,
            stream=question.tell is not None,
        )
        if question.tell is None:
            said = await self._server.ask(_CHAT, body, question, observed, may_load=True)
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
        last: Any = None
        lines = self._server.ask_for_lines(_CHAT, body, question, observed, may_load=True)
        async with aclosing(lines):
            async for line in lines:
                if not line:
                    continue
                last = read_json(line)
                if (chunk := streamed.add(_as_part(last))) is not None:
                    observed.streamed = True
                    await tell(chunk)
        return replace(streamed.whole(), **_counted(last))


def chat_body(
    request: Request,
    *,
    served_model: str,
    fields: Mapping[str, Any],
    pictures: Sequence[bytes],
    repair: Repair | None = None,
    leased: bool = False,
    stream: bool = False,
) -> list[bytes]:
    """The body of a chat request, in pieces.

    Args:
        request: What is asked.
        served_model: The deployment's id of the model.
        fields: Parameters by Ollama's names.
        pictures: The request's images as base64, in order.
        repair: For the repair try, the answer that missed its schema and why.
        leased: Whether the model was loaded for a lease.
        stream: Whether the answer is to come in parts.
    """
    body = [b'{"model":', encode(served_model), b',"messages":']
    if request.conversation is None:
        body += _messages(request, pictures)
    else:
        body.append(encode(list(turns_of(request.conversation)))[:-1])
    if repair is not None:
        body.append(repair_messages(repair))
    # It streams unless told otherwise.
    body.append(b'],"stream":true' if stream else b'],"stream":false')
    if request.conversation is not None and request.conversation.tools:
        body += (b',"tools":', encode(list(request.conversation.tools)))
    if leased:
        # It goes when its room is needed. Each request without this has the server unload it by itself later.
        body.append(b',"keep_alive":-1')
    if more := _with_context(request.model, fields):
        body += (b",", encode(more)[1:-1])
    if request.schema is not None and holds_to_schema(request.model):
        body += (b',"format":', request.schema.encoded)
    body.append(b"}")
    return body


def _messages(request: Request, pictures: Sequence[bytes]) -> list[bytes]:
    body = [b"["]
    if request.system:
        body += (b'{"role":"system","content":', encode_system(request.system), b"},")
    body += (b'{"role":"user","content":', encode(request.user))
    if pictures:
        body.append(b',"images":[')
        for index, picture in enumerate(pictures):
            body += (b',"' if index else b'"', picture, b'"')
        body.append(b"]")
    body.append(b"}")
    return body


def turns_of(conversation: Conversation) -> Iterator[dict[str, Any]]:
    """The messages of a conversation as Ollama has them.

    Pictures stand beside the text, arguments of calls are objects, and a tool is named in its answer.
    """
    called: dict[str, str] = {}
    for message in conversation.messages:
        turn: dict[str, Any] = {"role": _ROLES.get(message["role"], message["role"])}
        content = message.get("content")
        turn["content"] = text_of(content)
        if isinstance(content, list) and (pictures := [*_pictures(content)]):
            turn["images"] = pictures
        if calls := message.get("tool_calls"):
            called |= {call["id"]: call["function"]["name"] for call in calls}
            turn["tool_calls"] = [{"function": _with_object(call["function"])} for call in calls]
        if (call_id := message.get("tool_call_id")) in called:
            turn["tool_name"] = called[call_id]
        yield turn


def _pictures(content: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in content:
        if one["type"] == "image_url":
            yield one["image_url"]["url"].partition(",")[2]


def _with_object(function: Mapping[str, Any]) -> dict[str, Any]:
    try:
        arguments = json.loads(function["arguments"] or "{}")
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"The arguments of a call of {function['name']!r} in the conversation are not JSON ({error})."
        ) from error
    return {"name": function["name"], "arguments": arguments}


def read_chat(body: bytes, *, whole: bool = False) -> RawAnswer:
    """What a chat response says.

    Args:
        body: The response's body, of status 200.
        whole: Whether all of the message is wanted, and not its text alone.

    Raises:
        NotJson: The body is not JSON: cut off, or from something else than a model server.
        EmptyAnswer: There is no message in it.
    """
    said = read_json(body)
    message = part(said, "message")
    if not isinstance(message, dict):
        raise EmptyAnswer("The response has no message in it.", http_status=200)
    finish_reason = words(part(said, "done_reason"))
    as_openai = message_of(_as_message(message)) if whole else None
    if as_openai and "tool_calls" in as_openai:
        finish_reason = "tool_calls"
    return RawAnswer(
        text=string(part(message, "content")) or "",
        message=as_openai,
        finish_reason=finish_reason,
        served_model=words(part(said, "model")),
        **_counted(said),
    )


def _counted(said: Any) -> dict[str, Any]:
    loading, reading = number(part(said, "load_duration")), number(part(said, "prompt_eval_duration"))
    return {
        "input_tokens": count(part(said, "prompt_eval_count")),
        "output_tokens": count(part(said, "eval_count")),
        # The first token is written when the prompt has been read.
        "ttft_ms": None if loading is None or reading is None else round((loading + reading) / _NS_A_MS, 3),
        "ttft_origin": None if loading is None or reading is None else "load_begun",
    }


def _as_message(message: Any) -> dict[str, Any]:
    """A message as the OpenAI protocol has it: arguments of calls are texts, and calls have ids."""
    calls = [
        {
            "index": index,
            "id": f"call_{index}",
            "function": {
                "name": string(part(part(call, "function"), "name")) or "",
                "arguments": encode(part(part(call, "function"), "arguments") or {}).decode(),
            },
        }
        for index, call in enumerate(items(part(message, "tool_calls")))
    ]
    said = {"role": "assistant", "content": part(message, "content"), "reasoning": part(message, "thinking")}
    return {**said, "tool_calls": calls} if calls else said


def _as_part(said: Any) -> dict[str, Any]:
    """A line of a streamed answer as a part of a streamed chat completion."""
    if (error := part(said, "error")) is not None:
        return {"error": {"message": string(error) or "no words"}}
    done = part(said, "done") is True
    choice = {
        "delta": _as_message(part(said, "message")),
        "finish_reason": (part(said, "done_reason") or "stop") if done else None,
    }
    return {"model": part(said, "model"), "choices": [choice]}


def _with_context(model: Model, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the model's context length: the server's own is short, and cuts a prompt without a word.

    Always the same one, since another would load the model anew.
    """
    chat = model.capabilities.chat
    if chat is None:
        return dict(fields)
    return {**fields, "options": {**fields.get("options", {}), "num_ctx": chat.context_tokens}}


def _pulled(body: bytes) -> dict[str, frozenset[str]]:
    """What each model on the server can, by the model's name."""
    try:
        listed = items(part(read_json(body), "models"))
    except NotJson:
        return {}
    return {
        name: frozenset(filter(None, map(string, items(part(card, "capabilities")))))
        for card in listed
        if (name := string(part(card, "name"))) is not None
    }
