"""``/v1/leases``: who has which device and who waits for it, and leases that are ended by word of command."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations

from backends.errors import ReleaseRefused
from backends.leases.ledger import Ledger
from backends.leases.policy import Limits
from backends.leases.releasing import leases_to_release
from backends.leases.standing import LeaseStanding, Standing, read_standing
from gateway.asking import resolved
from gateway.bodies import read_json
from gateway.callers import caller_of, require
from gateway.errors import BadRequest
from gateway.openapi import answers, takes
from gateway.refusals import told

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.callers import Caller
    from gateway.parts import Parts

_NOTHING: Final = "nothing_to_release"


class ReleaseBody(BaseModel):
    """Which leases are to end: those of a model, of a holder, or with these tokens; of several, what all choose."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    model: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    holder: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    tokens: Annotated[list[Annotated[int, Field(ge=0, lt=2**63)]], Field(max_length=1000)] = Field(
        default_factory=list
    )
    all: bool = Field(default=False, description="Every lease; goes with nothing else.")


class Leases(BaseModel):
    """All of the ledger, in seconds from now."""

    object: Literal["leases"]
    mode: Literal["off", "observe", "enforce"]
    standing: Standing


class Released(BaseModel):
    """Leases that have ended."""

    object: Literal["leases.released"]
    ended: int
    leases: list[LeaseStanding]


def add_lease_routes(app: FastAPI) -> None:
    """Let leases be seen, and ended by those who may."""
    app.add_api_route(
        "/v1/leases", get_leases, methods=["GET"], response_model=Leases, responses=answers(Leases)
    )
    app.add_api_route(
        "/v1/leases/release",
        release_leases,
        methods=["POST"],
        response_model=Released,
        responses=answers(Released),
        openapi_extra=takes(ReleaseBody),
    )


async def get_leases(request: Request) -> Any:
    """What is on each device, who holds it, who waits for it, and what is being done about it."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)
    standing = await asyncio.to_thread(_standing, parts)
    return {"object": "leases", "mode": parts.settings.leases, "standing": asdict(standing)}


async def release_leases(request: Request) -> Any:
    """End leases. For publishers: what others ask under them fails, and a holder that lives asks anew."""
    parts: Parts = request.app.state.parts
    caller = caller_of(request, parts)
    body = await read_json(request, ReleaseBody, at_most=parts.settings.gateway_max_body)
    name = None if body.model is None else resolved(parts.models.registry, body.model, needs=frozenset()).name
    return await asyncio.to_thread(_released, parts, caller, request, body, name)


def _standing(parts: Parts) -> Standing:
    with told():
        return read_standing(parts.settings)


def _released(
    parts: Parts, caller: Caller, request: Request, body: ReleaseBody, model: str | None
) -> dict[str, Any]:
    require(parts, caller, "publisher", "end leases")
    chosen = _chosen(_standing(parts).leases, body, model)
    with told():
        ended = Ledger(parts.database, "operator", limits=Limits()).release([one.token for one in chosen])
        parts.audit.record(
            str(caller.identity),
            "leases.release",
            model or body.holder or "leases",
            request_id=request.scope["trace"].request_id,
            leases=[f"{one.token} {one.model} {one.holder}" for one in chosen],
        )
    return {"object": "leases.released", "ended": ended, "leases": [asdict(one) for one in chosen]}


def _chosen(
    leases: tuple[LeaseStanding, ...], body: ReleaseBody, model: str | None
) -> tuple[LeaseStanding, ...]:
    """The leases that all of a body choose.

    Raises:
        BadRequest: Nothing is chosen, too much is, or what is chosen is not there.
    """
    tokens = body.tokens
    if model is not None:
        holders = {one.holder for one in leases} if body.holder is None else {body.holder}
        of_model = {one.token for one in leases if one.model == model and one.holder in holders}
        tokens = [token for token in tokens if token in of_model] if tokens else list(of_model)
        if not tokens:
            raise BadRequest(f"Nobody holds such a lease of {model}.", param="model", code=_NOTHING)
    try:
        return leases_to_release(leases, tokens=tokens, holder=body.holder, everything=body.all)
    except ReleaseRefused as error:
        raise BadRequest(str(error), code=_NOTHING) from error
