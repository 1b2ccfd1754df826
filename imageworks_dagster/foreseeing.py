"""What a change of prompts would do to the batches there are, from their tables, pins and kept answers."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.recall import look_up
from backends.request import Labels, request_digest
from imageworks.errors import ImageWorksError
from imageworks.judge_vision.competition import Competition
from imageworks_dagster.asking import Requests
from imageworks_dagster.choices import Choice, resolve_choice
from imageworks_dagster.errors import PlatformError
from imageworks_dagster.impact import StageImpact, StageSituation, impact_on
from imageworks_dagster.judging.playoff import distinct_judges, most_questions
from imageworks_dagster.judging.rules import rules_of
from imageworks_dagster.panels import resolve_panel
from imageworks_dagster.pipelines import PIPELINES
from imageworks_dagster.questioning import ONE_AN_ENTRY, asking_of, samples_of
from imageworks_dagster.stages import BatchTables
from imageworks_dagster.switches import stage_pins
from imageworks_dagster.tagging.questions import sampled
from prompt_hub.errors import PromptHubError
from prompt_hub.revisions.splits import WHOLE
from prompt_hub.schema import PromptProfile
from registry.errors import RegistryError
from store.batches import batches
from store.errors import TableError

if TYPE_CHECKING:
    from imageworks_dagster.opened import OpenStore
    from imageworks_dagster.pipelines import Pipeline, StageDeclaration
    from registry.registry import Registry
    from store.batches import Batch
    from store.settings import Settings

ProfileNamed = Callable[[str], PromptProfile]
"""The profile of a reference."""

_CANNOT = (PlatformError, PromptHubError, RegistryError, ImageWorksError, TableError)


@dataclass(frozen=True)
class BatchImpact:
    """What a change does to one batch.

    Attributes:
        batch: The batch.
        reached: Whether some stage of it would be asked with another prompt.
        stages: What becomes stale; nothing in a batch that is published.
        problem: Why that cannot be said; None where it can.
    """

    batch: Batch
    reached: bool
    stages: tuple[StageImpact, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Foreseer:
    """Looks at batches with the prompts before a change, and with those after it.

    Attributes:
        settings: The settings in force.
        store: The opened store.
        registry: The models.
        before: The profile of a reference before the change.
        after: And after it.
    """

    settings: Settings
    store: OpenStore
    registry: Registry
    before: ProfileNamed
    after: ProfileNamed

    def all_batches(self) -> list[BatchImpact]:
        """What the change does to each batch."""
        return [self.batch(one) for one in batches(self.store.database)]

    def batch(self, batch: Batch) -> BatchImpact:
        """What the change does to one batch."""
        pipeline = PIPELINES[batch.pipeline]
        try:
            choices = self._choices(pipeline, batch)
            changing = {
                asset for asset, (before, after) in choices.items() if _parts(before) != _parts(after)
            }
            if batch.state == "published" or not changing:
                return BatchImpact(batch, reached=bool(changing))
            situations = [
                self._situation(stage, batch, choices.get(stage.asset), changing) for stage in pipeline.stages
            ]
        except _CANNOT as error:
            return BatchImpact(batch, reached=False, problem=str(error))
        return BatchImpact(batch, reached=True, stages=tuple(impact_on(situations)))

    def _choices(self, pipeline: Pipeline, batch: Batch) -> dict[str, tuple[Choice, Choice]]:
        """What each asking stage that has run asks with, before the change and after it."""
        return {
            stage.asset: (
                self._choice(pipeline, stage, batch, self.before),
                self._choice(pipeline, stage, batch, self.after),
            )
            for stage in pipeline.asking
            if self._has_table(stage, batch)
        }

    def _choice(
        self, pipeline: Pipeline, stage: StageDeclaration, batch: Batch, named: ProfileNamed
    ) -> Choice:
        pins = stage_pins(pipeline, stage.asset, batch.pins, self.settings)
        chosen = {name: value for name, value in pins.items() if value}
        if "judges" in chosen:
            # Of several judges the first stands for all.
            return resolve_panel(pipeline, stage, chosen, {}, profile_named=named, registry=self.registry)
        return resolve_choice(pipeline, stage, chosen, profile_named=named, registry=self.registry)

    def _has_table(self, stage: StageDeclaration, batch: Batch) -> bool:
        return self.store.tables.current(stage.asset, batch.name) is not None

    def _situation(
        self,
        stage: StageDeclaration,
        batch: Batch,
        choice: tuple[Choice, Choice] | None,
        changing: AbstractSet[str],
    ) -> StageSituation:
        concerned = {stage.asset, *stage.reads} & changing
        if choice is None or not concerned:
            return StageSituation(stage.asset, stage.reads, self._has_table(stage, batch), changes=False)
        changes, tables = stage.asset in changing, BatchTables(batch, self.store)
        if stage.asset not in ONE_AN_ENTRY:
            competition = Competition.model_validate(rules_of(batch).content)
            most = most_questions(tables, competition, judges=len(distinct_judges(choice[1])))
            return StageSituation(stage.asset, stage.reads, True, changes, most)
        askable, to_ask = self._questions(tables, choice[1])
        return StageSituation(stage.asset, stage.reads, True, changes, askable, to_ask)

    def _questions(self, tables: BatchTables, choice: Choice) -> tuple[int, int]:
        """How many questions a choice has, and how many of them without a kept answer."""
        digests: list[str] = []
        for profile in choice.profiles:
            asking = asking_of(choice.asset, tables, profile.stage(choice.profile_stage), self.settings)
            requests = Requests(self.settings, profile, choice.profile_stage, choice.model)
            digests += [
                request_digest(requests.request(question, Labels(stage=choice.asset)))
                for asked in asking.questions.asked
                for question in (
                    sampled(asked, number) for number in range(samples_of(choice.asset, self.settings))
                )
                if choice.profile_of(question.entry["photo_id"]) is profile
            ]
        wanted = set(digests)
        # Two entries with one question are asked once, and the second answer is recalled.
        return len(digests), len(wanted - look_up(self.store.database, wanted).keys())


def _parts(choice: Choice) -> list[tuple[int, str]]:
    """What a stage asks with, as its rows tell it: the share of each profile, and the hash of its stage."""
    stage = choice.profile_stage
    shares = [(share.percent, share.profile.stage_hash(stage)) for share in choice.shares]
    return shares or [(WHOLE, choice.profile.stage_hash(stage))]
