"""What changes prompts: revisions are saved, labels are moved, and files of the user's layer are written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations

from gateway.bodies import read_json
from gateway.callers import caller_of, require
from gateway.errors import BadRequest
from gateway.openapi import answers, takes
from gateway.prompts.cards import changed_card, move_card
from gateway.prompts.shapes import (
    FileBody,
    InPath,
    LabelBody,
    MoveCard,
    RevisionBody,
    RollbackBody,
    SavedPromptFile,
    SavedRevision,
    Words,
)
from gateway.refusals import told
from prompt_hub.editing import save_file
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.references import Reference, kept_revision

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.callers import Caller
    from gateway.parts import Parts
    from prompt_hub.revisions.labels import Move
    from prompt_hub.revisions.revisions import Revision

_LABEL = "/v1/prompts/{prompt_id}/labels/{label}"


def add_prompt_changing_routes(app: FastAPI) -> None:
    """Let prompts be changed by those who may."""
    for method, path, endpoint, body, shape in (
        ("POST", "/v1/prompts/{prompt_id}/revisions", save_revision, RevisionBody, SavedRevision),
        ("PUT", _LABEL, move_label, LabelBody, MoveCard),
        ("POST", f"{_LABEL}/rollback", roll_back_label, RollbackBody, MoveCard),
        ("PUT", "/v1/prompts/{prompt_id}/file", put_file, FileBody, SavedPromptFile),
    ):
        app.add_api_route(
            path,
            endpoint,
            methods=[method],
            response_model=shape,
            responses=answers(shape),
            openapi_extra=takes(body),
        )
    app.add_api_route(
        _LABEL, remove_label, methods=["DELETE"], response_model=MoveCard, responses=answers(MoveCard)
    )


async def save_revision(request: Request, prompt_id: InPath) -> Any:
    """Keep what the files say of a prompt as a revision. For authors."""
    parts: Parts = request.app.state.parts
    caller = caller_of(request, parts)
    body = await read_json(request, RevisionBody, at_most=parts.settings.gateway_max_body)

    def work() -> dict[str, Any]:
        revision, is_new = _saved(parts, caller, prompt_id, body.message)
        if is_new:
            _record(parts, request, caller, "prompt.revision", prompt_id, profile_hash=revision.hash)
        return {
            "object": "prompt.revision",
            "id": prompt_id,
            "profile_hash": revision.hash,
            "new": is_new,
        }

    return await asyncio.to_thread(work)


async def move_label(request: Request, prompt_id: InPath, label: InPath) -> Any:
    """Let a label point at a revision that meets what it requires. What the files say is kept as one first.

    For authors; for publishers where the label is protected.
    """
    parts: Parts = request.app.state.parts
    caller = caller_of(request, parts)
    body = await read_json(request, LabelBody, at_most=parts.settings.gateway_max_body)

    def work() -> dict[str, Any]:
        with told("ref" if body.hash is None else "hash"):
            revision = _pointed_at(parts, caller, prompt_id, label, body)
        with told("expected"):
            revisions = parts.prompts.revisions
            expected = None if body.expected is None else revisions.get(prompt_id, body.expected).hash
        with told("label"):
            move = parts.prompts.labels.move(
                caller.identity,
                label,
                revision,
                why=body.why,
                expected=expected,
                override=body.override,
            )
        return _moved(parts, request, caller, "prompt.label", move)

    return await asyncio.to_thread(work)


async def roll_back_label(request: Request, prompt_id: InPath, label: InPath) -> Any:
    """Move a label back to what it pointed at before its last move. For whoever may move it."""
    parts: Parts = request.app.state.parts
    caller = caller_of(request, parts)
    body = await read_json(request, RollbackBody, at_most=parts.settings.gateway_max_body)

    def work() -> dict[str, Any]:
        with told("label"):
            move = parts.prompts.labels.roll_back(caller.identity, prompt_id, label, why=body.why)
        return _moved(parts, request, caller, "prompt.rollback", move)

    return await asyncio.to_thread(work)


async def remove_label(
    request: Request, prompt_id: InPath, label: InPath, why: Annotated[Words, Query()] = ""
) -> Any:
    """Take a label away; its history stays. For whoever may move it."""
    parts: Parts = request.app.state.parts
    caller = caller_of(request, parts)

    def work() -> dict[str, Any]:
        with told("label"):
            move = parts.prompts.labels.remove(caller.identity, prompt_id, label, why=why)
        return _moved(parts, request, caller, "prompt.unlabel", move)

    return await asyncio.to_thread(work)


async def put_file(request: Request, prompt_id: InPath) -> Any:
    """Save what the user's layer says of a prompt, whole or not at all, and serve it from now on. For authors."""
    parts: Parts = request.app.state.parts
    caller = caller_of(request, parts)
    body = await read_json(request, FileBody, at_most=parts.settings.gateway_max_body)

    def work() -> dict[str, Any]:
        require(parts, caller, "author", f"save the file of {prompt_id}")
        with told("text"):
            saved = save_file(parts.home.prompts, prompt_id, body.text, expected=body.expected)
            reloaded = parts.hub.reload()
        digest = saved.digest
        _record(parts, request, caller, "prompt.file", prompt_id, digest=digest, before=body.expected)
        return {
            "object": "prompt.file.saved",
            "id": prompt_id,
            "digest": digest,
            "prompt_hub_version": reloaded.after,
            "changed": changed_card(reloaded),
        }

    return await asyncio.to_thread(work)


def _pointed_at(parts: Parts, caller: Caller, prompt_id: str, label: str, body: LabelBody) -> Revision:
    reference = Reference(prompt_id, digits=body.hash) if body.ref is None else Reference.parse(body.ref)
    if reference.profile_id != prompt_id:
        raise BadRequest(
            f"A label of {prompt_id} points at its own revisions, and {body.ref!r} is another's.",
            param="ref",
        )
    if reference.is_kept:
        return kept_revision(reference, parts.prompts.labels, parts.prompts.revisions)
    return _saved(parts, caller, prompt_id, body.why or f"For the label {label}.")[0]


def _saved(parts: Parts, caller: Caller, prompt_id: str, message: str) -> tuple[Revision, bool]:
    """What the files say now, be it served already or not."""
    with told("prompt_id"):
        hub = PromptHub.load_cached(parts.home.prompts, parts.home.cached_prompts)
        return parts.prompts.save(caller.identity, hub, prompt_id, message=message)


def _moved(parts: Parts, request: Request, caller: Caller, action: str, move: Move) -> dict[str, Any]:
    subject = f"{move.profile_id}@{move.label}"
    hashes = {"from_hash": move.from_hash, "to_hash": move.to_hash}
    _record(parts, request, caller, action, subject, overrode=move.overrode, why=move.why, **hashes)
    return move_card(move)


def _record(
    parts: Parts, request: Request, caller: Caller, action: str, subject: str, **detail: str | None
) -> None:
    # The change is made, and prompts' own history has it: what cannot be recorded beside it is told, not undone.
    with told():
        parts.audit.record(
            str(caller.identity), action, subject, request_id=request.scope["trace"].request_id, **detail
        )
