"""The web UI as people have it: a server in a process group of its own, and headless Chromium to walk it.

Shared by the test of the web UI and by `docs/make_screenshots.py`, so that the pictures show what is tested.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from playwright.sync_api import ConsoleMessage, Locator, Page

CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
IMAGEWORKS = Path(sys.executable).with_name("imageworks")

READY = "Serving dagster-webserver on"
START_S = 120
STOP_S = 60
SHOW_MS = 60_000
"""Bounds for a loaded machine; nothing waits longer than it must."""

GROUPS = ("judge_vision", "personal_tagger", "platform")
CHOSEN = ("captions", "critiques", "descriptions", "keywords", "playoff", "signals")
"""Nodes that have no version before some batch names a kept prompt, or an image-quality model, for such a stage."""
EXPANDED = "global%40global%3Ajudge_vision%2Cglobal%40global%3Apersonal_tagger"


@dataclass
class Server:
    """A web UI under way.

    Attributes:
        url: where it answers.
        process: the started command, leader of its process group.
        lines: what the group has printed so far.
    """

    url: str
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def stop(self, number: signal.Signals) -> None:
        """Send the group the signal, as a terminal or a service manager does, and wait until all of it is gone."""
        os.killpg(self.process.pid, number)
        self.process.wait(STOP_S)
        until(lambda: not self.is_there(), STOP_S, "every process of the web UI has ended")

    def is_there(self) -> bool:
        """Whether any process of the group is left."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


def environment(home: Path) -> dict[str, str]:
    """This process's environment with ``home`` as the platform's, and no other setting of the platform's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("IMAGEWORKS_", "DAGSTER_", "MAKE", "MFLAGS"))
    }
    return {**kept, "IMAGEWORKS_HOME": str(home)}


def make_demo(home: Path) -> str:
    """Run `imageworks demo` into ``home``, and return what it printed."""
    done = subprocess.run(
        [IMAGEWORKS, "demo"],
        env=environment(home),
        cwd=home.parent,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return done.stdout


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(command: Sequence[str], *, port: int, env: Mapping[str, str], cwd: Path) -> Iterator[Server]:
    """Start a web UI, yield it once it answers, and leave nothing of it running."""
    process = subprocess.Popen(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )
    server = Server(f"http://127.0.0.1:{port}", process)
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            server.lines.append(line)
            if READY in line:
                ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert ready.wait(START_S), f"not ready: {''.join(server.lines)}"
        assert process.poll() is None, f"ended: {''.join(server.lines)}"
        yield server
    finally:
        if server.is_there():
            try:
                server.stop(signal.SIGTERM)
            except (subprocess.TimeoutExpired, AssertionError):
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        reader.join()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def chromium(*, width: int, height: int) -> Iterator[tuple[Page, list[str]]]:
    """A page in headless Chromium, and the errors that its console has shown so far."""
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{message.text} ({message.location})")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(SHOW_MS)
        expect.set_options(timeout=SHOW_MS)
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            yield page, errors
        finally:
            browser.close()


def open_graph(page: Page, url: str) -> None:
    """Show the asset graph of materialized batches: both pipelines' stages, and a list of all groups beside it.

    Ends when every asset is shown as a success, but for what a batch may choose and the demo does not.
    """
    page.goto(f"{url}/asset-groups?expanded={EXPANDED}")
    for group in GROUPS:
        listed(page).filter(has_text=group).get_by_role("img", name="arrow_drop_down").click()
    assets = listed(page).count() - len(GROUPS)
    expect(listed(page).get_by_role("img", name="run_success")).to_have_count(assets - len(CHOSEN))
    expect(listed(page).get_by_role("img", name="missing")).to_have_count(len(CHOSEN))
    expect(page.locator("foreignObject").filter(has_text="results")).to_be_visible()


def listed(page: Page) -> Locator:
    """The lines of the list beside the graph."""
    return page.locator("[class*=AssetSidebarNode_itemContainer]")


def listed_names(page: Page) -> list[str]:
    """What the list beside the graph names, in its order; groups stand before their assets."""
    return [
        name or "" for name in listed(page).locator("[title]").evaluate_all("all => all.map(e => e.title)")
    ]


def until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something that tells nobody when it happens."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
