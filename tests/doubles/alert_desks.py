"""Where alerts arrive in tests: a webhook and a mail server on the loopback, which note what they get."""

from __future__ import annotations

import asyncio
from collections import deque
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult
from served import Served

if TYPE_CHECKING:
    import ssl
    from email.message import EmailMessage


class WebhookDesk(Served):
    """A webhook.

    Attributes:
        bodies: what it was sent.
        statuses: what it answers to the next requests; then 200.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[dict[str, Any]] = []
        self.statuses: deque[int] = deque()

    def routes(self):
        return [web.post("/hooks/{token}", self._take), web.post("/elsewhere", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        status = self.statuses.popleft() if self.statuses else 200
        return web.Response(status=status, headers={"Location": "/elsewhere"})


class MailDesk(Served):
    """A mail server.

    Attributes:
        messages: what it took, parsed.
        envelopes: sender and recipients of each, also of those that it refused.
        replies: what it says to the next messages; then that it took them.
        unknown: recipients that it refuses.
        logins: who tried to log in.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, password: str | None = None) -> None:
        super().__init__()
        self.messages: list[EmailMessage] = []
        self.envelopes: list[tuple[str, tuple[str, ...]]] = []
        self.replies: deque[str] = deque()
        self.unknown: set[str] = set()
        self.logins: list[str] = []
        self._tls = tls
        self._password = password

    async def serve(self, stop: asyncio.Event | None = None, *, announce: bool = False) -> None:
        del announce
        self._stop = stop or asyncio.Event()
        loop = asyncio.get_running_loop()
        guarded = self._password is not None
        server = await loop.create_server(
            lambda: SMTP(
                self,
                hostname="desk.example",
                tls_context=self._tls,
                authenticator=self._authenticated if guarded else None,
                auth_required=guarded,
                loop=loop,
            ),
            "127.0.0.1",
            self.port,
        )
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stop.wait()
        server.close()

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - aiosmtpd's name
        if address in self.unknown:
            return "550 there is nobody of this name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        self.envelopes.append((envelope.mail_from, tuple(envelope.rcpt_tos)))
        if self.replies:
            return self.replies.popleft()
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def _authenticated(self, _server, _session, _envelope, _mechanism, data):
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password.decode() == self._password, handled=False)
