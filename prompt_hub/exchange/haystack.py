"""Haystack's pipelines in YAML: each `PromptBuilder` and `ChatPromptBuilder` is a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from prompt_hub.errors import TemplateRefused
from prompt_hub.exchange.carried import Account, Carried
from prompt_hub.exchange.jinja_text import parsed
from prompt_hub.exchange.reading import value_of
from prompt_hub.exchange.stages import Declared, Message, slug, stage_of
from prompt_hub.templates import free_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_hub.exchange.reading import SourceFolder
    from store.yaml_reading import FieldPath

_BUILDERS: Final = ("PromptBuilder", "ChatPromptBuilder")
_READ: Final = frozenset({"template", "required_variables", "variables"})


def from_haystack(folder: SourceFolder, profile_id: str, application: str) -> Carried:
    """The profile of a pipeline, or of one component that is written like one.

    Raises:
        ImportRefused: It has no prompt, or one that would say something else here.
        store.yaml_reading.YamlError: It is not strict YAML.
    """
    account = Account(str(folder.file))
    value = value_of(folder.file, folder.text())
    if not isinstance(value, dict):
        raise account.refused("", "is no pipeline: a mapping is expected")
    components = value.get("components", {slug(folder.file.stem, otherwise="answer"): value})
    if not isinstance(components, dict):
        raise account.refused("components", "must be a mapping")
    stages: dict[str, Any] = {}
    for name, component in components.items():
        place: FieldPath = ("components", name) if "components" in value else ()
        kind = str(component.get("type", "")).rpartition(".")[2] if isinstance(component, dict) else ""
        if kind not in _BUILDERS:
            account.lose(place, f"is a {kind or 'thing without a type'} and no prompt; it is not carried")
            continue
        stage = slug(name, otherwise="answer")
        if stage in stages:
            raise account.refused(place, f"would be called {stage!r}, as another one; rename one of them")
        stages[stage] = _stage(component.get("init_parameters") or {}, place, account)
    for name in value.keys() - {"components", "type", "init_parameters"}:
        if value[name]:
            account.lose(name, "is not carried")
    if not stages:
        raise account.refused("", f"has no {' and no '.join(_BUILDERS)}")
    profile = {"id": profile_id, "application": application, "stages": stages}
    return Carried(profile, None, tuple(account.losses))


def _stage(given: Mapping[str, Any], place: FieldPath, account: Account) -> dict[str, Any]:
    for name in given.keys() - _READ:
        account.lose((*place, "init_parameters", name), "is not carried")
    messages = _messages(given.get("template"), (*place, "init_parameters", "template"), account)
    required = given.get("required_variables") or []
    if required != "*" and not (
        isinstance(required, list) and all(isinstance(name, str) for name in required)
    ):
        raise account.refused(
            (*place, "init_parameters", "required_variables"), 'must be a list of names, or "*"'
        )
    used = {name for message in messages for name in _names(message.text)}
    declared = {name: Declared(required=required == "*" or name in required) for name in sorted(used)}
    return stage_of(account, place, messages, declared).content


def _messages(template: Any, place: FieldPath, account: Account) -> list[Message]:
    if isinstance(template, str):
        return [Message("user", template, place)]
    if not isinstance(template, list):
        raise account.refused(place, "must be a text, or a list of messages")
    found = []
    for index, one in enumerate(template):
        inner = (*place, index)
        if not isinstance(one, dict):
            raise account.refused(inner, "must be a message")
        # Earlier versions wrote the fields with an underscore.
        role = one.get("role", one.get("_role"))
        content = one.get("content", one.get("_content"))
        parts = content if isinstance(content, list) else [{"text": content}]
        texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
        if not all(isinstance(text, str) for text in texts):
            raise account.refused(inner, "has something else than text in it, which is not carried")
        found.append(Message(str(role), "\n".join(map(str, texts)), inner))
    return found


def _names(text: str) -> set[str]:
    try:
        return set(free_names(parsed(text)))
    except TemplateRefused:
        return set()  # what is wrong with it is told, with its place, when the stage is made
