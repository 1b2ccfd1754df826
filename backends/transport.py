"""HTTP to a backend: bounded in time and in bytes, with every way to fail told apart."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, NoReturn, Self

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from backends.errors import (
    BodyEncoded,
    BodyTooLarge,
    ConnectFailed,
    ConnectionReset,
    ConnectTimeout,
    FirstByteTimeout,
    NotHttp,
    RequestTimeout,
    Stalled,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from types import TracebackType

    from store.settings import Settings

MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
"""Bytes after which a response is no answer: a thousand times the longest critique."""

MAX_STREAM_BYTES: Final = 64 * 1024 * 1024
"""The same for one that comes line by line: each token is wrapped in some hundred bytes."""

MAX_LINE_BYTES: Final = 1024 * 1024

# aiohttp copies larger bodies in one piece, and warns that it blocks the loop.
_ONE_PIECE: Final = 1024 * 1024
_PIECE: Final = 256 * 1024
_CLOSE_S: Final = 1.0
_MAX_RETRY_AFTER_S: Final = 120.0
_SHOWN: Final = 200
# No answer is worth a decompression bomb; what comes encoded all the same is refused.
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "imageworks"}


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response.

    Attributes:
        status: HTTP status.
        body: All of it, at most ``MAX_ANSWER_BYTES``.
        retry_after_s: Seconds that the backend asks us to wait, None if it does not say.
        headers: Its headers; their names are the same in upper and lower case.
    """

    status: int
    body: bytes
    retry_after_s: float | None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Patience:
    """Seconds for one request as a whole, and for the silence before and within its response."""

    whole_s: float
    silence_s: float


