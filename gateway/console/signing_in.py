"""Sign in with an API key, and out."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.callers import asks_for_keys
from gateway.console.pages import render
from gateway.console.sessions import is_token
from gateway.console.visits import COOKIE, PATH, SIGN_IN, TOKEN_FIELD, fields_of, keep
from gateway.errors import Forbidden, Overloaded, Unauthorized
from prompt_hub.revisions.access import Identity

if TYPE_CHECKING:
    from gateway.console.desk import Desk
    from gateway.console.visits import Visit
    from gateway.parts import Parts

_BEFORE: Final = "iw-before"


async def sign_in(request: Request) -> Response:
    """The form, and what comes of it.

    Raises:
        Forbidden: The form is not ours.
    """
    parts: Parts = request.app.state.parts
    desk: Desk = request.app.state.console
    if not asks_for_keys(parts):
        return RedirectResponse(PATH, 303)
    if request.method == "GET":
        return _form(request, desk, "")
    fields = await fields_of(request)
    if not is_token(
        fields.get(TOKEN_FIELD, ""), desk.sessions.token_before(request.cookies.get(_BEFORE, ""))
    ):
        raise Forbidden("The form is not of this page. Open it again.", code="csrf")
    try:
        key = parts.door.admit(fields.get("key", "").strip())
    except (Unauthorized, Overloaded) as error:
        return _form(request, desk, str(error), status=error.status)
    desk.sessions.close(request.cookies.get(COOKIE))
    kept, _ = desk.sessions.open(Identity(key.identity), key.key_id)
    await run_in_threadpool(
        parts.audit.record,
        key.identity,
        "console.sign_in",
        key.key_id,
        request_id=request.scope["trace"].request_id,
    )
    response = RedirectResponse(PATH, 303)
    keep(request, response, COOKIE, kept)
    response.delete_cookie(_BEFORE, path=PATH)
    return response


def sign_out(visit: Visit) -> Response:
    """End the session."""
    visit.desk.sessions.close(visit.request.cookies.get(COOKIE))
    visit.record("console.sign_out", visit.session.key_id or "loopback")
    response = RedirectResponse(SIGN_IN, 303)
    response.delete_cookie(COOKIE, path=PATH)
    return response


def _form(request: Request, desk: Desk, problem: str, *, status: int = 200) -> Response:
    kept = request.cookies.get(_BEFORE) or secrets.token_urlsafe(32)
    html = render("sign_in.html", {"token": desk.sessions.token_before(kept), "problem": problem})
    response = HTMLResponse(html, status, {"Cache-Control": "no-store"})
    keep(request, response, _BEFORE, kept)
    return response
