"""HTTP to a backend: bounded in time and in bytes, with every way to fail told apart."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn, Self

import aiohttp
import httpx
from yarl import URL

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
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from types import TracebackType
    from typing import TypeAlias

    from store.settings import Settings

    _Data: TypeAlias = bytes | AsyncIterator[bytes] | None

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
_OK: Final = 200
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
    of_sockets: aiohttp.ClientTimeout

    @classmethod
    def of(cls, whole_s: float, silence_s: float, connect_s: float) -> Self:
        """One, with the seconds after which no connection is waited for."""
        return cls(whole_s, silence_s, aiohttp.ClientTimeout(sock_connect=connect_s, sock_read=silence_s))


class Transport:
    """One pool of connections, for one event loop. How many there are is for those who ask to bound."""

    def __init__(self, settings: Settings) -> None:
        connect_s = self._connect_s = settings.connect_timeout_s
        whole_s, silence_s = settings.request_timeout_s, settings.first_byte_timeout_s
        load_s = settings.cold_load_timeout_s
        self._usual = _Patience.of(whole_s, silence_s, connect_s)
        self._loading = _Patience.of(whole_s + load_s, silence_s + load_s, connect_s)
        # The trust that every client of ours has, as httpx reads it from the environment.
        self._secured = httpx.create_ssl_context()
        self._made: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        if self._made is not None:
            await self._made.close()
            self._made = None

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
        return await self._whole("GET", url, patience, headers={**_HEADERS, **(headers or {})}, data=None)

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
        data, own = _posted(body)
        return await self._whole("POST", url, patience, headers={**headers, **own}, data=data)

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
        data, own = _posted(body)
        until = asyncio.get_running_loop().time() + patience.whole_s
        try:
            async with asyncio.timeout_at(until):
                response = await self._begun("POST", url, patience, headers={**headers, **own}, data=data)
            async with aclosing(self._lines(response, url, patience.silence_s)) as lines:
                while True:
                    # Whoever takes the lines may take their time; it counts, but is not interrupted.
                    async with asyncio.timeout_at(until):
                        line = await anext(lines, None)
                    if line is None:
                        return
                    yield Response(response.status, line, _retry_after(response.headers))
        except TimeoutError as error:
            raise RequestTimeout(f"{url} took longer than {patience.whole_s:g} s for one request.") from error

    async def _whole(
        self, method: str, url: str, patience: _Patience, *, headers: Mapping[str, str], data: _Data
    ) -> Response:
        try:
            async with asyncio.timeout(patience.whole_s):
                response = await self._begun(method, url, patience, headers=headers, data=data)
                try:
                    body = await self._read(response, url, patience.silence_s)
                finally:
                    await _closed(response)
        except TimeoutError as error:
            raise RequestTimeout(f"{url} took longer than {patience.whole_s:g} s for one request.") from error
        return Response(response.status, body, _retry_after(response.headers), response.headers)

    async def _begun(
        self, method: str, url: str, patience: _Patience, *, headers: Mapping[str, str], data: _Data
    ) -> aiohttp.ClientResponse:
        """The response as far as its headers."""
        try:
            response = await self._session.request(
                method,
                _parsed(url),
                headers=headers,
                data=data,
                allow_redirects=False,
                timeout=patience.of_sockets,
            )
        except Exception as error:  # noqa: BLE001 - each is told, or raised again
            self._fail(error, url, patience.silence_s, begun=False)
        try:
            _refuse_encoded(response, url)
        except BaseException:
            await _closed(response)
            raise
        return response

    @property
    def _session(self) -> aiohttp.ClientSession:
        # Made with the first request: only then is there the loop that it belongs to.
        if self._made is None:
            # aiohttp takes 0 for no limit. vLLM's server drops idle connections after 5 s: ours go first, since a
            # request that meets such an end is a broken connection.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4, ssl=self._secured)
            # What a server lets one of those who ask keep is not for the others.
            self._made = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return self._made

    async def _read(self, response: aiohttp.ClientResponse, url: str, silence_s: float) -> bytes:
        pieces = self._pieces(response, url, silence_s, at_most=MAX_ANSWER_BYTES)
        async with aclosing(pieces):
            return b"".join([piece async for piece in pieces])

    async def _lines(
        self, response: aiohttp.ClientResponse, url: str, silence_s: float
    ) -> AsyncGenerator[bytes]:
        """The lines of a good response; all of another's body."""
        try:
            if response.status != _OK:
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
                            http_status=response.status,
                        )
            if rest:
                yield rest
        finally:
            await _closed(response)

    async def _pieces(
        self, response: aiohttp.ClientResponse, url: str, silence_s: float, *, at_most: int
    ) -> AsyncGenerator[bytes]:
        """The body as it comes, up to so many bytes."""
        size = 0
        pieces = response.content.iter_any()
        while True:
            try:
                piece = await anext(pieces, None)
            except Exception as error:  # noqa: BLE001 - as in _begun
                self._fail(error, url, silence_s, begun=True, status=response.status)
            if piece is None:
                return
            size += len(piece)
            if size > at_most:
                raise BodyTooLarge(
                    f"{url} sent more than {at_most >> 20} MiB for one answer.",
                    http_status=response.status,
                )
            yield piece

    def _fail(
        self, error: Exception, url: str, silence_s: float, *, begun: bool, status: int | None = None
    ) -> NoReturn:
        """Raise what happened, in our words."""
        words = str(error) or type(error).__name__
        match error:
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
            case aiohttp.ClientError() | OSError():
                raise ConnectionReset(
                    f"The connection to {url} broke: {words[:_SHOWN]}.", http_status=status
                ) from error
            case _:
                raise error


# A client asks few servers, each again and again.
_parsed = lru_cache(maxsize=256)(URL)


async def _closed(response: aiohttp.ClientResponse) -> None:
    response.release()
    if response.connection is None:
        # Given back already, as nearly always: the answer was read to its end, and the upload was over.
        return
    # An upload that the backend never read would be waited for without an end.
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_CLOSE_S):
            await response.wait_for_close()


def _refuse_encoded(response: aiohttp.ClientResponse, url: str) -> None:
    encoding = ", ".join(response.headers.getall("content-encoding", ())).strip().lower()
    if encoding not in {"", "identity"}:
        raise BodyEncoded(
            f"{url} answered {response.status} with Content-Encoding {encoding[:_SHOWN]!r}, though we asked for "
            f"none. Configure the server, or the proxy before it, not to compress.",
            http_status=response.status,
        )


def _posted(body: Sequence[bytes]) -> tuple[_Data, dict[str, str]]:
    """What is sent of a JSON body in pieces, and its headers."""
    size = sum(map(len, body))
    data = b"".join(body) if size <= _ONE_PIECE else _in_pieces(body)
    return data, {**_HEADERS, "Content-Type": "application/json", "Content-Length": str(size)}


async def _in_pieces(body: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in body:
        for start in range(0, len(part), _PIECE):
            yield part[start : start + _PIECE]


def _retry_after(headers: Mapping[str, str]) -> float | None:
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
