"""The console walked as people would, in headless Chromium, over the demo's batches."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
from judged_round import ROUND, make_home
from lease_desk import asked, party, resident
from made_up_photos import write_photo
from playwright.sync_api import expect
from served_gateway import Gateway
from web_ui import CHROMIUM, IMAGEWORKS, chromium, environment, free_port, make_demo, serving, until

from photos.metadata.reading import read_metadata
from store.database import StateDatabase

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"Debian's chromium is not installed ({CHROMIUM})"),
]

AXE = "axe-core@4.14.1"
WIDTHS = (1280, 390)
PAGES = (
    "/results",
    "/results/judge/demo-round",
    "/results/judge/demo-round/publish",
    "/results/tagger/demo-shoot",
    "/results/tagger/demo-shoot/metadata",
    "/prompts",
    "/prompts/club-judge",
    "/performance",
    "/gpu",
    "/registry",
    "/registry/baseline-judge",
)


SHOOT = "autumn-shoot"
PROMPT = "id: library\nstages:\n  caption:\n    parameters:\n      temperature: 0.{}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a shoot."""
    found = tmp_path_factory.mktemp("photos") / SHOOT
    for number in range(3):
        write_photo(found / f"IMG_{number}.jpg", seed=number)
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory, folder):
    """The demo's batches and a shoot that keeps to the prompt in production; Dagster and the gateway over them."""
    home = tmp_path_factory.mktemp("console-walk") / "home"
    make_demo(home)
    command_line(
        home, sys.executable, "-m", "prompt_hub", "label", "production", "library", "--override", "--why", "-"
    )
    command_line(home, IMAGEWORKS, "tag", folder, "--profile", "library@production")
    port = free_port()
    command = [str(IMAGEWORKS), "ui", "--port", str(port)]
    with serving(command, port=port, env=environment(home), cwd=home.parent) as dagster:
        gateway = Gateway(home, "models: {}\n", dagster_url=dagster.url)
        keys = {role: gateway.key_of(f"{role}-person", role=role) for role in ("viewer", "admin")}
        with StateDatabase.open(gateway.settings) as database:
            desk = party(database, "box:1:a")
            resident(desk)
            desk.turn(enter=[asked("a", priority="interactive")])
        with gateway:
            yield gateway, keys


def command_line(home, *words):
    subprocess.run(words, env=environment(home), cwd=home.parent, check=True, capture_output=True)


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


def run_of(page):
    """The run that the page says was begun, once it has ended well."""
    run_id = re.search(r"run ([0-9a-f]{8})", page.get_by_role("status").first.inner_text())[1]
    page.get_by_role("link", name="Performance", exact=True).click()
    row = page.get_by_role("row").filter(has_text=run_id)

    def has_ended():
        page.reload()
        return row.count() == 1 and row.get_by_text("ok", exact=True).count() == 1

    until(has_ended, 120, f"run {run_id} has ended")
    row.get_by_role("link", name=run_id).click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return run_id


def test_a_prompt_is_edited_broken_tested_and_promoted_and_a_batch_uses_the_new_revision(served):
    gateway, keys = served
    with chromium(width=1280, height=900) as (page, errors):
        sign_in(page, gateway.url, keys["admin"])
        page.get_by_role("link", name="Prompts", exact=True).click()
        page.get_by_role("link", name="library", exact=True).click()
        editor = page.get_by_label("Your layer of library")
        live = page.locator("#live")
        expect(live).to_contain_text("Write the caption of this photograph.")
        stage_hash = re.compile(r"stage ([0-9a-f]{12})")
        before = stage_hash.search(live.inner_text())[1]

        editor.fill("id: library\nstages:\n  caption:\n    user: 'Look at {{ nothing }}.'\n")
        expect(live).to_contain_text("uses 'nothing', which is not declared")
        editor.fill(PROMPT.format(3))
        expect(live).to_contain_text("Valid")
        after = stage_hash.search(live.inner_text())[1]
        assert after != before
        page.keyboard.press("Control+s")
        expect(page.get_by_role("status").first).to_contain_text("Saved.")
        page.reload()
        expect(editor).to_have_value(PROMPT.format(3))

        page.get_by_role("button", name="Run the tests that need no model").click()
        expect(page.locator("#outcomes")).to_contain_text("passed with library")
        page.get_by_label("What is different").fill("Less of a gamble.")
        page.get_by_role("button", name="Save as revision").click()
        expect(page.get_by_role("status").first).to_contain_text("is kept")

        page.get_by_label("Let the label").fill("production")
        page.get_by_label("point at").select_option(index=0)
        page.get_by_label("Why", exact=True).fill("The autumn shoot needs it.")
        page.get_by_role("button", name="Promote").click()
        expect(page.get_by_role("alert")).to_contain_text("cannot point at")
        page.go_back()
        page.get_by_label("point at").select_option(index=0)
        page.get_by_label("Why", exact=True).fill("The autumn shoot needs it.")
        page.get_by_label("Pass over tests").check()
        page.get_by_role("button", name="Promote").click()
        expect(page.get_by_role("status").first).to_contain_text("production of library points at")
        expect(page.get_by_text("The autumn shoot needs it.")).to_be_visible()

        page.get_by_role("button", name=f"Tag {SHOOT} now").click()
        run_of(page)
        depended = (
            page.get_by_role("row").filter(has_text="tagger/captions").filter(has_text="library@production")
        )
        expect(depended).to_contain_text(after)
        expect(page.get_by_role("heading", name="How long a request takes")).to_be_visible()
        expect(page.locator(".plot canvas")).to_have_count(1)
        # Chromium reports the refusal itself, which is meant.
        assert [error for error in errors if "400" not in error] == []


