"""What the graph says of a prompt besides its version: its labels, its revision, its last tests, what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from prompt_hub.comparing import Side, field_differences
from prompt_hub.comparison_words import field_lines
from prompt_hub.hashing import short
from prompt_hub.testing.results import results_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_hub.revisions.store import PromptStore
    from prompt_hub.schema import PromptProfile

MOST_CHARACTERS = 8_000
"""Of a difference: the whole text of a stage fits, and event logs are never pruned."""


def prompt_facts(
    prompts: PromptStore, profile: PromptProfile, stage: str, layers: Mapping[str, str]
) -> dict[str, dg.MetadataValue]:
    """Metadata of an observation of a prompt.

    Args:
        prompts: what is kept of prompts.
        profile: the profile as it is observed.
        stage: the profile stage.
        layers: the file of each of its fields, by dotted name.
    """
    return {
        "labels": dg.MetadataValue.text(labels_of(prompts, profile)),
        "revision": dg.MetadataValue.text(profile.hash),
        "last_tests": dg.MetadataValue.text(_last_tests(prompts, profile)),
        "change": dg.MetadataValue.text(_change(prompts, profile, stage, layers)),
    }


def labels_of(prompts: PromptStore, profile: PromptProfile) -> str:
    """The labels that point at exactly this profile, in words."""
    labels = [name for name, where in prompts.labels.of(profile.id).items() if where == profile.hash]
    return ", ".join(labels) or "none"


def _last_tests(prompts: PromptStore, profile: PromptProfile) -> str:
    """The last result of each set and model, with when it was run."""
    latest = {(one.set_name, one.model): one for one in results_of(prompts.database, profile.hash)}
    lines = []
    for (name, model), result in latest.items():
        states = list(result.states.values())
        passed = states.count("passed")
        who = f" with {model}" if model else ""
        when = result.ran_at.isoformat(timespec="minutes")
        lines.append(f"{name}{who}: {passed} of {len(states)} passed, {when}")
    return "\n".join(lines) or "never tested"


def _change(prompts: PromptStore, profile: PromptProfile, stage: str, layers: Mapping[str, str]) -> str:
    """What the stage says differently from the newest revision in which it asked something else."""
    now = profile.stage_hash(stage)
    for revision in prompts.revisions.history(profile.id):
        before = revision.profile
        if revision.hash == profile.hash or stage not in before.stages or before.stage_hash(stage) == now:
            continue
        names = (f"{profile.id}@{short(revision.hash)}", f"{profile.id}@{short(profile.hash)}")
        fields = field_differences(Side(names[0], before, revision.layers), Side(names[1], profile, layers))
        text = "\n".join(field_lines([one for one in fields if one.stage == stage], names))
        return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
    return "no earlier revision asks something else"