class Transport:
    """One pool of connections, for one event loop. How many there are is for those who ask to bound."""

    def __init__(self, settings: Settings) -> None:
        self._connect_s = settings.connect_timeout_s
        self._usual = _Patience(settings.request_timeout_s, settings.first_byte_timeout_s)
        load_s = settings.cold_load_timeout_s
        self._loading = _Patience(self._usual.whole_s + load_s, self._usual.silence_s + load_s)
        # Without httpx's client over it: its cookies, redirects and ways to log in are not wanted here, and cost a
        # tenth of what a request does.
        secured = httpx.create_ssl_context()
        self._wire = AiohttpTransport(verify=secured, client=partial(_session, secured))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.aclose()

    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, within_s: float | None = None
    ) -> Response:
        """GET a URL.

        Args:
            url: The URL.
            headers: Beyond our own.
            within_s: Seconds for all of it; the request timeout if None.

        Raises:
            AttemptFailed: It brought no whole response.
        """
        patience = self._usual if within_s is None else replace(self._usual, whole_s=within_s)
        request = httpx.Request(
            "GET", _parsed(url), headers={**_HEADERS, **(headers or {})}, extensions=self._timeouts(patience)
        )
        return await self._send(request, url, patience)

    async def post(
        self, url: str, body: Sequence[bytes], *, headers: Mapping[str, str], may_load: bool = False
    ) -> Response:
        """POST a JSON body that is given in pieces.

        Args:
            url: The URL.
            body: Pieces that make up the body; never changed or copied more than once.
            headers: Beyond our own.
            may_load: Whether the server may have to load the model first, and says nothing while it does.

        Raises:
            AttemptFailed: It brought no whole response.
        """
        patience = self._loading if may_load else self._usual
        return await self._send(self._posted(url, body, headers, patience), url, patience)

    async def post_for_lines(
        self, url: str, body: Sequence[bytes], *, headers: Mapping[str, str], may_load: bool = False
    ) -> AsyncGenerator[Response]:
        """The same, of which a response of status 200 comes line by line; any other whole.

        Args:
            url: The URL.
            body: As `post`.
            headers: Beyond our own.
            may_load: As `post`.

        Yields:
            A response of which the body is one line, without its end, or all of a refusal.

        Raises:
            AttemptFailed: It brought no whole response.
        """
        patience = self._loading if may_load else self._usual
        request = self._posted(url, body, headers, patience)
        until = asyncio.get_running_loop().time() + patience.whole_s
        try:
            async with asyncio.timeout_at(until):
                response = await self._begun(request, url, patience.silence_s)
            async with aclosing(self._lines(response, url, patience.silence_s)) as lines:
                while True:
                    # Whoever takes the lines may take their time; it counts, but is not interrupted.
                    async with asyncio.timeout_at(until):
                        line = await anext(lines, None)
                    if line is None:
                        return
                    yield Response(response.status_code, line, _retry_after(response.headers))
        except TimeoutError as error:
            raise RequestTimeout(f"{url} took longer than {patience.whole_s:g} s for one request.") from error

    def _posted(
        self, url: str, body: Sequence[bytes], headers: Mapping[str, str], patience: _Patience
    ) -> httpx.Request:
        size = sum(map(len, body))
        content = b"".join(body) if size <= _ONE_PIECE else _in_pieces(body)
        own = {**_HEADERS, "Content-Type": "application/json", "Content-Length": str(size)}
        return httpx.Request(
            "POST",
            _parsed(url),
            content=content,
            headers={**headers, **own},
            extensions=self._timeouts(patience),
        )

    def _timeouts(self, patience: _Patience) -> dict[str, dict[str, float]]:
        return {"timeout": {"connect": self._connect_s, "read": patience.silence_s}}

    async def _send(self, request: httpx.Request, url: str, patience: _Patience) -> Response:
        try:
            async with asyncio.timeout(patience.whole_s):
                return await self._exchange(request, url, patience.silence_s)
        except TimeoutError as error:
            raise RequestTimeout(f"{url} took longer than {patience.whole_s:g} s for one request.") from error

    async def _exchange(self, request: httpx.Request, url: str, silence_s: float) -> Response:
        response = await self._begun(request, url, silence_s)
        try:
            body = await self._read(response, url, silence_s)
        finally:
            await _closed(response)
        return Response(response.status_code, body, _retry_after(response.headers), response.headers)

    async def _begun(self, request: httpx.Request, url: str, silence_s: float) -> httpx.Response:
        """The response as far as its headers."""
        try:
            response: httpx.Response = await self._wire.handle_async_request(request)
        except Exception as error:  # noqa: BLE001 - aiohttp's own errors come through httpx's transport unmapped
            self._fail(error, url, silence_s, begun=False)
        try:
            _refuse_encoded(response, url)
        except BaseException:
            await _closed(response)
            raise
        return response

    async def _read(self, response: httpx.Response, url: str, silence_s: float) -> bytes:
        pieces = self._pieces(response, url, silence_s, at_most=MAX_ANSWER_BYTES)
        async with aclosing(pieces):
            return b"".join([piece async for piece in pieces])

    async def _lines(self, response: httpx.Response, url: str, silence_s: float) -> AsyncGenerator[bytes]:
        """The lines of a good response; all of another's body."""
        try:
            if response.status_code != httpx.codes.OK:
                yield await self._read(response, url, silence_s)
                return
            rest = b""
            pieces = self._pieces(response, url, silence_s, at_most=MAX_STREAM_BYTES)
            async with aclosing(pieces):
                async for piece in pieces:
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        yield line.rstrip(b"\r")
                    if len(rest) > MAX_LINE_BYTES:
                        raise BodyTooLarge(
                            f"{url} sent more than {MAX_LINE_BYTES >> 20} MiB for one part of an answer.",
                            http_status=response.status_code,
                        )
            if rest:
                yield rest
        finally:
            await _closed(response)

    async def _pieces(
        self, response: httpx.Response, url: str, silence_s: float, *, at_most: int
    ) -> AsyncGenerator[bytes]:
        """The body as it comes, up to so many bytes."""
        size = 0
        pieces = response.aiter_raw()
        while True:
            try:
                piece = await anext(pieces, None)
            except Exception as error:  # noqa: BLE001 - see _begun
                self._fail(error, url, silence_s, begun=True, status=response.status_code)
            if piece is None:
                return
            size += len(piece)
            if size > at_most:
                raise BodyTooLarge(
                    f"{url} sent more than {at_most >> 20} MiB for one answer.",
                    http_status=response.status_code,
                )
            yield piece

    def _fail(
        self, error: Exception, url: str, silence_s: float, *, begun: bool, status: int | None = None
    ) -> NoReturn:
        """Raise what really happened: httpx's transport calls most broken connections a connect timeout."""
        cause = error.__cause__ if isinstance(error, httpx.HTTPError) and error.__cause__ else error
        words = str(cause) or type(cause).__name__
        match cause:
            case aiohttp.ConnectionTimeoutError():
                raise ConnectTimeout(f"{url} gave no connection within {self._connect_s:g} s.") from error
            case aiohttp.ServerTimeoutError() if begun:
                raise Stalled(
                    f"{url} began an answer and then sent nothing for {silence_s:g} s.",
                    http_status=status,
                ) from error
            case aiohttp.ServerTimeoutError():
                raise FirstByteTimeout(f"{url} began no answer within {silence_s:g} s.") from error
            case aiohttp.ClientConnectorError() | aiohttp.InvalidURL():
                raise ConnectFailed(f"{url} cannot be connected to: {words}.") from error
            case aiohttp.ClientResponseError():
                raise NotHttp(
                    f"What {url} sent is not HTTP: {words[:_SHOWN]!r}.", http_status=status
                ) from error
            case aiohttp.ClientError() | OSError() | httpx.TransportError():
                raise ConnectionReset(
                    f"The connection to {url} broke: {words[:_SHOWN]}.", http_status=status
                ) from error
            case _:
                raise error


def _session(secured: ssl.SSLContext) -> aiohttp.ClientSession:
    # aiohttp takes 0 for no limit. vLLM's server drops idle connections after 5 s: ours go first, since a request
    # that meets such an end is a broken connection.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4, ssl=secured)
    # What a server lets one of those who ask keep is not for the others.
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


# A client asks few servers, each again and again.
_parsed = lru_cache(maxsize=256)(httpx.URL)


async def _closed(response: httpx.Response) -> None:
    # An upload that the backend never read would be waited for without an end.
    with contextlib.suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(_CLOSE_S):
            await response.aclose()


def _refuse_encoded(response: httpx.Response, url: str) -> None:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise BodyEncoded(
            f"{url} answered {response.status_code} with Content-Encoding {encoding[:_SHOWN]!r}, though we asked for "
            f"none. Configure the server, or the proxy before it, not to compress.",
            http_status=response.status_code,
        )


async def _in_pieces(body: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in body:
        for start in range(0, len(part), _PIECE):
            yield part[start : start + _PIECE]


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds from a ``Retry-After`` header, at most two minutes; None without one that can be understood."""
    text = headers.get("retry-after")
    if text is None:
        return None
    try:
        seconds = _seconds(text)
    except (ValueError, OverflowError):
        return None
    # A NaN compares false with everything and ends as no wait.
    return min(seconds, _MAX_RETRY_AFTER_S) if seconds > 0 else 0.0


def _seconds(text: str) -> float:
    """From now on, of a number of seconds or a date."""
    try:
        return float(text)
    except ValueError:
        moment = parsedate_to_datetime(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()
