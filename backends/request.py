"""The request: one question to one model, and the digest that names it by its content."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from backends.errors import InvalidRequest
from backends.output_schemas import CanonicalSchema, canonical_schema

if TYPE_CHECKING:
    from backends.conversation import Conversation
    from backends.leases.state import Priority
    from registry.schema import Model

_MEDIA_TYPE: Final = re.compile(r"image/[a-z0-9.+-]{1,40}")
_DIGEST_VERSION: Final = 1
_SORTED: Final = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of a request, named now and made only when it is sent.

    Attributes:
        digest: Names what ``load`` gives; two images of one digest are one picture to the model.
        media_type: Such as ``image/jpeg``.
        load: Makes the encoded bytes. Called in a thread, perhaps more than once, and never for a request
            that is recalled. What it raises fails the request; an ``error_class`` attribute of the exception
            becomes the answer's.
    """

    digest: str
    media_type: str
    load: Callable[[], bytes]

    def __post_init__(self) -> None:
        if not _MEDIA_TYPE.fullmatch(self.media_type):
            raise InvalidRequest(f"{self.media_type!r} is not the media type of a picture; use image/jpeg.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What telemetry says about a request and its answer does not depend on."""

    stage: str
    run_id: str | None = None
    batch: str | None = None
    entry_id: str | None = None
    photo_ids: tuple[str, ...] = ()
    profile_id: str | None = None
    profile_stage: str | None = None
    profile_hash: str | None = None
    stage_hash: str | None = None
    prompt_hub_version: str | None = None
    registry_version: str | None = None
    trace_id: str | None = None
    priority: Priority = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to one model.

    Attributes:
        model: The resolved logical model.
        system: System message; empty for none.
        user: User message.
        conversation: What a program says itself, in place of both messages and the pictures.
        images: Pictures, in order, shown before the user message's text.
        metrics: What an image-quality model is to measure; empty for a model that writes.
        output_schema: JSON Schema of the answer, or what ``canonical_schema`` made of it; None for free text.
        parameters: Sampling parameters by canonical name, over the model's defaults.
        variables: Structured values behind the messages. Only provider ``embedded`` sees them.
        sample: 0, 1, 2 … when the same question is asked several times on purpose.
        labels: For telemetry; not part of the digest.
        schema: ``output_schema`` as it is named and sent.

    Raises:
        InvalidRequest: The schema holds what JSON cannot.
    """

    model: Model
    labels: Labels
    user: str = ""
    system: str = ""
    conversation: Conversation | None = None
    images: tuple[Image, ...] = ()
    metrics: tuple[str, ...] = ()
    output_schema: Mapping[str, Any] | CanonicalSchema | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    sample: int = 0
    schema: CanonicalSchema | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        schema = self.output_schema
        if schema is not None and not isinstance(schema, CanonicalSchema):
            schema = canonical_schema(schema)
        object.__setattr__(self, "schema", schema)


def request_digest(request: Request) -> str:
    """SHA-256, in hex, that names the request by its content.

    Over the RFC 8785 canonical JSON of the digests of both messages, of the pictures and of the schema, or of a
    conversation in place of messages and pictures, the
    parameters, the model's name and revision, the sample, the metrics, where some are asked for, and, where a
    function of this program answers, the variables that it sees. Labels, deployments and URLs are no part of it.

    Raises:
        InvalidRequest: Parameters or variables hold what JSON cannot, such as a NaN.
    """
    return hashlib.sha256(canonical_request(request)).hexdigest()


def canonical_request(request: Request) -> bytes:
    """What ``request_digest`` digests.

    Put together from canonical parts in the order of their names, which RFC 8785 asks for: going over the whole
    of it in Python would cost three times as much.

    Raises:
        InvalidRequest: As ``request_digest``.
    """
    schema = request.schema
    try:
        variables = (
            b',"variables":' + rfc8785.dumps(_plain(request.variables)) if request.model.is_embedded else b""
        )
        metrics = b',"metrics":' + rfc8785.dumps(list(request.metrics)) if request.metrics else b""
        conversation = (
            b'"conversation":"%b",' % request.conversation.digest.encode() if request.conversation else b""
        )
        return b"".join(
            (
                b"{",
                conversation,
                b'"images":',
                rfc8785.dumps([image.digest for image in request.images]) if request.images else b"[]",
                metrics,
                _canonical_model(request.model),
                b',"parameters":',
                _canonical_parameters(request.parameters),
                b',"sample":%d' % request.sample,
                b',"schema":"%b"' % schema.digest.encode("ascii") if schema else b',"schema":null',
                b',"system":"%b","user":"%b"' % (_kept_digest(request.system), _digest(request.user)),
                variables,
                b',"version":%d}' % _DIGEST_VERSION,
            )
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"A request of stage {request.labels.stage} for entry {request.labels.entry_id} cannot be named: "
            f"its parameters or variables hold what JSON cannot ({error})."
        ) from error


@lru_cache(maxsize=64)
def _canonical_model(model: Model) -> bytes:
    revision = model_revision(model).encode("ascii")
    return b',"model":%b,"model_revision":"%b"' % (rfc8785.dumps(model.name), revision)


def _canonical_parameters(parameters: Mapping[str, Any]) -> bytes:
    return _canonical_text(_SORTED(_plain(parameters)))


@lru_cache(maxsize=256)
def _canonical_text(text: str) -> bytes:
    return rfc8785.dumps(json.loads(text))


@lru_cache(maxsize=64)
def model_revision(model: Model) -> str:
    """The model's revision; worked out once a model, since it digests the whole of it."""
    return model.model_revision


def _digest(text: str) -> bytes:
    # A file name that is not UTF-8 may have come in as lone surrogates.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest().encode("ascii")


# One system message goes with all photos of a stage.
_kept_digest = lru_cache(maxsize=64)(_digest)


def _plain(value: Any) -> Any:
    """Mappings of any kind as dicts, as the canonical form wants them; the rest as it is."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
