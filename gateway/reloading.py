"""``POST /v1/prompt/reload``: prompts and models are read anew, once both are right."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations

from gateway.callers import caller_of, require
from gateway.errors import BadRequest, BrokenFiles
from gateway.openapi import answers
from gateway.prompts.cards import changed_card
from gateway.prompts.shapes import Changed  # noqa: TC001 - pydantic reads the annotations
from gateway.refusals import told
from registry.errors import RegistryError, RegistryFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

    from gateway.callers import Caller
    from gateway.parts import Parts


class Versions(BaseModel):
    """A version before and after."""

    before: str
    after: str


class ReloadedAll(BaseModel):
    """What a reload has changed."""

    object: Literal["reloaded"]
    prompt_hub: Versions
    registry: Versions
    changed: dict[str, Changed]


def add_reload_route(app: FastAPI) -> None:
    """Let prompts and models be read anew."""
    app.add_api_route(
        "/v1/prompt/reload",
        reload_all,
        methods=["POST"],
        response_model=ReloadedAll,
        responses=answers(ReloadedAll),
    )


async def reload_all(request: Request) -> Any:
    """Read prompts and models anew, and serve them from now on. For authors.

    Requests under way end with what they began with. A broken file is told with its line and field, and what was served
    before is served further.
    """
    parts: Parts = request.app.state.parts
    caller = caller_of(request, parts)
    await asyncio.to_thread(require, parts, caller, "author", "reload prompts and models")
    with _told_files():
        # Prompts that are right are not to be served beside models that are broken.
        await parts.models.check()
        reloaded = await asyncio.to_thread(parts.hub.reload)
        before, after = await parts.models.reload()
    said = {
        "object": "reloaded",
        "prompt_hub": {"before": reloaded.before, "after": reloaded.after},
        "registry": {"before": before or "", "after": after},
        "changed": changed_card(reloaded),
    }
    await asyncio.to_thread(_record, parts, caller, request, said)
    return said


@contextmanager
def _told_files() -> Iterator[None]:
    try:
        with told():
            yield
    except RegistryFileError as error:
        raise BrokenFiles(str(error), error.problems) from error
    except RegistryError as error:
        raise BadRequest(str(error), code="broken_files") from error


def _record(parts: Parts, caller: Caller, request: Request, said: dict[str, Any]) -> None:
    with told():
        parts.audit.record(
            str(caller.identity),
            "reload",
            "prompts and models",
            request_id=request.scope["trace"].request_id,
            prompt_hub=said["prompt_hub"],
            registry=said["registry"],
        )
