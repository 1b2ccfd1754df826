"""Switches for gradual adoption: what each application may do, by settings, whatever a batch has chosen.

A switch that is off passes over what a batch has pinned and refuses what a run asks for by name. Which were on, and
what was passed over, is in the run's manifest, in the materializations' metadata and in the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from imageworks_dagster.errors import WrongChoice
from store.settings import variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imageworks_dagster.pipelines import Pipeline
    from store.settings import Settings

LABEL = "production"
"""The label that a prompt has where the switch says that labels are followed."""

NOT_CHOSEN = frozenset({"", "default"})


@dataclass(frozen=True)
class Switch:
    """A switch of an application.

    Attributes:
        name: what people read.
        setting: the field of `Settings`.
        asset: the stage whose choice it takes away when it is off; None for one that takes none.
        choice: the name of that choice in the stage's configuration and pins.
        option: the command's option for it.
    """

    name: str
    setting: str
    asset: str | None = None
    choice: str = ""
    option: str = ""


Application = Literal["judge", "tagger", "gateway"]

SWITCHES: dict[Application, tuple[Switch, ...]] = {
    "judge": (
        Switch("leases", "leases"),
        Switch("image quality", "judge_iqa", "judge/signals", "model", "--iqa-model"),
        Switch("prompts", "judge_prompts"),
        Switch("panel", "judge_panel", "judge/critiques", "judges", "--judges"),
        Switch("runs by promotions", "promotion_runs"),
        Switch("remote models", "allow_remote"),
    ),
    "tagger": (
        Switch("leases", "leases"),
        Switch("prompts", "tagger_prompts"),
        Switch("keyword samples", "keyword_samples"),
        Switch("writing", "tagger_writing"),
        Switch("runs by promotions", "promotion_runs"),
        Switch("remote models", "allow_remote"),
    ),
    "gateway": (Switch("leases", "leases"), Switch("remote models", "allow_remote")),
}
"""By application, in the order in which they are taken on."""

TITLES: dict[Application, str] = {
    "judge": "Judge-Vision",
    "tagger": "Personal-Tagger",
    "gateway": "Gateway",
}


def default_reference(pipeline: Pipeline, settings: Settings) -> str:
    """What a stage asks with where nobody has chosen a prompt: the pipeline's profile, or its label."""
    follows = getattr(settings, f"{pipeline.name}_prompts") == "label"
    return f"{pipeline.default_profile}@{LABEL}" if follows else pipeline.default_profile


def pins_in_force(
    pipeline: Pipeline, pins: Mapping[str, Mapping[str, Any]], settings: Settings
) -> dict[str, dict[str, Any]]:
    """What a batch has pinned, by asset, without what a switch has off."""
    off = {(switch.asset, switch.choice) for switch in _off(pipeline, settings)}
    return {
        asset: {name: value for name, value in pinned.items() if (asset, name) not in off}
        for asset, pinned in pins.items()
    }


def stage_pins(
    pipeline: Pipeline, asset: str, pins: Mapping[str, Mapping[str, Any]], settings: Settings
) -> dict[str, Any]:
    """What the next run of a stage goes by: what is pinned and in force, and the label that is followed without it."""
    stage, in_force = pipeline.stage(asset), pins_in_force(pipeline, pins, settings)
    mine = in_force.get(asset, {})
    if stage.panel_of is not None and not mine.get("model"):
        judges = in_force.get(stage.panel_of, {}).get("judges")
        mine = {**mine, "judges": judges} if judges else mine
    reference = default_reference(pipeline, settings)
    if reference == pipeline.default_profile or mine.get("profile") or stage.asks is None:
        return mine
    return {**mine, "profile": reference}


def refuse_switched_off(
    pipeline: Pipeline, configured: Mapping[str, Mapping[str, Any]], settings: Settings
) -> None:
    """See that a run asks for nothing by name that is switched off.

    Raises:
        WrongChoice: it does; the message names the switch.
    """
    problems = [
        f"{switch.option} {value} is switched off by {variable(switch.setting)}=off. Set it to chosen, or run without."
        for switch in _off(pipeline, settings)
        if switch.asset is not None
        and (value := str(configured.get(switch.asset, {}).get(switch.choice) or "")) not in NOT_CHOSEN
    ]
    action = configured.get("tagger/metadata", {}).get("action")
    if pipeline.name == "tagger" and action == "apply" and settings.tagger_writing == "off":
        problems.append(
            f"Tags are not written: {variable('tagger_writing')}=off. Set it to on, or run without --apply; "
            "--undo works."
        )
    if problems:
        raise WrongChoice("\n".join(problems))


def switches_told(
    pipeline: Pipeline, pins: Mapping[str, Mapping[str, Any]], settings: Settings
) -> dict[str, str]:
    """How each switch stands in a run of a batch with these pins, in words, by name."""
    return dict(_told(pipeline, pins, settings))


def _told(
    pipeline: Pipeline, pins: Mapping[str, Mapping[str, Any]], settings: Settings
) -> Iterator[tuple[str, str]]:
    for switch in SWITCHES[pipeline.name]:
        words = stands(switch, settings)
        passed_over = pins.get(switch.asset or "", {}).get(switch.choice)
        if words == "off" and passed_over:
            words = f"off; {passed_over}, which the batch has chosen, is not asked"
        yield switch.name, words


def stands(switch: Switch, settings: Settings) -> str:
    """A switch's value, in a word."""
    value = getattr(settings, switch.setting)
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _off(pipeline: Pipeline, settings: Settings) -> Iterator[Switch]:
    for switch in SWITCHES[pipeline.name]:
        if switch.asset is not None and stands(switch, settings) == "off":
            yield switch
