"""How a prompt came to be, as its revision keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from registry.digests import digest

if TYPE_CHECKING:
    from prompt_hub.improving.budget import Budget
    from prompt_hub.improving.examples import Examples
    from prompt_hub.improving.searching import Found, Plan

_MOST: Final = 200


def lineage_of(plan: Plan, examples: Examples, budget: Budget, found: Found) -> dict[str, Any]:
    """Everything that the best candidate depended on, as plain JSON.

    Args:
        plan: What was searched with.
        examples: All examples.
        budget: What was asked.
        found: What was found, held-out scores included.
    """
    best = found.best
    assert best is not None and found.held_out is not None  # noqa: S101, PT018 - a search that ended has both
    return {
        "made_by": "imageworks prompts optimize",
        "optimizer": "gepa",
        "stage": plan.subject.stage,
        "parent": plan.subject.profile.hash,
        "data": {"sha256": examples.hash, "examples": len(examples.rows), "held_out": len(plan.held_out)},
        "seed": plan.seed,
        "metric": plan.metric.text,
        "may_change": sorted(plan.subject.seed),
        "few_shot": plan.few_shot,
        "model": [plan.model.name, plan.model.model_revision],
        "reflection_model": [plan.reflection_model.name, plan.reflection_model.model_revision],
        "budget": budget.limit,
        "requests": {"made": budget.used, "recalled": budget.recalled, "reflections": found.reflections},
        "ended": found.ended,
        "scores": {
            "train": [round(found.tried[0].score, 6), round(best.score, 6)],
            "held_out": [round(score, 6) for score in found.held_out],
        },
        "candidates": [
            {
                "number": number,
                "parent": one.parent,
                "origin": one.origin,
                "score": round(one.score, 6),
                "texts_sha256": digest(one.texts),
                "is_best": one is best,
            }
            for number, one in enumerate(found.tried[:_MOST])
        ],
        "refused": [{"field": name, "reason": reason} for name, reason in found.refused[:_MOST]],
    }
