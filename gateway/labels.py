"""What a request says of itself for its event: which batch, entry, stage and prompt it is from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from backends.trusted_hosts import is_loopback
from gateway.callers import require

if TYPE_CHECKING:
    from starlette.requests import Request

    from gateway.callers import Caller
    from gateway.parts import Parts

MOST_PHOTOS: Final = 64

_Word = Annotated[str, Field(min_length=1, max_length=256)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# What says that somebody else passed a request on to this machine.
_PASSED_ON: Final = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
)


class RequestLabels(BaseModel):
    """The field ``imageworks`` of a body: labels of the event, from a batch that another machine runs."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    stage: _Word | None = None
    run_id: _Word | None = None
    batch: _Word | None = None
    entry_id: Annotated[str, Field(min_length=1, max_length=8192)] | None = None
    photo_ids: Annotated[list[_Digest], Field(max_length=MOST_PHOTOS)] = []
    profile_id: _Word | None = None
    profile_stage: _Word | None = None
    profile_hash: _Digest | None = None
    stage_hash: _Digest | None = None
    prompt_hub_version: _Digest | None = None
    sample: int = Field(default=0, ge=0, le=1_000_000, description="Which asking of the same question it is.")

    def given(self) -> dict[str, Any]:
        """Those that are said, by the names that ``Labels`` has."""
        said = self.model_dump(exclude={"sample"}, exclude_unset=True, exclude_none=True)
        return {**said, "photo_ids": tuple(self.photo_ids)}


async def allow_labels(request: Request, parts: Parts, caller: Caller) -> None:
    """Return if the caller may say what the telemetry is to hold: from this machine, or an author.

    Raises:
        Forbidden: They may not.
    """
    if not _is_from_here(request):
        await asyncio.to_thread(require, parts, caller, "author", "label events")


def _is_from_here(request: Request) -> bool:
    return (
        request.client is not None
        and is_loopback(request.client.host)
        and not any(name in request.headers for name in _PASSED_ON)
    )
