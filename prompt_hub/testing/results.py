"""What came of sets, kept in the state database by what was tested: profile, set and model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import insert, select

from store.tables import prompt_test_results

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from prompt_hub.testing.outcomes import SetOutcome, State
    from store.database import StateDatabase


@dataclass(frozen=True)
class Result:
    """What once came of one set.

    Attributes:
        profile_hash: Of the profile that was tested.
        set_name: The set.
        set_hash: What was run.
        model: Name of the model; empty where none was asked.
        model_revision: Its revision; likewise.
        states: What came of each test, by its description.
        rates: The rate of each test, by its description.
        who: Who ran it.
        ran_at: When.
    """

    profile_hash: str
    set_name: str
    set_hash: str
    model: str
    model_revision: str
    states: dict[str, State]
    rates: dict[str, float]
    who: str
    ran_at: datetime


def keep_results(database: StateDatabase, outcomes: Iterable[SetOutcome], *, who: str) -> int:
    """Keep what came of sets of files; answers are no part of it.

    Returns:
        How many were kept.
    """
    rows = [_row(outcome, who) for outcome in outcomes if outcome.set_hash]

    def work(connection: Connection) -> None:
        connection.execute(insert(prompt_test_results), rows)

    if rows:
        database.write(work)
    return len(rows)


def latest_states(
    database: StateDatabase, profile_hash: str, set_hash: str, model: str = "", model_revision: str = ""
) -> dict[str, State]:
    """The last word on each test, by its description: that of the last run that could check all of it."""
    states: dict[str, State] = {}
    for result in results_of(database, profile_hash, set_hash):
        if (result.model, result.model_revision) != (model, model_revision):
            continue
        states.update({test: state for test, state in result.states.items() if state != "incomplete"})
    return states


def results_of(database: StateDatabase, profile_hash: str, set_hash: str | None = None) -> Sequence[Result]:
    """All that is kept of a profile, or of one set with it, the oldest first."""
    table = prompt_test_results
    chosen = select(table).where(table.c.profile_hash == profile_hash)
    if set_hash is not None:
        chosen = chosen.where(table.c.set_hash == set_hash)
    with database.read() as connection:
        return [_result(row) for row in connection.execute(chosen.order_by(table.c.result_id))]


def _row(outcome: SetOutcome, who: str) -> dict[str, Any]:
    return {
        "profile_hash": outcome.profile_hash,
        "profile_id": outcome.profile_id,
        "set_name": outcome.set_name,
        "set_hash": outcome.set_hash,
        "model": outcome.model,
        "model_revision": outcome.model_revision,
        "tests": [
            {
                "test": test.test,
                "state": test.state,
                "rate": round(test.rate, 6),
                "clean": test.clean,
                "samples": len(test.samples),
            }
            for test in outcome.tests
        ],
        "who": who,
        "ran_at": datetime.now(UTC),
    }


def _result(row: Any) -> Result:
    tests = cast("list[dict[str, Any]]", row.tests)
    return Result(
        profile_hash=row.profile_hash,
        set_name=row.set_name,
        set_hash=row.set_hash,
        model=row.model,
        model_revision=row.model_revision,
        states={test["test"]: test["state"] for test in tests},
        rates={test["test"]: test["rate"] for test in tests},
        who=row.who,
        ran_at=row.ran_at,
    )
