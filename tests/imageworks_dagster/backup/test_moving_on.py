"""A backup that is taken while a batch is under way: elsewhere, the batch goes on from there."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from durable_home import ANSWERS_WITH, DurableHome, HoldingDouble, question, questions_of, write_round
from web_ui import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ENTRIES = 16
ANSWERED = 9
WAIT_S = 120
STAGE = "judge/critiques"


def critiques_asked(double):
    return [
        asdict(asked)
        for asked in double.history
        if ANSWERS_WITH[STAGE] in asked.body["response_format"]["json_schema"]["schema"]["properties"]
    ]


def test_the_batch_goes_on_in_the_restored_home_and_asks_only_what_the_backup_did_not_have(tmp_path):
    folder = write_round(tmp_path / "Spring Round", ENTRIES, seed=1)
    archive = tmp_path / "backup.tar.zst"
    with HoldingDouble() as double:
        durable = DurableHome.make(tmp_path / "home", double.url)
        judge = ("judge", folder, "--model", "double-vlm")
        double.hold(STAGE, after=ANSWERED)
        with durable.start(*judge) as process:
            until(lambda: len(durable.kept()) >= ANSWERED, WAIT_S, "the first are answered")
            durable.command("backup", archive)
            assert process.poll() is None
            process.kill()
        double.release()
        moved = DurableHome(tmp_path / "elsewhere")
        durable.command("restore", archive, "--home", moved.root)
        kept, before = moved.kept(), len(critiques_asked(double))
        moved.command(*judge)
        history = critiques_asked(double)

    assert len(kept) == ANSWERED
    assert kept.items() <= durable.kept().items()
    again = [question(asked) for asked in history[before:]]
    assert len(again) == len(set(again)) == ENTRIES - ANSWERED
    assert not set(again) & questions_of(history, kept.values())
    last = moved.last_manifest()
    assert (last.status, last.stages[STAGE].recalled) == ("ok", ANSWERED)
    assert kept.items() <= moved.kept().items()
    moved.assert_accounts_are_right()
