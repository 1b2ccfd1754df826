"""``GET /v1/prompts…``, and ``POST …/render``: what prompts say, and what is kept of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations

from gateway.bodies import read_json
from gateway.callers import caller_of
from gateway.openapi import answers, takes
from gateway.prompts.cards import (
    is_users,
    kept_card,
    move_card,
    rendered_card,
    revision_card,
    shown_layers,
    stage_hashes,
    test_card,
    tested,
)
from gateway.prompts.shapes import (
    History,
    InPath,
    Prompt,
    PromptFile,
    PromptList,
    RenderBody,
    RenderedPrompt,
    Tests,
)
from gateway.refusals import told
from prompt_hub.editing import read_file
from prompt_hub.errors import FileProblem
from prompt_hub.rendering import render
from prompt_hub.revisions.references import Reference, kept_revision
from prompt_hub.revisions.store import resolve
from prompt_hub.testing.results import results_of

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.parts import Parts
    from prompt_hub.hub import PromptHub


def add_prompt_reading_routes(app: FastAPI) -> None:
    """Let prompts be read."""
    for path, endpoint, shape in (
        ("/v1/prompts", list_prompts, PromptList),
        ("/v1/prompts/{ref}", get_prompt, Prompt),
        ("/v1/prompts/{ref}/tests", get_tests, Tests),
        ("/v1/prompts/{prompt_id}/history", get_history, History),
        ("/v1/prompts/{prompt_id}/file", get_file, PromptFile),
    ):
        app.add_api_route(path, endpoint, methods=["GET"], response_model=shape, responses=answers(shape))
    app.add_api_route(
        "/v1/prompts/{ref}/render",
        render_prompt,
        methods=["POST"],
        response_model=RenderedPrompt,
        responses=answers(RenderedPrompt),
        openapi_extra=takes(RenderBody),
    )


async def list_prompts(request: Request) -> Any:
    """All prompts as the files say them, with hashes, labels, and what their last tests came to."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)
    hub = parts.hub.current
    data = await asyncio.to_thread(_cards, hub, parts)
    return {"object": "list", "prompt_hub_version": hub.version, "data": data}


def _cards(hub: PromptHub, parts: Parts) -> list[dict[str, Any]]:
    with told():
        return [
            {
                "id": profile.id,
                "object": "prompt",
                "application": profile.application,
                "description": profile.description,
                "profile_hash": profile.hash,
                "layer": "user" if is_users(hub.provenance[profile.id]) else "shipped",
                "stages": stage_hashes(profile),
                "labels": parts.prompts.labels.of(profile.id),
                "tests": tested(results_of(parts.database, profile.hash)),
            }
            for profile in hub.profiles.values()
        ]


async def get_prompt(request: Request, ref: InPath) -> Any:
    """One effective prompt by its id, id@label or id@hash, with the file that each of its fields came from."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)
    return await asyncio.to_thread(_prompt, ref, parts)


def _prompt(ref: str, parts: Parts) -> dict[str, Any]:
    with told("ref"):
        reference, hub = Reference.parse(ref), parts.hub.current
        kept, doubts = None, tuple[FileProblem, ...]()
        if reference.is_kept:
            kept = kept_revision(reference, parts.prompts.labels, parts.prompts.revisions)
            profile, layers = kept.profile, kept.layers
        else:
            profile = hub.get(reference.profile_id)
            layers, doubts = hub.provenance[profile.id], hub.doubts.get(profile.id, ())
        labels = parts.prompts.labels.of(profile.id)
    return {
        "id": profile.id,
        "object": "prompt",
        "profile_hash": profile.hash,
        "stages": stage_hashes(profile),
        "labels": labels,
        "profile": profile.model_dump(mode="json"),
        "layers": shown_layers(layers, parts.home.prompts),
        "doubts": [f"{doubt.field}: {doubt.problem}" for doubt in doubts],
        "kept": None if kept is None else kept_card(kept),
    }


async def render_prompt(request: Request, ref: InPath) -> Any:
    """What would be said to a model, without asking one."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)
    body = await read_json(request, RenderBody, at_most=parts.settings.gateway_max_body)

    def work() -> dict[str, Any]:
        with told("ref"):
            profile = resolve(ref, parts.hub.current, parts.prompts)
        with told("variables"):
            return rendered_card(render(profile, body.stage, body.variables))

    return await asyncio.to_thread(work)


async def get_history(request: Request, prompt_id: InPath) -> Any:
    """All revisions of a prompt that are kept, and how its labels were moved."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)

    def work() -> dict[str, Any]:
        with told("prompt_id"):
            revisions = parts.prompts.revisions.history(prompt_id)
            if not revisions:
                # Of one that was never saved there is no history; of one that is not there, an error.
                parts.hub.current.get(prompt_id)
            labels = parts.prompts.labels.of(prompt_id)
            moves = parts.prompts.labels.history(prompt_id)
        return {
            "object": "prompt.history",
            "id": prompt_id,
            "revisions": [revision_card(one, labels) for one in revisions],
            "moves": [move_card(one) for one in reversed(moves)],
        }

    return await asyncio.to_thread(work)


async def get_tests(request: Request, ref: InPath) -> Any:
    """What came of a prompt's tests. `imageworks prompts test` runs them."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)

    def work() -> dict[str, Any]:
        with told("ref"):
            profile = resolve(ref, parts.hub.current, parts.prompts)
            results = results_of(parts.database, profile.hash)
        return {
            "object": "prompt.tests",
            "id": profile.id,
            "profile_hash": profile.hash,
            "state": tested(results),
            "results": [test_card(one) for one in reversed(results)],
        }

    return await asyncio.to_thread(work)


async def get_file(request: Request, prompt_id: InPath) -> Any:
    """What the user's layer says of a prompt, and the digest that saving it asks for."""
    parts: Parts = request.app.state.parts
    caller_of(request, parts)

    def work() -> dict[str, Any]:
        with told("prompt_id"):
            file = read_file(parts.home.prompts, prompt_id)
        return {"object": "prompt.file", "id": prompt_id, "text": file.text, "digest": file.digest}

    return await asyncio.to_thread(work)
