"""What a report says about the run that made it: who answered, by which prompt, and where all of it is written."""

from __future__ import annotations

from dataclasses import dataclass

from imageworks.baseline.functions import is_baseline


@dataclass(frozen=True, slots=True)
class StageFacts:
    """One stage that asked a model.

    Attributes:
        stage: The asset's key, such as `judge/critiques`.
        model: Logical name.
        model_revision: Digest; printed short.
        deployment: Where it ran; empty when nothing was asked.
        profile_id: The prompt profile.
        stage_hash: Digest of the profile stage; printed short.
        asked: Requests asked in this run.
        recalled: Answers known from before.
        failed: Entries without a valid answer.
    """

    stage: str
    model: str
    model_revision: str
    deployment: str
    profile_id: str
    stage_hash: str
    asked: int
    recalled: int
    failed: int

    @property
    def baseline(self) -> bool:
        """Whether it was answered by rule."""
        return is_baseline(self.model)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The run.

    Attributes:
        batch: The batch's name.
        run_id: Of this run; its manifest has the same name.
        finished_at: ISO 8601, as it is to be printed.
        profile_hash: Digest of the whole profile; printed short.
        stages: Those that asked a model, in order.
        more: Further facts to print, as label and text: seconds, code, host.
    """

    batch: str
    run_id: str
    finished_at: str
    profile_hash: str
    stages: tuple[StageFacts, ...] = ()
    more: tuple[tuple[str, str], ...] = ()

    @property
    def baseline_models(self) -> tuple[str, ...]:
        """Models among the stages that answer by rule, each once."""
        return tuple(dict.fromkeys(stage.model for stage in self.stages if stage.baseline))

    @property
    def baselines_alone(self) -> bool:
        """Whether nothing but baselines answered."""
        return all(stage.baseline for stage in self.stages)
