"""Switches: what is off takes effect whatever a batch has chosen, and is said where people look."""

from __future__ import annotations

import pytest

from imageworks_dagster.choices import resolve_choices
from imageworks_dagster.command.switching import switch_lines
from imageworks_dagster.errors import WrongChoice
from imageworks_dagster.pipelines import JUDGE, PIPELINES, TAGGER
from imageworks_dagster.switches import (
    SWITCHES,
    default_reference,
    pins_in_force,
    refuse_switched_off,
    stage_pins,
    switches_told,
)
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import Identity
from prompt_hub.revisions.store import PromptStore
from store.batches import batch as registered_batch
from store.batches import pin
from store.settings import Settings

pytestmark = pytest.mark.slow

PINS = {
    "judge/critiques": {"judges": "near-vlm, far-vlm", "profile": "strict-judge"},
    "judge/signals": {"model": "tf-iqa"},
}
ALL_OFF = {"judge_iqa": "off", "judge_panel": "off"}


def test_by_default_what_a_batch_has_chosen_is_in_force():
    assert pins_in_force(JUDGE, PINS, Settings()) == PINS
    assert [switches_told(PIPELINES[name], PINS, Settings()) for name in ("judge", "tagger")] == [
        {
            "leases": "off",
            "image quality": "chosen",
            "prompts": "files",
            "panel": "chosen",
            "runs by promotions": "offer",
            "remote models": "off",
        },
        {
            "leases": "off",
            "prompts": "files",
            "keyword samples": "1",
            "writing": "on",
            "runs by promotions": "offer",
            "remote models": "off",
        },
    ]


def test_what_is_off_is_passed_over_alone_and_told():
    settings = Settings(**ALL_OFF)

    assert pins_in_force(JUDGE, PINS, settings) == {
        "judge/critiques": {"profile": "strict-judge"},
        "judge/signals": {},
    }
    told = switches_told(JUDGE, PINS, settings)
    assert told["panel"] == "off; near-vlm, far-vlm, which the batch has chosen, is not asked"
    assert told["image quality"] == "off; tf-iqa, which the batch has chosen, is not asked"
    assert switches_told(JUDGE, {}, settings)["panel"] == "off"


@pytest.mark.parametrize(
    ("asset", "configuration", "named"),
    [
        (
            "judge/signals",
            {"model": "tf-iqa"},
            "--iqa-model tf-iqa is switched off by IMAGEWORKS_JUDGE_IQA=off",
        ),
        (
            "judge/critiques",
            {"judges": "a, b"},
            "--judges a, b is switched off by IMAGEWORKS_JUDGE_PANEL=off",
        ),
    ],
)
def test_what_is_off_is_refused_by_name(asset, configuration, named):
    with pytest.raises(WrongChoice, match=named):
        refuse_switched_off(JUDGE, {asset: configuration}, Settings(**ALL_OFF))
    refuse_switched_off(JUDGE, {asset: configuration}, Settings())
    refuse_switched_off(JUDGE, {asset: dict.fromkeys(configuration, "default")}, Settings(**ALL_OFF))


def test_writing_that_is_off_is_refused_and_an_undo_is_not():
    settings = Settings(tagger_writing="off")
    with pytest.raises(WrongChoice, match="IMAGEWORKS_TAGGER_WRITING=off"):
        refuse_switched_off(TAGGER, {"tagger/metadata": {"action": "apply"}}, settings)
    for action in ("propose", "undo"):
        refuse_switched_off(TAGGER, {"tagger/metadata": {"action": action}}, settings)


