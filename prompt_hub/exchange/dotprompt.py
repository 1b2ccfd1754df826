"""Dotprompt's `.prompt` files: front matter in YAML, and a template in Handlebars.

https://google.github.io/dotprompt/reference/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from prompt_hub.errors import TemplateRefused
from prompt_hub.exchange.carried import Account, Carried
from prompt_hub.exchange.handlebars import from_handlebars
from prompt_hub.exchange.stages import Declared, Message, slug, stage_of
from prompt_hub.json_schemas import TYPES
from prompt_hub.picoschema import Compiling
from store.yaml_reading import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_hub.exchange.reading import SourceFolder

_FRONT: Final = re.compile(r"---[ \t]*\n(?P<matter>.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_READ: Final = frozenset({"config", "description", "input", "output"})


def from_dotprompt(folder: SourceFolder, profile_id: str, application: str) -> Carried:
    """The profile of a `.prompt` file.

    Raises:
        ImportRefused: It would say something else here.
        store.yaml_reading.YamlError: Its front matter is not strict YAML.
    """
    account = Account(str(folder.file))
    matter, body = _parts(folder.text(), account)
    for name in matter:
        if name not in _READ:
            account.lose(name, "is not carried" + (": models are the registry's" if name == "model" else ""))
    try:
        converted = from_handlebars(body)
    except TemplateRefused as error:
        raise account.refused("template", str(error)) from error
    if converted.pictures:
        account.lose("template", "shows pictures by URL; they are the request's own here, in the same order")
    declared = _declared(_mapping(matter, "input", account), account)
    for picture in converted.pictures:
        declared.pop(picture, None)
    output = _output(_mapping(matter, "output", account), account)
    made = stage_of(
        account,
        (),
        [Message(part.role or "user", part.text, ("template",)) for part in converted.parts],
        declared,
        output=output,
        parameters=_mapping(matter, "config", account),
        images=len(converted.pictures),
    )
    profile: dict[str, Any] = {"id": profile_id, "application": application}
    if isinstance(matter.get("description"), str):
        profile["description"] = matter["description"]
    profile["stages"] = {slug(folder.file.stem, otherwise="answer"): made.content}
    return Carried(profile, None, tuple(account.losses))


def _parts(text: str, account: Account) -> tuple[dict[str, Any], str]:
    found = _FRONT.match(text)
    if found is None:
        return {}, text
    matter = parse_yaml(found["matter"], account.source)
    if matter is not None and not isinstance(matter, dict):
        raise account.refused("", "its front matter is no mapping")
    return matter or {}, text[found.end() :]


def _mapping(matter: Mapping[str, Any], name: str, account: Account) -> Mapping[str, Any]:
    value = matter.get(name) or {}
    if not isinstance(value, dict):
        raise account.refused(name, "must be a mapping")
    return value


def _declared(given: Mapping[str, Any], account: Account) -> dict[str, Declared]:
    for name in given:
        if name not in {"schema", "default"}:
            account.lose(("input", name), "is not carried")
    schema = _schema(given.get("schema"), ("input", "schema"), account)
    defaults = given.get("default") or {}
    required = schema.get("required", []) if schema else []
    declared = {}
    for name, one in (schema.get("properties", {}) if schema else {}).items():
        own = (
            {word: value for word, value in one.items() if word != "description"}
            if isinstance(one, dict)
            else {}
        )
        declared[name] = Declared(
            own or None, str(one.get("description", "")) if own else "", name in required
        )
    if not isinstance(defaults, dict):
        raise account.refused("input.default", "must be a mapping")
    for name, value in defaults.items():
        one = declared.get(name, Declared())
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            declared[name] = Declared(one.schema, one.description, required=False, default=value)
        else:
            account.lose(("input", "default", name), "is no text or number, so it has to be given each time")
    return declared


def _output(given: Mapping[str, Any], account: Account) -> Mapping[str, Any] | None:
    for name in given:
        if name not in {"schema", "format"}:
            account.lose(("output", name), "is not carried")
    return _schema(given.get("schema"), ("output", "schema"), account)


def _schema(schema: Any, place: tuple[str, str], account: Account) -> dict[str, Any] | None:
    if schema is None:
        return None
    if isinstance(schema, str):
        account.lose(place, f"names the schema {schema[:40]!r}, which is registered elsewhere")
        return None
    if not isinstance(schema, dict):
        raise account.refused(place, "is neither Picoschema nor JSON Schema: it must be a mapping")
    if schema.get("type") in TYPES or isinstance(schema.get("properties"), dict):
        return {"type": "object", **schema}
    compiling = Compiling()
    compiled = compiling.object(schema, place, ())
    if compiling.problems:
        where, problem = compiling.problems[0]
        raise account.refused(where, f"is no Picoschema: {problem}")
    return compiled
