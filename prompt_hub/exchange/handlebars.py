"""Handlebars and Mustache, as far as Jinja2 has the same: values, conditions, loops, comments, white space."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from prompt_hub.errors import TemplateRefused
from prompt_hub.exchange.jinja_text import literal
from prompt_hub.schema import MAX_TEMPLATE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_WORD: Final = re.compile(r'"[^"\\]*"|\'[^\'\\]*\'|[^\s"\'=]+=(?:"[^"]*"|[^\s"\']+)|[^\s"\']+')
_BLANK_LINE_BEFORE: Final = re.compile(r"(?:\A|\n)[ \t]*\Z")
_BLANK_LINE_AFTER: Final = re.compile(r"[ \t]*(?:\n|\Z)")
_LOOP: Final = {"@index": "loop.index0", "@first": "loop.first", "@last": "loop.last"}
_MAX_DEPTH: Final = 32

Flavor = Literal["handlebars", "mustache"]


@dataclass
class Part:
    """What is said in one role.

    Attributes:
        role: The role; None where the template names none.
        pieces: Its template, as pieces of Jinja2.
    """

    role: str | None
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its template, as Jinja2."""
        return "".join(self.pieces)


@dataclass
class Converted:
    """A template as Jinja2.

    Attributes:
        parts: What is said in which role, in order.
        pictures: The variables whose pictures it shows.
    """

    parts: list[Part]
    pictures: list[str]


@dataclass
class _Tag:
    inner: str
    line: int
    tight: tuple[bool, bool] = (False, False)

    @property
    def is_block(self) -> bool:
        """Whether a line that holds it alone is no line of the text."""
        return self.inner[:1] in {"#", "/", "^", "!"} or self.inner.split()[:1] == ["else"]


@dataclass
class _Block:
    word: str
    about: str
    line: int
    variable: str | None = None
    named: str | None = None
    closes: str = "{% endif %}"


def from_handlebars(
    text: str, flavor: Flavor = "handlebars", constants: Mapping[str, str] | None = None
) -> Converted:
    """The same template in Jinja2, with white space around tags as it stands.

    Args:
        text: The template.
        flavor: Dotprompt's Handlebars, with its helpers `role` and `media`, or plain Mustache.
        constants: Texts that stand for some of its names.

    Raises:
        TemplateRefused: It has something that has no counterpart, which is named.
    """
    if len(text) > MAX_TEMPLATE_BYTES:
        raise TemplateRefused(f"is larger than {MAX_TEMPLATE_BYTES // 1024} KiB, the limit of a template")
    return _Converting(text, flavor, constants or {}).converted()


