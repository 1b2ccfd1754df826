"""Profiles and their live tests as promptfoo's configuration.

https://www.promptfoo.dev/docs/configuration/reference/

promptfoo renders Nunjucks, whose white space, empty lists and texts within texts differ from here; so templates are
written anew, and what reads otherwise is said in the account.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from jinja2 import nodes

from prompt_hub.exchange.carried import Account
from prompt_hub.exchange.jinja_text import written
from prompt_hub.exporting import yaml_text
from prompt_hub.templates import syntax_tree
from prompt_hub.testing import assertions as a

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prompt_hub.exchange.carried import Loss
    from prompt_hub.schema import PromptProfile, StageTemplate
    from prompt_hub.testing.assertions import Assertion
    from prompt_hub.testing.case_files import Case, CaseSet
    from store.yaml_reading import FieldPath

FILE_NAME: Final = "promptfooconfig.yaml"

_PROVIDERS: Final = [
    {
        "id": "openai:chat:{{env.MODEL}}",
        "config": {"apiBaseUrl": "{{env.OPENAI_BASE_URL}}", "apiKeyEnvar": "OPENAI_API_KEY"},
    }
]
_PARAMETERS: Final = {
    "temperature": "temperature", "top_p": "top_p", "seed": "seed", "stop": "stop",
    "max_output_tokens": "max_tokens", "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}  # fmt: skip
_FLAGS: Final = re.compile(r"\(\?[A-Za-z-]+[:)]|\\[AzQEC]|\[\[:|\\[pP]")
_MARKS: Final = re.compile(r"\{[{%#]")
_QUOTED: Final = re.compile(r"[<>]|&(?=(?:lt|gt|amp|#91);)|\[(?=/?[A-Z][A-Z_]+\])")
_KEPT: Final = "values are put in as they are there, and quoted here: < and > become &lt; and &gt;"


def to_promptfoo(profile: PromptProfile, sets: Sequence[CaseSet]) -> tuple[str, tuple[Loss, ...]]:
    """The configuration file, its account in a comment at its head, and that account.

    Args:
        profile: An effective profile.
        sets: Its sets of tests.
    """
    account = Account(FILE_NAME)
    account.lose("", _KEPT)
    content = {
        "description": f"{profile.id}: {' '.join(profile.description.split())}".rstrip(": "),
        "tags": {"profile": profile.id, "application": profile.application, "profile_hash": profile.hash},
        "prompts": [_prompt(account, name, stage) for name, stage in profile.stages.items()],
        "providers": _PROVIDERS,
        "tests": [test for one in sets for test in _tests(account, profile, one)],
    }
    if not content["tests"]:
        del content["tests"]
    losses = tuple(account.losses)
    head = "".join(f"# - {_line(loss)}\n" for loss in losses)
    told = f"# profile_hash {profile.hash}\n# Set MODEL and OPENAI_BASE_URL. What reads otherwise here than there:\n"
    return f"{told}{head}{yaml_text(content)}", losses


def _prompt(account: Account, name: str, stage: StageTemplate) -> dict[str, Any]:
    place: FieldPath = ("stages", name)
    lists = {
        variable
        for variable, declaration in stage.variables.items()
        if declaration.value_schema.get("type") in ("array", "object")
    }
    messages = []
    for role in ("system", "user"):
        tree = syntax_tree(getattr(stage, role))
        text = written(tree, "nunjucks", lists=lists)
        if text:
            messages.append({"role": role, "content": text})
        if any(_is_unsure(test, stage) for test in _tests_of(tree)):
            account.lose(
                (*place, role),
                "asks whether something of no declared kind is empty; an empty list is not, to Nunjucks",
            )
    config: dict[str, Any] = {}
    for parameter, value in stage.parameters.items():
        if parameter in _PARAMETERS:
            config[_PARAMETERS[parameter]] = value
        else:
            account.lose((*place, "parameters", parameter), "has no counterpart")
    schema = {"name": name, "strict": True, "schema": dict(stage.output)}
    config["response_format"] = {"type": "json_schema", "json_schema": schema}
    if stage.images:
        account.lose((*place, "images"), f"{stage.images} to be shown, and none is: photos are not carried")
    return {"label": name, "raw": json.dumps(messages, indent=2, ensure_ascii=False), "config": config}


def _tests_of(tree: nodes.Template) -> Iterator[Any]:
    for part in tree.find_all((nodes.If, nodes.CondExpr)):
        inner: Any = part
        yield inner.test


def _is_unsure(test: Any, stage: StageTemplate) -> bool:
    """Whether a condition may hang on what JavaScript and Python take for true differently."""
    if isinstance(test, nodes.And | nodes.Or):
        return _is_unsure(test.left, stage) or _is_unsure(test.right, stage)
    if isinstance(test, nodes.Not):
        return _is_unsure(test.node, stage)
    if isinstance(test, nodes.Name):
        declared = stage.variables.get(test.name)
        kind = declared.value_schema.get("type") if declared else None
        return not isinstance(kind, str)
    return isinstance(test, nodes.Getattr | nodes.Getitem) and not (
        isinstance(test.node, nodes.Name) and test.node.name == "loop"
    )


def _tests(account: Account, profile: PromptProfile, one: CaseSet) -> Iterator[dict[str, Any]]:
    place: FieldPath = ("sets", one.name)
    if not one.is_live:
        account.lose(place, "looks at prompts, which promptfoo does not; its tests are left out")
        return
    if one.written.repeat > 1:
        account.lose((*place, "repeat"), f"{one.written.repeat}: say it with --repeat")
    if one.written.grader:
        account.lose((*place, "grader"), f"{one.written.grader}: name it with --grader")
    if one.written.models or one.written.required_for:
        account.lose(place, "models and required_for have no counterpart")
    for index, case in enumerate(one.written.tests):
        if case.stage in profile.stages:
            test = _test(account, one, case, (*place, "tests", index))
            if test is not None:
                yield test


def _test(account: Account, one: CaseSet, case: Case, place: FieldPath) -> dict[str, Any] | None:
    if any(text.startswith("file://") for text in _texts(case.vars)):
        account.lose(place, "has a value that promptfoo would take for a file; it is left out")
        return None
    if case.photos:
        account.lose((*place, "photos"), "are not carried")
    if any(_QUOTED.search(text) for text in _texts(case.vars)):
        account.lose((*place, "vars"), "have what is quoted here and not there")
    asserts = []
    for index, assertion in enumerate(case.asserts):
        made = _assertion(assertion)
        if isinstance(made, str):
            account.lose((*place, "assert", index), f"{assertion.type}: {made}")
            continue
        asserts.append({**made, **({"weight": assertion.weight} if assertion.weight != 1 else {})})
    test: dict[str, Any] = {
        "description": f"{one.name}: {case.description}",
        "prompts": [case.stage],
        "vars": {name: _kept_apart(value) for name, value in case.vars.items()},
        "assert": asserts,
    }
    if one.written.threshold != 1:
        test["threshold"] = one.written.threshold
    if any(isinstance(value, list) for value in case.vars.values()):
        # It would make a test of each item otherwise.
        test["options"] = {"disableVarExpansion": True}
    return test


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _kept_apart(value: Any) -> Any:
    """A value, no text of which is read as a template."""
    if isinstance(value, str):
        return f"{{% raw %}}{value}{{% endraw %}}" if _MARKS.search(value) else value
    if isinstance(value, list):
        return [_kept_apart(one) for one in value]
    return {name: _kept_apart(one) for name, one in value.items()} if isinstance(value, dict) else value


def _assertion(assertion: Assertion) -> dict[str, Any] | str:
    """The counterpart, or why there is none."""
    name = getattr(assertion, "field", None)
    where = {} if name is None else {"transform": f"JSON.parse(output)[{json.dumps(name)}]"}
    made = _counterpart(assertion)
    return made if isinstance(made, str) else {**made, **where}


def _counterpart(assertion: Assertion) -> dict[str, Any] | str:  # noqa: C901, PLR0911, PLR0912 - one case a type
    match assertion:
        case a.Equals(value=value):
            return {"type": "equals", "value": value}
        case a.Contains(value=value, ignore_case=ignore):
            word = "icontains" if ignore else "contains"
            return {"type": word if isinstance(value, str) else f"{word}-all", "value": value}
        case a.NotContains(value=value, ignore_case=ignore):
            word = "not-icontains" if ignore else "not-contains"
            return {"type": word if isinstance(value, str) else f"{word}-any", "value": value}
        case a.Regex(value=value):
            if _FLAGS.search(value):
                return "is in RE2's syntax, and JavaScript's has no such flags or classes"
            return {"type": "regex", "value": value}
        case a.IsJson():
            return {"type": "is-json"}
        case a.FitsSchema(value_schema=schema):
            if schema is None:
                return "the stage's own schema is asked for already"
            return {"type": "is-json", "value": dict(schema)}
        case a.Words(min=low, max=high):
            return {"type": "word-count", "value": _bounds(low, high)}
        case a.Length(min=low, max=high):
            count = "(Array.isArray(output) ? output : [...String(output)]).length"
            limits = [f"{count} >= {low}"] * (low is not None) + [f"{count} <= {high}"] * (high is not None)
            return {"type": "javascript", "value": " && ".join(limits)}
        case a.Latency(max=high):
            return {"type": "latency", "threshold": high}
        case a.Rubric(value=value):
            return {"type": "llm-rubric", "value": value}
        case _:
            return "has no counterpart there"


def _bounds(low: int | None, high: int | None) -> dict[str, int]:
    return {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None}


def _line(loss: Loss) -> str:
    return "".join(character if character.isprintable() else " " for character in str(loss))
