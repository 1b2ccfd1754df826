"""From the body of a chat completion to the request that the client asks."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from backends.conversation import Conversation
from backends.request import Image, Labels, Request
from gateway.asking import resolved
from gateway.chat.body import ImagePart, PlainFormat, SchemaFormat, UserMessage
from gateway.chat.schemas import checked_schema
from gateway.errors import BadRequest, TooLarge
from gateway.models import STAGE
from gateway.pictures import refuse_picture
from gateway.refusals import told
from prompt_hub.rendering import render
from prompt_hub.revisions.store import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.admission import Class
    from gateway.chat.body import ChatBody, PromptChoice
    from gateway.parts import Parts
    from prompt_hub.rendering import Rendered
    from registry.registry import Registry
    from registry.schema import Model

_ANY_OBJECT = {"type": "object"}


def request_of(
    body: ChatBody, registry: Registry, parts: Parts, *, trace_id: str, priority: Class
) -> Request:
    """The request of a body. Reads the database where the body names a prompt that is kept.

    Raises:
        GatewayError: What is asked for is not there, or cannot be.
    """
    pictures = [*_pictures(body)]
    needs = frozenset({"chat", "vision"} if pictures else {"chat"})
    model = resolved(registry, body.model, needs=needs)
    _refuse_pictures(pictures, model, parts.settings.max_pixels)
    labels = Labels(stage=STAGE, trace_id=trace_id, priority=priority, registry_version=registry.version)
    if body.imageworks is not None:
        labels = replace(labels, **body.imageworks.given())
    if model.is_embedded:
        raise BadRequest(
            f"Model {model.name!r} answers by rule from what a batch has measured, and reads neither messages nor "
            f"prompts. Name another model.",
            param="model",
            code="reads_no_prompt",
        )
    if body.prompt is not None:
        return _prompted(body, body.prompt, model, parts, labels)
    return Request(
        model=model,
        conversation=conversation_of(body),
        output_schema=_schema(body),
        parameters=body.parameters,
        sample=body.imageworks.sample if body.imageworks else 0,
        labels=labels,
    )


def conversation_of(body: ChatBody) -> Conversation:
    """The messages and tools of a body, without what it did not say."""
    messages = [message.model_dump(exclude_none=True) for message in body.messages or ()]
    if not body.tools:
        return Conversation(messages=messages)
    return Conversation(
        messages=messages,
        tools=[tool.model_dump(exclude_none=True) for tool in body.tools],
        options=body.model_dump(include={"tool_choice", "parallel_tool_calls"}, exclude_none=True),
    )


def _prompted(body: ChatBody, prompt: PromptChoice, model: Model, parts: Parts, labels: Labels) -> Request:
    rendered = rendered_prompt(prompt.id, prompt.stage, prompt.variables, parts)
    if len(prompt.images) != rendered.images:
        raise BadRequest(
            f"Stage {prompt.stage} of {prompt.id} shows {rendered.images} pictures, and the request has "
            f"{len(prompt.images)}.",
            param="prompt.images",
        )
    return Request(
        model=model,
        system=rendered.system,
        user=rendered.user,
        images=tuple(map(_image, prompt.images)),
        output_schema=rendered.output_schema,
        parameters={**rendered.parameters, **body.parameters},
        labels=replace(
            labels,
            profile_id=rendered.profile_id,
            profile_stage=rendered.profile_stage,
            profile_hash=rendered.profile_hash,
            stage_hash=rendered.stage_hash,
            prompt_hub_version=parts.hub.current.version,
        ),
    )


def rendered_prompt(reference: str, stage: str, variables: Mapping[str, Any], parts: Parts) -> Rendered:
    """A prompt of the hub, rendered.

    Raises:
        NotFound: There is no such prompt.
        BadRequest: It cannot be rendered with these variables.
        Unavailable: The state database cannot say.
    """
    with told("prompt"):
        return render(resolve(reference, parts.hub.current, parts.prompts), stage, variables)


def _image(uri: str) -> Image:
    head, _, data = uri.partition(",")
    digest = hashlib.sha256(uri.encode()).hexdigest()
    media_type = head.removeprefix("data:").removesuffix(";base64").lower()
    return Image(digest=digest, media_type=media_type, load=partial(base64.b64decode, data))


def _pictures(body: ChatBody) -> Iterator[tuple[str, str]]:
    """All pictures of a body, each with the field that it stands in."""
    for place, message in enumerate(body.messages or ()):
        if isinstance(message, UserMessage) and isinstance(message.content, list):
            for number, part in enumerate(message.content):
                if isinstance(part, ImagePart):
                    yield f"messages[{place}].content[{number}]", part.image_url.url
    for number, uri in enumerate(body.prompt.images if body.prompt else ()):
        yield f"prompt.images[{number}]", uri


def _refuse_pictures(pictures: list[tuple[str, str]], model: Model, max_pixels: int) -> None:
    vision = model.capabilities.vision
    if vision is not None and len(pictures) > vision.max_images:
        raise TooLarge(
            f"Model {model.name!r} sees {vision.max_images} pictures in one request at most, and this has "
            f"{len(pictures)}.",
            code="too_many_images",
        )
    for param, uri in pictures:
        refuse_picture(uri, param=param, max_pixels=max_pixels)


def _schema(body: ChatBody) -> Mapping[str, Any] | None:
    match body.response_format:
        case SchemaFormat(json_schema=wanted):
            return checked_schema(wanted.schema_)
        case PlainFormat(type="json_object"):
            return _ANY_OBJECT
        case _:
            return None
