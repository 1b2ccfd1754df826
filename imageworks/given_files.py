"""Text files that people hand in, in UTF-8 and within bounds: whatever else they are is told, and never guessed at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from imageworks.errors import ImageWorksError


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: What it is called in an error: "rules file".
        most_mib: What it may hold.
        refused: The error.
        how_to_save: What to do where it is no UTF-8.
        instead: What else to do where it cannot be read; a sentence, or nothing.
    """

    name: str
    most_mib: int
    refused: type[ImageWorksError]
    how_to_save: str = "save it as UTF-8"
    instead: str = ""


def given_text(path: Path, kind: Kind) -> str:
    """All of a file, without the mark that some programs put in front of UTF-8.

    Raises:
        ImageWorksError: As the kind has it: it cannot be read, is larger, or is not UTF-8.
    """
    most = kind.most_mib << 20
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as problem:
        raise kind.refused(
            f"The {kind.name} {path} cannot be read: {problem.strerror}.{kind.instead and ' ' + kind.instead}"
        ) from problem
    if len(content) > most:
        raise kind.refused(f"The {kind.name} {path} is larger than {kind.most_mib} MiB; is it a {kind.name}?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise kind.refused(
            f"The {kind.name} {path}, line {line}: this is no UTF-8 text; {kind.how_to_save}."
        ) from problem
