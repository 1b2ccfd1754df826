"""The HTTP face of the image-quality networks: ``GET /healthz`` and ``POST /infer``."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from backends.iqa.answering import Answering
from backends.iqa.asked import declared_bytes, read_asked
from backends.iqa.errors import BadAsking, TooBusy
from backends.trusted_hosts import TrustedHosts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from backends.iqa.asked import Asked, Picture
    from backends.iqa.metrics import Metric
    from backends.iqa.scoring import Scorer

log = logging.getLogger(__name__)

MOST_REQUESTS: Final = 64
"""Requests under way at once."""

MOST_BYTES_UNDER_WAY: Final = 256 << 20
"""Bytes of their bodies together; a body that does not say its size is taken for the largest that is read."""

READ_S: Final = 60.0
"""Seconds in which a request has to have come; who sends slower would keep the place of others."""

_RETRY_AFTER_S: Final = 1


def create_app(
    metrics: Sequence[Metric],
    load: Callable[[], Sequence[Scorer]],
    *,
    max_pixels: int,
    most_requests: int = MOST_REQUESTS,
    host: str = "127.0.0.1",
    failed: Callable[[Exception], None],
) -> FastAPI:
    """The application. It answers at once, and says that it is loading until its networks are there.

    Args:
        metrics: What will be served.
        load: Loads their networks; called once, in a thread.
        max_pixels: Pictures with more are refused.
        most_requests: Requests under way at once; more are told to come again.
        host: What it listens on; only requests that name this host or the loopback are answered.
        failed: Called with what `load` raised; the application then never becomes ready.
    """
    worker = _Worker(most_requests)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async def get_ready() -> None:
            try:
                scorers = await asyncio.get_running_loop().run_in_executor(None, load)
            except Exception as error:  # noqa: BLE001 - whatever it is, the process has to say it and end
                failed(error)
            else:
                worker.answering = Answering(scorers, max_pixels=max_pixels)

        loading = asyncio.create_task(get_ready())
        yield
        loading.cancel()
        if worker.answering is not None:
            worker.answering.close()

    # No page of documentation: it would load its parts from the outside.
    app = FastAPI(title="ImageWorks image quality", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(
        TrustedHosts, host=host, refused=lambda words: JSONResponse({"error": words}, status_code=400)
    )

    @app.get("/healthz")
    async def healthz() -> Response:
        ready = worker.answering is not None
        said = {
            "status": "ok" if ready else "loading",
            "metrics": [metric.name for metric in metrics],
            "models": [metric.weights for metric in metrics],
        }
        return JSONResponse(said, status_code=200 if ready else 503)

    @app.post("/infer")
    async def infer(request: Request) -> Response:
        with worker.under_way(declared_bytes(request)) as answering:
            asked = await _in_time(request)
            names = asked.metrics or answering.metrics
            results = await asyncio.gather(*(_result(answering, one, names) for one in asked.pictures))
        return JSONResponse({"results": results})

    _say_errors(app)
    return app


def _say_errors(app: FastAPI) -> None:
    """Every error is JSON with words in it."""

    @app.exception_handler(BadAsking)
    async def refuse(_: Request, error: BadAsking) -> Response:
        headers = {"Retry-After": str(_RETRY_AFTER_S)} if isinstance(error, TooBusy) else {}
        return JSONResponse({"error": str(error)}, status_code=error.status, headers=headers)

    @app.exception_handler(HTTPException)
    async def say_so(_: Request, error: HTTPException) -> Response:
        return JSONResponse(
            {"error": str(error.detail)}, status_code=error.status_code, headers=error.headers
        )

    @app.exception_handler(ClientDisconnect)
    async def left(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)


class _Worker:
    """The networks, once they are there, and the requests that are under way."""

    def __init__(self, most_requests: int) -> None:
        self.answering: Answering | None = None
        self._most_requests = most_requests
        self._under_way = 0
        self._bytes_under_way = 0

    @contextmanager
    def under_way(self, size: int) -> Iterator[Answering]:
        if self.answering is None:
            raise TooBusy("The networks are being loaded; come again in a moment.")
        if self._under_way >= self._most_requests or self._bytes_under_way + size > MOST_BYTES_UNDER_WAY:
            raise TooBusy(
                f"{self._under_way} requests are under way, as many as there is room for; come again."
            )
        self._under_way += 1
        self._bytes_under_way += size
        try:
            yield self.answering
        finally:
            self._under_way -= 1
            self._bytes_under_way -= size


async def _in_time(request: Request) -> Asked:
    try:
        async with asyncio.timeout(READ_S):
            return await read_asked(request)
    except TimeoutError as error:
        raise BadAsking(f"The request did not come within {READ_S:g} s.", status=408) from error


async def _result(answering: Answering, picture: Picture, metrics: Sequence[str]) -> dict[str, Any]:
    return {"id": picture.id, "metrics": await answering.score(picture.data, metrics)}
