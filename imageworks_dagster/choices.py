"""Which prompt profile and which model each stage of a run asks with.

Resolved once, for all stages of the run, before any work: an explicit choice in the run's configuration, else
what the batch has pinned, else the pipeline's default profile and the model role. What is kept of prompts is read.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imageworks.errors import BadPanel
from imageworks_dagster.errors import WrongChoice
from prompt_hub.errors import PromptHubError
from registry.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from imageworks.contracts import Contract
    from imageworks_dagster.pipelines import Asks, Pipeline, StageDeclaration
    from prompt_hub.hub import PromptHub
    from prompt_hub.revisions.store import PromptStore
    from prompt_hub.schema import PromptProfile
    from registry.registry import Registry
    from registry.schema import Model


DEFAULT = "default"
"""Chosen as profile or model: none in particular, and from now on not the batch's pinned one either."""


@dataclass(frozen=True)
class ChosenShare:
    """One of several profiles of a stage, for a share of its photos.

    Attributes:
        reference: how it was chosen, such as ``library@staging``.
        percent: its share.
        profile: the prompt profile.
    """

    reference: str
    percent: int
    profile: PromptProfile


@dataclass(frozen=True)
class Judge:
    """One of several whom a stage asks the same.

    Attributes:
        text: how it was named, such as ``near-vlm:club-judge``.
        samples: how often each entry is put to it.
        profile: the prompt profile.
        model: the model.
        reference: how a kept revision was chosen; empty for what the files say.
    """

    text: str
    samples: int
    profile: PromptProfile
    model: Model
    reference: str = ""


@dataclass(frozen=True)
class Choice:
    """What one stage asks with, fixed for the whole run.

    Attributes:
        asset: the stage.
        profile: the prompt profile; the first where photos are split between several.
        profile_stage: the profile stage.
        model: the model.
        reference: how a kept revision was chosen, such as ``club-judge@production``; empty for what the files say.
        shares: all profiles where photos are split, the first too; else none.
        judges: all whom it asks where several were chosen, the first too; else none.
    """

    asset: str
    profile: PromptProfile
    profile_stage: str
    model: Model
    reference: str = ""
    shares: tuple[ChosenShare, ...] = ()
    judges: tuple[Judge, ...] = ()

    @property
    def profiles(self) -> tuple[PromptProfile, ...]:
        """All profiles that the stage asks with."""
        several = tuple(share.profile for share in self.shares) or tuple(one.profile for one in self.judges)
        return several or (self.profile,)

    def profile_of(self, photo_id: str) -> PromptProfile:
        """The profile that a photo is asked about with."""
        if not self.shares:
            return self.profile
        from prompt_hub.revisions.splits import part_of  # noqa: PLC0415 - as `_resolve` has it

        return self.shares[part_of(photo_id, [share.percent for share in self.shares])].profile


@dataclass(frozen=True)
class ScorerChoice:
    """The image-quality model that one stage asks besides, fixed for the whole run."""

    asset: str
    model: Model


