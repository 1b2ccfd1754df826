"""The two pipelines as data: their stages in order, and what each stage asks of a model.

Everything that needs to know "which stages are there" reads it here: assets, choices, checks, the command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PipelineName = Literal["judge", "tagger"]


@dataclass(frozen=True)
class Asks:
    """What a stage asks: a profile stage, of a model in a model role."""

    role: str
    profile_stage: str


@dataclass(frozen=True)
class StageDeclaration:
    """One stage: its asset key, what it reads, and what it asks, if it asks.

    ``scores`` is the role of the models that may score its photos besides, where a person chooses one; its role gives
    it none. ``panel`` says whether several models may be asked the same. ``panel_of`` names the stage whose panel it
    asks too, unless a model is chosen for it by name. ``by_entry`` says that each row is made from its entry alone, or
    from its burst: a large batch may be divided into parts, which several workers work.
    """

    asset: str
    reads: tuple[str, ...]
    asks: Asks | None = None
    scores: str | None = None
    panel: bool = False
    panel_of: str | None = None
    by_entry: bool = False

    @property
    def op_name(self) -> str:
        """The name Dagster gives the step, from the asset key."""
        return self.asset.replace("/", "__")


@dataclass(frozen=True)
class Pipeline:
    """Stages in order, in one Dagster group, over one set of batches.

    ``may_split`` says whether the photos of a batch may be split between prompts: not where they compete.
    """

    name: PipelineName
    group: str
    application: str
    default_profile: str
    stages: tuple[StageDeclaration, ...]
    may_split: bool = False

    def stage(self, asset: str) -> StageDeclaration:
        """The declaration of ``asset``; KeyError if the pipeline has no such stage."""
        return {stage.asset: stage for stage in self.stages}[asset]

    @property
    def asking(self) -> tuple[StageDeclaration, ...]:
        """The stages that ask a model."""
        return tuple(stage for stage in self.stages if stage.asks)

    @property
    def choosing(self) -> tuple[StageDeclaration, ...]:
        """The stages that a model may be chosen for: those that ask, and those that score where one is chosen."""
        return tuple(stage for stage in self.stages if stage.asks or stage.scores)


JUDGE = Pipeline(
    name="judge",
    group="judge_vision",
    application="judge_vision",
    default_profile="club-judge",
    stages=(
        StageDeclaration("judge/entries", ()),
        StageDeclaration("judge/compliance", ("judge/entries",)),
        StageDeclaration("judge/signals", ("judge/compliance", "judge/entries"), scores="iqa", by_entry=True),
        StageDeclaration(
            "judge/critiques",
            ("judge/signals", "judge/compliance", "judge/entries"),
            Asks("judge", "critique"),
            panel=True,
            by_entry=True,
        ),
        StageDeclaration(
            "judge/playoff",
            ("judge/critiques", "judge/signals", "judge/compliance", "judge/entries"),
            Asks("pairwise", "pairwise"),
            panel_of="judge/critiques",
        ),
        StageDeclaration(
            "judge/results",
            ("judge/playoff", "judge/critiques", "judge/signals", "judge/compliance", "judge/entries"),
        ),
    ),
)

TAGGER = Pipeline(
    name="tagger",
    group="personal_tagger",
    application="personal_tagger",
    default_profile="library",
    may_split=True,
    stages=(
        StageDeclaration("tagger/photos", ()),
        StageDeclaration("tagger/captions", ("tagger/photos",), Asks("caption", "caption"), by_entry=True),
        StageDeclaration(
            "tagger/keywords",
            ("tagger/captions", "tagger/photos"),
            Asks("keywords", "keywords"),
            by_entry=True,
        ),
        StageDeclaration(
            "tagger/descriptions",
            ("tagger/keywords", "tagger/captions", "tagger/photos"),
            Asks("description", "description"),
            by_entry=True,
        ),
        StageDeclaration(
            "tagger/metadata",
            ("tagger/descriptions", "tagger/keywords", "tagger/captions", "tagger/photos"),
        ),
    ),
)

PIPELINES: dict[str, Pipeline] = {JUDGE.name: JUDGE, TAGGER.name: TAGGER}
