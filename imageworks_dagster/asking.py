"""Ask a model about photos from inside a stage: render, request, ask all, tally."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from backends.output_schemas import canonical_schema
from backends.recall import let_go, look_up
from backends.request import Labels, Request, request_digest
from imageworks.errors import AnswerMisread
from imageworks_dagster.interruption import run_interruptible
from imageworks_dagster.picturing import Previews
from imageworks_dagster.reaching import client_of, see_all_reachable, see_reachable
from prompt_hub.rendering import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from backends.answer import Answer
    from imageworks_dagster.picturing import PhotoFile
    from imageworks_dagster.stages import Row, Stage
    from prompt_hub.schema import PromptProfile
    from registry.schema import Model
    from store.settings import Settings

T = TypeVar("T")

_LOOKED_UP = 200


@dataclass(frozen=True)
class Question:
    """One question about one entry.

    Attributes:
        key: names the question within its stage.
        entry: the row of the entry that it is about.
        variables: for the prompt's template.
        measured: structured values, for embedded models alone.
        photos: the photos to show, in order.
        sample: 0, 1, 2 … when it is asked several times on purpose.
    """

    key: str
    entry: Mapping[str, Any]
    variables: Mapping[str, Any]
    measured: Mapping[str, Any]
    photos: tuple[PhotoFile, ...]
    sample: int = 0


@dataclass(frozen=True)
class Questions:
    """What a stage asks about a batch, as its tables are.

    Attributes:
        asked: the questions, one an entry.
        unasked: the entries that are not asked about, each with the columns that say why.
        carried: the entries that carry the answer of another, each with that other's id.
    """

    asked: list[Question]
    unasked: list[tuple[Row, dict[str, Any]]]
    carried: list[tuple[Row, str]] = field(default_factory=list)


class Requests:
    """Makes requests of questions, all with one stage of one profile and to one model; keeps previews."""

    def __init__(self, settings: Settings, profile: PromptProfile, profile_stage: str, model: Model) -> None:
        vision = model.capabilities.vision
        self._profile, self._profile_stage, self._model = profile, profile_stage, model
        self._previews = Previews(settings, max_long_side=vision.max_long_side if vision else None)
        self._schema = canonical_schema(profile.stage(profile_stage).output)

    def request(self, question: Question, labels: Labels) -> Request:
        """The request of a question.

        Args:
            question: the question.
            labels: what telemetry is to say; the entry, its photos and the prompt are put in.

        Raises:
            prompt_hub.errors.PromptHubError: the prompt cannot be rendered.
        """
        rendered = render(self._profile, self._profile_stage, question.variables)
        return Request(
            model=self._model,
            system=rendered.system,
            user=rendered.user,
            images=tuple(self._previews.image(photo) for photo in question.photos[: rendered.images]),
            output_schema=self._schema,
            parameters=rendered.parameters,
            variables=question.measured,
            sample=question.sample,
            labels=replace(
                labels,
                entry_id=question.entry["entry_id"],
                photo_ids=tuple(photo.photo_id for photo in question.photos),
                profile_id=rendered.profile_id,
                profile_stage=rendered.profile_stage,
                profile_hash=rendered.profile_hash,
                stage_hash=rendered.stage_hash,
            ),
        )


class Asker:
    """Asks the questions of one stage with one profile; keeps previews between rounds."""

    def __init__(
        self, stage: Stage, profile: PromptProfile | None = None, model: Model | None = None
    ) -> None:
        """Make it.

        Args:
            stage: the stage.
            profile: the one that some of its photos are asked about with; the stage's only one if None.
            model: the one of several that is asked; the stage's only one if None.
        """
        choice = stage.choice
        assert choice is not None  # noqa: S101 - made for stages that ask
        self._stage = stage
        self._model = model or choice.model
        self._profile = profile or choice.profile
        self._stage_hash = self._profile.stage_hash(choice.profile_stage)
        self._requests = Requests(stage.settings, self._profile, choice.profile_stage, self._model)
        manifest = stage.run.manifest
        self._labels = Labels(
            run_id=stage.run.run_id,
            trace_id=UUID(stage.run.run_id).hex,
            batch=stage.batch.name,
            stage=stage.asset,
            prompt_hub_version=manifest.prompt_hub_version,
            registry_version=manifest.registry_version,
        )

    @property
    def model(self) -> Model:
        """The one that is asked."""
        return self._model

    def must_ask(self, questions: Iterable[Question]) -> bool:
        """Whether the model has to be asked: somebody wants fresh answers, or one is not kept."""
        if self._stage.config.get("fresh"):
            return any(True for _ in questions)
        made = (self._requests.request(question, self._labels) for question in questions)
        # Few at a time: where nothing is kept, the first few say so.
        while some := list(islice(made, _LOOKED_UP)):
            if _some_not_kept(self._stage, some):
                return True
        return False

    def ask(
        self, questions: Iterable[Question], *, read: Callable[[object], T]
    ) -> dict[str, tuple[Answer, T | None]]:
        """Ask all of them and wait; an entry that fails is an answer with an ``error_class``.

        Args:
            questions: with distinct keys.
            read: makes of an answer's data what the stage works with; an answer that it cannot read, although it
                fits its schema, is a failure too, and is let go so that the next materialization asks again.

        Returns:
            By key the answer, and what was read of it; None for a failure.

        Raises:
            backends.errors.BackendError: the model cannot be reached at all, or stopped answering for too long;
                what was answered until then is kept.
            prompt_hub.errors.PromptHubError: a prompt cannot be rendered.
        """
        requests = [(question.key, self._requests.request(question, self._labels)) for question in questions]
        return ask_all(self._stage, self._model, requests, read=read)

    def answer_columns(self, answer: Answer) -> Row:
        """The columns that say who answered, and why not."""
        return {
            "answered_by": answer.request_id,
            "recalled": answer.recalled,
            "request_digest": answer.request_digest,
            "profile_id": self._profile.id,
            "stage_hash": self._stage_hash,
            "model": answer.model,
            "model_revision": answer.model_revision,
            "deployment": answer.deployment,
            "repaired": answer.repaired,
            "error_class": answer.error_class,
            "error_message": answer.error_message,
        }


def see_panel(stage: Stage, panel: Iterable[tuple[str, Asker, Iterable[Question]]]) -> None:
    """See that each judge is there who has to be asked something, before the first is asked.

    Args:
        stage: the stage.
        panel: each judge's name, who asks it, and what it is to be asked.

    Raises:
        backends.errors.BackendError: some are not; the message names each of them.
    """
    wanted = {judge: asker.model for judge, asker, questions in panel if asker.must_ask(questions)}
    see_all_reachable(stage, wanted)


def ask_all(
    stage: Stage,
    model: Model,
    requests: Sequence[tuple[str, Request]],
    *,
    read: Callable[[Any], T],
) -> dict[str, tuple[Answer, T | None]]:
    """Ask a stage's requests of one model and wait; an entry that fails is an answer with an ``error_class``.

    Args:
        stage: the stage; its tally and progress are kept.
        model: the model that the requests are to.
        requests: with distinct keys.
        read: as ``Asker.ask`` has it.

    Returns:
        By key the answer, and what was read of it; None for a failure.

    Raises:
        backends.errors.BackendError: the model cannot be reached at all, or stopped answering for too long; what was
            answered until then is kept.
    """
    keys = {id(request): key for key, request in requests}
    wanted = [request for _, request in requests]
    fresh = bool(stage.config.get("fresh"))
    must_ask = fresh or _some_not_kept(stage, wanted)
    answers: dict[str, tuple[Answer, T | None]] = {}
    misread: list[str] = []
    stage.progress.expect(stage.progress.total + len(wanted))
    if wanted and must_ask and not model.is_embedded:
        stage.sampler.begin()

    async def main() -> None:
        spool = stage.resources.telemetry.spool()
        try:
            async with await client_of(stage, spool) as client:
                # What is all kept needs no server.
                if wanted and must_ask:
                    await see_reachable(client, model, stage)
                async with aclosing(client.map(wanted, fresh=fresh)) as done:
                    async for request, answer in done:
                        _count(stage, answer)
                        checked, value = _read(answer, read, misread)
                        answers[keys[id(request)]] = (checked, value)
                        stage.progress.advance(failed=not checked.ok)
        finally:
            spool.close()
            stage.tally.dropped_events += spool.dropped
            stage.tally.unsynced_events += spool.unsynced
            stage.tally.telemetry_failing = spool.failing

    try:
        run_interruptible(main, tick=stage.progress.tick)
    finally:
        if stage.tally.telemetry_failing:
            stage.log.warning("Telemetry is failing: events of this stage are lost. Look at the disk.")
        if misread:
            stage.store.database.write(lambda connection: let_go(connection, misread))
    return answers


def _some_not_kept(stage: Stage, requests: Sequence[Request]) -> bool:
    """Whether a model has to be asked: some request has no kept answer."""
    digests = {request_digest(request) for request in requests}
    return len(look_up(stage.store.database, digests)) < len(digests)


def _read(answer: Answer, read: Callable[[Any], T], misread: list[str]) -> tuple[Answer, T | None]:
    if not answer.ok:
        return answer, None
    try:
        return answer, read(answer.data)
    except AnswerMisread as error:
        misread.append(answer.request_digest)
        return replace(answer, error_class="answer_misread", error_message=str(error)), None


def _count(stage: Stage, answer: Answer) -> None:
    tally = stage.tally
    if answer.deployment:
        tally.deployments.add(answer.deployment)
    if answer.recalled:
        tally.recalled += 1
        return
    tally.asked += 1
    tally.input_tokens += answer.input_tokens or 0
    tally.output_tokens += answer.output_tokens or 0
    tally.lease_wait_ms += answer.lease_wait_ms or 0.0