def resolve_choices(
    pipeline: Pipeline,
    *,
    planned: Collection[str],
    configured: Mapping[str, Mapping[str, Any]],
    pins: Mapping[str, Mapping[str, Any]],
    hub: PromptHub,
    prompts: PromptStore,
    registry: Registry,
    default_profile: str | None = None,
) -> dict[str, Choice | ScorerChoice]:
    """The choice of every planned stage that asks a model, by asset; of one that may score, where one is chosen.

    Args:
        pipeline: the pipeline that runs.
        planned: assets that the run will materialize.
        configured: the run's configuration by asset; empty or missing ``profile``, ``model`` and ``judges`` mean no
            choice, `DEFAULT` means none and no pin.
        pins: what the batch has pinned, by asset.
        hub: the prompt profiles there are.
        prompts: the revisions of them that are kept, and their labels.
        registry: the models there are.
        default_profile: what is asked with where nobody has chosen; by default the pipeline's.

    Raises:
        WrongChoice: naming every wrong choice of the run at once, with the right ones.
    """
    # Not at the top: the definitions load this module, and the state database is opened by runs alone.
    from imageworks_dagster.panels import resolve_panel  # noqa: PLC0415 - as above
    from prompt_hub.revisions.store import resolve  # noqa: PLC0415 - see above

    def profile_named(text: str) -> PromptProfile:
        return resolve(text, hub, prompts)

    followed = default_profile if default_profile != pipeline.default_profile else None
    if followed is not None:
        pipeline = replace(pipeline, default_profile=followed)
    choices: dict[str, Choice | ScorerChoice] = {}
    problems: defaultdict[str, list[str]] = defaultdict(list)
    for stage in pipeline.choosing:
        if stage.asset not in planned:
            continue
        given, pinned = _given(configured.get(stage.asset, {})), _given(pins.get(stage.asset, {}))
        if stage.panel_of is not None and (pinned | given).get("model", DEFAULT) == DEFAULT:
            given |= _judges(configured.get(stage.panel_of, {}))
            pinned |= _judges(pins.get(stage.panel_of, {}))
        pinned = {name: value for name, value in pinned.items() if name not in given}
        chosen = {name: value for name, value in {**pinned, **given}.items() if value != DEFAULT}
        if stage.asks is None and "model" not in chosen:
            continue
        try:
            choices[stage.asset] = (
                _resolve_scorer(stage, chosen["model"], registry)
                if stage.asks is None
                else resolve_panel(
                    pipeline, stage, chosen, given, profile_named=profile_named, registry=registry
                )
                if "judges" in chosen
                else resolve_choice(pipeline, stage, chosen, profile_named=profile_named, registry=registry)
            )
        except (WrongChoice, BadPanel, PromptHubError, RegistryError) as error:
            right_ones = _right_ones(pipeline, stage, hub, registry)
            problems[
                " ".join(
                    [
                        str(error),
                        *_pinned_words(pinned),
                        *_followed_words(pipeline, followed, chosen),
                        right_ones,
                    ]
                )
            ].append(stage.asset)
    if problems:
        # What is wrong of several stages alike is said once.
        raise WrongChoice("\n".join(f"{', '.join(of)}: {words}" for words, of in problems.items()))
    return choices


def explicit_pins(
    pipeline: Pipeline, configured: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, str | None]]:
    """What the run's configuration chose by name, to be pinned in the batch, by asset; None ends a pin."""
    return {
        stage.asset: {name: None if value == DEFAULT else value for name, value in given.items()}
        for stage in pipeline.choosing
        if (given := _given(configured.get(stage.asset, {})))
    }


def _given(configuration: Mapping[str, Any]) -> dict[str, str]:
    return {name: configuration[name] for name in ("profile", "model", "judges") if configuration.get(name)}


def _judges(configuration: Mapping[str, Any]) -> dict[str, str]:
    """The panel that is named, or ended, for a stage."""
    return {name: value for name, value in _given(configuration).items() if name == "judges"}


def resolve_choice(
    pipeline: Pipeline,
    stage: StageDeclaration,
    chosen: Mapping[str, str],
    *,
    profile_named: Callable[[str], PromptProfile],
    registry: Registry,
) -> Choice:
    """The choice of one stage that asks.

    Args:
        pipeline: the pipeline.
        stage: the stage.
        chosen: ``profile`` and ``model`` where they are chosen.
        profile_named: the profile of a reference.
        registry: the models there are.

    Raises:
        WrongChoice, PromptHubError, RegistryError: the profile or the model cannot be used, or is not there.
    """
    from prompt_hub.revisions.references import Reference  # noqa: PLC0415 - as above
    from prompt_hub.revisions.splits import is_split  # noqa: PLC0415 - as above

    asks = stage.asks
    assert asks is not None  # noqa: S101 - the caller goes through the asking stages alone
    named = chosen.get("profile") or pipeline.default_profile
    shares = _shares(pipeline, named, profile_named) if is_split(named) else ()
    profiles = [share.profile for share in shares] or [profile_named(named)]
    for profile in profiles:
        problems = _profile_problems(pipeline, asks, profile)
        if problems:
            raise WrongChoice(f"profile {profile.id!r} cannot be used: {'; '.join(problems)}.")
    pictures = max(profile.stage(asks.profile_stage).images for profile in profiles)
    needs = {"chat"} | ({"vision"} if pictures else set())
    model = registry.resolve(chosen.get("model") or asks.role, needs=needs)
    problem = _model_problem(model, pictures)
    if problem:
        raise WrongChoice(f"model {model.name!r} {problem}.")
    return Choice(
        asset=stage.asset,
        profile=profiles[0],
        profile_stage=asks.profile_stage,
        model=model,
        reference=named if shares or Reference.parse(named).is_kept else "",
        shares=shares,
    )


