"""``POST /v1/telemetry/query`` and ``GET /v1/decisions``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations

from gateway.bodies import read_json
from gateway.callers import caller_of
from gateway.leaving import while_heard
from gateway.openapi import answers, takes
from telemetry.decisions import DECISION_FIELDS

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.parts import Parts

MOST_ROWS: Final = 10_000
LONGEST_QUERY: Final = 64 * 1024

_MOST_DECISIONS: Final = 1000
_TIMES: Final = frozenset({"decided_at"})
_DECISIONS: Final = ", ".join(f'"{field.name}"' for field in DECISION_FIELDS)


class QueryBody(BaseModel):
    """A query of telemetry."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    sql: Annotated[str, Field(min_length=1, max_length=LONGEST_QUERY)] = Field(
        description="One SELECT over telemetry's views; SHOW TABLES lists them."
    )
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 1000


class Column(BaseModel):
    """A column of an answer."""

    name: str
    type: str


class Rows(BaseModel):
    """What a query came to."""

    object: Literal["telemetry.rows"]
    columns: list[Column]
    rows: list[list[Any]]
    truncated: bool = Field(description="There were more rows than asked for, or than one answer holds.")


class Decisions(BaseModel):
    """Decisions about leases, the newest last."""

    object: Literal["list"]
    data: list[dict[str, Any]]


def add_query_routes(app: FastAPI) -> None:
    """Let telemetry be asked."""
    app.add_api_route(
        "/v1/telemetry/query",
        query_telemetry,
        methods=["POST"],
        response_model=Rows,
        responses=answers(Rows),
        openapi_extra=takes(QueryBody),
    )
    app.add_api_route(
        "/v1/decisions",
        list_decisions,
        methods=["GET"],
        response_model=Decisions,
        responses=answers(Decisions),
    )


async def query_telemetry(request: Request) -> Any:
    """Ask telemetry one SELECT: it reads the views, and nothing else. What it tells is two seconds old at most."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)
    body = await read_json(request, QueryBody, at_most=parts.settings.gateway_max_body)
    said = await while_heard(request, parts.analyst.ask(body.sql, body.limit))
    return {"object": "telemetry.rows", **said}


async def list_decisions(
    request: Request,
    since: Annotated[
        AwareDatetime | None, Query(description="Those decided then or later, such as 2026-01-01T00:00:00Z.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST_DECISIONS)] = 100,
) -> Any:
    """The last decisions about leases: what was granted, loaded and evicted, and why."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)
    said = await while_heard(request, parts.analyst.ask(_decisions_query(since, limit), limit))
    names = [column["name"] for column in said["columns"]]
    rows = [dict(zip(names, map(_told, names, row), strict=True)) for row in reversed(said["rows"])]
    return {"object": "list", "data": rows}


def _decisions_query(since: datetime | None, limit: int) -> str:
    # Both were parsed: a time and a number hold nothing else.
    then = (
        ""
        if since is None
        else f"WHERE decided_at >= TIMESTAMP '{since.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"
    )
    order = "ORDER BY decided_at DESC, host, pid, seq DESC"
    return f"SELECT {_DECISIONS} FROM decisions {then} {order} LIMIT {limit}"  # noqa: S608 - see above


def _told(name: str, value: Any) -> Any:
    return f"{value}Z" if name in _TIMES and value is not None else value