def test_a_label_is_followed_where_nobody_has_chosen_a_prompt():
    settings = Settings(judge_prompts="label")

    assert default_reference(JUDGE, settings) == "club-judge@production"
    assert default_reference(TAGGER, settings) == "library"
    panel = {"judges": "near-vlm, far-vlm"}
    assert stage_pins(JUDGE, "judge/playoff", PINS, settings) == {"profile": "club-judge@production", **panel}
    one = {**PINS, "judge/playoff": {"model": "near-vlm", "profile": "club-judge"}}
    assert stage_pins(JUDGE, "judge/playoff", one, settings) == one["judge/playoff"]
    off = settings.model_copy(update=ALL_OFF)
    assert stage_pins(JUDGE, "judge/playoff", PINS, off) == {"profile": "club-judge@production"}
    assert stage_pins(JUDGE, "judge/critiques", PINS, settings)["profile"] == "strict-judge"
    assert stage_pins(JUDGE, "judge/signals", PINS, settings) == {"model": "tf-iqa"}
    assert stage_pins(TAGGER, "tagger/captions", {}, settings) == {}


def test_a_label_that_is_not_there_is_told_with_the_switch(platform):
    parts = platform.assembly()
    prompts = PromptStore.over(platform.store.database)

    def resolved():
        return resolve_choices(
            TAGGER,
            planned=[stage.asset for stage in TAGGER.stages],
            configured={"tagger/captions": {"profile": "default"}},
            pins={},
            hub=parts.hub,
            prompts=prompts,
            registry=parts.registry,
            default_profile="library@production",
        )

    with pytest.raises(WrongChoice, match="IMAGEWORKS_TAGGER_PROMPTS=label asks with library@production"):
        resolved()

    profile = PromptHub.load(None).get("library")
    prompts.revisions.keep(profile, author="ann", message="")
    prompts.labels.move(
        Identity("ann"), "production", prompts.revisions.get("library", profile.hash), why="Better"
    )
    assert {choice.reference for choice in resolved().values()} == {"library@production"}


def test_a_run_goes_by_the_switches_and_says_so(platform, entries_folder):
    platform.settings = platform.settings.model_copy(update=ALL_OFF)
    batch = platform.register("judge", entries_folder)
    database = platform.store.database
    pin(database, "judge", batch, "judge/critiques", judges="baseline-judge, baseline-judge*2")
    pin(database, "judge", batch, "judge/signals", model="no-such-model")

    done = platform.run("judge", batch)

    assert done.success
    manifest = platform.manifest(done)
    assert not manifest.judges
    assert "judge/signals" not in manifest.models
    assert manifest.switches["image quality"] == (
        "off; no-such-model, which the batch has chosen, is not asked"
    )
    assert registered_batch(database, "judge", batch).pins["judge/signals"]["model"] == "no-such-model"
    told = "image quality off; no-such-model, which the batch has chosen, is not asked"
    for made in done.get_asset_materialization_events():
        assert told in made.materialization.metadata["switches"].value
    page = (platform.store.home.reports / "judge" / batch / "report.html").read_text(encoding="utf-8")
    assert told in page


def test_a_run_that_asks_for_what_is_off_ends_before_anything_is_asked(platform, shoot_folder):
    platform.settings = platform.settings.model_copy(update={"tagger_writing": "off"})
    batch = platform.register("tagger", shoot_folder)

    done = platform.run("tagger", batch, config={"tagger/metadata": {"action": "apply"}})

    assert not done.success
    assert not done.get_asset_materialization_events()


def test_the_command_says_of_each_application_what_is_on_and_why():
    settings = Settings(judge_panel="off", leases="observe")
    whence = {"judge_panel": "set", "leases": "from GPU_LEASE"}

    lines = list(switch_lines(settings, lambda name: whence.get(name, "default")))

    assert lines[:2] == ["Switches", "  Judge-Vision"]
    assert "    panel: off  (set IMAGEWORKS_JUDGE_PANEL)" in lines
    assert "    writing: on  (default IMAGEWORKS_TAGGER_WRITING)" in lines
    assert lines.count("    leases: observe  (from GPU_LEASE)") == 3


def test_every_switch_is_a_setting():
    fields = {switch.setting for switches in SWITCHES.values() for switch in switches}
    assert fields <= set(Settings.model_fields)
