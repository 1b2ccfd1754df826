"""The files that clubs write their rules in: TOML, read and checked before any work is done."""

from __future__ import annotations

import tomllib
import unicodedata
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from imageworks.errors import CompetitionFileError, UnknownCompetition
from imageworks.given_files import Kind, given_text
from imageworks.judge_vision.competition import Competition, Playoff, Rules

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

_RULES_FILE: Final = Kind("rules file", 1, CompetitionFileError)


def read_competitions(text: str, source: str = "the rules") -> dict[str, Competition]:
    """Read `[competition.<id>]` tables from TOML text.

    Args:
        text: The TOML.
        source: What to call it in an error: the file's path.

    Raises:
        CompetitionFileError: It is not TOML, or a key or value is wrong; names file, key and what is right.
    """
    try:
        # Names of files are read with their accents composed, whichever system they are from.
        document = tomllib.loads(unicodedata.normalize("NFC", text))
    except tomllib.TOMLDecodeError as problem:
        raise CompetitionFileError(f"{source} is not valid TOML: {problem}.") from problem
    stray = sorted(set(document) - {"competition"})
    tables = document.get("competition")
    if stray or not isinstance(tables, dict) or not tables:
        found = f" It has {', '.join(repr(key) for key in stray)} at the top." if stray else ""
        raise CompetitionFileError(f"{source} needs tables named [competition.<id>] and nothing else.{found}")
    return {key: _read_one(key, table, source) for key, table in tables.items()}


def _read_one(key: str, table: object, source: str) -> Competition:
    if not isinstance(table, dict):
        raise CompetitionFileError(f"{source}: competition.{key} must be a table, [competition.{key}].")
    try:
        return Competition.model_validate({"id": key, **table})
    except ValidationError as problem:
        lines = [_explain(key, error) for error in problem.errors()]
        raise CompetitionFileError(f"{source}: " + " ".join(lines)) from problem


def _explain(key: str, error: Any) -> str:
    place = ".".join(str(part) for part in ("competition", key, *error["loc"]))
    if error["type"] == "extra_forbidden":
        tables: dict[str, type[BaseModel]] = {"rules": Rules, "playoff": Playoff}
        names = sorted(tables.get(str(error["loc"][0]), Competition).model_fields)
        near = get_close_matches(str(error["loc"][-1]), names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(names)}."
        return f"{place} is not a known key; {hint}"
    message = error["msg"].removeprefix("Value error, ")
    # What is found wrong with a table as a whole is said in the message.
    found = "" if isinstance(error["input"], dict) else f" (found {error['input']!r:.80})"
    return f"{place}: {message}{found}."


def rules_text(path: Path) -> str:
    """The text of a rules file.

    Args:
        path: The file, at most 1 MiB of UTF-8.

    Raises:
        CompetitionFileError: The file cannot be read, is larger, or is not UTF-8.
    """
    return given_text(path, _RULES_FILE)


def load_competitions(path: Path) -> dict[str, Competition]:
    """Read all competitions of a TOML file, by id.

    Args:
        path: The file, at most 1 MiB of UTF-8.

    Raises:
        CompetitionFileError: The file cannot be read or used.
    """
    return read_competitions(rules_text(path), str(path))


def load_competition(path: Path, competition_id: str | None = None) -> Competition:
    """Read one competition from a TOML file.

    Args:
        path: The file, at most 1 MiB of UTF-8.
        competition_id: Which one; may be left out when the file holds just one.

    Raises:
        CompetitionFileError: The file cannot be read or used.
        UnknownCompetition: It has no such competition, or several and none was named.
    """
    found = load_competitions(path)
    if competition_id is None:
        if len(found) == 1:
            return next(iter(found.values()))
        raise UnknownCompetition(
            f"{path} holds {len(found)} competitions, {' and '.join(sorted(found))}, and one is judged at a time: put "
            "the one that is wanted into a file of its own."
        )
    if competition_id not in found:
        near = get_close_matches(competition_id, found, n=3)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UnknownCompetition(
            f"{path} has no competition {competition_id!r}. {hint}It has {', '.join(sorted(found))}."
        )
    return found[competition_id]