class _Converting:
    def __init__(self, text: str, flavor: Flavor, constants: Mapping[str, str]) -> None:
        self._text = text
        self._flavor = flavor
        self._constants = constants
        self._open: list[_Block] = []
        self._parts = [Part(None)]
        self._pictures: list[str] = []

    def converted(self) -> Converted:
        for token in _trimmed(list(_tokens(self._text))):
            if isinstance(token, str):
                self._say(literal(token))
            else:
                self._tag(token)
        if self._open:
            block = self._open[-1]
            raise TemplateRefused(f"never closes {{{{#{block.word}}}}}", block.line)
        return Converted([part for part in self._parts if part.text.strip()], self._pictures)

    def _say(self, text: str) -> None:
        self._parts[-1].pieces.append(text)

    def _tag(self, tag: _Tag) -> None:
        inner = tag.inner
        if inner.startswith("!"):
            return
        if inner.startswith((">", "=", "*", "#>")):
            raise TemplateRefused(f"has {{{{{inner[:40]}}}}}, which has no counterpart", tag.line)
        if inner.startswith("#"):
            self._begin(inner[1:].split(), tag)
        elif inner.startswith("/"):
            self._end(inner[1:].strip(), tag)
        elif inner.startswith("^") and self._flavor == "mustache":
            self._push(
                _Block(inner[1:].strip(), "", tag.line), f"if not {self._path(inner[1:].strip(), tag)}", tag
            )
        elif inner.split()[:1] == ["else"] or inner == "^":
            self._otherwise(inner.split()[1:], tag)
        else:
            self._expression(inner.lstrip("&").strip(), tag)

    def _begin(self, words: list[str], tag: _Tag) -> None:
        if not words:
            raise TemplateRefused("has a block without a name", tag.line)
        if self._flavor == "mustache":
            self._section(words, tag)
            return
        word, about = words[0], words[1:]
        if word in {"if", "unless"} and len(about) == 1:
            no = "not " if word == "unless" else ""
            self._push(_Block(word, about[0], tag.line), f"if {no}{self._path(about[0], tag)}", tag)
        elif word in {"ifEquals", "unlessEquals"} and len(about) == 2:  # noqa: PLR2004 - what is compared with what
            sign = "==" if word == "ifEquals" else "!="
            one, other = (self._value(value, tag) for value in about)
            self._push(_Block(word, about[0], tag.line), f"if {one} {sign} {other}", tag)
        elif word == "each" and (len(about) == 1 or (len(about) == 3 and about[1] == "as")):  # noqa: PLR2004 - as |x|
            named = about[2].strip("|") if len(about) == 3 else None  # noqa: PLR2004 - as above
            self._loop(word, about[0], named, tag)
        else:
            raise TemplateRefused(f"has {{{{{tag.inner[:40]}}}}}, which has no counterpart", tag.line)

    def _section(self, words: list[str], tag: _Tag) -> None:
        """Whether a section of Mustache's is a condition or a loop says its value; `{{.}}` in it says loop."""
        end = self._text.find("{{/" + words[0])
        start = self._text.find("{{#" + words[0])
        if len(words) > 1 or "{{.}}" not in self._text[start : max(end, 0)]:
            raise TemplateRefused(
                f"has the section {{{{#{' '.join(words)[:40]}}}}}, which may be a condition or a loop; "
                "write it in Jinja2",
                tag.line,
            )
        self._loop(words[0], words[0], None, tag)

    def _loop(self, word: str, about: str, named: str | None, tag: _Tag) -> None:
        variable = f"each_{sum(block.variable is not None for block in self._open) + 1}"
        if re.search(rf"\b{variable}\b", self._text):
            raise TemplateRefused(f"uses the name {variable}, which loops have here; rename it", tag.line)
        block = _Block(word, about, tag.line, variable, named, "{% endfor %}")
        self._push(block, f"for {variable} in {self._path(about, tag)}", tag)

    def _push(self, block: _Block, said: str, tag: _Tag) -> None:
        if len(self._open) >= _MAX_DEPTH:
            raise TemplateRefused(f"is nested more than {_MAX_DEPTH} deep", tag.line)
        self._open.append(block)
        self._say(f"{{% {said} %}}")

    def _end(self, word: str, tag: _Tag) -> None:
        if not self._open or self._open[-1].word != word:
            raise TemplateRefused(f"closes {{{{/{word[:40]}}}}}, which is not open there", tag.line)
        self._say(self._open.pop().closes)

    def _otherwise(self, words: list[str], tag: _Tag) -> None:
        if not self._open:
            raise TemplateRefused("has an else outside of a block", tag.line)
        if not words:
            if self._open[-1].variable is not None:
                # What follows is said where there are no items, so it is about no item.
                block = self._open[-1]
                self._open[-1] = _Block(block.word, block.about, block.line, closes=block.closes)
            self._say("{% else %}")
        elif len(words) == 2 and words[0] == "if" and self._open[-1].variable is None:  # noqa: PLR2004 - else if x
            self._say(f"{{% elif {self._path(words[1], tag)} %}}")
        else:
            raise TemplateRefused(f"has {{{{{tag.inner[:40]}}}}}, which has no counterpart", tag.line)

    def _expression(self, inner: str, tag: _Tag) -> None:
        words = _WORD.findall(inner)
        if self._flavor == "handlebars" and words[:1] == ["role"] and len(words) == 2:  # noqa: PLR2004 - role "system"
            if self._open:
                raise TemplateRefused(
                    "changes the role within a block; a stage's messages are fixed", tag.line
                )
            self._parts.append(Part(words[1].strip("\"'")))
        elif self._flavor == "handlebars" and words[:1] == ["media"]:
            if self._open:
                raise TemplateRefused(
                    "shows a picture within a block; a stage shows a fixed number", tag.line
                )
            url = next((word[4:] for word in words if word.startswith("url=")), "")
            self._pictures.append(url)
        elif len(words) == 1 and not inner.startswith(("(", '"', "'")):
            name = words[0]
            if name in self._constants and not self._open:
                self._say(literal(self._constants[name]))
            else:
                self._say(f"{{{{ {self._path(name, tag)} }}}}")
        else:
            raise TemplateRefused(f"has {{{{{inner[:40]}}}}}, which has no counterpart", tag.line)

    def _value(self, word: str, tag: _Tag) -> str:
        if word[:1] in {'"', "'"} or re.fullmatch(r"-?[0-9]+", word) or word in {"true", "false"}:
            return word
        return self._path(word, tag)

    def _path(self, path: str, tag: _Tag) -> str:
        loops = [block for block in self._open if block.variable is not None]
        if path in _LOOP and loops:
            return _LOOP[path]
        rooted = path.startswith("@root.")
        path = path.removeprefix("@root.")
        while path.startswith("../"):
            if not loops:
                raise TemplateRefused(f"goes out of the template with {path[:40]}", tag.line)
            loops.pop()
            path = path[3:]
        path = path.removeprefix("./")
        start = "" if rooted or not loops else loops[-1].variable or ""
        if path in {".", "this"}:
            if not start:
                raise TemplateRefused("prints the whole of its variables with {{this}}", tag.line)
            return start
        steps = re.split(r"[./]", path.removeprefix("this."))
        named = next((block.variable for block in reversed(loops) if block.named == steps[0]), None)
        if named is not None:
            start, steps = named, steps[1:]
        if not all(_NAME.match(step) or step.isdecimal() for step in steps) or (
            not start and steps[0].isdecimal()
        ):
            raise TemplateRefused(f"uses {{{{{path[:40]}}}}}, which has no counterpart", tag.line)
        joined = "".join(f"[{step}]" if step.isdecimal() else f".{step}" for step in steps)
        return f"{start}{joined}" if start else joined[1:]


