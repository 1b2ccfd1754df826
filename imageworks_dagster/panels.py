"""Several judges of one batch: resolved once, at the start of a run, like the one judge that is usual."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from imageworks.judge_vision.panel import read_panel
from imageworks_dagster.choices import DEFAULT, Choice, Judge, resolve_choice
from imageworks_dagster.errors import WrongChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imageworks.judge_vision.panel import NamedJudge
    from imageworks_dagster.pipelines import Pipeline, StageDeclaration
    from prompt_hub.schema import PromptProfile
    from registry.registry import Registry
    from registry.schema import Model


def resolve_panel(
    pipeline: Pipeline,
    stage: StageDeclaration,
    chosen: Mapping[str, str],
    given: Mapping[str, str],
    *,
    profile_named: Callable[[str], PromptProfile],
    registry: Registry,
) -> Choice:
    """The choice of a stage that several judges are asked in; it is that of the first, with all of them.

    Args:
        pipeline: the pipeline.
        stage: the stage.
        chosen: ``judges``, and ``profile`` for those that name none.
        given: what this run's own configuration chose.
        profile_named: the profile of a reference.
        registry: the models there are.

    Raises:
        BadPanel, WrongChoice, PromptHubError, RegistryError: the list, a profile or a model cannot be used; or a judge
            of another stage's panel lacks the role of this one.
    """
    if given.get("model", DEFAULT) != DEFAULT:
        raise WrongChoice(
            f"model {given['model']!r} is chosen, and judges are: {chosen['judges']}. They name their models; choose "
            f"'default' for one of the two."
        )
    judges: list[Judge] = []
    first: Choice | None = None
    for named in read_panel(chosen["judges"]):
        if stage.panel_of is not None:
            _see_role(stage, named, registry.resolve(named.model))
        one = resolve_choice(
            pipeline,
            stage,
            {"model": named.model, "profile": named.profile or chosen.get("profile", "")},
            profile_named=profile_named,
            registry=registry,
        )
        first = first or one
        judges.append(Judge(named.text, named.samples, one.profile, one.model, one.reference))
    assert first is not None  # noqa: S101 - a list names at least one
    return replace(first, judges=tuple(judges))


def _see_role(stage: StageDeclaration, named: NamedJudge, model: Model) -> None:
    """See that a judge of another stage's panel may be asked here too: it was chosen for what that stage asks."""
    asks = stage.asks
    assert asks is not None  # noqa: S101 - a panel is asked
    if asks.role not in model.roles:
        raise WrongChoice(
            f"judge {named.text!r} of the panel is asked here too, and its model {model.name!r} has not the role "
            f"{asks.role!r}. Give it the role in the registry, leave it out of the panel, or choose one model for this "
            f"stage (with --judges, --model is the playoff's)."
        )


def profiles_named(pins: Mapping[str, str]) -> Iterator[str | None]:
    """What the pins of a stage name as profiles, one a judge where there are several.

    Raises:
        BadPanel: the pinned list cannot be read.
    """
    if not pins.get("judges"):
        yield pins.get("profile")
        return
    for named in read_panel(pins["judges"]):
        yield named.profile or pins.get("profile")
