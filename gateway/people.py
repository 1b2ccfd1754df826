"""``/v1/whoami`` and ``/v1/audit``: who asks, and what was changed by whom."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import datetime  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations

from gateway.callers import caller_of, require
from gateway.openapi import answers
from gateway.refusals import told

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.callers import Caller
    from gateway.parts import Parts

_MOST: int = 1000


class WhoAmI(BaseModel):
    """Who asks, and what they may."""

    object: Literal["caller"]
    name: str
    role: Literal["viewer", "author", "publisher", "admin"]
    key_id: str | None = Field(description="Of the key that says so; null without one.")


class ChangeCard(BaseModel):
    """One change that was made through the gateway."""

    who: str
    action: str
    subject: str
    detail: dict[str, Any]
    request_id: str
    changed_at: datetime


class Changes(BaseModel):
    """The last changes, the newest first."""

    object: Literal["list"]
    data: list[ChangeCard]


def add_people_routes(app: FastAPI) -> None:
    """Let callers know who they are, and admins what was changed."""
    app.add_api_route("/v1/whoami", whoami, methods=["GET"], response_model=WhoAmI, responses=answers(WhoAmI))
    app.add_api_route(
        "/v1/audit", list_changes, methods=["GET"], response_model=Changes, responses=answers(Changes)
    )


async def whoami(request: Request) -> Any:
    """Who asks, and with which role."""
    parts: Parts = request.app.state.parts
    caller = caller_of(request, parts)
    role = await asyncio.to_thread(_role, parts, caller)
    return {"object": "caller", "name": caller.identity.name, "role": role, "key_id": caller.key_id}


async def list_changes(request: Request, limit: Annotated[int, Query(ge=1, le=_MOST)] = 200) -> Any:
    """What was changed through the gateway, by whom and when. For admins."""
    parts: Parts = request.app.state.parts
    caller = caller_of(request, parts)
    return await asyncio.to_thread(_changes, parts, caller, limit)


def _role(parts: Parts, caller: Caller) -> str:
    with told():
        return parts.prompts.access.role_of(caller.identity)


def _changes(parts: Parts, caller: Caller, limit: int) -> dict[str, Any]:
    with told():
        require(parts, caller, "admin", "read what was changed")
        return {"object": "list", "data": [asdict(one) for one in parts.audit.last(limit)]}