def _shares(
    pipeline: Pipeline, text: str, profile_named: Callable[[str], PromptProfile]
) -> tuple[ChosenShare, ...]:
    from prompt_hub.revisions.splits import Split  # noqa: PLC0415 - as above

    if not pipeline.may_split:
        raise WrongChoice(
            f"profile {text!r} splits the entries between prompts, and all entries of a competition are judged by one. "
            f"Choose one revision; `imageworks prompts trial` compares two without a split."
        )
    return tuple(
        ChosenShare(share.text, share.percent, profile_named(share.text))
        for share in Split.parse(text).shares
    )


def _resolve_scorer(stage: StageDeclaration, model: str, registry: Registry) -> ScorerChoice:
    found = registry.resolve(model, needs={"iqa"})
    problem = _model_problem(found, 1)
    if problem:
        raise WrongChoice(f"model {found.name!r} {problem}.")
    return ScorerChoice(stage.asset, found)


def usable_profiles(pipeline: Pipeline, asks: Asks, hub: PromptHub) -> list[str]:
    """Names of the profiles that a stage may ask with."""
    return sorted(
        profile_id
        for profile_id, profile in hub.profiles.items()
        if profile.application == pipeline.application and asks.profile_stage in profile.stages
    )


def _profile_problems(pipeline: Pipeline, asks: Asks, profile: PromptProfile) -> list[str]:
    if profile.application != pipeline.application or asks.profile_stage not in profile.stages:
        return [f"it has no stage {asks.profile_stage!r} for {pipeline.application}"]
    return list(_contract(asks).misfits(profile.stage(asks.profile_stage)))


def _contract(asks: Asks) -> Contract:
    # Not at the top: this module is loaded with the definitions, and what answers look like is asked by runs alone.
    from imageworks.contracts import CONTRACTS  # noqa: PLC0415 - see above

    return CONTRACTS[asks.profile_stage]


def _model_problem(model: Model, pictures: int) -> str | None:
    """What a model that has the capabilities still cannot do."""
    vision = model.capabilities.vision
    if vision is not None and pictures > vision.max_images:
        return f"has max_images {vision.max_images}, and {pictures} pictures are shown at once"
    return None


def candidate_models(role: str, registry: Registry) -> list[str]:
    """Names of the models that may have a role; the registry gives it to no other."""
    return sorted(model.name for model in registry.models.values() if role in model.roles)


def scoring_models(stage: StageDeclaration, registry: Registry) -> list[str]:
    """Names of the models that may score a stage's photos."""
    if stage.scores is None:
        return []
    candidates = map(registry.models.__getitem__, candidate_models(stage.scores, registry))
    return [model.name for model in candidates if model.can("iqa")]


def resolved_roles(registry: Registry) -> dict[str, str]:
    """Name and revision of the model that each role resolves to, by role."""
    models = {role: registry.models[name] for role, name in registry.roles.items()}
    return {role: f"{model.name} {model.model_revision}" for role, model in models.items()}


def _pinned_words(pinned: Mapping[str, str]) -> list[str]:
    """Whose choice it was: nobody made it in this run."""
    if not pinned:
        return []
    what = " and ".join(f"{name} {value!r}" for name, value in pinned.items())
    return [
        f"Pinned for this batch by an earlier choice: {what}; choose another, or {DEFAULT!r} to end that."
    ]


def _followed_words(pipeline: Pipeline, followed: str | None, chosen: Mapping[str, str]) -> list[str]:
    """That nobody chose a prompt by name, and why it is looked for."""
    if followed is None or chosen.get("profile"):
        return []
    variable = f"IMAGEWORKS_{pipeline.name.upper()}_PROMPTS"
    return [
        f"{variable}=label asks with {followed} where nobody has chosen: promote a revision, or set it to files."
    ]


def _right_ones(pipeline: Pipeline, stage: StageDeclaration, hub: PromptHub, registry: Registry) -> str:
    """What can be chosen: who reads this in the web UI has no shell at hand to ask for a list."""
    asks = stage.asks
    if asks is None:
        return f"Models for it: {', '.join(scoring_models(stage, registry)) or 'none'}."
    profiles = [
        profile_id
        for profile_id in usable_profiles(pipeline, asks, hub)
        if not _profile_problems(pipeline, asks, hub.profiles[profile_id])
    ]
    pictures = _contract(asks).pictures
    models = [
        model.name
        for model in map(registry.models.__getitem__, candidate_models(asks.role, registry))
        if model.can("chat") and model.can("vision") and _model_problem(model, pictures) is None
    ]
    return (
        f"Profiles for this stage: {', '.join(profiles) or 'none'}. "
        f"Models for it: {', '.join(models) or 'none'}."
    )
