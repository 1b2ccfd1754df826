"""promptfoo's configurations as profiles: each prompt is a stage, and tests are live tests.

https://www.promptfoo.dev/docs/configuration/reference/
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from prompt_hub.exchange.carried import Account, Carried
from prompt_hub.exchange.reading import FILE, json_of, value_of
from prompt_hub.exchange.stages import ANY, Declared, Message, slug, stage_of
from prompt_hub.json_schemas import TYPES
from prompt_hub.testing.assertions import Assertion
from store.yaml_reading import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prompt_hub.exchange.reading import SourceFolder
    from prompt_hub.exchange.stages import Made
    from store.yaml_reading import FieldPath

SET: Final = "promptfoo"
MAX_TESTS: Final = 1000

_READ: Final = frozenset({"description", "prompts", "tests", "defaultTest", "providers", "tags"})
_TEST_READ: Final = frozenset({"description", "vars", "assert", "threshold", "prompts", "options"})
_FILE_NAME: Final = re.compile(r"[\w./-]+\.(?:txt|md|j2|json|ya?ml|js|cjs|mjs|ts|py|csv)\Z")
_CODE: Final = (".js", ".cjs", ".mjs", ".ts", ".py")
_DELIMITER: Final = re.compile(r"^---[ \t]*$", re.MULTILINE)
_FIELD: Final = re.compile(r'JSON\.parse\(output\)(?:\[(?P<quoted>"[^"\\]+")\]|\.(?P<name>[A-Za-z_]\w*))\Z')
_RAW: Final = re.compile(r"\{% raw %\}(?P<text>.*)\{% endraw %\}\Z", re.DOTALL)
_MARKS: Final = re.compile(r"\{[{%#]")
_ASSERTION: Final[TypeAdapter[Any]] = TypeAdapter(Assertion)
_NOT_PARAMETERS: Final = frozenset(
    {"apiBaseUrl", "apiKey", "apiKeyEnvar", "apiHost", "headers", "response_format", "organization"}
)


@dataclass(frozen=True)
class _Prompt:
    """A prompt as its file has it."""

    label: str
    text: str
    config: Mapping[str, Any]
    place: FieldPath


@dataclass(frozen=True)
class _Test:
    """A test with what all tests have put in."""

    description: str
    values: Mapping[str, Any]
    asserts: Sequence[Any]
    threshold: float
    prompts: Sequence[str] | None
    place: FieldPath


def from_promptfoo(
    folder: SourceFolder, profile_id: str, application: str, *, grader: str | None = None
) -> Carried:
    """The profile and the tests of a configuration.

    Args:
        folder: Has the configuration and the files that it names.
        profile_id: What to call the profile.
        application: What it is for.
        grader: The model that reads answers, for `llm-rubric`; those assertions are not carried if None.

    Raises:
        ImportRefused: It would say something else here.
        store.yaml_reading.YamlError: It is not strict YAML.
    """
    account = Account(str(folder.file))
    value = value_of(folder.file, folder.text())
    if not isinstance(value, dict):
        raise account.refused("", "is no configuration: a mapping is expected")
    for name in value.keys() - _READ:
        account.lose(name, "is not carried")
    reading = _Reading(folder, account)
    shared = _config_of(value.get("providers"), account)
    prompts = list(reading.prompts(value.get("prompts")))
    if not prompts:
        raise account.refused("prompts", "has no prompt")
    tests = list(reading.tests(value))
    stages: dict[str, Made] = {}
    labels: dict[str, str] = {}
    for prompt in prompts:
        name = _free(slug(prompt.label, otherwise="answer"), stages)
        own = [test for test in tests if test.prompts is None or prompt.label in test.prompts]
        stages[name] = _stage(account, prompt, shared, own)
        labels[name] = prompt.label
    cases = [
        case
        for name, made in stages.items()
        for test in tests
        if test.prompts is None or labels[name] in test.prompts
        for case in _cases(account, test, name, made, grader)
    ]
    profile: dict[str, Any] = {"id": profile_id, "application": application}
    if isinstance(value.get("description"), str):
        profile["description"] = value["description"]
    profile["stages"] = {name: made.content for name, made in stages.items()}
    return Carried(profile, _case_file(profile_id, cases, grader), tuple(account.losses))


class _Reading:
    """What the configuration names, read from its folder."""

    def __init__(self, folder: SourceFolder, account: Account) -> None:
        self._folder = folder
        self._account = account

    def prompts(self, given: Any) -> Iterator[_Prompt]:
        for index, one in enumerate(given if isinstance(given, list) else [given]):
            place: FieldPath = ("prompts", index) if isinstance(given, list) else ("prompts",)
            if isinstance(one, str):
                yield from self._texts(one, None, {}, place)
            elif isinstance(one, dict):
                raw = one.get("raw") or one.get("id") or one.get("label")
                if not isinstance(raw, str):
                    raise self._account.refused(place, "has no text")
                config = one.get("config") or {}
                if not isinstance(config, dict):
                    raise self._account.refused((*place, "config"), "must be a mapping")
                yield from self._texts(raw, one.get("label") or one.get("id"), config, place)
            else:
                raise self._account.refused(place, "must be a text, a file or a mapping with raw and label")

    def _texts(self, text: str, label: Any, config: Mapping[str, Any], place: FieldPath) -> Iterator[_Prompt]:
        named = text.startswith(FILE) or _FILE_NAME.match(text) is not None
        if not named:
            yield _Prompt(str(label or text), text, config, place)
            return
        if text.partition(":")[0].endswith(_CODE) or text.removeprefix(FILE).partition(":")[0].endswith(
            _CODE
        ):
            raise self._account.refused(place, f"is made by a program ({text[:60]}); none is run here")
        path, content = self._folder.beside(text, self._account, place)
        if path.suffix == ".csv":
            raise self._account.refused(place, "is a table of prompts; write them out")
        if path.suffix in {".yaml", ".yml"}:
            content = json.dumps(parse_yaml(content, str(path)))
        parts = (
            [content] if path.suffix != ".txt" else [one for one in _DELIMITER.split(content) if one.strip()]
        )
        for number, part in enumerate(parts):
            yield _Prompt(str(label or path.stem) + (f" {number + 1}" if number else ""), part, config, place)

    def tests(self, value: Mapping[str, Any]) -> Iterator[_Test]:
        default = self._resolved(value.get("defaultTest") or {}, ("defaultTest",))
        if not isinstance(default, dict):
            raise self._account.refused("defaultTest", "must be a mapping")
        given = self._resolved(value.get("tests") or [], ("tests",))
        if not isinstance(given, list):
            raise self._account.refused("tests", "must be a list")
        count = 0
        for index, one in enumerate(given):
            place: FieldPath = ("tests", index)
            one = self._resolved(one, place)  # noqa: PLW2901 - the same test
            if not isinstance(one, dict):
                raise self._account.refused(place, "must be a mapping")
            for test in self._expanded(one, default, place):
                count += 1
                if count > MAX_TESTS:
                    raise self._account.refused(
                        "tests", f"makes more than {MAX_TESTS:,} tests; that is the limit"
                    )
                yield test

    def _expanded(
        self, one: Mapping[str, Any], default: Mapping[str, Any], place: FieldPath
    ) -> Iterator[_Test]:
        for name in one.keys() - _TEST_READ:
            self._account.lose((*place, name), "is not carried")
        options = {**_dict(default.get("options")), **_dict(one.get("options"))}
        for name in options.keys() - {"disableVarExpansion"}:
            self._account.lose((*place, "options", name), "is not carried")
        values = {**_dict(default.get("vars")), **_dict(self._resolved(one.get("vars"), (*place, "vars")))}
        read: dict[str, Any] = {}
        for name, value in values.items():
            read[name] = self._value(value, (*place, "vars", name))
        if any(value is _UNREADABLE for value in read.values()):
            self._account.lose(place, "has values that are made elsewhere; the test is not carried")
            return
        asserts = [*_list(default.get("assert")), *_list(one.get("assert"))]
        threshold = one.get("threshold", default.get("threshold", 1.0))
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold <= 1:
            self._account.lose((*place, "threshold"), "is no share above 0 and up to 1; it is 1 here")
            threshold = 1.0
        prompts = one.get("prompts")
        several = {name: value for name, value in read.items() if isinstance(value, list)}
        if options.get("disableVarExpansion") is True:
            several = {}
        for chosen in itertools.product(*several.values()):
            yield _Test(
                description=str(one.get("description") or f"test {place[-1]}"),
                values={**read, **dict(zip(several, chosen, strict=True))},
                asserts=asserts,
                threshold=float(threshold),
                prompts=[str(name) for name in prompts] if isinstance(prompts, list) else None,
                place=place,
            )

    def _value(self, value: Any, place: FieldPath) -> Any:
        """A test's value; `_UNREADABLE` where promptfoo would make it when it runs."""
        if isinstance(value, list):
            read = [self._value(one, place) for one in value]
            return _UNREADABLE if any(one is _UNREADABLE for one in read) else read
        if isinstance(value, dict):
            inner = {name: self._value(one, place) for name, one in value.items()}
            return _UNREADABLE if any(one is _UNREADABLE for one in inner.values()) else inner
        return self._text_value(value, place) if isinstance(value, str) else value

    def _text_value(self, value: str, place: FieldPath) -> Any:
        if value.startswith(FILE):
            if not value.endswith((".txt", ".md", ".json", ".yaml", ".yml")):
                return _UNREADABLE
            path, text = self._folder.beside(value, self._account, place)
            return text.strip() if path.suffix in {".txt", ".md"} else value_of(path, text)
        kept = _RAW.match(value)
        if kept is not None and "{% endraw %}" not in kept["text"]:
            return kept["text"]
        return _UNREADABLE if _MARKS.search(value) else value

    def _resolved(self, value: Any, place: FieldPath) -> Any:
        """What stands there, or in the file that is named there."""
        if not isinstance(value, str):
            return value
        if not value.removeprefix(FILE).endswith((".json", ".yaml", ".yml")):
            raise self._account.refused(place, f"names {value[:60]!r}; files of YAML and JSON are read here")
        path, text = self._folder.beside(value, self._account, place)
        return value_of(path, text)


