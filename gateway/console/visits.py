"""One visit to a page: who comes, what they may do, what they send; and how what goes wrong is told."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.bodies import read_body
from gateway.callers import asks_for_keys
from gateway.console.faults import EXPLAINED, heading_of, status_of
from gateway.console.pages import render
from gateway.console.sessions import LASTS_S, Session, is_token
from gateway.errors import BadRequest, Forbidden, UnsupportedMedia
from prompt_hub.revisions.access import ROLES, Identity

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from gateway.console.desk import Desk
    from gateway.parts import Parts
    from prompt_hub.revisions.access import Role

_LOG: Final = logging.getLogger(__name__)

COOKIE: Final = "iw-session"
PATH: Final = "/console"
SIGN_IN: Final = "/console/sign-in"
TOKEN_FIELD: Final = "csrf"  # noqa: S105 - its name
TOKEN_HEADER: Final = "x-csrf-token"  # noqa: S105 - its name

_MOST_BYTES: Final = 1024 * 1024
_MOST_FIELDS: Final = 200
_FAILED: Final = 500
_LONGEST_ASKED: Final = 8192
"""Characters; an entry's id has the path of its file in it."""


SECTIONS: Final = (
    ("results", "Results"),
    ("prompts", "Prompts"),
    ("performance", "Performance"),
    ("gpu", "GPU"),
    ("registry", "Registry"),
)


@dataclass(frozen=True)
class Visit:
    """A request to the console.

    Attributes:
        request: As it came.
        parts: Of the gateway.
        desk: What the console has at hand.
        session: Of whoever comes.
        role: What they may do.
        form: The fields that they send.
    """

    request: Request
    parts: Parts
    desk: Desk
    session: Session
    role: Role
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        """Who comes."""
        return self.session.identity

    @property
    def is_partial(self) -> bool:
        """Whether a part of a page is asked for."""
        return self.request.headers.get("hx-request") == "true"

    def may(self, role: Role) -> bool:
        """Whether their role is this one, or one above it; for what is shown."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def require(self, role: Role, action: str) -> None:
        """Return if they may.

        Raises:
            AccessRefused: They may not; it is kept and logged.
        """
        self.parts.prompts.access.require(self.identity, role, action)

    def step(self, name: str) -> str:
        """A step of the address."""
        return str(self.request.path_params[name])

    def asked(self, name: str, default: str = "") -> str:
        """A value of the address's query, of a length that such values have."""
        return self.request.query_params.get(name, default)[:_LONGEST_ASKED]

    def number(self, name: str, default: int, *, most: int) -> int:
        """The same as a number of 0 and above; the default where it is none."""
        text = self.asked(name)
        return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 10 else default  # noqa: PLR2004

    def said(self, name: str, default: str = "") -> str:
        """A field of the form, with line ends as text has them here."""
        return self.form.get(name, default).replace("\r\n", "\n")

    def record(self, action: str, subject: str, **detail: Any) -> None:
        """Keep that something was changed."""
        request_id = self.request.scope["trace"].request_id
        self.parts.audit.record(str(self.identity), action, subject, request_id=request_id, **detail)

    def page(self, template: str, *, section: str = "", status: int = 200, **values: Any) -> Response:
        """A page, or a part of one."""
        html = render(
            template,
            {
                "visit": self,
                "section": section,
                "sections": SECTIONS,
                "notices": () if self.is_partial else self.session.told(),
                "headers": json.dumps({TOKEN_HEADER: self.session.token}),
                **values,
            },
        )
        return HTMLResponse(html, status, {"Cache-Control": "no-store"})

    def go(self, address: str, told: str = "") -> Response:
        """Send the browser on to another page, which says what was done."""
        if told:
            self.session.tell(told)
        return RedirectResponse(address, 303)


def endpoint(handler: Callable[[Visit], Response]) -> Callable[[Request], Awaitable[Response]]:
    """What serves an address: knows who comes, checks what they send, and tells what goes wrong.

    The handler runs in a thread of its own, so it may wait for the database.
    """

    async def answer(request: Request) -> Response:
        parts: Parts = request.app.state.parts
        desk: Desk = request.app.state.console
        session, kept = _session(request, parts, desk)
        if session is None:
            return _to_sign_in(request)
        try:
            _refuse_nul(request)
            form = await _form(request, session) if request.method == "POST" else {}
            role = await run_in_threadpool(parts.prompts.access.role_of, session.identity)
            visit = Visit(request, parts, desk, session, role, form)
            response = await run_in_threadpool(handler, visit)
        except EXPLAINED as error:
            response = _fault(request, session, parts, desk, error)
        except Exception:  # noqa: BLE001 - logged with its trace
            response = _broken(request)
        if kept is not None:
            keep(request, response, COOKIE, kept)
        return response

    return answer


