from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from backends.recall import KeptAnswer, keep, let_go, link_photos, look_up, prune
from store.tables import kept_answer_photos, kept_answers

ANSWER = KeptAnswer(
    request_digest="d" * 64,
    answered_by="r" * 32,
    model="double",
    model_revision="v" * 64,
    deployment="only",
    provider="vllm",
    text='{"critique": "raw\x01 😀 text"}\n',
    served_model="double-vlm",
    finish_reason="stop",
    input_tokens=12,
    output_tokens=5,
    repaired=True,
    photo_ids=frozenset({"p1", "p2"}),
)


def kept(desk, *answers):
    desk.database.write(lambda connection: keep(connection, answers))


def numbered(count):
    return [
        replace(ANSWER, request_digest=f"{number:064d}", photo_ids=frozenset()) for number in range(count)
    ]


def aged(desk, digest, days):
    when = datetime.now(UTC) - timedelta(days=days)
    desk.database.write(
        lambda connection: connection.execute(
            kept_answers.update().where(kept_answers.c.request_digest == digest).values(kept_at=when)
        )
    )


def test_what_is_kept_is_found_as_it_was(desk):
    kept(desk, ANSWER)
    assert look_up(desk.database, [ANSWER.request_digest, "x"]) == {ANSWER.request_digest: ANSWER}


def test_more_digests_than_one_statement_takes_are_looked_up(desk):
    answers = numbered(1203)
    kept(desk, *answers)
    found = look_up(desk.database, [answer.request_digest for answer in answers] + ["x"])
    assert found == {answer.request_digest: answer for answer in answers}


def test_a_later_answer_takes_the_place_of_an_earlier_one(desk):
    kept(desk, ANSWER)
    newer = replace(ANSWER, answered_by="n" * 32, text="{}", photo_ids=frozenset({"p3"}))
    kept(desk, newer, replace(newer, text="[]"))
    found = look_up(desk.database, [ANSWER.request_digest])[ANSWER.request_digest]
    assert (found.answered_by, found.text) == ("n" * 32, "[]")
    assert found.photo_ids == {"p1", "p2", "p3"}


def test_a_link_to_an_answer_that_is_gone_is_left_out(desk):
    kept(desk, ANSWER)
    links = [(ANSWER.request_digest, frozenset({"p9"})), ("x" * 64, frozenset({"p1"}))]
    desk.database.write(lambda connection: link_photos(connection, links))
    assert look_up(desk.database, [ANSWER.request_digest])[ANSWER.request_digest].photo_ids == {
        "p1",
        "p2",
        "p9",
    }


def test_answers_that_nobody_could_read_are_let_go(desk):
    answers = numbered(1203)
    kept(desk, ANSWER, *answers)
    digests = [answer.request_digest for answer in answers]
    assert desk.database.write(lambda connection: let_go(connection, [*digests, "x"])) == 1203
    assert set(look_up(desk.database, [*digests, ANSWER.request_digest])) == {ANSWER.request_digest}


def test_answers_that_are_too_old_are_let_go_with_their_links(desk):
    kept(desk, ANSWER, *numbered(2))
    aged(desk, ANSWER.request_digest, 11)
    pruned = desk.database.write(lambda connection: prune(connection, days=10, mib=10))
    assert (pruned.too_old, pruned.over_size) == (1, 0)
    assert look_up(desk.database, [ANSWER.request_digest]) == {}
    with desk.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(kept_answer_photos)).scalar_one() == 0


def test_beyond_their_size_the_oldest_answers_are_let_go(desk):
    answers = numbered(10)
    kept(desk, *answers)
    for age, answer in enumerate(answers):
        aged(desk, answer.request_digest, age)
    desk.database.write(lambda connection: connection.execute(kept_answers.update().values(bytes=300 * 1024)))
    pruned = desk.database.write(lambda connection: prune(connection, days=365, mib=1))
    assert pruned.over_size == 7
    assert set(look_up(desk.database, [answer.request_digest for answer in answers])) == {
        answer.request_digest for answer in answers[:3]
    }
