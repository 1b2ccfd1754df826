"""From the messages of another tool's prompt to a profile stage: names, variables, templates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jinja2 import nodes
from pydantic import TypeAdapter, ValidationError

from prompt_hub.errors import TemplateRefused
from prompt_hub.exchange.carried import TEXT_ANSWER
from prompt_hub.exchange.jinja_text import forgiving, parsed, renamed, written
from prompt_hub.json_schemas import TYPES, output_problems, variable_problems
from prompt_hub.schema import VariableName
from prompt_hub.templates import free_names
from registry.parameters import problem_with
from store.yaml_reading import field_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prompt_hub.exchange.carried import Account
    from store.yaml_reading import FieldPath

ANY: Final[Mapping[str, Any]] = {"type": list(TYPES)}
PRINTED: Final[Mapping[str, Any]] = {"type": ["string", "number"]}

_ROLES: Final = {"system": "system", "developer": "system", "user": "user", "human": "user"}
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_NAME: Final[TypeAdapter[str]] = TypeAdapter(VariableName)
_PARAMETERS: Final = {
    "maxOutputTokens": "max_output_tokens", "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "stopSequences": "stop", "topP": "top_p", "topK": "top_k",
}  # fmt: skip


@dataclass(frozen=True)
class Message:
    """One message of a prompt.

    Attributes:
        role: As the other tool calls it.
        text: Its template, as Jinja2 with white space around tags as it stands.
        place: Where it stands.
    """

    role: str
    text: str
    place: FieldPath


@dataclass(frozen=True)
class Declared:
    """What another tool's file says of a variable.

    Attributes:
        schema: JSON Schema of its values; None where nothing is said.
        description: What it is.
        required: Whether it has to be given.
        default: What is printed where it is not.
    """

    schema: Mapping[str, Any] | None = None
    description: str = ""
    required: bool = True
    default: str | float = ""


@dataclass(frozen=True)
class Made:
    """A stage, and what its variables were called before, by what they are called now."""

    content: dict[str, Any]
    names: Mapping[str, str]

    @property
    def answers_text(self) -> bool:
        """Whether its answer is the one that stands in for none."""
        return bool(self.content["output"] == TEXT_ANSWER)


def stage_of(
    account: Account,
    place: FieldPath,
    messages: Sequence[Message],
    declared: Mapping[str, Declared],
    *,
    output: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    images: int = 0,
) -> Made:
    """Make a stage.

    Args:
        account: Told what is not carried over.
        place: Where the prompt stands.
        messages: What it says, in order.
        declared: What is known of its variables; those that it uses and that are not in here are required, unless it
            asks whether they are defined.
        output: Schema of its answer; None where it has none.
        parameters: Of the request, by our names or by those of OpenAI's and Google's.
        images: How many pictures it shows.

    Raises:
        ImportRefused: It would say something else here.
    """
    trees: list[tuple[str, nodes.Template]] = []
    for message in messages:
        if _ROLES.get(message.role) is None:
            raise account.refused(
                message.place,
                f"is a message of the role {message.role!r}; a stage has one system and one user message",
            )
        try:
            trees.append((_ROLES[message.role], parsed(message.text)))
        except TemplateRefused as error:
            raise account.refused(message.place, str(error)) from error
    roles = [role for role, _ in trees]
    if roles != sorted(roles):  # "system" comes before "user"
        raise account.refused(place, "has a system message after one of the user's; a stage begins with it")
    if len(set(roles)) < len(roles):
        account.lose(place, "has several messages of one role; they are one here, with blank lines between")
    used = list(dict.fromkeys(name for _, tree in trees for name in free_names(tree)))
    names = _names(account, place, used)
    for name in declared:
        if name not in names:
            account.lose(place, f"declares the variable {name!r} and does not use it; it is left out")
    asked = {name for _, tree in trees for name in _asked_whether_defined(tree)}
    known = {name: declared.get(name, Declared(required=name not in asked)) for name in used}
    optional = {name: one.default for name, one in known.items() if not one.required}
    hints = [_usage(tree) for _, tree in trees]
    texts = {"system": "", "user": ""}
    for role, tree in trees:
        text = written(renamed(forgiving(tree, optional), names), "hub")
        texts[role] = f"{texts[role]}\n\n{text}" if texts[role] else text
    variables = {}
    for name in used:
        one = known[name]
        schema = _schema(account, place, name, one.schema, hints)
        variables[names[name]] = {
            **({"description": one.description} if one.description else {}),
            "schema": schema,
            **({} if one.required else {"required": False}),
        }
    content: dict[str, Any] = {"images": images, **({"system": texts["system"]} if texts["system"] else {})}
    content["user"] = texts["user"]
    content["variables"] = variables
    content["parameters"] = dict(_parameters(account, place, parameters or {}))
    content["output"] = _output(account, place, output)
    return Made(content, {ours: theirs for theirs, ours in names.items()})


def _asked_whether_defined(tree: nodes.Template) -> Iterator[str]:
    """Variables that a template does without, and says so itself."""
    for test in tree.find_all(nodes.Test):
        if test.name in {"defined", "undefined"} and isinstance(test.node, nodes.Name):
            yield test.node.name


def slug(text: str, *, otherwise: str) -> str:
    """A name of ours made of another's: words in lower case, joined by _."""
    words = "_".join(_WORDS.findall(text)).lower()
    words = words.lstrip("0123456789_")[:36].rstrip("_")
    return words or otherwise


