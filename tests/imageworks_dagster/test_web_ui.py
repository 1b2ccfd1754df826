"""The web UI walked as a user would, in headless Chromium, over the demo's batches."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect
from web_ui import (
    CHROMIUM,
    IMAGEWORKS,
    chromium,
    environment,
    free_port,
    listed_names,
    make_demo,
    open_graph,
    serving,
)

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"Debian's chromium is not installed ({CHROMIUM})"),
]

REPOSITORY = Path(__file__).parents[2]

GROUPS = {
    "judge_vision": {"compliance", "critiques", "entries", "playoff", "results", "signals"},
    "personal_tagger": {"captions", "descriptions", "keywords", "metadata", "photos"},
}
PROMPTS = {"critique", "pairwise", "caption", "keywords", "description"}
MODELS = {"baseline-judge", "baseline-tagger", "qwen2.5-vl-7b", "nima-mobilenet"}
ROLES = {"judge", "pairwise", "caption", "keywords", "description"}
CHECKS = (
    "answers_fit_the_schema",
    "every_entry_accounted_for",
    "scores_in_range_and_spread",
    "share_of_failures",
)
AUTOMATIONS = (
    "inbox_sensor",
    "judge_nightly",
    "observe_prompts_and_models_sensor",
    "tagger_nightly",
    "upkeep_sensor",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = tmp_path_factory.mktemp("web") / "home"
    make_demo(made)
    return made


@pytest.fixture(scope="module")
def server(home):
    port = free_port()
    command = [str(IMAGEWORKS), "ui", "--port", str(port)]
    with serving(command, port=port, env=environment(home), cwd=home.parent) as started:
        yield started


@pytest.fixture
def page(server):
    with chromium(width=1600, height=1200) as (opened, errors):
        yield opened
        assert errors == []


def materialize(page, server, *, model):
    """Materialize judge/critiques of the demo's round from the launchpad; ends on the run's page."""
    page.goto(f"{server.url}/assets/judge/critiques")
    page.get_by_role("button", name="Materialize").click(modifiers=["Shift"])
    launchpad = page.get_by_role("dialog")
    expect(launchpad.get_by_text("profile:")).to_be_visible()
    launchpad.locator(".CodeMirror").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(
        f"ops:\n  judge__critiques:\n    config:\n      profile: club-judge\n      model: {model}\n"
    )
    launchpad.get_by_placeholder("Partition").click()
    page.get_by_text("demo-round", exact=True).last.click()
    expect(launchpad.get_by_text("No errors")).to_be_visible()
    launchpad.get_by_role("button", name="Materialize").click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}"))
    return page.url.rsplit("/", 1)[1].split("?")[0]


def test_the_graph_shows_every_stage_prompt_model_and_role_in_its_group(page, server):
    open_graph(page, server.url)

    names = listed_names(page)
    tagger, platform = names.index("personal_tagger"), names.index("platform")
    assert names[0] == "judge_vision"
    assert set(names[1:tagger]) == GROUPS["judge_vision"]
    assert set(names[tagger + 1 : platform]) == GROUPS["personal_tagger"]
    assert set(names[platform + 1 :]) >= PROMPTS | MODELS | ROLES
    drawn = set(page.locator("foreignObject").evaluate_all("all => all.map(e => e.textContent)"))
    assert drawn >= set.union(*GROUPS.values()) | {"judge_vision", "personal_tagger", "platform"}


def test_a_wrong_model_in_the_launchpad_fails_the_run_and_shows_the_right_ones(page, server, home):
    run_id = materialize(page, server, model="baseline-juge")

    expect(page.get_by_text("Failure", exact=True).first).to_be_visible()
    told = page.get_by_text(
        re.compile(r"No model.*'baseline-juge'.*Models for it: baseline-judge, .*qwen2\.5-vl-7b")
    )
    expect(told.first).to_be_visible()
    assert not (home / "manifests" / f"{run_id}.json").exists()


def test_a_materialization_from_the_launchpad_shows_its_hash_manifest_picture_and_checks(page, server):
    run_id = materialize(page, server, model="baseline-judge")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()

    page.goto(f"{server.url}/assets/judge/critiques?view=events")
    expect(page.get_by_role("link", name=run_id[:8])).to_be_visible()
    shown = {
        name: page.get_by_role("row").filter(has=page.get_by_role("cell", name=name, exact=True))
        for name in ("profile_hash", "manifest", "picture", "first_rows", "model")
    }
    manifest_path = re.search(r"/\S+\.json", shown["manifest"].inner_text()).group()
    manifest = json.loads(Path(manifest_path).read_text(encoding="utf-8"))
    assert Path(manifest_path).stem == run_id
    pinned = manifest["profiles"]["judge/critiques"]
    expect(shown["profile_hash"]).to_contain_text(pinned["profile_hash"])
    expect(shown["model"]).to_contain_text("baseline-judge")

    shown["picture"].get_by_text("[Show Markdown]").click()
    picture = page.get_by_role("dialog").locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("async e => { await e.decode(); return e.naturalWidth }") > 0
    page.get_by_role("button", name="Close").click()
    shown["first_rows"].get_by_text("[Show Markdown]").click()
    expect(page.get_by_role("dialog").get_by_text("This is a baseline critique").first).to_be_visible()
    page.get_by_role("button", name="Close").click()

    page.goto(f"{server.url}/assets/judge/critiques?view=checks")
    for check in CHECKS:
        page.get_by_text(check, exact=True).first.click()
        # In the list, and over what is shown of it.
        expect(page.get_by_text(check, exact=True).filter(visible=True)).to_have_count(2)
        page.get_by_role("tab", name="Partitions").last.click()
        expect(page.get_by_text("Passed (1)")).to_be_visible()
        expect(page.get_by_title("demo-round").first).to_be_visible()


def test_sensors_and_schedules_are_listed_and_the_run_list_is_not_buried_in_tags(page, server):
    page.goto(f"{server.url}/automation")
    for name in AUTOMATIONS:
        expect(page.get_by_role("link", name=f" {name} ")).to_be_visible()

    page.goto(f"{server.url}/runs")
    expect(page.get_by_text("partition: demo-shoot").first).to_be_visible()
    expect(page.get_by_text("imageworks/")).to_have_count(0)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_make_ui_takes_a_port_and_ends_on_a_signal(tmp_path, number):
    port = free_port()
    # The tests' own environment stands in for the one that make would bring up to date first.
    chosen = (f"PORT={port}", f"GATEWAY_PORT={free_port()}", f"BIN={Path(sys.executable).parent}")
    command = ["make", "ui", *chosen, "--old-file=.venv/.base"]
    with serving(command, port=port, env=environment(tmp_path / "home"), cwd=REPOSITORY) as started:
        started.stop(number)

        assert any(f"http://127.0.0.1:{port}" in line for line in started.lines)
        assert not started.is_there()
