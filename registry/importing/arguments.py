"""The command line of a server as the old registry kept it: what of it says something about the model."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.import_report import ImportReport

_FIELD: Final = "backend_config.extra_args"
_CONTEXT: Final = frozenset({"max-model-len", "num-ctx", "session-len", "ctx-size", "n-ctx"})
_SLOTS: Final = frozenset({"max-num-seqs", "max-batch-size", "parallel", "num-parallel"})
_IMAGES: Final = "limit-mm-per-prompt"
_SERVED: Final = "served-model-name"
_MOST_SLOTS: Final = 4096
_MOST_TOKENS: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a server was told about its model.

    Attributes:
        context_tokens: Tokens of prompt and answer together.
        slots: Requests at once.
        max_images: Pictures in one request.
        served_model_id: The model's id there.
    """

    context_tokens: int | None = None
    slots: int | None = None
    max_images: int | None = None
    served_model_id: str | None = None


def read_arguments(subject: str, arguments: Any, report: ImportReport, *, ollama: bool) -> Arguments:
    """Read a server's arguments, and report those that are its own affair.

    Args:
        subject: The model, for the report.
        arguments: As the entry has them: a list of texts, or nothing.
        report: Told what became of each.
        ollama: Whether they were options of Ollama, which takes no command line a model.
    """
    if not isinstance(arguments, list):
        if arguments:
            report.dropped(subject, _FIELD, "is no list of arguments")
        return Arguments()
    found: dict[str, Any] = {}
    for name, value in _pairs([str(one) for one in arguments]):
        shown = f"--{name} {value}".strip()
        number = int(value) if re.fullmatch(r"[0-9]{1,8}", value) else 0
        if name in _CONTEXT and 0 < number <= _MOST_TOKENS:
            found["context_tokens"] = number
            report.mapped(subject, _FIELD, f"{shown} is capabilities.chat.context_tokens")
        elif name in _SLOTS and 0 < number <= _MOST_SLOTS:
            found["slots"] = number
            report.mapped(subject, _FIELD, f"{shown} is slots of the deployment")
        elif name == _IMAGES and (images := _images(value)):
            found["max_images"] = images
            report.mapped(subject, _FIELD, f"{shown} is capabilities.vision.max_images")
        elif name == _SERVED and value:
            found["served_model_id"] = value
            report.mapped(subject, _FIELD, f"{shown} is served_model_id, where the entry has no other")
        else:
            keeper = (
                "put it into the model's Modelfile as PARAMETER"
                if ollama
                else "give it to what starts the server, as arguments in its supervisor's file: docs/supervisor.md"
            )
            report.dropped(subject, _FIELD, f"{shown} is the server's own affair; {keeper}")
    return Arguments(**found)


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    """Options with their values; one without a value has an empty one."""
    place = 0
    while place < len(words):
        name, equals, value = words[place].lstrip("-").partition("=")
        place += 1
        if not equals and place < len(words) and not words[place].startswith("--"):
            value = words[place]
            place += 1
        yield name.replace("_", "-"), value


def _images(value: str) -> int:
    """`image=2` or `{"image": 2}`, as vLLM has it; 0 for anything else."""
    try:
        count = json.loads(value).get("image") if value.startswith("{") else value.removeprefix("image=")
        images = int(count)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return 0
    return images if 0 < images <= 64 else 0  # noqa: PLR2004 - no model takes more
