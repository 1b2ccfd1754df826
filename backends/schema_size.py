"""How large a schema is for whoever checks a value by it."""

from __future__ import annotations

from typing import Any


def parts(schema: Any) -> int:
    """How many schemas and values a schema lists, those referred to counted wherever they are.

    What refers to itself is gone into once: how deep it goes is up to the value.
    """
    return _Count(schema).of(schema)


class _Count:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._referred: dict[str, int] = {}

    def of(self, part: Any) -> int:
        if isinstance(part, list):
            return 1 + sum(map(self.of, part))
        if isinstance(part, dict):
            return 1 + sum(
                self._behind(inner) if keyword == "$ref" and isinstance(inner, str) else self.of(inner)
                for keyword, inner in part.items()
            )
        return 1

    def _behind(self, pointer: str) -> int:
        if pointer not in self._referred:
            self._referred[pointer] = 1
            self._referred[pointer] = self.of(self._found(pointer))
        return self._referred[pointer]

    def _found(self, pointer: str) -> Any:
        found = self._root
        for step in pointer.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        return found
