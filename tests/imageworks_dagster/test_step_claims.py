"""A step is one worker's at a time: claimed, kept while it says so, lost when it does not, fenced for ever."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from sqlalchemy import update
from supervised import wait_until

from imageworks_dagster.step_claims import LOST_CLAIM, StepClaim, forget, held, look, take, under_claim, void
from store.database import StateDatabase
from store.settings import Settings
from store.tables import step_claims

FIRST, SECOND = StepClaim("run", "judge__critiques", 1), StepClaim("run", "judge__critiques", 2)
LATE = """
import sys
from imageworks_dagster.step_claims import StepClaim, held, stand, take, void
from store.database import StateDatabase
from store.settings import Settings
claim = StepClaim("run", "judge__critiques", 1)
with StateDatabase.open(Settings(home=sys.argv[1])) as database:
    assert take(database, claim, worker="here", ttl_s=3600)
    with held(database, claim, ttl_s=3600):
        database.write(stand)
        print("stands", flush=True)
        void(database, claim)
        database.write(stand)
        print("published", flush=True)
"""


@pytest.fixture
def database(settings):
    with StateDatabase.open(settings) as opened:
        yield opened


def expire(database):
    database.write(lambda connection: connection.execute(update(step_claims).values(expires_at=1.0)))


def taken(database, claim):
    return take(database, claim, worker=f"worker {claim.start}", ttl_s=60)


def test_a_step_that_somebody_has_is_not_taken(database):
    assert taken(database, FIRST)
    assert not taken(database, FIRST)
    assert not taken(database, SECOND)
    standing = look(database, "run", "judge__critiques")
    assert (standing.start, standing.worker, standing.lost, standing.over) == (1, "worker 1", False, False)


def test_a_lost_step_is_taken_by_a_later_start_alone(database):
    assert taken(database, FIRST)
    expire(database)
    assert look(database, "run", "judge__critiques").lost
    assert not taken(database, FIRST)
    assert taken(database, SECOND)
    assert look(database, "run", "judge__critiques").start == 2


def test_a_step_that_is_over_is_not_taken_until_its_claim_is_voided(database):
    assert taken(database, FIRST)
    with held(database, FIRST, ttl_s=60):
        assert under_claim()
    assert not under_claim()
    assert look(database, "run", "judge__critiques").over
    expire(database)
    assert not taken(database, SECOND)
    void(database, FIRST)
    assert taken(database, SECOND)


def test_a_claim_that_is_kept_does_not_expire(database):
    assert take(database, FIRST, worker="here", ttl_s=1)
    with held(database, FIRST, ttl_s=1):
        before = look(database, "run", "judge__critiques")
        expires = expiry(database)
        wait_until(lambda: expiry(database) > expires, "it is renewed")
        assert not before.lost


def expiry(database):
    with database.read() as connection:
        return connection.execute(step_claims.select()).one().expires_at


@pytest.mark.parametrize(
    "lose", [lambda database: void(database, FIRST), lambda database: forget(database, "run")]
)
def test_who_loses_its_claim_leaves(database, lose):
    left = threading.Event()
    assert take(database, FIRST, worker="here", ttl_s=1)
    with held(database, FIRST, ttl_s=1, leave=lambda _: left.set()):
        lose(database)
        assert left.wait(30)


def test_who_cannot_renew_its_claim_leaves_whatever_the_reason(database, monkeypatch):
    left = threading.Event()

    def broken(_work):
        raise ZeroDivisionError

    assert take(database, FIRST, worker="here", ttl_s=1)
    monkeypatch.setattr(database, "submit", broken)
    with held(database, FIRST, ttl_s=1, leave=lambda _: left.set()):
        assert left.wait(30)
        monkeypatch.undo()


def test_a_process_that_was_overtaken_ends_in_place_of_publishing(settings):
    done = subprocess.run(
        [sys.executable, "-c", LATE, settings.home], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (LOST_CLAIM, "stands\n")
    assert "another worker's by now" in done.stderr


def test_the_claims_of_a_run_that_is_over_are_forgotten(database):
    assert taken(database, FIRST)
    forget(database, "run")
    assert look(database, "run", "judge__critiques") is None


@pytest.mark.real
def test_claims_hold_on_postgresql_too(tmp_path, postgresql_url):
    with StateDatabase.open(Settings(home=tmp_path, state_url=postgresql_url)) as database:
        assert taken(database, FIRST)
        assert not taken(database, SECOND)
        expire(database)
        assert taken(database, SECOND)
        assert not taken(database, FIRST)