def closed(schema: Any) -> Any:
    """A schema of answers as this hub wants it: no other fields, and every field required, in the order given."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {word: closed(value) for word, value in schema.items()}
    fields = made.get("properties")
    if isinstance(fields, dict):
        required = [name for name in made.get("required") or [] if name in fields]
        made["required"] = [*required, *(name for name in fields if name not in required)]
        made["additionalProperties"] = False
        made.setdefault("type", "object")
    return made


def _names(account: Account, place: FieldPath, used: Sequence[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for name in used:
        ours = name if _is_name(name) else slug(name, otherwise="value")
        if not _is_name(ours):
            ours = f"{ours}_"
        if ours in names.values():
            raise account.refused(place, f"has two variables that would both be called {ours!r}; rename one")
        if ours != name:
            account.lose(place, f"has the variable {name!r}, which is called {ours!r} here")
        names[name] = ours
    return names


def _is_name(name: str) -> bool:
    try:
        _NAME.validate_python(name)
    except ValidationError:
        return False
    return True


def _usage(tree: nodes.Template) -> dict[str, str]:
    """How each variable is used, as far as that tells what it is."""
    found: dict[str, str] = {}
    for loop in tree.find_all(nodes.For):
        if isinstance(loop.iter, nodes.Name):
            found[loop.iter.name] = "array"
    for part in tree.find_all((nodes.Getattr, nodes.Getitem)):
        inner: Any = part
        if isinstance(inner.node, nodes.Name):
            found.setdefault(inner.node.name, "object" if isinstance(inner, nodes.Getattr) else "")
    for output in tree.find_all(nodes.Output):
        for one in output.nodes:
            if isinstance(one, nodes.Name):
                found.setdefault(one.name, "printed")
    return found


def _schema(
    account: Account,
    place: FieldPath,
    name: str,
    schema: Mapping[str, Any] | None,
    hints: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    if schema is not None:
        problem = next(variable_problems(schema), None)
        if problem is None:
            return dict(schema)
        where, what = problem
        account.lose(place, f"declares a schema of {name!r} that is not carried: {_at(where)}{what}")
    kinds = {hint[name] for hint in hints if name in hint}
    for kind in ("array", "object"):
        if kind in kinds:
            return {"type": kind}
    return dict(PRINTED if kinds == {"printed"} else ANY)


def _parameters(
    account: Account, place: FieldPath, parameters: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    for name, value in parameters.items():
        ours = _PARAMETERS.get(name, name)
        given = [value] if ours == "stop" and isinstance(value, str) else value
        problem = problem_with(ours, given)
        if problem is not None:
            account.lose((*place, name), f"is not carried: {ours} {problem}")
        elif value is not None:
            yield ours, given


def _output(account: Account, place: FieldPath, output: Mapping[str, Any] | None) -> dict[str, Any]:
    if output is None:
        account.lose(place, 'declares no schema of its answer; it is asked for {"text": …}')
        return dict(TEXT_ANSWER)
    made: dict[str, Any] = closed(output)
    problem = next(output_problems(made), None)
    if problem is not None:
        where, what = problem
        account.lose(
            place,
            f'has a schema of its answer that is not carried: {_at(where)}{what}; it is asked for {{"text": …}}',
        )
        return dict(TEXT_ANSWER)
    if made != output:
        account.lose(
            place, "has a schema with other or optional fields; here every field is required, and no other"
        )
    return made


def _at(place: FieldPath) -> str:
    return f"{field_text(place)} " if place else ""
