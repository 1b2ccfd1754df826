"""LangChain's prompt files: `_type: prompt` and `few_shot`, and chat prompts in its constructor form.

A constructor form names a class; none is imported here, its arguments are read as data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from prompt_hub.errors import TemplateRefused
from prompt_hub.exchange.carried import Account, Carried
from prompt_hub.exchange.f_strings import from_f_string
from prompt_hub.exchange.handlebars import from_handlebars
from prompt_hub.exchange.jinja_text import literal
from prompt_hub.exchange.reading import value_of
from prompt_hub.exchange.stages import Declared, Message, slug, stage_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_hub.exchange.reading import SourceFolder
    from store.yaml_reading import FieldPath

_ROLES: Final = {
    "SystemMessagePromptTemplate": "system", "HumanMessagePromptTemplate": "user",
    "SystemMessage": "system", "HumanMessage": "user",
}  # fmt: skip
_TYPES: Final = {
    "prompt": "PromptTemplate",
    "few_shot": "FewShotPromptTemplate",
    "chat": "ChatPromptTemplate",
}
_READ: Final = {
    "PromptTemplate": {"template", "template_path", "template_format", "input_variables", "partial_variables"},
    "FewShotPromptTemplate": {
        "prefix", "suffix", "prefix_path", "suffix_path", "examples", "example_prompt", "example_prompt_path",
        "example_separator", "template_format", "input_variables", "partial_variables",
    },
    "ChatPromptTemplate": {"messages", "input_variables", "partial_variables", "template_format"},
}  # fmt: skip
_IGNORED: Final = frozenset({"_type", "validate_template", "input_types", "optional_variables"})
_MAX_EXAMPLES: Final = 200


def from_langchain(folder: SourceFolder, profile_id: str, application: str) -> Carried:
    """The profile of a prompt file, JSON or YAML.

    Raises:
        ImportRefused: It would say something else here.
        store.yaml_reading.YamlError: It is not strict YAML.
    """
    account = Account(str(folder.file))
    reading = _Reading(folder, account)
    messages = reading.messages(value_of(folder.file, folder.text()), ())
    made = stage_of(account, (), messages, reading.declared, images=reading.images)
    stage = slug(folder.file.stem, otherwise="answer")
    profile = {"id": profile_id, "application": application, "stages": {stage: made.content}}
    return Carried(profile, None, tuple(account.losses))


class _Reading:
    def __init__(self, folder: SourceFolder, account: Account) -> None:
        self._folder = folder
        self._account = account
        self.declared: dict[str, Declared] = {}
        self.images = 0

    def messages(self, value: Any, place: FieldPath) -> list[Message]:
        kind, fields = self._opened(value, place)
        if kind != "ChatPromptTemplate":
            return [Message("user", self._text(kind, fields, place), place)]
        constants = self._constants(fields, place)
        found = []
        for index, one in enumerate(fields.get("messages") or []):
            found.append(self._message(one, (*place, "messages", index), constants))
        return found

    def _opened(self, value: Any, place: FieldPath) -> tuple[str, Mapping[str, Any]]:
        """The class that is meant, and its arguments."""
        if not isinstance(value, dict):
            raise self._account.refused(place, "is no prompt: a mapping is expected")
        if value.get("lc") == 1 and value.get("type") == "constructor" and isinstance(value.get("id"), list):
            kind, fields = str(value["id"][-1]) if value["id"] else "", value.get("kwargs")
            if not isinstance(fields, dict):
                raise self._account.refused(place, "has no kwargs")
        else:
            named = value.get("_type", "prompt")
            kind, fields = _TYPES.get(str(named), str(named)), value
        known = _READ.get(kind)
        if known is not None:
            for name in fields.keys() - known - _IGNORED:
                if fields[name] not in (None, [], {}):
                    self._account.lose((*place, name), "is not carried")
        return kind, fields

    def _message(self, value: Any, place: FieldPath, constants: Mapping[str, str]) -> Message:
        kind, fields = self._opened(value, place)
        role = _ROLES.get(kind)
        if role is None:
            raise self._account.refused(
                place, f"is a {kind}; a stage has one system and one user message, with no turns before"
            )
        if not kind.endswith("Template"):
            content = fields.get("content")
            if not isinstance(content, str):
                raise self._account.refused(place, "has a content that is no text")
            return Message(role, literal(content), place)
        prompts = fields.get("prompt")
        texts = []
        for index, prompt in enumerate(prompts if isinstance(prompts, list) else [prompts]):
            inner = (*place, "prompt", index) if isinstance(prompts, list) else (*place, "prompt")
            own, given = self._opened(prompt, inner)
            if own == "ImagePromptTemplate":
                self.images += 1
                self._account.lose(inner, "shows a picture by URL; it is the request's own here")
            else:
                texts.append(self._text(own, given, inner, constants))
        return Message(role, "\n".join(texts), place)

    def _text(
        self, kind: str, fields: Mapping[str, Any], place: FieldPath, outer: Mapping[str, str] | None = None
    ) -> str:
        constants = {**(outer or {}), **self._constants(fields, place)}
        form = fields.get("template_format", "f-string")
        if kind == "PromptTemplate":
            return self._template(self._given(fields, "template", place), form, constants, place)
        if kind != "FewShotPromptTemplate":
            raise self._account.refused(place, f"is a {kind}, which has no counterpart")
        pieces = [self._given(fields, name, place, needed=False) for name in ("prefix", "suffix")]
        prefix, suffix = (self._template(text, form, constants, place) if text else "" for text in pieces)
        between = fields.get("example_separator", "\n\n")
        if not isinstance(between, str):
            raise self._account.refused((*place, "example_separator"), "must be text")
        said = [prefix, *self._examples(fields, place), suffix]
        return literal(between).join(text for text in said if text)

    def _examples(self, fields: Mapping[str, Any], place: FieldPath) -> list[str]:
        """The examples as they are said, every time in the same words."""
        examples = fields.get("examples")
        if isinstance(examples, str):
            path, text = self._folder.beside(examples, self._account, (*place, "examples"))
            examples = value_of(path, text)
        if not isinstance(examples, list) or len(examples) > _MAX_EXAMPLES:
            raise self._account.refused(
                (*place, "examples"),
                f"must be a list of at most {_MAX_EXAMPLES} examples; a selector picks anew each time",
            )
        prompt = fields.get("example_prompt")
        if prompt is None:
            named = str(fields.get("example_prompt_path"))
            path, text = self._folder.beside(named, self._account, (*place, "example_prompt_path"))
            prompt = value_of(path, text)
        kind, own = self._opened(prompt, (*place, "example_prompt"))
        if kind != "PromptTemplate":
            raise self._account.refused((*place, "example_prompt"), f"is a {kind}, which has no counterpart")
        template, form = self._given(own, "template", place), own.get("template_format", "f-string")
        said = []
        for index, example in enumerate(examples):
            inner = (*place, "examples", index)
            if not isinstance(example, dict) or not all(isinstance(value, str) for value in example.values()):
                raise self._account.refused(inner, "must be a mapping of names to texts")
            if form == "jinja2":
                raise self._account.refused(inner, "is an example for a template in Jinja2; write it out")
            said.append(self._template(template, form, example, inner))
        return said

    def _template(self, text: str, form: Any, constants: Mapping[str, str], place: FieldPath) -> str:
        try:
            if form == "f-string":
                return from_f_string(text, constants)
            if form == "mustache":
                return "".join(part.text for part in from_handlebars(text, "mustache", constants).parts)
        except TemplateRefused as error:
            raise self._account.refused((*place, "template"), str(error)) from error
        if form != "jinja2":
            raise self._account.refused(
                (*place, "template_format"),
                f"is {form!r}; those that are known are f-string, jinja2, mustache",
            )
        for name, value in constants.items():
            self.declared[name] = Declared(required=False, default=value)
        return text

    def _given(self, fields: Mapping[str, Any], name: str, place: FieldPath, *, needed: bool = True) -> str:
        """A text, written here or in a file beside."""
        path = fields.get(f"{name}_path")
        if isinstance(path, str):
            return self._folder.beside(path, self._account, (*place, f"{name}_path"))[1]
        text = fields.get(name)
        if text is None and not needed:
            return ""
        if not isinstance(text, str):
            raise self._account.refused((*place, name), "must be text")
        return text

    def _constants(self, fields: Mapping[str, Any], place: FieldPath) -> dict[str, str]:
        given = fields.get("partial_variables") or {}
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            raise self._account.refused((*place, "partial_variables"), "must be a mapping of names to texts")
        return given
