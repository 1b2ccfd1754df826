"""What the registry claims of a model, tried at the server that serves it: each difference is one sentence.

The questions go the way of all others, through the deployment's provider and under a lease, but once: nothing is
recalled, repeated, kept or counted.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from PIL import Image as Pillow

from backends.checking import check_answer, refuse_unfinished
from backends.errors import AttemptFailed, BackendError, TruncatedAnswer
from backends.leases.aside import aside
from backends.leases.assembling import leasing_for
from backends.leases.seam import GrantedAtOnce
from backends.output_schemas import canonical_schema
from backends.providers.protocol import Observed, Question
from backends.providers.reading import short
from backends.request import Image, Labels, Request
from backends.routes import routes_of
from backends.scoring import read_scores, score_request
from backends.transport import Transport
from registry.errors import RegistryError
from store.database import StateDatabase
from telemetry.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Executor

    from backends.leases.seam import Leasing
    from backends.providers.protocol import Backend, RawAnswer
    from registry.registry import Registry
    from registry.schema import Deployment, Model
    from store.settings import Settings

Claim = Literal["answers", "serves", "chats", "sees", "pictures", "schema", "metrics"]

CLAIMS: Final[Mapping[Claim, str]] = {
    "answers": "its server answers",
    "serves": "its server has the model",
    "chats": "it answers a short question",
    "sees": "it sees a picture",
    "pictures": "it takes as many pictures as max_images",
    "schema": "its answers can be held to a JSON schema",
    "metrics": "it measures its metrics",
}
"""What is tried, in this order, as far as the registry claims it."""

_LABELS: Final = Labels(stage="probe", priority="interactive")
_OUTPUT_TOKENS: Final = 512
_MOST_PICTURES: Final = 8
_SIDE: Final = 64
_CHAT: Final = "Say in one short sentence what a camera does."
_COLOR: Final = "Which color fills this picture? Answer with one word."
# Prose, so that nothing but the schema makes it JSON.
_PROSE: Final = (
    "Write two plain sentences about the sea, as a letter to a friend. No lists, no code, no JSON."
)
_SCHEMA: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["sentences", "mood"],
    "properties": {
        "sentences": {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": {"type": "string", "minLength": 1, "maxLength": 200},
        },
        "mood": {"enum": ["calm", "wild"]},
    },
}
_HELD_TO_SCHEMA: Final = {
    "ollama": "Take a model that Ollama can hold to a format",
    "trtllm": "Put guided_decoding_backend: xgrammar into the server's configuration",
    "vllm": "Update the server, and start it with disable_any_whitespace in its --structured-outputs-config",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One claim, tried.

    Attributes:
        holds: Whether it is as the registry says.
        words: Where it is not, what the registry claims, what the server does, and what to change; else what was seen.
    """

    claim: Claim
    holds: bool
    words: str


@dataclass(frozen=True, slots=True)
class Probed:
    """A deployment, with what was tried there."""

    model: str
    deployment: str
    provider: str
    trials: tuple[Trial, ...]

    @property
    def mismatches(self) -> tuple[str, ...]:
        """What is not as the registry says, in words."""
        return tuple(trial.words for trial in self.trials if not trial.holds)


async def probe_all(models: Iterable[Model], settings: Settings, registry: Registry) -> tuple[Probed, ...]:
    """Try all deployments of some models, one after the other; those of embedded models are left out.

    Args:
        models: Of the registry.
        settings: Timeouts, consent, and how devices are shared.
        registry: Its environment has addresses and keys; it declares devices.

    Raises:
        StoreError: Leases are asked for, and the state database cannot be opened.
        ModelMisconfigured: The registry declares a device wrongly.
    """
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(Transport(settings))
        threads = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        leasing: Leasing = GrantedAtOnce()
        if settings.leases != "off":
            database = stack.enter_context(StateDatabase.open(settings))
            spool = stack.enter_context(Spool(database.home.spool))
            leasing = await aside(
                leasing_for, settings, registry, database, registry.environ, spool, stage=_LABELS.stage
            )
            stack.push_async_callback(leasing.close)
        return tuple(
            [
                await probe(
                    model,
                    deployment,
                    settings=settings,
                    transport=transport,
                    leasing=leasing,
                    threads=threads,
                    environ=registry.environ,
                )
                for model in models
                for deployment in model.deployments
                if deployment.provider != "embedded"
            ]
        )


