"""Ask two revisions of a prompt about all entries of a batch, as its stage would; no table and no pin is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backends.request import Labels
from imageworks.errors import AnswerMisread
from imageworks.trials import Told, TrialEntry, TrialFacts
from imageworks_dagster.asking import Requests
from imageworks_dagster.choices import resolve_choice
from imageworks_dagster.errors import NothingToTry
from imageworks_dagster.picturing import thumbnails
from imageworks_dagster.pipelines import PIPELINES
from imageworks_dagster.prompt_asking import ask_requests
from imageworks_dagster.questioning import ONE_AN_ENTRY, asking_of
from imageworks_dagster.reporting import REPORT_PICTURES
from imageworks_dagster.stages import BatchTables
from prompt_hub.testing.targets import reading_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backends.answer import Answer
    from imageworks_dagster.asking import Question
    from imageworks_dagster.choices import Choice
    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.pipelines import StageDeclaration
    from imageworks_dagster.prompt_asking import Progress
    from prompt_hub.testing.targets import Target
    from registry.registry import Registry
    from registry.schema import Model
    from store.batches import Batch
    from store.settings import Settings

STAGE = "prompts/trial"
"""What events of trials have as their stage."""


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes:
        facts: What was tried.
        entries: What both sides said of each entry.
        pictures: Thumbnails by entry; of the first 600 at most.
    """

    facts: TrialFacts
    entries: list[TrialEntry]
    pictures: dict[str, bytes]


@dataclass(frozen=True)
class Tried:
    """What is tried.

    Attributes:
        batch: The batch.
        stage: One of its pipeline's stages that asks one question an entry.
        first: The one revision.
        second: The other.
        model: A model or role; what the batch asks, if empty.
    """

    batch: Batch
    stage: StageDeclaration
    first: Target
    second: Target
    model: str = ""


def try_both(
    settings: Settings,
    registry: Registry,
    store: OpenStore,
    tried: Tried,
    *,
    prompt_hub_version: str,
    fresh: bool,
    progress: Progress,
) -> Trial:
    """Ask both, and put what they said side by side.

    Raises:
        NothingToTry: The two say the same, are of different profiles, or no entry can be asked about.
        WrongChoice, PromptHubError, RegistryError: A revision or the model cannot be used.
        store.errors.MissingTable: A stage before has not run.
        backends.errors.BackendError: The model cannot be reached.
    """
    tables = BatchTables(tried.batch, store)
    _check_profile(tried)
    sides = [_choice(tried, target, registry) for target in (tried.first, tried.second)]
    _check_stage(tried, sides)
    askings = [
        asking_of(tried.stage.asset, tables, one.profile.stage(one.profile_stage), settings) for one in sides
    ]
    questions = askings[0].questions.asked
    if not questions:
        raise NothingToTry(f"{tried.stage.asset} has no entry of batch {tried.batch.name!r} to ask about.")
    labels = Labels(
        stage=STAGE,
        batch=tried.batch.name,
        prompt_hub_version=prompt_hub_version,
        registry_version=registry.version,
    )
    requests = []
    for choice, asking in zip(sides, askings, strict=True):
        made = Requests(settings, choice.profile, choice.profile_stage, choice.model)
        requests += [made.request(question, labels) for question in asking.questions.asked]
    answers = ask_requests(settings, registry, store, requests, stage=STAGE, fresh=fresh, progress=progress)
    halves = answers[: len(questions)], answers[len(questions) :]
    told = [
        [_told(answer, asking.read) for answer in half] for half, asking in zip(halves, askings, strict=True)
    ]
    entries = [
        TrialEntry(question.key, question.entry["relative_path"], first, second)
        for question, first, second in zip(questions, *told, strict=True)
    ]
    model = sides[0].model
    facts = TrialFacts(
        batch=tried.batch.name,
        stage=tried.stage.asset,
        first=_side_facts(tried.first, sides[0]),
        second=_side_facts(tried.second, sides[1]),
        model=model.name,
        model_revision=model.model_revision,
    )
    return Trial(facts, entries, _pictures(settings, store, questions))


def _choice(tried: Tried, target: Target, registry: Registry) -> Choice:
    pipeline = PIPELINES[tried.batch.pipeline]
    if tried.stage.asset not in ONE_AN_ENTRY:
        raise NothingToTry(
            f"{tried.stage.asset} does not ask one question an entry; those that do are {', '.join(ONE_AN_ENTRY)}."
        )
    asks = tried.stage.asks
    assert asks is not None  # noqa: S101 - those that ask one an entry ask
    pinned: Mapping[str, Any] = tried.batch.pins.get(tried.stage.asset, {})
    model: Model = reading_model(registry, tried.model or pinned.get("model") or asks.role)
    return resolve_choice(
        pipeline,
        tried.stage,
        {"profile": target.profile.id, "model": model.name},
        profile_named=lambda _: target.profile,
        registry=registry,
    )


def _check_profile(tried: Tried) -> None:
    ids = [target.profile.id for target in (tried.first, tried.second)]
    if ids[0] != ids[1]:
        raise NothingToTry(
            f"A trial is of two revisions of one profile, and these are {ids[0]!r} and {ids[1]!r}. "
            f"`imageworks prompts test` compares profiles."
        )


def _check_stage(tried: Tried, sides: list[Choice]) -> None:
    hashes = [choice.profile.stage_hash(choice.profile_stage) for choice in sides]
    if hashes[0] == hashes[1]:
        raise NothingToTry(
            f"{tried.first.reference} and {tried.second.reference} ask the same at stage {sides[0].profile_stage}."
        )


def _told(answer: Answer, read: Callable[[object], Any]) -> Told:
    counted = [count for count in (answer.input_tokens, answer.output_tokens) if count is not None]
    said: dict[str, Any] = {
        "tokens": sum(counted) if counted else None,
        "ms": None if answer.recalled else answer.total_ms - answer.lease_wait_ms,
        "answered_by": answer.request_id,
    }
    if not answer.ok:
        return Told(error=f"{answer.error_class}: {answer.error_message}", **said)
    try:
        value = read(answer.data)
    except AnswerMisread as error:
        return Told(error=f"answer_misread: {error}", **said)
    if isinstance(value, str):
        return Told(text=value, **said)
    if isinstance(value, list):
        return Told(keywords=tuple(value), **said)
    return Told(score=value.score, text=f"{value.critique} {value.improvement}", **said)


def _side_facts(target: Target, choice: Choice) -> dict[str, str]:
    return {
        "reference": target.reference,
        "profile_hash": choice.profile.hash,
        "stage_hash": choice.profile.stage_hash(choice.profile_stage),
    }


def _pictures(settings: Settings, store: OpenStore, questions: list[Question]) -> dict[str, bytes]:
    return {
        question.key: small
        for question in questions[:REPORT_PICTURES]
        for small in thumbnails(store.home, settings, question.photos)
    }
