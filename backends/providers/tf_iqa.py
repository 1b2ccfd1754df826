"""The TF-IQA worker's protocol: one picture, numbers by metric."""

from __future__ import annotations

import json
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from backends.errors import EmptyAnswer, InvalidRequest, MetricsFailed, NotJson
from backends.providers.protocol import RawAnswer
from backends.providers.reading import items, part, read_json, short, string
from backends.providers.server import Server
from backends.providers.writing import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backends.providers.protocol import Observed, Question
    from backends.request import Request
    from backends.transport import Transport
    from registry.schema import Deployment, Model

_ID: Final = "picture"
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class TfIqa:
    """One deployment on a TF-IQA worker, or behind a supervisor that has one."""

    looks_at_pictures = True
    repairs = False

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
            deployment: Of provider ``tf_iqa``.
            transport: Carries the requests.
            environ: For the base URL's variables and the API key.
        """
        self._model = model
        self._server = Server(model, deployment, transport, environ)

    async def check(self) -> None:
        """See ``Backend``: alive, and with all of the model's metrics."""
        served = _metrics(await self._server.checked("/healthz"))
        limits = self._model.capabilities.iqa
        wanted = () if limits is None else limits.metrics
        # What stands before a worker may not know what the worker will measure.
        if served is not None and (missing := [name for name in wanted if name not in served]):
            raise self._server.not_served(served, f"Start it with --metrics {','.join(missing)} among others")

    async def probe(self) -> None:
        """See ``Backend``."""
        await self._server.get("/healthz")

    async def ask(self, question: Question, observed: Observed) -> RawAnswer:
        """See ``Backend``."""
        request = question.request
        if not request.metrics:
            raise InvalidRequest(
                f"A request of stage {request.labels.stage} names no metrics, and {self._server.named} measures "
                f"pictures and writes nothing. Choose a model that chats."
            )
        observed.dropped_parameters = tuple(sorted(request.parameters))
        body = infer_body(request, served_model=self._server.served_model_id, pictures=question.pictures)
        said = await self._server.ask("/infer", body, question, observed)
        outcomes = read_outcomes(said)
        observed.raw = answer_of(outcomes)
        _refuse_if_all_failed(outcomes)
        return observed.raw


def infer_body(
    request: Request, *, served_model: str, pictures: Sequence[bytes], more: Mapping[str, Any] = _NOTHING
) -> list[bytes]:
    """The body of a score request, in pieces.

    Args:
        request: What is asked.
        served_model: The deployment's id of the model, for what chooses a worker by it.
        pictures: The request's only image as base64.
        more: Fields beside these.
    """
    head = encode({"model": served_model, "metrics": list(request.metrics), **more})[:-1]
    (picture,) = pictures
    return [head, b',"images":[{"id":', encode(_ID), b',"image_b64":"', picture, b'"}]}']


def read_outcomes(body: bytes) -> dict[str, Any]:
    """What a response says of the picture, by metric.

    Args:
        body: The response's body, of status 200.

    Raises:
        NotJson: The body is not JSON: cut off, or from something else than a worker.
        EmptyAnswer: It says nothing of the picture.
    """
    metrics = part(read_result(body), "metrics")
    if not isinstance(metrics, dict) or not metrics:
        raise EmptyAnswer("The response has no result for the picture in it.", http_status=200)
    return metrics


def read_result(body: bytes) -> Any:
    """The one result of a response; None if it has none, or several.

    Raises:
        NotJson: The body is not JSON.
    """
    results = items(part(read_json(body), "results"))
    return results[0] if len(results) == 1 else None


def answer_of(outcomes: Mapping[str, Any]) -> RawAnswer:
    """What outcomes by metric are as an answer: their JSON, the same however they came."""
    return RawAnswer(text=json.dumps(outcomes, sort_keys=True, separators=(",", ":")))


def _refuse_if_all_failed(outcomes: Mapping[str, Any]) -> None:
    errors = [string(part(outcome, "error")) for outcome in outcomes.values()]
    if not all(errors):
        return
    classes = {string(part(outcome, "error_class")) for outcome in outcomes.values()}
    only = classes.pop() if len(classes) == 1 else None
    words = "; ".join(dict.fromkeys(error for error in errors if error))
    raise MetricsFailed(
        f"No metric could be had of the picture: {short(words)}",
        error_class=short(only) if only else None,
    )


def _metrics(body: bytes) -> list[str] | None:
    """The metrics that a worker serves; None if it does not say."""
    try:
        listed = part(read_json(body), "metrics")
    except NotJson:
        return None
    return [name for name in map(string, listed) if name is not None] if isinstance(listed, list) else None