def told(serve: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """What serves an address to everybody, be they signed in or not; an error is a page without the menu."""

    async def answer(request: Request) -> Response:
        try:
            return await serve(request)
        except EXPLAINED as error:
            return _bare_fault(status_of(error), str(error))
        except Exception:  # noqa: BLE001 - logged with its trace
            return _broken(request)

    return answer


def keep(request: Request, response: Response, name: str, value: str) -> None:
    """Have the browser keep something that no script and no other site gets at."""
    response.set_cookie(
        name,
        value,
        max_age=LASTS_S,
        path=PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a form, each once.

    Raises:
        UnsupportedMedia: It is no form.
        BadRequest: It has too many fields, a NUL, or is not UTF-8.
        TooLarge, DeadlineExceeded: As `read_body`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise UnsupportedMedia("The console reads forms alone (application/x-www-form-urlencoded).")
    body = await read_body(request, at_most=_MOST_BYTES)
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise BadRequest(
            "The form cannot be read: it has too many fields, or text that is not UTF-8."
        ) from error
    if any("\0" in word for pair in pairs for word in pair):
        raise BadRequest("The form has a NUL character in it, which nothing here takes.")
    return dict(pairs)


def _refuse_nul(request: Request) -> None:
    # PostgreSQL takes none.
    if "\0" in request.url.path or any("\0" in word for word in request.query_params.values()):
        raise BadRequest("The address has a NUL character in it, which nothing here takes.")


async def _form(request: Request, session: Session) -> dict[str, str]:
    fields = await fields_of(request)
    given = request.headers.get(TOKEN_HEADER) or fields.get(TOKEN_FIELD, "")
    if not is_token(given, session.token):
        raise Forbidden(
            "The form does not belong to this session: it was made before you signed in, or by another site. "
            "Open the page again.",
            code="csrf",
        )
    return fields


def _session(request: Request, parts: Parts, desk: Desk) -> tuple[Session | None, str | None]:
    """The session, and, where it begins now by itself, what the browser is to keep of it."""
    session = desk.sessions.find(request.cookies.get(COOKIE))
    if session is not None and is_good(session, parts):
        return session, None
    if asks_for_keys(parts):
        return None, None
    kept, session = desk.sessions.open(parts.user, None)
    return session, kept


def is_good(session: Session, parts: Parts) -> bool:
    """Whether what a session was begun with still lets somebody in."""
    if session.key_id is None:
        return not asks_for_keys(parts)
    return parts.door.knows(session.key_id)


def _to_sign_in(request: Request) -> Response:
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": SIGN_IN, "Cache-Control": "no-store"})
    return RedirectResponse(SIGN_IN, 303, {"Cache-Control": "no-store"})


def _fault(request: Request, session: Session, parts: Parts, desk: Desk, error: Exception) -> Response:
    status = status_of(error)
    _LOG.info("The console refused %s %s: %s", request.method, request.url.path, error)
    # What somebody may do can be what went wrong; the page of an error shows nothing that depends on it.
    visit = Visit(request, parts, desk, session, "viewer")
    template = "fault_part.html" if visit.is_partial else "fault.html"
    return visit.page(template, status=status, heading=heading_of(status), words=str(error))


def _broken(request: Request) -> Response:
    """Where something of ours went wrong: nothing of what is told of it, but where to find it."""
    request_id = request.scope["trace"].request_id
    _LOG.exception("Request %s failed.", request_id)
    words = f"The gateway's log says what, under {request_id}."
    if request.headers.get("hx-request") == "true":
        html = render("fault_part.html", {"heading": heading_of(_FAILED), "words": words})
        return HTMLResponse(html, _FAILED, {"Cache-Control": "no-store"})
    return _bare_fault(_FAILED, words)


def _bare_fault(status: int, words: str) -> Response:
    html = render("bare_fault.html", {"heading": heading_of(status), "words": words})
    return HTMLResponse(html, status, {"Cache-Control": "no-store"})
