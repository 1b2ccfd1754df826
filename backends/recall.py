"""Kept answers: raw answers by request digest, so that nothing is asked twice.

What is kept is what the backend said, not what was made of it: every recall checks it anew.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import delete, func, select

from store.tables import kept_answer_photos, kept_answers
from store.upserting import insert_new, upsert

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from store.database import StateDatabase

_DIGESTS_A_SELECT: Final = 500
_MIB: Final = 1024 * 1024

Link = tuple[str, frozenset[str]]
"""The digest of a request, and photos that its answer is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """A raw answer as it is kept.

    Attributes:
        request_digest: Names the request that it answers.
        answered_by: Id of the request that was asked.
        model: Logical model.
        model_revision: Digest of what in the model influences an answer.
        deployment: Deployment that answered.
        provider: Protocol of the deployment.
        text: What the model wrote, unchanged.
        message: The whole message that answers a conversation.
        served_model: Model id that the backend said it served.
        finish_reason: Why the model stopped, in the backend's word.
        input_tokens: Of the attempt that brought it, as the backend counted them.
        output_tokens: The same.
        repaired: Whether the repair try was needed.
        photo_ids: Photos that the answer is about, so that it can be forgotten with them.
        kept_at: When it came.
    """

    request_digest: str
    answered_by: str
    model: str
    model_revision: str
    deployment: str
    provider: str
    text: str
    message: Mapping[str, Any] | None = None
    served_model: str | None = None
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    repaired: bool = False
    photo_ids: frozenset[str] = frozenset()
    kept_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many kept answers were let go, for which reason."""

    too_old: int
    over_size: int


def look_up(database: StateDatabase, digests: Collection[str]) -> dict[str, KeptAnswer]:
    """The kept answers among `digests`, by digest; what is not kept is not in the result.

    Args:
        database: The state database.
        digests: Any number; 500 are asked for in one SELECT.
    """
    found: dict[str, KeptAnswer] = {}
    wanted = list(digests)
    if not wanted:
        return found
    with database.read() as connection:
        for start in range(0, len(wanted), _DIGESTS_A_SELECT):
            chunk = wanted[start : start + _DIGESTS_A_SELECT]
            rows = connection.execute(
                select(
                    kept_answers.c.request_digest,
                    kept_answers.c.answered_by,
                    kept_answers.c.model,
                    kept_answers.c.model_revision,
                    kept_answers.c.deployment,
                    kept_answers.c.provider,
                    kept_answers.c.body,
                    kept_answers.c.kept_at,
                ).where(kept_answers.c.request_digest.in_(chunk))
            ).all()
            photos = _photos(connection, [row.request_digest for row in rows])
            for row in rows:
                digest, answered_by, model, revision, deployment, provider, body, kept_at = row
                found[digest] = KeptAnswer(
                    request_digest=digest,
                    answered_by=answered_by,
                    model=model,
                    model_revision=revision,
                    deployment=deployment,
                    provider=provider,
                    photo_ids=frozenset(photos.get(digest, ())),
                    kept_at=kept_at,
                    **orjson.loads(zlib.decompress(body)),
                )
    return found


def _photos(connection: Connection, digests: Sequence[str]) -> dict[str, set[str]]:
    photos: dict[str, set[str]] = {}
    if digests:
        about = kept_answer_photos
        for digest, photo_id in connection.execute(
            select(about.c.request_digest, about.c.photo_id).where(about.c.request_digest.in_(digests))
        ):
            photos.setdefault(digest, set()).add(photo_id)
    return photos


def keep(connection: Connection, answers: Sequence[KeptAnswer]) -> None:
    """Keep answers; one for a digest that is kept already takes its place.

    Args:
        connection: One handed out by the writer of the state database.
        answers: In the order in which they came; the last for a digest stays.
    """
    # Two to one digest within one commit, or by two processes: both were asked, and either may stay.
    latest = {answer.request_digest: answer for answer in answers}
    upsert(connection, kept_answers, [_row(answer) for answer in latest.values()])
    links = ((answer.request_digest, answer.photo_ids) for answer in latest.values())
    insert_new(connection, kept_answer_photos, _rows(links))


def link_photos(connection: Connection, links: Sequence[Link]) -> None:
    """Say that kept answers are about more photos; answers that are gone by now are left out.

    Args:
        connection: One handed out by the writer of the state database.
        links: Digests of requests, each with the photos that its answer turned out to be about.
    """
    digests = [digest for digest, _ in links]
    there: set[str] = set()
    for start in range(0, len(digests), _DIGESTS_A_SELECT):
        chunk = digests[start : start + _DIGESTS_A_SELECT]
        there.update(
            connection.execute(
                select(kept_answers.c.request_digest).where(kept_answers.c.request_digest.in_(chunk))
            ).scalars()
        )
    insert_new(connection, kept_answer_photos, _rows(link for link in links if link[0] in there))


def let_go(connection: Connection, digests: Sequence[str]) -> int:
    """Let kept answers go whose readers could not use them, so that the next asking asks.

    Args:
        connection: One handed out by the writer of the state database.
        digests: Of the requests.

    Returns:
        How many were kept.
    """
    count = 0
    for start in range(0, len(digests), _DIGESTS_A_SELECT):
        chunk = digests[start : start + _DIGESTS_A_SELECT]
        count += connection.execute(
            delete(kept_answers).where(kept_answers.c.request_digest.in_(chunk))
        ).rowcount
    return count


def prune(connection: Connection, *, days: int, mib: int) -> Pruned:
    """Let kept answers go that are too old, then the oldest until the rest is within its size.

    Args:
        connection: One handed out by the writer of the state database.
        days: Days for which an answer is kept.
        mib: MiB of answers that are kept.
    """
    oldest = datetime.now(UTC) - timedelta(days=days)
    too_old = connection.execute(delete(kept_answers).where(kept_answers.c.kept_at < oldest)).rowcount
    total: int = connection.execute(select(func.coalesce(func.sum(kept_answers.c.bytes), 0))).scalar_one()
    surplus = total - mib * _MIB
    if surplus <= 0:
        return Pruned(too_old, 0)
    running = func.sum(kept_answers.c.bytes).over(
        order_by=(kept_answers.c.kept_at, kept_answers.c.request_digest)
    )
    before = (running - kept_answers.c.bytes).label("before")
    ranked = select(kept_answers.c.request_digest, before).subquery()
    over_size = connection.execute(
        delete(kept_answers).where(
            kept_answers.c.request_digest.in_(
                select(ranked.c.request_digest).where(ranked.c.before < surplus)
            )
        )
    ).rowcount
    return Pruned(too_old, over_size)


def _rows(links: Iterable[Link]) -> list[dict[str, str]]:
    return [
        {"request_digest": digest, "photo_id": photo_id}
        for digest, photo_ids in links
        for photo_id in sorted(photo_ids)
    ]


def _row(answer: KeptAnswer) -> dict[str, Any]:
    raw = {
        "text": answer.text,
        **({"message": dict(answer.message)} if answer.message else {}),
        "served_model": answer.served_model,
        "finish_reason": answer.finish_reason,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "repaired": answer.repaired,
    }
    body = zlib.compress(orjson.dumps(raw), 1)
    return {
        "request_digest": answer.request_digest,
        "answered_by": answer.answered_by,
        "model": answer.model,
        "model_revision": answer.model_revision,
        "deployment": answer.deployment,
        "provider": answer.provider,
        "body": body,
        "bytes": len(body),
        "kept_at": answer.kept_at,
    }
