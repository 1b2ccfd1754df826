"""The description of the API: every route with what it takes, what it answers, and what it tells where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from gateway.edge import error_response
from gateway.errors import (
    BackendFailed,
    BadRequest,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    GatewayError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

_REFS: Final = "#/components/schemas/{model}"
_METHODS: Final = frozenset({"get", "put", "post", "delete"})
_UNPROCESSABLE: Final = "422"


class PlacedProblem(BaseModel):
    """One thing that is wrong in a file."""

    file: str
    line: int | None
    field: str
    problem: str


class Told(BaseModel):
    """What is wrong, and what to do."""

    message: str
    type: str
    param: str | None
    code: str
    problems: list[PlacedProblem] | None = None


class ErrorBody(BaseModel):
    """An error, as the OpenAI protocol has it."""

    error: Told


# By reference: as a model of each of a dozen answers of each route, FastAPI would build it hundreds of times.
_ERROR: Final = {"application/json": {"schema": {"$ref": _REFS.format(model=ErrorBody.__name__)}}}

ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    kind.status: {"description": (kind.__doc__ or "").strip(), "content": _ERROR}
    for kind in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        Conflict,
        TooLarge,
        UnsupportedMedia,
        Overloaded,
        BackendFailed,
        Unavailable,
        DeadlineExceeded,
    )
}
"""Any route may tell any of these."""


def answers(shape: type[BaseModel], words: str = "The answer.") -> dict[int | str, dict[str, Any]]:
    """What a route answers: this in JSON, or an error."""
    return {200: {"model": shape, "description": words}, **ERRORS}


def answers_text(media_type: str, words: str) -> dict[int | str, dict[str, Any]]:
    """What a route answers that tells text."""
    return {
        200: {"description": words, "content": {media_type: {"schema": {"type": "string"}}}},
        **ERRORS,
    }


def takes(shape: type[BaseModel], **others: dict[str, Any]) -> dict[str, Any]:
    """What is said of a route that reads a JSON body of a shape itself.

    Args:
        shape: The shape.
        others: Schemas of what else it reads, by media type.
    """
    schemas = {"application/json": shape.model_json_schema(ref_template=_REFS), **others}
    content = {media_type: {"schema": schema} for media_type, schema in schemas.items()}
    return {"requestBody": {"required": True, "content": content}}


def describe(app: FastAPI) -> None:
    """Let an application tell its whole description, and refuse parameters as it refuses bodies."""

    def description() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _put_together(app)
        return app.openapi_schema

    app.openapi = description  # type: ignore[method-assign] # FastAPI's own way
    app.add_exception_handler(RequestValidationError, _tell_parameter)


def _put_together(app: FastAPI) -> dict[str, Any]:
    said = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    schemas = said["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operation in _operations(said):
        # FastAPI's own, which is told as a 400 here.
        operation["responses"].pop(_UNPROCESSABLE, None)
        for taken in operation.get("requestBody", {}).get("content", {}).values():
            schemas |= taken["schema"].pop("$defs", {})
    error = ErrorBody.model_json_schema(ref_template=_REFS)
    schemas |= {**error.pop("$defs"), ErrorBody.__name__: error}
    said["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    said["security"] = [{}, {"key": []}]
    return said


def _operations(said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in said["paths"].values():
        yield from (operation for method, operation in path.items() if method in _METHODS)


async def _tell_parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for no other
    problem = error.errors()[0]
    name = str(problem["loc"][-1])
    told: GatewayError = BadRequest(f"{name}: {problem['msg']}.", param=name, code="invalid_value")
    return error_response(told)
