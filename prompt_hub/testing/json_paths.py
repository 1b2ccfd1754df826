"""JSONPath (RFC 9535) in answers, without what could take long."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from jsonpath import JSONPathEnvironment
from jsonpath.exceptions import JSONPathError

if TYPE_CHECKING:
    from jsonpath import CompoundJSONPath
    from jsonpath import JSONPath as Query

MAX_PATH_CHARACTERS: Final = 200
MAX_FOUND: Final = 10_000

_DESCENTS: Final = 2


@lru_cache(maxsize=1)
def _environment() -> JSONPathEnvironment:
    made = JSONPathEnvironment(strict=True)
    # They match by Python's regular expressions, which no time bounds.
    for name in ("match", "search"):
        made.function_extensions.pop(name)
    return made


@lru_cache(maxsize=256)
def path_of(text: str) -> Query | CompoundJSONPath:
    """The path, ready to be used.

    Raises:
        ValueError: It is no JSONPath, or one that could take long.
    """
    if len(text) > MAX_PATH_CHARACTERS:
        raise ValueError(f"is longer than {MAX_PATH_CHARACTERS} characters, the limit of a path")
    if text.count("..") > _DESCENTS:
        raise ValueError(f"goes down with .. more than {_DESCENTS} times; name the fields")
    if text.count("$") > 1:
        # For every value that a filter looks at, all of the answer would be gone through.
        raise ValueError("names the root $ more than once; in a filter, begin with @")
    try:
        return _environment().compile(text)
    except JSONPathError as error:
        problem = str(error).splitlines()[0]
        raise ValueError(
            f"is no JSONPath: {problem}; begin with $, and use the assertion regex for match and search"
        ) from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def values_at(path: str, value: Any) -> list[Any]:
    """What a path finds in a JSON value, the first 10,000 of it.

    Raises:
        ValueError: The path cannot be followed in this value.
    """
    if not isinstance(value, dict | list):
        return []
    try:
        return [match.obj for match in islice(path_of(path).finditer(value), MAX_FOUND)]
    except (JSONPathError, RecursionError) as error:
        raise ValueError(f"the path {path} cannot be followed: {error}") from error
