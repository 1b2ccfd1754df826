"""Static mode: what can be said of a prompt without asking a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from prompt_hub.checking import doubts, template_problems
from prompt_hub.errors import PromptHubError
from prompt_hub.json_schemas import output_problems
from prompt_hub.rendering import render
from prompt_hub.testing.checks import Said, check
from prompt_hub.testing.outcomes import Check, Sample, SetOutcome, TestOutcome
from store.yaml_reading import field_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from prompt_hub.rendering import Rendered
    from prompt_hub.testing.case_files import Case, CaseSet
    from prompt_hub.testing.targets import Target

PROFILE: Final = "(profile)"
"""Stands for a set's name where the profile itself is looked at."""


def run_static(targets: Iterable[Target], sets: Mapping[str, Sequence[CaseSet]]) -> list[SetOutcome]:
    """Look at profiles and render every test of theirs; those of live sets only have to render.

    Args:
        targets: The profiles.
        sets: Their sets, by profile id.
    """
    outcomes = []
    for target in targets:
        outcomes.append(look_at(target))
        outcomes.extend(_run_set(target, one) for one in sets.get(target.profile.id, ()))
    return outcomes


def look_at(target: Target) -> SetOutcome:
    """A profile by itself: its templates, its variables, its answers' schemas; and what is doubtful."""
    profile = target.profile
    wrong: dict[str, list[str]] = {name: [] for name in profile.stages}
    for place, problem in template_problems(profile):
        wrong[str(place[1])].append(f"{field_text(place)}: {problem}")
    for name, stage in profile.stages.items():
        wrong[name].extend(
            f"output.{field_text(place)}: {problem}" for place, problem in output_problems(stage.output)
        )
        try:
            Draft202012Validator.check_schema(dict(stage.output))
        except SchemaError as error:
            wrong[name].append(f"output: {error.message}")
    doubtful: list[str] = []
    if not any(wrong.values()):
        doubtful = [f"{field_text(place)}: {doubt}" for place, doubt in doubts(profile)]
    tests = tuple(
        TestOutcome(
            "templates, variables and schema", name, (Sample("", tuple(_checks("is right", problems))),)
        )
        for name, problems in wrong.items()
    )
    return _outcome(target, PROFILE, "", tests, tuple(doubtful))


def prompt_text(rendered: Rendered) -> str:
    """A rendered prompt as one text."""
    return f"{rendered.system}\n\n{rendered.user}" if rendered.system else rendered.user


def rendered_case(target: Target, case: Case) -> Rendered | str:
    """A test's prompt, or why there is none."""
    try:
        rendered = render(target.profile, case.stage, case.vars)
    except PromptHubError as error:
        return str(error)
    if case.photos and len(case.photos) != rendered.images:
        return f"{case.stage} shows {rendered.images} pictures, and the test has {len(case.photos)}"
    return rendered


def _run_set(target: Target, one: CaseSet) -> SetOutcome:
    tests = tuple(_run_case(target, one, case) for case in one.written.tests)
    # That a live set's prompts can be rendered is no proof of what it asks for.
    if one.is_live:
        return _outcome(target, f"{one.name} (rendered)", "", tests)
    return _outcome(target, one.name, one.hash, tests)


def _run_case(target: Target, one: CaseSet, case: Case) -> TestOutcome:
    rendered = rendered_case(target, case)
    if isinstance(rendered, str):
        return TestOutcome(
            case.description, case.stage, (Sample("", (Check("renders", holds=False, why=rendered),)),)
        )
    if one.is_live:
        missing = [] if case.photos or not rendered.images else ["the test has no photo to show"]
        checks = tuple(_checks("renders, with its photos", missing))
        return TestOutcome(case.description, case.stage, (Sample(prompt_text(rendered), checks),))
    said = Said(prompt_text(rendered), {"system": rendered.system, "user": rendered.user})
    sample = Sample(said.text, tuple(check(assertion, said) for assertion in case.asserts))
    return TestOutcome(case.description, case.stage, (sample,), one.written.threshold)


def _checks(what: str, problems: Sequence[str]) -> Iterator[Check]:
    if not problems:
        yield Check(what, holds=True)
    for problem in problems:
        yield Check(what, holds=False, why=problem)


def _outcome(
    target: Target, name: str, set_hash: str, tests: tuple[TestOutcome, ...], doubts: tuple[str, ...] = ()
) -> SetOutcome:
    return SetOutcome(
        reference=target.reference,
        profile_id=target.profile.id,
        profile_hash=target.profile.hash,
        set_name=name,
        set_hash=set_hash,
        model="",
        model_revision="",
        tests=tests,
        doubts=doubts,
    )
