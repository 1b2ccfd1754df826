"""Errors of all floors as a page tells them: with a status of HTTP and a heading in words."""

from __future__ import annotations

from typing import Final

import prompt_hub.errors as prompts
import store.errors as stores
from backends.errors import BackendError
from gateway.errors import Conflict, Forbidden, GatewayError, NotFound
from imageworks.errors import ImageWorksError
from photos.errors import PhotoError
from registry.errors import RegistryError, UnknownModel
from telemetry.errors import MissingManifest, TelemetryError

EXPLAINED: Final = (
    GatewayError,
    prompts.PromptHubError,
    stores.StoreError,
    RegistryError,
    TelemetryError,
    PhotoError,
    BackendError,
    ImageWorksError,
)
"""The root of each floor's errors: their messages are for people. Anything else is a defect."""

_STATUS: Final[tuple[tuple[int, tuple[type[Exception], ...]], ...]] = (
    (403, (prompts.AccessError, Forbidden)),
    (
        404,
        (
            NotFound,
            prompts.UnknownProfile,
            prompts.UnknownStage,
            prompts.UnknownRevision,
            prompts.UnknownLabel,
            prompts.BadProfileId,
            stores.UnknownBatch,
            stores.MissingTable,
            UnknownModel,
            MissingManifest,
        ),
    ),
    (409, (Conflict, prompts.FileMoved, prompts.LabelMoved, stores.PublishConflict)),
    (503, (stores.DatabaseError,)),
)
_HEADINGS: Final = {
    400: "That cannot be done",
    401: "Who are you?",
    403: "Your role does not allow this",
    404: "There is nothing here",
    409: "Somebody else was first",
    413: "That is too much",
    429: "Not so fast",
    502: "Another program did not answer",
    503: "Something is not there right now",
}


def status_of(error: Exception) -> int:
    """The status of an error that explains itself."""
    for status, kinds in _STATUS:
        if isinstance(error, kinds):
            return status
    return error.status if isinstance(error, GatewayError) else 400


def heading_of(status: int) -> str:
    """What stands above an error's words."""
    return _HEADINGS.get(status, "Something went wrong")