def test_a_persons_keywords_are_approved_written_into_the_file_and_taken_back(served, folder):
    gateway, keys = served
    with chromium(width=1280, height=900) as (page, errors):
        sign_in(page, gateway.url, keys["admin"])
        page.get_by_role("link", name=SHOOT).click()
        page.get_by_role("link", name="IMG_0").click()
        page.get_by_label("Keywords").fill("heron, dawn")
        page.get_by_label("Why", exact=True).nth(1).fill("I was there.")
        page.get_by_role("button", name="Keep my keywords").click()
        expect(page.get_by_text("by admin-person").first).to_be_visible()

        page.get_by_role("link", name=SHOOT).click()
        page.get_by_role("link", name="Metadata").click()
        expect(page.locator(".pair").first).to_contain_text("heron, dawn by admin-person")
        page.get_by_role("button", name="Approve and write into the files").click()
        run_of(page)
        assert {"heron", "dawn"} <= set(read_metadata(folder / "IMG_0.jpg").keywords)

        page.goto(f"{gateway.url}/console/results/tagger/{SHOOT}/metadata")
        expect(page.get_by_text("3 written")).to_be_visible()
        page.get_by_role("button", name="Take back what was written").click()
        run_of(page)
        assert read_metadata(folder / "IMG_0.jpg").keywords == ()
        assert errors == []


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
        page.get_by_text("SQL and CSV").nth(1).click()
        expect(page.get_by_text("quantile_cont(total_ms, 0.95)")).to_be_visible()
        with page.expect_download() as downloaded:
            page.get_by_role("link", name="Download as CSV").click()
        assert "p95_ms" in downloaded.value.path().read_text(encoding="utf-8-sig")
        assert errors == []


def test_a_viewer_is_offered_nothing_that_the_role_forbids_and_refused_when_asking_for_it(served):
    gateway, keys = served
    with chromium(width=1280, height=900) as (page, _errors):
        sign_in(page, gateway.url, keys["viewer"])
        page.get_by_role("link", name="demo-round").click()
        expect(page.get_by_role("button", name="Judge this batch now")).to_have_count(0)
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


def test_a_round_of_five_thousand_comes_as_one_scrolls(tmp_path):
    make_home(tmp_path / "home", photos=5000)
    with Gateway(tmp_path / "home", "models: {}\n") as gateway, chromium(width=1280, height=900) as (page, _):
        page.goto(f"{gateway.url}/console/results/judge/{ROUND}")
        cards = page.locator(".card")
        expect(page.get_by_text("5,000 photos")).to_be_visible()
        expect(cards.first).to_be_visible()
        there = cards.count()
        assert there < 200
        for _ in range(5):
            page.locator(".more").scroll_into_view_if_needed()
            expect(cards.nth(there)).to_be_attached()
            there = cards.count()
        page.get_by_label("Find").fill("Photo 4999")
        expect(cards).to_have_count(1)


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


def test_the_picture_of_a_finding_is_there_and_opened_by_keyboard(served):
    gateway, keys = served
    with chromium(width=390, height=844) as (page, errors):
        sign_in(page, gateway.url, keys["viewer"])
        page.goto(
            f"{gateway.url}/console/results/judge/demo-round/entry?entry=demo-round/Lift Off by Member 04.jpg"
        )
        picture = page.locator(".findings .evidence img")
        expect(picture).to_be_visible()
        page.wait_for_function("document.querySelector('.evidence img').naturalWidth > 0")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        # A browser that shows a picture alone has a style of its own, which the policy forbids it, and says so.
        assert errors == []
        page.locator(".evidence a").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/evidence?**")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault_and_no_page_is_wider_than_the_screen(served, axe, width, scheme):
    gateway, keys = served
    with chromium(width=width, height=900) as (page, _errors):
        page.emulate_media(color_scheme=scheme)
        sign_in(page, gateway.url, keys["admin"])
        runs = []
        for path in PAGES:
            page.goto(f"{gateway.url}/console{path}")
            page.wait_for_load_state("networkidle")
            if path == "/performance":
                runs = [link.get_attribute("href") for link in page.locator("tbody th a").all()]
                first, second = (address.rpartition("/")[2] for address in runs[:2])
            _check(page, axe, path, width)
        for path in (
            runs[0],
            f"/console/performance/compare?before={second}&after={first}",
            f"/console/results/tagger/{SHOOT}/compare",
            f"/console/results/tagger/{SHOOT}/entry?entry={SHOOT}/IMG_1.jpg",
            "/console/no-such-page",
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
