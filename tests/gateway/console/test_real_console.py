"""The console walked as people would, in headless Chromium, over the demo's batches."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from playwright.sync_api import expect
from served_gateway import Gateway
from web_ui import CHROMIUM, chromium, make_demo

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"Debian's chromium is not installed ({CHROMIUM})"),
]

AXE = "axe-core@4.14.1"
WIDTHS = (1280, 390)
PAGES = (
    "/results",
    "/results/judge/demo-round",
    "/prompts",
    "/prompts/club-judge",
    "/performance",
    "/gpu",
    "/registry",
    "/registry/baseline-judge",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    home = tmp_path_factory.mktemp("console-walk") / "home"
    make_demo(home)
    gateway = Gateway(home, "models: {}\n", dagster_url="http://127.0.0.1:1")
    keys = {role: gateway.key_of(f"{role}-person", role=role) for role in ("viewer", "admin")}
    with gateway:
        yield gateway, keys


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The script of axe-core, out of npm's cache or registry."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, so there is no axe-core")
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        [npm, "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", AXE],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"npm has no {AXE}: {done.stderr[-300:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


def sign_in(page, url, key):
    page.goto(f"{url}/console")
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Results", level=1)).to_be_visible()


def test_a_prompt_is_edited_broken_tested_and_promoted(served):
    gateway, keys = served
    with chromium(width=1280, height=900) as (page, errors):
        sign_in(page, gateway.url, keys["admin"])
        page.get_by_role("link", name="Prompts", exact=True).click()
        page.get_by_role("link", name="library", exact=True).click()
        editor = page.get_by_label("Your layer of library")
        live = page.locator("#live")
        expect(live).to_contain_text("Write the caption of this photograph.")

        editor.fill("id: library\nstages:\n  caption:\n    user: 'Look at {{ nothing }}.'\n")
        expect(live).to_contain_text("uses 'nothing', which is not declared")
        editor.fill("id: library\ndescription: Captions of the club's own.\n")
        expect(live).to_contain_text("Right")
        page.keyboard.press("Control+s")
        expect(page.get_by_role("status").first).to_contain_text("Saved.")
        expect(page.get_by_text("Captions of the club's own.").first).to_be_visible()

        page.get_by_role("button", name="Run the tests that need no model").click()
        expect(page.locator("#outcomes")).to_contain_text("passed with library")
        page.get_by_label("What is different").fill("The club's own words.")
        page.get_by_role("button", name="Save as revision").click()
        expect(page.get_by_role("status").first).to_contain_text("is kept")

        page.get_by_label("Let the label").fill("production")
        page.get_by_label("point at").select_option(index=0)
        page.get_by_label("Why", exact=True).fill("The autumn shoot needs it.")
        page.get_by_role("button", name="Promote").click()
        expect(page.get_by_role("alert")).to_contain_text("cannot point at")
        page.go_back()
        page.get_by_label("Why", exact=True).fill("The autumn shoot needs it.")
        page.get_by_label("Pass over tests").check()
        page.get_by_role("button", name="Promote").click()
        expect(page.get_by_role("status").first).to_contain_text("production of library points at")
        expect(page.get_by_text("The autumn shoot needs it.")).to_be_visible()
        # Chromium reports the refusal itself, which is meant.
        assert [error for error in errors if "400" not in error] == []


def test_a_score_is_overridden_and_the_model_keeps_its_own(served):
    gateway, keys = served
    with chromium(width=1280, height=900) as (page, errors):
        sign_in(page, gateway.url, keys["admin"])
        page.get_by_role("link", name="demo-round").click()
        page.get_by_role("link", name="Lift Off").click()
        page.get_by_label("Score (0 to 20)").fill("19")
        page.get_by_label("Why", exact=True).fill("The timing.")
        page.get_by_role("button", name="Keep my score").click()
        expect(page.get_by_text("by the model")).to_be_visible()
        expect(page.get_by_text("by admin-person")).to_be_visible()
        page.get_by_role("link", name="demo-round").click()
        page.get_by_label("Find").fill("lift")
        expect(page.locator(".card")).to_have_count(1)
        expect(page.locator(".card")).to_contain_text("19")
        assert errors == []


def test_the_performance_of_a_run_is_read_with_its_charts(served):
    gateway, keys = served
    with chromium(width=1280, height=900) as (page, errors):
        sign_in(page, gateway.url, keys["viewer"])
        page.get_by_role("link", name="Performance").click()
        page.get_by_role("row").filter(has_text="demo-round").get_by_role("link").first.click()
        expect(page.get_by_role("heading", name="demo-round")).to_be_visible()
        expect(page.locator(".plot canvas")).to_have_count(1)
        page.get_by_text("How this was asked").nth(1).click()
        expect(page.get_by_text("quantile_cont(total_ms, 0.95)")).to_be_visible()
        assert errors == []


def test_a_viewer_is_offered_nothing_that_the_role_forbids_and_refused_when_asking_for_it(served):
    gateway, keys = served
    with chromium(width=1280, height=900) as (page, _errors):
        sign_in(page, gateway.url, keys["viewer"])
        page.get_by_role("link", name="demo-round").click()
        expect(page.get_by_role("button", name="Materialize this batch")).to_have_count(0)
        page.goto(f"{gateway.url}/console/prompts/club-judge")
        expect(page.get_by_label("Your layer of club-judge")).to_have_attribute("readonly", "")
        expect(page.get_by_role("button", name="Save")).to_have_count(0)
        status = page.evaluate(
            """async () => {
              const token = document.querySelector('[name=csrf]').value;
              const body = new URLSearchParams({csrf: token, text: 'id: club-judge'});
              return (await fetch('/console/prompts/club-judge/save', {method: 'POST', body})).status;
            }"""
        )
        assert status == 403


def test_it_works_by_keyboard_alone_and_the_focus_is_seen(served):
    gateway, keys = served
    with chromium(width=1280, height=900) as (page, errors):
        sign_in(page, gateway.url, keys["viewer"])
        page.goto(f"{gateway.url}/console/results")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=re.compile("demo-round"))).to_be_focused()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="demo-round", level=1)).to_be_visible()
        assert errors == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_and_no_page_is_wider_than_the_screen(served, axe, width, scheme):
    gateway, keys = served
    with chromium(width=width, height=900) as (page, _errors):
        page.emulate_media(color_scheme=scheme)
        sign_in(page, gateway.url, keys["admin"])
        run_address = None
        for path in PAGES:
            page.goto(f"{gateway.url}/console{path}")
            page.wait_for_load_state("networkidle")
            if path == "/performance":
                run_address = page.locator("tbody th a").first.get_attribute("href")
            _check(page, axe, path, width)
        for path in (
            run_address,
            "/console/results/judge/demo-round/entry?entry=demo-round/Lift Off by Member 04.jpg",
        ):
            page.goto(f"{gateway.url}{path}")
            page.wait_for_load_state("networkidle")
            _check(page, axe, path, width)


def _check(page, axe, path, width):
    assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    # The page's policy lets no script of others in; a debugger may evaluate one.
    page.evaluate(axe)
    found = page.evaluate("async () => (await axe.run()).violations")
    serious = [
        (one["id"], [node["html"][:200] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == [], path
