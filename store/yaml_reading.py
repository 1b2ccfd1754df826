"""Strict YAML: one reading of a file, the same for every reader, or an error with its line and field.

The files that people write (models, prompts) are hashed by what they mean, so nothing in them may mean two
things. This reads the core of YAML 1.2 through libyaml's C parser and refuses what other readers take
differently: duplicate keys, dates, ``1_000``, ``0b11``, ``012``, tags, merge keys, keys that are not text,
several documents, infinities, and integers that JSON cannot hold. Files above 1 MiB, nesting above 64 levels
and aliases that expand to more than 50,000 values are refused as well.
"""

from __future__ import annotations

import copy
import math
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

try:
    from _ruamel_yaml import CParser  # type: ignore[import-not-found]
except ModuleNotFoundError as missing:
    raise ImportError(
        "ruamel.yaml has no C parser here, and its Python parser is four times slower: "
        "install ruamel.yaml.clib (pip install ruamel.yaml.clib)"
    ) from missing

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from ruamel.yaml.reader import ReaderError

from store.yaml_mistakes import Mistake, in_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_VALUES = 50_000
# RFC 8785 writes numbers as IEEE doubles: the integers that survive it.
MAX_INTEGER = 2**53 - 1

FieldPath = tuple[str | int, ...]

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_AMBIGUOUS = (
    (re.compile(r"[-+]?0[0-9]+\Z"), "is octal to some readers; drop the leading zero, or"),
    (re.compile(r"[-+]?0[bB][01]+\Z"), "is a number to some readers only; write it in decimal, or"),
    (
        re.compile(r"[-+]?\.?[0-9][0-9a-fA-FxXoObB.eE+-]*_[0-9a-fA-F_.eE+-]*\Z"),
        "is a number to some readers only; drop the underscores, or",
    ),
    (
        re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(([Tt]|[ \t]+)[0-9].*)?\Z"),
        "is a date to some readers and text to others;",
    ),
)
_MERGE_KEY = "<<"
# As much of a refused scalar as fits a message.
_SHOWN = 40


class YamlError(Exception):
    """A YAML file that cannot be read in exactly one way.

    Attributes:
        source: the file's path, or the name that the text was given.
        line: the line, counted from 1, or None where the trouble has no place (the file is missing).
        field: the field, such as ``models.tiny-vlm.aliases[0]``, or "" where none is known.
        problem: what is wrong and what to do, without the place.
    """

    def __init__(self, source: str, line: int | None, field: str, problem: str) -> None:
        self.source = source
        self.line = line
        self.field = field
        self.problem = problem
        place = source if line is None else f"{source}:{line}"
        super().__init__(f"{place}: {field}: {problem}" if field else f"{place}: {problem}")

    def __reduce__(self) -> tuple[type[YamlError], tuple[str, int | None, str, str]]:
        """Keep the facts apart when the error crosses a process."""
        return YamlError, (self.source, self.line, self.field, self.problem)


@dataclass(frozen=True)
class YamlDocument:
    """A document's value, and the line on which each of its fields stands.

    Attributes:
        source: where the text came from.
        value: plain JSON values only: dict with text keys, list, str, int, float, bool, None.
        lines: the line of each field, by its path of keys and indexes; in a mapping, the line of its key.
    """

    source: str
    value: object
    lines: Mapping[FieldPath, int]

    def line_of(self, path: FieldPath) -> int:
        """Give the line of a field, or of the nearest field around it that has one."""
        for length in range(len(path), -1, -1):
            line = self.lines.get(tuple(path[:length]))
            if line is not None:
                return line
        return 1


def read_yaml(path: Path) -> object:
    """Read a YAML file into plain JSON values.

    Raises:
        YamlError: the file is missing, unreadable, above 1 MiB, not UTF-8, or not strict YAML.
    """
    return read_yaml_document(path).value


