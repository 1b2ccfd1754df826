"""From a profile stage and values to the two messages of a request; fails closed.

Values are plain JSON, declared, and fit their schemas. They are printed once, quoted (see `prompt_hub.quoting`), and
never read as templates. Which message has which role is fixed here, so no value can make one.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from prompt_hub.errors import RenderError, RenderLimit, TemplateRefused, VariablesRefused
from store.fitting import compiled as compiled_schema
from store.yaml_reading import MAX_INTEGER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Template
    from jsonschema.protocols import Validator

    from prompt_hub.schema import PromptProfile, StageTemplate
    from store.fitting import Fits

MAX_VALUE_CHARACTERS = 128 * 1024
MAX_VALUE_NODES = 10_000
MAX_VALUE_DEPTH = 8

_SHOWN = 200
_KEPT_CHECKS = 256


@dataclass(frozen=True)
class Rendered:
    """What is said to a model, and under which hashes.

    Attributes:
        system: Text of the system message; may be "".
        user: Text of the user message, which goes with the pictures.
        profile_id: The profile.
        profile_stage: Its stage.
        profile_hash: SHA-256 of the effective profile.
        stage_hash: SHA-256 of the effective stage.
        parameters: Canonical parameters of the request.
        output_schema: JSON Schema of the answer.
        images: How many pictures go with the request.
    """

    system: str
    user: str
    profile_id: str
    profile_stage: str
    profile_hash: str
    stage_hash: str
    parameters: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    images: int


def render(profile: PromptProfile, stage: str, variables: Mapping[str, Any]) -> Rendered:
    """Make the messages of one request.

    Args:
        profile: An effective profile, from the hub or from a run's manifest.
        stage: The profile stage.
        variables: Plain JSON values by name; a variable that is not required may be left out.

    Raises:
        UnknownStage: the profile has no such stage.
        VariablesRefused: a variable is missing, not declared, not plain JSON, or misses its schema.
        TemplateRefused: the profile's template is not one.
        RenderLimit: it prints or loops more than it may.
        RenderError: it cannot be rendered; the message says why.
    """
    template = profile.stage(stage)
    place = f"{profile.id}/{stage}"
    values = _checked(template, variables, place)
    return Rendered(
        system=_text(template.system, values, f"{place} system"),
        user=_text(template.user, values, f"{place} user"),
        profile_id=profile.id,
        profile_stage=stage,
        profile_hash=profile.hash,
        stage_hash=template.hash,
        parameters=template.parameters,
        output_schema=template.output,
        images=template.images,
    )


def _text(source: str, values: Mapping[str, Any], place: str) -> str:
    # The definitions load this module, and jinja2 costs a tenth of a second.
    from prompt_hub.templates import compiled, is_constant  # noqa: PLC0415 - see above

    try:
        template = compiled(source)
        constant = is_constant(source)
    except TemplateRefused as error:
        raise TemplateRefused(f"{place}: {error.problem}", error.line) from error
    # Most system messages are the same for all photos.
    return _constant_text(template, place) if constant else _rendered_text(template, values, place)


@lru_cache(maxsize=64)
def _constant_text(template: Template, place: str) -> str:
    return _rendered_text(template, {}, place)


def _rendered_text(template: Template, values: Mapping[str, Any], place: str) -> str:
    try:
        return _generated(template, values).strip()
    except RenderLimit as error:
        raise RenderLimit(f"{place}: {error}") from error
    except RenderError:
        raise
    except Exception as error:
        # Whatever a template meets, it is an error of this prompt and never its text.
        raise RenderError(f"{place}: cannot be rendered: {error}") from error


def _generated(template: Template, values: Mapping[str, Any]) -> str:
    from prompt_hub.filters import BUDGET, MAX_OUTPUT_CHARACTERS, Budget  # noqa: PLC0415 - as above

    pieces: list[str] = []
    size = 0
    for piece in template.generate({**values, BUDGET: Budget()}):
        size += len(piece)
        if size > MAX_OUTPUT_CHARACTERS:
            raise RenderLimit(f"it prints more than {MAX_OUTPUT_CHARACTERS:,} characters")
        pieces.append(piece)
    return "".join(pieces)


def _checked(template: StageTemplate, variables: Mapping[str, Any], place: str) -> dict[str, Any]:
    declared = template.variables
    unknown = sorted(variables.keys() - declared.keys())
    missing = sorted(name for name in declared.keys() - variables.keys() if declared[name].required)
    if unknown or missing:
        parts = []
        if missing:
            parts.append(f"needs {', '.join(missing)}")
        if unknown:
            parts.append(f"does not declare {', '.join(map(repr, unknown))}")
        known = ", ".join(declared) or "none"
        raise VariablesRefused(f"{place} {' and '.join(parts)}; its variables are: {known}.")
    limits = _Limits(place)
    checks = _checks(template)
    for name, value in variables.items():
        limits.check(name, value, 1)
        fits, validator = checks[name]
        if fits is not None and fits(value):
            continue
        problem = next(validator.iter_errors(value), None)
        if problem is not None:
            where = name + "".join(f"[{step!r}]" for step in problem.absolute_path)
            raise VariablesRefused(f"{place}: variable {where} misses its schema: {_short(problem.message)}")
    return dict(variables)


class _Limits:
    """Lets through plain JSON alone, in bounds: what is exactly of these types can do nothing when printed."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._nodes = 0
        self._characters = 0

    def check(self, name: str, value: Any, depth: int) -> None:
        self._nodes += 1
        if depth > MAX_VALUE_DEPTH:
            self._refuse(name, f"is nested more than {MAX_VALUE_DEPTH} deep")
        if self._nodes > MAX_VALUE_NODES:
            self._refuse(name, f"makes more than {MAX_VALUE_NODES:,} values in all")
        kind = type(value)
        if kind is list:
            for item in value:
                self.check(name, item, depth + 1)
        elif kind is dict:
            for key, item in value.items():
                if type(key) is not str:
                    self._refuse(name, "has a key that is not text")
                self._count(name, key)
                self.check(name, item, depth + 1)
        else:
            self._check_simple(name, value)

    def _check_simple(self, name: str, value: Any) -> None:
        kind = type(value)
        if kind is str:
            self._count(name, value)
        elif kind is float and not math.isfinite(value):
            self._refuse(name, "is not a finite number")
        elif kind is int and abs(value) > MAX_INTEGER:
            self._refuse(name, "is beyond ±(2^53 - 1), which JSON cannot hold")
        elif value is not None and kind not in (bool, int, float):
            self._refuse(name, f"holds a {kind.__name__}, which is not plain JSON")

    def _count(self, name: str, text: str) -> None:
        self._characters += len(text)
        if self._characters > MAX_VALUE_CHARACTERS:
            self._refuse(name, f"makes more than {MAX_VALUE_CHARACTERS:,} characters in all")
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            self._refuse(name, "holds half a character (a lone surrogate)")

    def _refuse(self, name: str, problem: str) -> None:
        raise VariablesRefused(f"{self._place}: variable {name} {problem}.")


_kept_checks: dict[str, dict[str, tuple[Fits | None, Validator]]] = {}


def _checks(template: StageTemplate) -> dict[str, tuple[Fits | None, Validator]]:
    """For each of a stage's variables the quick test, where there is one, and the validator; kept by the hash."""
    kept = _kept_checks.get(template.hash)
    if kept is not None:
        return kept
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - a tenth of a second, needed only to render

    made: dict[str, tuple[Fits | None, Validator]] = {
        name: (compiled_schema(declaration.value_schema), Draft202012Validator(declaration.value_schema))
        for name, declaration in template.variables.items()
    }
    if len(_kept_checks) >= _KEPT_CHECKS:
        _kept_checks.clear()
    _kept_checks[template.hash] = made
    return made


def _short(text: str) -> str:
    line = json.dumps(text, ensure_ascii=False)[1:-1]
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
