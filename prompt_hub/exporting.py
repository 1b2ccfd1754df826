"""Profiles as text for people: YAML that reads back to the same hash."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from store.yaml_reading import YamlError, parse_yaml

if TYPE_CHECKING:
    from prompt_hub.schema import PromptProfile

_WIDTH = 4096
_SHOWN_IN_LITERALS = frozenset("\n\t")


def profile_yaml(profile: PromptProfile) -> str:
    """An effective profile as YAML, whole: it extends nothing, and a user's layer may hold it as it is."""
    content = profile.model_dump(mode="json", exclude={"extends"})
    return yaml_text(content)


def yaml_text(content: Any) -> str:
    """Plain JSON values as YAML that the strict reader takes back to the same, texts of several lines as blocks."""
    writer = YAML()
    writer.width = _WIDTH
    writer.indent(mapping=2, sequence=4, offset=2)
    written = StringIO()
    writer.dump(_readable(content), written)
    return written.getvalue()


def _readable(value: Any) -> Any:
    """The value with texts of several lines as blocks, and those that plain YAML would take otherwise in quotes."""
    if isinstance(value, dict):
        return {_text(name): _readable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    lines = text.split("\n")
    # A block cannot begin with a space or hold what is not printed; YAML's own line ends would be folded.
    if (
        len(lines) > 1
        and not text[0].isspace()
        and all(line == line.rstrip() for line in lines)
        and all(character.isprintable() or character in _SHOWN_IN_LITERALS for character in text)
    ):
        block: str = LiteralScalarString(text)
        return block
    if _is_plain(text):
        return text
    quoted: str = DoubleQuotedScalarString(text)
    return quoted


def _is_plain(text: str) -> bool:
    """Whether the strict reader takes the bare text for itself, in a list and in a mapping."""
    if not text.isprintable() or text != text.strip():
        return False
    try:
        return parse_yaml(f"- {text}\n", "") == [text] and parse_yaml(f"{text}: 1\n", "") == {text: 1}
    except YamlError:
        return False