def read_yaml_document(path: Path) -> YamlDocument:
    """Read a YAML file and keep the line of each field, for messages about what the fields mean.

    Raises:
        YamlError: as `read_yaml`.
    """
    source = str(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise YamlError(source, None, "", "is not a regular file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise YamlError(source, None, "", f"cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise YamlError(source, None, "", _too_large())
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise YamlError(source, line, "", f"is not UTF-8: {error.reason}; save it as UTF-8") from error
    return parse_yaml_document(text, source)


def parse_yaml(text: str, source: str) -> object:
    """Read YAML text into plain JSON values; `source` names it in errors.

    Raises:
        YamlError: the text is above 1 MiB or not strict YAML.
    """
    return parse_yaml_document(text, source).value


def parse_yaml_document(text: str, source: str) -> YamlDocument:
    """Read YAML text and keep the line of each field.

    Raises:
        YamlError: as `parse_yaml`.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise YamlError(source, line, "", "holds a character that is not Unicode text") from error
    if len(data) > MAX_BYTES:
        raise YamlError(source, None, "", _too_large())
    reading = _Reading(data, source)
    return YamlDocument(source, reading.document(), reading.lines)


def field_text(path: FieldPath) -> str:
    """Write a field's path for people: ``models.tiny-vlm.aliases[0]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def _too_large() -> str:
    return f"is larger than {MAX_BYTES // 1024} KiB, the limit of a YAML file here; split it"


@dataclass(frozen=True)
class _Anchored:
    value: Any
    values: int
    depth: int


class _Reading:
    """One pass over a document's events."""

    def __init__(self, data: bytes, source: str) -> None:
        self._data = data
        self._source = source
        self._parser: Any = CParser(data)
        self._anchors: dict[str, _Anchored | None] = {}
        self._values = 0
        self._deepest = 0
        self.lines: dict[FieldPath, int] = {(): 1}

    def document(self) -> object:
        event = self._next(())
        if isinstance(event, StreamStartEvent):
            event = self._next(())
        if isinstance(event, StreamEndEvent):
            return None
        if not isinstance(event, DocumentStartEvent):
            self._refuse(event, (), "does not start as a YAML document does")
        if (event.version is not None and tuple(event.version) != (1, 2)) or event.tags:
            self._refuse(event, (), "has a % directive; these files are YAML 1.2, remove the directive")
        event = self._next(())
        self.lines[()] = _line(event)
        value = self._value(event, (), 1)
        event = self._next(())
        if isinstance(event, DocumentEndEvent):
            event = self._next(())
        if not isinstance(event, StreamEndEvent):
            self._refuse(event, (), "holds more than one YAML document; keep one document a file")
        return value

    def _value(self, event: Any, path: FieldPath, depth: int) -> Any:
        if depth > MAX_DEPTH:
            self._refuse(event, path, f"is nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, AliasEvent):
            return self._alias(event, path, depth)
        before = self._values
        self._count(event, path, 1)
        outer_deepest, self._deepest = self._deepest, depth
        anchor = event.anchor
        if anchor is not None:
            self._anchors[anchor] = None
        if event.tag is not None:
            self._refuse(event, path, f"has the tag {_tag_text(event.tag)}; write the value without a tag")
        if isinstance(event, ScalarEvent):
            value: Any = self._scalar(event, path)
        elif isinstance(event, SequenceStartEvent):
            value = self._sequence(path, depth)
        elif isinstance(event, MappingStartEvent):
            value = self._mapping(path, depth)
        else:
            self._refuse(event, path, "is not a YAML value")
        if anchor is not None:
            self._anchors[anchor] = _Anchored(value, self._values - before, self._deepest - depth)
        self._deepest = max(self._deepest, outer_deepest)
        return value

    def _alias(self, event: Any, path: FieldPath, depth: int) -> Any:
        name = event.anchor
        if name not in self._anchors:
            self._refuse(event, path, f"*{name} refers to an anchor that is not defined above it")
        anchored = self._anchors[name]
        if anchored is None:
            self._refuse(event, path, f"*{name} refers to the value that it is part of")
        if depth + anchored.depth > MAX_DEPTH:
            self._refuse(event, path, f"is nested more than {MAX_DEPTH} levels deep")
        self._count(event, path, anchored.values)
        self._deepest = max(self._deepest, depth + anchored.depth)
        return copy.deepcopy(anchored.value)

    def _sequence(self, path: FieldPath, depth: int) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := self._next(path), SequenceEndEvent):
            inner = (*path, len(values))
            self.lines[inner] = _line(event)
            values.append(self._value(event, inner, depth + 1))
        return values

    def _mapping(self, path: FieldPath, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := self._next(path), MappingEndEvent):
            key = self._key(event, path, depth)
            inner = (*path, key)
            if key in values:
                first = self.lines[inner]
                self._refuse(event, inner, f"stands twice, first on line {first}; keep one of them")
            self.lines[inner] = _line(event)
            values[key] = self._value(self._next(inner), inner, depth + 1)
        return values

    def _key(self, event: Any, path: FieldPath, depth: int) -> str:
        if isinstance(event, ScalarEvent) and event.value == _MERGE_KEY and not event.style:
            self._refuse(
                event, path, "has a merge key <<, which YAML 1.2 does not have; write the fields out"
            )
        key = self._value(event, path, depth + 1)
        if not isinstance(key, str):
            if not isinstance(event, ScalarEvent):
                self._refuse(
                    event,
                    path,
                    "has a key that is not text, but a list or mapping; put all of it in quotes if it is text, "
                    "such as {{ a template }}",
                )
            self._refuse(
                event,
                path,
                f'has the key {event.value}, which is not text; put it in quotes, as "{event.value}"',
            )
        return key

    def _scalar(self, event: Any, path: FieldPath) -> object:
        text: str = event.value
        if event.style:
            return text
        if text in _NULL:
            return None
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        # Every number and date starts with one of these, and hardly any word does.
        if text[0] not in "0123456789+-.":
            return text
        return self._number(event, text, path)

    def _number(self, event: Any, text: str, path: FieldPath) -> object:
        number = _plain_number(text)
        if number is not None and math.isfinite(number) and _is_exact_in_json(number):
            return number
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        quoted = f'write it in quotes, "{shown}", if it is text'
        if isinstance(number, int):
            self._refuse(event, path, f"{shown} is beyond ±(2^53 - 1), which JSON cannot hold; {quoted}")
        if number is not None:
            self._refuse(event, path, f"{shown} is not a finite number; {quoted}")
        for pattern, problem in _AMBIGUOUS:
            if pattern.match(text):
                self._refuse(event, path, f"{shown} {problem} {quoted}")
        return text

    def _count(self, event: Any, path: FieldPath, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            self._refuse(
                event,
                path,
                f"more than {MAX_VALUES:,} values, aliases included; the limit of a YAML file here",
            )

    def _next(self, path: FieldPath) -> Any:
        try:
            return self._parser.get_event()
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark is not None else None
            raise YamlError(
                self._source, line, field_text(path), f"not YAML: {self._in_words(error)}"
            ) from error
        except ReaderError as error:
            line = self._data.count(b"\n", 0, max(0, error.position)) + 1
            code = error.character if isinstance(error.character, int) else ord(error.character)
            problem = f"not YAML: the character U+{code:04X} may not stand in a file ({error.reason})"
            raise YamlError(self._source, line, field_text(path), problem) from error
        except YAMLError as error:
            raise YamlError(self._source, None, field_text(path), f"not YAML: {error}") from error

    def _in_words(self, error: MarkedYAMLError) -> str:
        problem, context = error.problem or "", error.context or ""
        mark, begun = error.problem_mark or error.context_mark, error.context_mark
        if mark is None:
            return ", ".join(part for part in (context, problem) if part)
        return in_words(
            Mistake(
                problem=problem,
                context=context,
                lines=self._data.decode("utf-8", "replace").splitlines(),
                line=mark.line,
                column=mark.column,
                begun=None if begun is None else begun.line,
            )
        )

    def _refuse(self, event: Any, path: FieldPath, problem: str) -> NoReturn:
        raise YamlError(self._source, _line(event), field_text(path), problem)


def _plain_number(text: str) -> int | float | None:
    """Read a plain scalar by YAML 1.2's core schema; None where it is no number."""
    if _INTEGER.match(text):
        # Python refuses to read integers of thousands of digits; none of them is near the limit.
        return int(text) if len(text) <= len(str(MAX_INTEGER)) + 1 else MAX_INTEGER + 1
    if _OCTAL.match(text) or _HEXADECIMAL.match(text):
        return int(text, 0)
    if _AMBIGUOUS[0][0].match(text):
        return None
    if _FLOAT.match(text):
        return float(text)
    return math.inf if _NOT_FINITE.match(text) else None


def _is_exact_in_json(number: float) -> bool:
    return isinstance(number, float) or abs(number) <= MAX_INTEGER


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _tag_text(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
