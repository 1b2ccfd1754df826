"""Another gateway: one URL for whatever models it has. The leases, the repair try and the events are its own."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from backends.errors import AttemptFailed, GatewayFailed, HttpFailure, MetricsFailed, ModelMisconfigured
from backends.providers.openai_compatible import chat_body, read_chat
from backends.providers.parameters import VLLM, map_parameters
from backends.providers.protocol import Chunk
from backends.providers.reading import items, part, read_json, short, string
from backends.providers.server import Server
from backends.providers.tf_iqa import answer_of, infer_body, read_outcomes, read_result
from backends.providers.writing import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backends.providers.protocol import Observed, Question, RawAnswer
    from backends.request import Request
    from backends.transport import Transport
    from registry.schema import Deployment, Model

ANSWERED_BY: Final = "X-ImageWorks-Answered-By"
"""Says which of the gateway's events an answer, or a failure, is from."""

ERROR_CLASS: Final = "X-ImageWorks-Error-Class"
"""Says which ``error_class`` that event has, where it is a failure's."""

CLASS: Final = "X-ImageWorks-Class"
"""Says whether somebody waits for the answer, or a batch does."""

LABELS: Final = (
    "stage",
    "run_id",
    "batch",
    "entry_id",
    "photo_ids",
    "profile_id",
    "profile_stage",
    "profile_hash",
    "stage_hash",
    "prompt_hub_version",
)
"""What the body's ``imageworks`` says of a request, by the names that ``Labels`` has, beside its ``sample``."""

_CHAT: Final = "/v1/chat/completions"
_SCORES: Final = "/v1/iqa/run"
_EVENT_ID: Final = re.compile(r"[0-9a-f]{32}")
_UNKNOWN_TO_IT: Final = frozenset({401, 403})


class Gateway:
    """One model behind a gateway."""

    looks_at_pictures = True
    # It shows the model its mistake itself.
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
            model: The logical model here.
            deployment: Of provider ``gateway``; ``served_model_id`` is the logical model there.
            transport: Carries the requests.
            environ: For the base URL's variables and the API key.
        """
        self._model = model
        self._server = Server(model, deployment, transport, environ)

    async def check(self) -> None:
        """See ``Backend``: it knows us, and the model by its name, an alias or a model role; with all its metrics."""
        cards = items(part(read_json(await self._server.checked("/v1/models")), "data"))
        by_name = {name: card for card in cards for name in _names(card)}
        card = by_name.get(self._server.served_model_id)
        if card is None:
            raise self._server.not_served(by_name, "Name one of these")
        limits = self._model.capabilities.iqa
        measured = items(part(part(part(card, "capabilities"), "iqa"), "metrics"))
        missing = [name for name in (() if limits is None else limits.metrics) if name not in measured]
        if missing:
            raise ModelMisconfigured(
                f"{self._server.named} does not measure {', '.join(missing)} there. Leave them out of the model's "
                f"metrics in the registry."
            )

    async def probe(self) -> None:
        """See ``Backend``."""
        await self._server.get("/readyz")

    async def ask(self, question: Question, observed: Observed) -> RawAnswer:
        """See ``Backend``. A conversation's answer is told in one part, once it is whole."""
        if question.request.metrics:
            return await self._score(question, observed)
        return await self._chat(question, observed)

    async def _chat(self, question: Question, observed: Observed) -> RawAnswer:
        request = question.request
        # The seed goes as it is: the gateway moves it on by the sample.
        mapped = map_parameters(self._model, request.parameters, VLLM)
        observed.dropped_parameters = mapped.dropped
        *body, end = chat_body(
            request,
            served_model=self._server.served_model_id,
            fields=mapped.fields,
            pictures=question.pictures,
        )
        body += (b',"imageworks":', encode(labels_of(request)), end)
        said = await self._asked(_CHAT, body, question, observed)
        observed.raw = read_chat(said, whole=request.conversation is not None)
        if question.tell is not None and observed.raw.message is not None:
            observed.streamed = True
            await question.tell(Chunk(observed.raw.message, observed.raw.finish_reason))
        return observed.raw

    async def _score(self, question: Question, observed: Observed) -> RawAnswer:
        request = question.request
        observed.dropped_parameters = tuple(sorted(request.parameters))
        body = infer_body(
            request,
            served_model=self._server.served_model_id,
            pictures=question.pictures,
            more={"imageworks": labels_of(request)},
        )
        said = await self._asked(_SCORES, body, question, observed)
        result = read_result(said)
        _note(observed, part(result, "answered_by"))
        if (words := string(part(part(result, "error"), "message"))) is not None:
            raise self._unscored(result, short(words), recorded=observed.recorded)
        observed.raw = answer_of(read_outcomes(said))
        return observed.raw

    @staticmethod
    def _unscored(result: Any, words: str, *, recorded: bool) -> AttemptFailed:
        if recorded:
            return GatewayFailed(words, error_class=short(string(part(result, "error_class")) or "failed"))
        # The gateway takes no such picture, and asked nobody.
        return MetricsFailed(words, error_class=string(part(part(result, "error"), "code")))

    async def _asked(self, path: str, body: list[bytes], question: Question, observed: Observed) -> bytes:
        # Whatever becomes of it from here on, a cancellation too, is in its event.
        observed.recorded = True
        headers = {CLASS: question.request.labels.priority}
        try:
            said = await self._server.ask(path, body, question, observed, may_load=True, headers=headers)
        except AttemptFailed as failure:
            _note(observed, observed.headers.get(ANSWERED_BY))
            if observed.recorded:
                error_class = short(observed.headers.get(ERROR_CLASS, "failed"))
                raise GatewayFailed(str(failure), error_class=error_class) from failure
            if isinstance(failure, HttpFailure) and failure.http_status in _UNKNOWN_TO_IT:
                raise ModelMisconfigured(f"{self._server.named} refuses us: {failure}") from failure
            raise
        _note(observed, observed.headers.get(ANSWERED_BY))
        return said


def labels_of(request: Request) -> dict[str, Any]:
    """What the gateway's event is to say of a request."""
    labels = {name: value for name in LABELS if (value := getattr(request.labels, name))}
    return {**labels, "sample": request.sample} if request.sample else labels


def _note(observed: Observed, event_id: Any) -> None:
    """Note which event there is of it; if none is named it came to no asking there, as far as can be told."""
    named = isinstance(event_id, str) and _EVENT_ID.fullmatch(event_id)
    observed.answered_by = event_id if named else None
    observed.recorded = observed.answered_by is not None


def _names(card: Any) -> list[str]:
    said = [part(card, "id"), *items(part(card, "aliases")), *items(part(card, "roles"))]
    return [name for name in map(string, said) if name is not None]