_UNREADABLE: Final = object()


def _stage(account: Account, prompt: _Prompt, shared: Mapping[str, Any], tests: Sequence[_Test]) -> Made:
    messages, images = _messages(account, prompt)
    values: dict[str, list[Any]] = {}
    for test in tests:
        for name, value in test.values.items():
            values.setdefault(name, []).append(value)
    declared = {
        name: Declared(_schema_of(found), required=len(found) == len(tests)) for name, found in values.items()
    }
    used = {name: one for name, one in declared.items() if any(name in message.text for message in messages)}
    config = {**shared, **prompt.config}
    parameters = {name: value for name, value in config.items() if name not in _NOT_PARAMETERS}
    output = _dict(_dict(config.get("response_format")).get("json_schema")).get("schema")
    return stage_of(
        account,
        prompt.place,
        messages,
        used,
        output=output if isinstance(output, dict) else None,
        parameters=parameters,
        images=images,
    )


def _messages(account: Account, prompt: _Prompt) -> tuple[list[Message], int]:
    """The messages of a chat in JSON, or the one of a text; and how many pictures there are."""
    text = prompt.text.strip()
    if not text.startswith("[") or '"role"' not in text:
        return [Message("user", prompt.text, prompt.place)], 0
    chat = json_of(text, f"{account.source}: {prompt.label[:40]}")
    messages, images = [], 0
    for index, one in enumerate(chat):
        place = (*prompt.place, index)
        content = one.get("content") if isinstance(one, dict) else None
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        texts = []
        for part in parts:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind in {"image_url", "input_image"}:
                images += 1
                account.lose(place, "shows a picture by URL; it is the request's own here")
            elif kind in {"text", "input_text"} and isinstance(part.get("text"), str):
                texts.append(part["text"])
            else:
                raise account.refused(place, "has something else than texts and pictures in it")
        messages.append(Message(str(one.get("role")), "\n".join(map(str, texts)), place))
    return messages, images


