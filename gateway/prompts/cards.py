"""What is told of prompts, revisions, moves of labels, and tests, as plain values."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_hub.layers import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prompt_hub.live import Reloaded
    from prompt_hub.rendering import Rendered
    from prompt_hub.revisions.labels import Move
    from prompt_hub.revisions.revisions import Revision
    from prompt_hub.schema import PromptProfile
    from prompt_hub.testing.results import Result


def stage_hashes(profile: PromptProfile) -> dict[str, str]:
    """``stage_hash`` by profile stage."""
    return {name: stage.hash for name, stage in profile.stages.items()}


def is_users(layers: Mapping[str, str]) -> bool:
    """Whether any of a profile's fields comes from the user's files."""
    return any(not Path(file).is_relative_to(SHIPPED) for file in layers.values())


def shown_layers(layers: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The file of each field, without where on this machine it lies."""
    return {field: _shown(Path(file), folder) for field, file in layers.items()}


def _shown(file: Path, folder: Path) -> str:
    for name, root in (("shipped", SHIPPED), ("user", folder)):
        if file.is_relative_to(root):
            return f"{name}: {file.relative_to(root)}"
    return file.name


def rendered_card(rendered: Rendered) -> dict[str, Any]:
    """What would be said to a model."""
    return {
        "object": "prompt.rendered",
        "profile_id": rendered.profile_id,
        "profile_stage": rendered.profile_stage,
        "profile_hash": rendered.profile_hash,
        "stage_hash": rendered.stage_hash,
        "messages": [
            {"role": "system", "content": rendered.system},
            {"role": "user", "content": rendered.user},
        ],
        "images": rendered.images,
        "parameters": dict(rendered.parameters),
        "output_schema": dict(rendered.output_schema),
    }


def kept_card(revision: Revision) -> dict[str, Any]:
    """How a revision came to be kept."""
    return {
        "author": revision.author,
        "message": revision.message,
        "saved_at": revision.saved_at,
        "parents": list(revision.parents),
        "lineage": dict(revision.lineage),
    }


def revision_card(revision: Revision, labels: Mapping[str, str]) -> dict[str, Any]:
    """A revision in a history."""
    pointing = [label for label, pointed in labels.items() if pointed == revision.hash]
    return {"profile_hash": revision.hash, "labels": pointing, **kept_card(revision)}


def move_card(move: Move) -> dict[str, Any]:
    """One move of a label."""
    return {**asdict(move), "who": move.who.name, "acted_by": move.who.acted_by}


def test_card(result: Result) -> dict[str, Any]:
    """What once came of one set."""
    told = asdict(result)
    del told["profile_hash"]
    return told


def tested(results: Sequence[Result]) -> str:
    """What the last tests of a profile came to, all together: ``failed`` where anything did.

    Args:
        results: The oldest first.
    """
    last = {(one.set_name, one.model): one.states.values() for one in results}
    return _worst(state for states in last.values() for state in states)


def _worst(states: Iterable[str]) -> str:
    found = set(states)
    return next((state for state in ("failed", "incomplete", "passed") if state in found), "untested")


def changed_card(reloaded: Reloaded) -> dict[str, Any]:
    """What a reload has changed, by profile."""
    return {name: {"before": old, "after": new} for name, (old, new) in reloaded.changed.items()}
