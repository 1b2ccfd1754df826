"""One run at a time works on a batch; the others wait, say for whom, and go on when it has ended or died."""

import io
import signal
import subprocess
import sys
from contextlib import contextmanager

import dagster as dg
import pytest
from rich.console import Console

from imageworks_dagster.command import running
from imageworks_dagster.judging import signals
from imageworks_dagster.opened import close_stores
from imageworks_dagster.turns import turn
from store.home import Home

HOLDER = """
import sys
from imageworks_dagster.turns import turn
from store.home import Home
from store.settings import Settings
with turn(Home.of(Settings(home=sys.argv[1])), "judge", sys.argv[2], who="imageworks judge", waiting=print):
    print("held", flush=True)
    sys.stdin.read()
"""
BATCH = "spring-round"


@pytest.fixture
def held(settings):
    """A process that works on the batch."""
    Home.of(settings).create()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, settings.home, BATCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


@contextmanager
def when_told(platform, act):
    """Act when the run's log says that it waits; gives what it said."""
    said, handle = [], platform.instance.handle_new_event

    def watching(entry, **options):
        handle(entry, **options)
        if "is being worked on by" in entry.user_message:
            said.append(entry.user_message)
            act()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(platform.instance, "handle_new_event", watching)
        yield said


def test_who_has_to_wait_is_told_whose_turn_it_is_and_goes_on_when_that_one_dies(settings, held):
    told = []

    def wait(words):
        told.append(words)
        held.kill()

    with turn(Home.of(settings), "judge", BATCH, who="run 2", waiting=wait):
        (words,) = told

    assert words.startswith(f"Batch {BATCH!r} is being worked on by imageworks judge, process {held.pid} on ")
    assert "This run begins when that one has ended." in words


def test_another_batch_waits_for_nobody(settings, held):
    for pipeline, batch in (("judge", "april"), ("tagger", BATCH)):
        with turn(Home.of(settings), pipeline, batch, who="run 2", waiting=pytest.fail):
            pass


def test_a_process_that_has_its_turn_does_not_wait_for_itself(settings):
    for _ in range(2):
        with (
            turn(Home.of(settings).create(), "judge", BATCH, who="the command", waiting=pytest.fail),
            turn(Home.of(settings), "judge", BATCH, who="its run", waiting=pytest.fail),
        ):
            pass


def test_steps_that_have_a_part_each_work_together_and_wait_for_whoever_has_it_alone(settings, held):
    together = {"who": "run 2", "waiting": lambda _: held.kill(), "together": True}
    home = Home.of(settings)

    with turn(home, "judge", BATCH, **together), turn(home, "judge", BATCH, **together):
        assert held.wait(30)
        with pytest.raises(InterruptedError), turn(home, "judge", BATCH, who="run 3", waiting=interrupted):
            pytest.fail("it is theirs")


def interrupted(_):
    raise InterruptedError


def test_who_waits_for_steps_that_work_together_is_told_whose_they_are(settings):
    home, told = Home.of(settings).create(), []

    def wait(words):
        told.append(words)
        raise InterruptedError

    with (
        turn(home, "judge", BATCH, who="run 2", waiting=pytest.fail, together=True),
        pytest.raises(InterruptedError),
        turn(home, "judge", BATCH, who="run 3", waiting=wait, then="It is not begun."),
    ):
        pytest.fail("it is theirs")

    (words,) = told
    assert words.startswith(f"Batch {BATCH!r} is being worked on by run 2, process ")
    assert words.endswith(" UTC. It is not begun.")


def test_a_run_begins_when_the_batch_is_free(platform, entries_folder, held):
    batch = platform.register("judge", entries_folder)
    assert batch == BATCH

    with when_told(platform, held.kill) as said:
        result = platform.run("judge", batch, only=["judge/entries"])

    assert result.success
    assert len(said) == 1


def test_a_run_has_the_batch_until_its_last_step_and_then_lets_it_go(platform, entries_folder, monkeypatch):
    batch = platform.register("judge", entries_folder)
    measure = signals.measure_entries
    seen = []

    def looking(stage):
        seen.append(whose_turn(platform, batch))
        return measure(stage)

    monkeypatch.setattr(signals, "measure_entries", looking)

    result = platform.run("judge", batch, only=["judge/entries", "judge/compliance", "judge/signals"])

    assert result.success
    assert [f"run {result.run_id}" in words for words in seen] == [True]
    assert whose_turn(platform, batch) == ""


def test_a_run_that_fails_lets_the_batch_go(platform, tmp_path):
    (tmp_path / "Empty").mkdir()
    batch = platform.register("judge", tmp_path / "Empty")

    assert not platform.run("judge", batch).success

    assert whose_turn(platform, batch) == ""


def test_a_run_that_is_interrupted_while_it_waits_ends_as_canceled(platform, entries_folder, held):
    batch = platform.register("judge", entries_folder)

    with when_told(platform, lambda: signal.raise_signal(signal.SIGINT)):
        result = platform.run("judge", batch)

    assert result.dagster_run.status is dg.DagsterRunStatus.CANCELED
    assert platform.store.tables.current("judge/entries", batch) is None


@pytest.mark.slow
def test_the_command_says_for_whom_it_waits(settings, entries_folder, held, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")

    class Terminal(io.StringIO):
        def write(self, text):
            if "is being worked on by" in text:
                held.kill()
            return super().write(text)

    terminal = Terminal()
    name = running.register_folder(settings, "judge", entries_folder, name=None, rules=None)
    try:
        finished = running.run_batch(
            settings,
            "judge",
            name,
            console=Console(file=terminal),
            configured={},
            only=["judge/entries"],
            resume="imageworks judge again",
        )
    finally:
        close_stores()

    assert finished.success
    assert f"is being worked on by imageworks judge, process {held.pid}" in terminal.getvalue()


def whose_turn(platform, batch):
    """What another process would be told; empty where it would not wait."""
    return (platform.store.home.locks / f"judge-{batch}.lock").read_text(encoding="utf-8")