def _tokens(text: str) -> Iterator[str | _Tag]:
    place, line = 0, 1
    while (begins := text.find("{{", place)) >= 0:
        before = text[place:begins]
        escaped = before.endswith("\\") and not before.endswith("\\\\")
        ends, mark = _end_of(text, begins, line + before.count("\n"))
        if escaped:
            yield before[:-1] + text[begins : ends + len(mark)]
        else:
            yield before
            inner = text[begins + len(mark) : ends]
            tight = (inner.startswith("~"), inner.endswith("~"))
            yield _Tag(inner.strip("~").strip(), line + before.count("\n"), tight)
        line += text.count("\n", place, ends)
        place = ends + len(mark)
    yield text[place:]


def _end_of(text: str, begins: int, line: int) -> tuple[int, str]:
    mark = "}}}" if text.startswith("{{{", begins) else "}}"
    ends = (
        text.find("--}}", begins) + 2
        if text.startswith(("{{!--", "{{~!--"), begins)
        else text.find(mark, begins)
    )
    if ends < 2:  # noqa: PLR2004 - not found
        raise TemplateRefused("has a tag that is never closed", line)
    return ends, mark


def _trimmed(tokens: list[str | _Tag]) -> list[str | _Tag]:
    """The tokens without the lines that hold a block's tag alone, and without what ~ takes away."""
    done = list(tokens)
    for index, tag in enumerate(tokens):
        if not isinstance(tag, _Tag):
            continue
        # A text stands on both sides of every tag.
        before, after = tokens[index - 1], tokens[index + 1]
        left, right = done[index - 1], done[index + 1]
        assert isinstance(before, str) and isinstance(after, str)  # noqa: S101, PT018 - see above
        assert isinstance(left, str) and isinstance(right, str)  # noqa: S101, PT018 - see above
        starts = _BLANK_LINE_BEFORE.search(before) and ("\n" in before or index == 1)
        stops = _BLANK_LINE_AFTER.match(after)
        ends = stops and (stops.group().endswith("\n") or index == len(tokens) - 2)
        if tag.is_block and starts and ends and stops:
            done[index - 1] = left.rstrip(" \t")
            done[index + 1] = right[stops.end() :]
        if tag.tight[0]:
            done[index - 1] = str(done[index - 1]).rstrip()
        if tag.tight[1]:
            done[index + 1] = str(done[index + 1]).lstrip()
    return done
