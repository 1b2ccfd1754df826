"""What a request is told where the Prompt Hub or the state database refuses it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gateway.errors import (
    BadRequest,
    BrokenFiles,
    Conflict,
    Forbidden,
    GatewayError,
    NotFound,
    Unavailable,
)
from prompt_hub.errors import (
    AccessRefused,
    CaseFileError,
    DamagedRevision,
    FileMoved,
    FileProblem,
    LabelMoved,
    NothingToRollBack,
    ProfileCycle,
    ProfileFileError,
    PromotionRefused,
    PromptHubError,
    UnknownLabel,
    UnknownProfile,
    UnknownRevision,
    UnknownStage,
)
from store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOLD_AS: Final[tuple[tuple[tuple[type[Exception], ...], type[GatewayError], str], ...]] = (
    ((UnknownProfile, UnknownStage, UnknownRevision, UnknownLabel), NotFound, "prompt_not_found"),
    ((AccessRefused,), Forbidden, "forbidden"),
    ((LabelMoved, FileMoved), Conflict, "moved_meanwhile"),
    ((PromotionRefused,), Conflict, "promotion_refused"),
    ((NothingToRollBack,), Conflict, "nothing_to_roll_back"),
    ((DamagedRevision,), Unavailable, "revision_damaged"),
    ((StoreError,), Unavailable, "unavailable"),
)


@contextmanager
def told(param: str | None = None) -> Iterator[None]:
    """Tell what the Prompt Hub and the state database refuse as the gateway's errors.

    Args:
        param: The field that it is about.

    Raises:
        GatewayError: In place of each of theirs.
    """
    try:
        yield
    except (ProfileFileError, CaseFileError) as error:
        raise BrokenFiles(str(error), error.problems) from error
    except ProfileCycle as error:
        raise BrokenFiles(str(error), [FileProblem("", None, "", str(error))]) from error
    except (PromptHubError, StoreError) as error:
        kind, code = next(
            ((kind, code) for theirs, kind, code in _TOLD_AS if isinstance(error, theirs)),
            (BadRequest, "prompt_refused"),
        )
        raise kind(str(error), param=param, code=code) from error
