"""How prompt tests and compositions ask: through the one client, so that what was answered before is recalled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from backends.client import Client
from backends.leases.assembling import leasing_for
from backends.recall import look_up
from backends.request import Labels, Request, request_digest
from imageworks_dagster.interruption import run_interruptible
from imageworks_dagster.picturing import PhotoFile, Previews
from photos.identity import photo_id
from prompt_hub.testing.asking import Told
from telemetry.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backends.answer import Answer
    from backends.request import Image
    from imageworks_dagster.opened import OpenStore
    from prompt_hub.testing.asking import Ask, Question
    from registry.registry import Registry
    from registry.schema import Model
    from store.settings import Settings

STAGE = "prompts/test"
"""What events of prompt tests have as their stage."""

COMPOSING = "prompts/compose"
"""What events of compositions that are walked by hand have as their stage."""

Progress = Callable[[int, int, int], None]
"""Told of how many of how many are done, and how many of them failed."""


def asking_with(
    settings: Settings,
    registry: Registry,
    store: OpenStore,
    *,
    prompt_hub_version: str,
    fresh: bool,
    progress: Progress,
    stage: str = STAGE,
) -> Ask:
    """A function that asks.

    Args:
        settings: Concurrency, timeouts, leases, consent.
        registry: The models.
        store: Keeps the answers.
        prompt_hub_version: For the events.
        fresh: Ask even what was answered before.
        progress: Told of how many of how many are done, and how many of them failed.
        stage: What the events have as their stage.
    """

    def ask(questions: Sequence[Question]) -> list[Told]:
        requests = _Requests(settings, registry.version, prompt_hub_version, stage)
        made = [requests.request(question) for question in questions]
        answers = ask_requests(settings, registry, store, made, stage=stage, fresh=fresh, progress=progress)
        return [told(answer) for answer in answers]

    return ask


def ask_requests(
    settings: Settings,
    registry: Registry,
    store: OpenStore,
    requests: Sequence[Request],
    *,
    stage: str,
    fresh: bool,
    progress: Progress,
) -> list[Answer]:
    """Ask outside of a run, through the one client: recalled, leased, told to telemetry, interruptible.

    Args:
        settings: Concurrency, timeouts, leases, consent.
        registry: The models.
        store: Keeps the answers.
        requests: What is asked; they may be to several models.
        stage: Who asks, for the leases.
        fresh: Ask even what was answered before.
        progress: Told of how many of how many are done, and how many of them failed.

    Returns:
        The answers in the order of the requests.

    Raises:
        backends.errors.BackendError: A model cannot be reached at all; what was answered until then is kept.
    """
    spool = Spool(store.home.spool)
    try:
        return run_interruptible(
            lambda: _answers(
                settings, registry, store, spool, requests, stage=stage, fresh=fresh, progress=progress
            )
        )
    finally:
        spool.close()


def told(answer: Answer) -> Told:
    """What a prompt test is told of an answer: the facts that its event has too."""
    counted = [answer.input_tokens, answer.output_tokens]
    return Told(
        text=answer.text,
        data=answer.data,
        failure=None if answer.ok else f"{answer.error_class}: {answer.error_message}",
        recalled=answer.recalled,
        answered_by=answer.request_id,
        latency_ms=None if answer.recalled else answer.total_ms - (answer.lease_wait_ms or 0.0),
        tokens=sum(number for number in counted if number is not None) if any(counted) else None,
    )


class _Requests:
    """Makes requests of questions; the previews of a photo are made once a model's size."""

    def __init__(
        self, settings: Settings, registry_version: str, prompt_hub_version: str, stage: str
    ) -> None:
        self._stage = stage
        self._settings = settings
        self._registry_version = registry_version
        self._prompt_hub_version = prompt_hub_version
        self._previews: dict[str, Previews] = {}

    def request(self, question: Question) -> Request:
        rendered = question.rendered
        photos = [PhotoFile(photo_id(path), path) for path in question.photos]
        return Request(
            model=question.model,
            system=rendered.system,
            user=rendered.user,
            images=tuple(self._image(question.model, photo) for photo in photos),
            output_schema=rendered.output_schema,
            parameters=rendered.parameters,
            sample=question.sample,
            labels=Labels(
                stage=self._stage,
                photo_ids=tuple(photo.photo_id for photo in photos),
                profile_id=rendered.profile_id,
                profile_stage=rendered.profile_stage,
                profile_hash=rendered.profile_hash,
                stage_hash=rendered.stage_hash,
                prompt_hub_version=self._prompt_hub_version,
                registry_version=self._registry_version,
            ),
        )

    def _image(self, model: Model, photo: PhotoFile) -> Image:
        previews = self._previews.get(model.name)
        if previews is None:
            vision = model.capabilities.vision
            largest = vision.max_long_side if vision else None
            previews = self._previews[model.name] = Previews(self._settings, max_long_side=largest)
        return previews.image(photo)


async def _answers(
    settings: Settings,
    registry: Registry,
    store: OpenStore,
    spool: Spool,
    requests: Sequence[Request],
    *,
    stage: str,
    fresh: bool,
    progress: Progress,
) -> list[Answer]:
    leasing = leasing_for(settings, registry, store.database, registry.environ, spool, stage=stage)
    # No more are handed over than are asked at once, so that an answer's latency is no wait for other answers.
    slots = asyncio.Semaphore(settings.concurrency)
    done = wrong = 0
    progress(0, len(requests), 0)
    async with Client(settings, registry, store.database, spool, {}, leasing=leasing) as client:
        for model in _to_be_asked(requests, store, fresh=fresh):
            await client.check(model)

        async def answer(request: Request) -> Answer:
            nonlocal done, wrong
            async with slots:
                answered = await client.complete(request, fresh=fresh)
            done += 1
            wrong += not answered.ok
            progress(done, len(requests), wrong)
            return answered

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(answer(request)) for request in requests]
        except BaseExceptionGroup as several:
            # One says it; the others are of the same kind, or were canceled for it.
            raise several.exceptions[0] from several
    return [task.result() for task in tasks]


def _to_be_asked(requests: Sequence[Request], store: OpenStore, *, fresh: bool) -> list[Model]:
    """The models of which some answer is not kept: they have to be there."""
    digests = {id(request): request_digest(request) for request in requests}
    kept = {} if fresh else look_up(store.database, set(digests.values()))
    models = {request.model.name: request.model for request in requests if digests[id(request)] not in kept}
    return list(models.values())