async def probe(
    model: Model,
    deployment: Deployment,
    *,
    settings: Settings,
    transport: Transport,
    leasing: Leasing,
    threads: Executor,
    environ: Mapping[str, str] = os.environ,
) -> Probed:
    """Try what the registry claims of one deployment.

    Args:
        model: The logical model.
        deployment: One of its own, of a provider other than ``embedded``.
        settings: Timeouts, and consent for a server outside the private network.
        transport: Carries the questions.
        leasing: Grants the right to ask them.
        threads: For the deployment's backend.
        environ: For its address and its key.
    """
    alone = model.model_copy(update={"deployments": (deployment,)})
    trying = _Trying(alone, deployment, leasing)
    try:
        routes = routes_of(
            alone,
            settings=settings,
            transport=lambda _provider: transport,
            embedded={},
            threads=threads,
            environ=environ,
        )
        await trying.all_of(routes.routes[0].backend)
    except (BackendError, RegistryError) as error:
        trying.failed("serves" if trying.trials else "answers", str(error))
    return Probed(model.name, deployment.name, deployment.provider, tuple(trying.trials))


class _Trying:
    def __init__(self, model: Model, deployment: Deployment, leasing: Leasing) -> None:
        self.trials: list[Trial] = []
        self._model = model
        self._deployment = deployment
        self._leasing = leasing
        self._named = f"Deployment {deployment.name!r} of model {model.name!r}"

    def failed(self, claim: Claim, words: str) -> None:
        self.trials.append(Trial(claim, holds=False, words=words))

    def _held(self, claim: Claim, words: str) -> None:
        self.trials.append(Trial(claim, holds=True, words=words))

    async def all_of(self, backend: Backend) -> None:
        """Try one claim after the other; what makes the next ones senseless is raised.

        Raises:
            BackendError, RegistryError: The server does not answer, or does not have the model.
        """
        # What loads a model when a lease is asked for need not have it before.
        if not await self._leasing.loads(self._model, [self._deployment]):
            if not await self._answers(backend):
                return
            await backend.check()
        self._held("serves", f"It serves {self._deployment.served_model_id}.")
        can = self._model.capabilities
        if can.chat is not None and await self._chats(backend):
            if can.vision is not None:
                await self._sees(backend, can.vision.max_images)
            if can.chat.structured_output:
                await self._holds_to_schema(backend)
        if can.iqa is not None and self._deployment.provider == "tf_iqa":
            await self._measures(backend)

    async def _answers(self, backend: Backend) -> bool:
        try:
            await backend.probe()
        except AttemptFailed as failure:
            self.failed(
                "answers",
                f"{self._named}: the registry has its server at {self._deployment.base_url}, and that does not "
                f"answer: {failure} Start it, or correct base_url.",
            )
            return False
        self._held("answers", "Its server answers.")
        return True

    async def _chats(self, backend: Backend) -> bool:
        try:
            raw = await self._ask(backend, _CHAT)
        except AttemptFailed as failure:
            self._missed(
                "chats", "capabilities.chat", f"a short question fails: {failure}", "Mend the server"
            )
            return False
        self._held("chats", f"It says: {short(raw.text.strip())}")
        return True

    async def _sees(self, backend: Backend, most: int) -> None:
        try:
            blind, seeing = await self._ask(backend, _COLOR), await self._ask(backend, _COLOR, pictures=1)
        except AttemptFailed as failure:
            self._missed(
                "sees",
                "capabilities.vision",
                f"a question with a picture fails: {failure}",
                "Start the server with a model that sees, or take the block out",
            )
            return
        named = _names_red(seeing.text) and not _names_red(blind.text)
        costs = (seeing.input_tokens or 0) - (blind.input_tokens or 0)
        if not named and costs <= 0:
            self._missed(
                "sees",
                "capabilities.vision",
                f"asked for the color of a red picture, it says {short(seeing.text.strip())!r}, and the picture cost "
                f"no tokens: it was not looked at",
                "Serve a model that sees, or take the block out",
            )
            return
        self._held(
            "sees", "It names the color of a picture." if named else f"A picture costs it {costs} tokens."
        )
        if most > 1:
            await self._takes_pictures(backend, min(most, _MOST_PICTURES))

    async def _takes_pictures(self, backend: Backend, count: int) -> None:
        try:
            await self._ask(backend, _COLOR, pictures=count)
        except AttemptFailed as failure:
            self._missed(
                "pictures",
                f"max_images: {self._model.capabilities.vision.max_images}",  # type: ignore[union-attr]
                f"a question with {count} pictures fails, where one with a single picture is answered: {failure}",
                "Raise the server's limit (vLLM: --limit-mm-per-prompt), or set max_images: 1",
            )
            return
        self._held("pictures", f"It takes {count} pictures.")

    async def _holds_to_schema(self, backend: Backend) -> None:
        try:
            raw = await self._ask(backend, _PROSE, schema=_SCHEMA)
            check_answer(raw.text, canonical_schema(_SCHEMA))
        except AttemptFailed as failure:
            advice = _HELD_TO_SCHEMA.get(self._deployment.provider, "Use a server that can")
            self._missed(
                "schema",
                "structured_output: true",
                f"an answer with a schema misses it: {failure}",
                f"{advice}, or set structured_output: false",
            )
            return
        self._held("schema", "It keeps to a schema where it is asked for prose.")

    async def _measures(self, backend: Backend) -> None:
        request = score_request(self._model, _image(), (), _LABELS)
        try:
            raw = await self._asked(backend, request, pictures=1)
            scores = read_scores(check_answer(raw.text, request.schema))
        except AttemptFailed as failure:
            self._missed_metrics(request.metrics, str(failure))
            return
        for name, error in scores.errors.items():
            self._missed_metrics((name,), error)
        if not scores.errors:
            told = ", ".join(f"{name} {mean:g}" for name, mean in scores.means.items())
            self._held("metrics", f"Of a picture of one color it gives {told}.")

    def _missed_metrics(self, metrics: tuple[str, ...], failure: str) -> None:
        self._missed(
            "metrics",
            f"metrics: [{', '.join(metrics)}]",
            f"it does not give {'it' if len(metrics) == 1 else 'them'} of a picture: {short(failure)}",
            "Start the worker with it, or take it out of metrics",
        )

    def _missed(self, claim: Claim, claimed: str, does: str, advice: str) -> None:
        does = does.rstrip(".")
        self.failed(claim, f"{self._named}: the registry claims {claimed}, but {does}. {advice}.")

    async def _ask(
        self, backend: Backend, words: str, *, pictures: int = 0, schema: Mapping[str, Any] | None = None
    ) -> RawAnswer:
        chat = self._model.capabilities.chat
        request = Request(
            model=self._model,
            user=words,
            images=(_image(),) * pictures,
            output_schema=schema,
            parameters={"max_output_tokens": min(_OUTPUT_TOKENS, chat.max_output_tokens if chat else 1)},
            labels=_LABELS,
        )
        raw = await self._asked(backend, request, pictures=pictures)
        try:
            refuse_unfinished(raw)
        except TruncatedAnswer:
            # A model that thinks first may not come to its end within so few tokens, and answers all the same.
            if schema is not None:
                raise
        return raw

    async def _asked(self, backend: Backend, request: Request, *, pictures: int) -> RawAnswer:
        async with self._leasing.lease(self._model, [self._deployment], priority="interactive") as lease:
            question = Question(
                request=request,
                request_id=os.urandom(16).hex(),
                pictures=(base64.b64encode(_red()),) * pictures,
                lease_token=lease.token,
            )
            return await backend.ask(question, Observed())


def _image() -> Image:
    return Image(digest=hashlib.sha256(_red()).hexdigest(), media_type="image/png", load=_red)


def _names_red(text: str) -> bool:
    return re.search(r"\bred\b", text, re.IGNORECASE) is not None


@cache
def _red() -> bytes:
    content = io.BytesIO()
    Pillow.new("RGB", (_SIDE, _SIDE), (220, 16, 16)).save(content, "PNG")
    return content.getvalue()