def _schema_of(values: Sequence[Any]) -> dict[str, Any]:
    kinds = {_kind(value) for value in values}
    kinds -= {"integer"} if "number" in kinds else set()
    known = [kind for kind in TYPES if kind in kinds]
    return {"type": known[0] if len(known) == 1 else known} if known else dict(ANY)


def _kind(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def _config_of(providers: Any, account: Account) -> Mapping[str, Any]:
    """The parameters that the one provider is asked with."""
    account.lose("providers", "are not carried: models, addresses and keys are the registry's")
    if isinstance(providers, list) and len(providers) == 1 and isinstance(providers[0], dict):
        return _dict(providers[0].get("config"))
    return {}


def _cases(
    account: Account, test: _Test, stage: str, made: Made, grader: str | None
) -> Iterator[dict[str, Any]]:
    asserts = []
    for index, one in enumerate(test.asserts):
        found = _assertion(one, grader, answers_text=made.answers_text)
        if isinstance(found, str):
            account.lose((*test.place, "assert", index), found)
            continue
        asserts.append(found)
    if not asserts:
        account.lose(test.place, "has no assertion that is carried, so it is left out")
        return
    values = {ours: test.values[theirs] for ours, theirs in made.names.items() if theirs in test.values}
    yield {
        "description": test.description,
        "stage": stage,
        "vars": values,
        "assert": asserts,
        "threshold": test.threshold,
    }


def _case_file(profile_id: str, cases: Sequence[dict[str, Any]], grader: str | None) -> dict[str, Any] | None:
    """Sets by what their tests need; a description stands once in each."""
    if not cases:
        return None
    sets: dict[str, dict[str, Any]] = {}
    thresholds = list(dict.fromkeys(case["threshold"] for case in cases))
    for number, threshold in enumerate(thresholds):
        tests: list[dict[str, Any]] = []
        seen: dict[str, int] = {}
        for case in cases:
            if case["threshold"] != threshold:
                continue
            words = "".join(one if one.isprintable() else " " for one in case["description"])[:180]
            seen[words] = seen.get(words, 0) + 1
            description = words if seen[words] == 1 else f"{words} ({seen[words]})"
            tests.append({**{k: v for k, v in case.items() if k != "threshold"}, "description": description})
        made: dict[str, Any] = {"mode": "live"}
        if any(one["type"] == "rubric" for test in tests for one in test["assert"]):
            made["grader"] = grader
        if threshold != 1:
            made["threshold"] = threshold
        sets[SET if number == 0 else f"{SET}-{number + 1}"] = {**made, "tests": tests}
    return {"profile": profile_id, "sets": sets}


def _assertion(one: Any, grader: str | None, *, answers_text: bool) -> dict[str, Any] | str:
    """The counterpart of an assertion, or why there is none."""
    if not isinstance(one, dict) or not isinstance(one.get("type"), str):
        return "is no assertion with a type"
    kind = one["type"]
    made = _counterpart(kind, one, grader)
    if isinstance(made, str):
        return made
    if made["type"] not in {"latency", "is-json"}:
        name = "text" if answers_text else None
        if "transform" in one:
            found = _FIELD.match(str(one["transform"]).strip())
            if found is None:
                return f"{kind}: changes the answer by a program; none is run here"
            name = json.loads(found["quoted"]) if found["quoted"] else found["name"]
        if name is not None:
            made["field"] = name
    elif made["type"] == "is-json" and answers_text:
        return f"{kind}: every answer is JSON here"
    if "weight" in one:
        made["weight"] = one["weight"]
    try:
        _ASSERTION.validate_python(made)
    except ValidationError as error:
        return f"{kind}: {error.errors(include_url=False)[0]['msg']}"
    return made


def _counterpart(kind: str, one: Mapping[str, Any], grader: str | None) -> dict[str, Any] | str:  # noqa: C901, PLR0911, PLR0912 - one case a type
    value = one.get("value")
    match kind:
        case "equals":
            return {"type": "equals", "value": value}
        case "contains" | "contains-all":
            return {"type": "contains", "value": value}
        case "icontains" | "icontains-all":
            return {"type": "contains", "value": value, "ignore_case": True}
        case "not-contains" | "not-contains-any":
            return {"type": "not-contains", "value": value}
        case "not-icontains" | "not-icontains-any":
            return {"type": "not-contains", "value": value, "ignore_case": True}
        case "contains-any" | "icontains-any":
            if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
                return f"{kind}: its value is no list of texts"
            flag = "(?i)" if kind.startswith("i") else ""
            return {"type": "regex", "value": flag + "|".join(re.escape(str(text)) for text in value)}
        case "starts-with":
            return {"type": "regex", "value": "\\A" + re.escape(str(value))}
        case "regex":
            return {"type": "regex", "value": value}
        case "is-json":
            return {"type": "is-json"} if value is None else {"type": "schema", "schema": value}
        case "word-count":
            bounds = value if isinstance(value, dict) else {"min": value, "max": value}
            return {"type": "words", **{name: bounds[name] for name in ("min", "max") if name in bounds}}
        case "latency":
            return {"type": "latency", "max": one.get("threshold")}
        case "llm-rubric":
            if grader is None:
                return f"{kind}: needs a model that reads answers; name it with --grader"
            return {"type": "rubric", "value": value}
        case _:
            return f"{kind}: has no counterpart"


def _free(name: str, taken: Mapping[str, Any]) -> str:
    numbers = (f"{name}_{number}" for number in itertools.count(2))
    return name if name not in taken else next(one for one in numbers if one not in taken)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
