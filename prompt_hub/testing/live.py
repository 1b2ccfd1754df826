"""Live mode: profiles and models are asked, and their answers checked."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from prompt_hub.errors import NothingToTest
from prompt_hub.testing.asking import Question, Told
from prompt_hub.testing.assertions import Python, Rubric
from prompt_hub.testing.checks import Said, check, text_of
from prompt_hub.testing.functions import run_function
from prompt_hub.testing.outcomes import Check, Sample, SetOutcome, TestOutcome
from prompt_hub.testing.rubrics import rubric_question, verdict
from prompt_hub.testing.static import rendered_case
from prompt_hub.testing.targets import reading_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prompt_hub.testing.asking import Ask
    from prompt_hub.testing.case_files import Case, CaseSet
    from prompt_hub.testing.checks import Problem
    from prompt_hub.testing.targets import Target
    from registry.registry import Registry
    from registry.schema import Model

_Key = TypeVar("_Key")


@dataclass(frozen=True)
class Trial:
    """One set with one profile and one model: those of its tests that this model is asked."""

    target: Target
    set: CaseSet
    model: Model
    cases: tuple[Case, ...]


def trials_of(
    targets: Iterable[Target],
    sets: Mapping[str, Sequence[CaseSet]],
    registry: Registry,
    *,
    roles: Mapping[str, str],
    models: Sequence[str] = (),
) -> list[Trial]:
    """The matrix of what is tried.

    Args:
        targets: The profiles.
        sets: Their sets, by profile id; static ones are left out.
        registry: The models there are.
        roles: The role of the model that is asked where a set names none, by profile stage.
        models: Models or roles to ask instead of those that the sets name.

    Raises:
        NothingToTest: None of it is live, or a stage has no role.
        registry.errors.RegistryError: There is no such model, or it cannot chat.
        ReadsNoPrompt: A model answers by rule.
    """
    trials: list[Trial] = []
    for target in targets:
        for one in sets.get(target.profile.id, ()):
            if one.is_live:
                by_model = _cases_by_model(one, registry, roles, models)
                trials.extend(Trial(target, one, model, cases) for model, cases in by_model)
    if not trials:
        raise NothingToTest("None of these profiles has a live set of tests that is meant here.")
    return trials


def run_live(trials: Sequence[Trial], ask: Ask, registry: Registry) -> list[SetOutcome]:
    """Ask all that the trials need, have what needs a grader graded, and check.

    Args:
        trials: What is tried.
        ask: Asks models; called twice, the second time for graders.
        registry: Has the graders.
    """
    askings: dict[tuple[int, int, int], Question] = {}
    refused: dict[tuple[int, int], str] = {}
    for number, trial in enumerate(trials):
        for place, case in enumerate(trial.cases):
            rendered = rendered_case(trial.target, case)
            if not isinstance(rendered, str) and rendered.images and not case.photos:
                rendered = f"{case.stage} shows {rendered.images} pictures, and the test has none"
            if isinstance(rendered, str):
                refused[number, place] = rendered
                continue
            photos = tuple(map(trial.set.photo, case.photos))
            for sample in range(trial.set.written.repeat):
                askings[number, place, sample] = Question(trial.model, rendered, photos, sample)
    told = _asked(ask, askings)
    graded = _asked(ask, _rubrics(trials, told, registry))
    outcomes = []
    graders = {trial.set.place: _grader(trial.set, registry) for trial in trials}
    for number, trial in enumerate(trials):
        tests = []
        for place, case in enumerate(trial.cases):
            samples = tuple(
                _sample(trial, case, told[number, place, sample], _graded(graded, number, place, sample))
                for sample in range(trial.set.written.repeat)
                if (number, place, sample) in told
            ) or (Sample("", (Check("renders", holds=False, why=refused[number, place]),)),)
            tests.append(TestOutcome(case.description, case.stage, samples, trial.set.written.threshold))
        outcomes.append(_outcome(trial, tuple(tests), graders[trial.set.place]))
    return outcomes


def _cases_by_model(
    one: CaseSet, registry: Registry, roles: Mapping[str, str], models: Sequence[str]
) -> list[tuple[Model, tuple[Case, ...]]]:
    named = models or one.written.models
    cases: dict[str, list[Case]] = defaultdict(list)
    for case in one.written.tests:
        if not named and case.stage not in roles:
            raise NothingToTest(
                f"Set {one.name} of {one.profile_id!r} names no models, and no role is asked for the stage "
                f"{case.stage}. Name some in its field models, or with --model."
            )
        # Two names of one model are one model.
        for name in dict.fromkeys(
            reading_model(registry, name).name for name in named or [roles[case.stage]]
        ):
            cases[name].append(case)
    return [(reading_model(registry, name), tuple(own)) for name, own in cases.items()]


def _asked(ask: Ask, questions: Mapping[_Key, Question]) -> dict[_Key, Told]:
    if not questions:
        return {}
    return dict(zip(questions, ask(list(questions.values())), strict=True))


def _rubrics(
    trials: Sequence[Trial], told: Mapping[tuple[int, int, int], Told], registry: Registry
) -> dict[tuple[int, int, int, Rubric], Question]:
    questions = {}
    for (number, place, sample), answer in told.items():
        trial = trials[number]
        for assertion in trial.cases[place].asserts:
            text = _graded_text(assertion, answer) if isinstance(assertion, Rubric) else None
            if isinstance(assertion, Rubric) and text is not None:
                grader = reading_model(registry, trial.set.written.grader or "")
                questions[number, place, sample, assertion] = rubric_question(grader, assertion.value, text)
    return questions


def _graded_text(assertion: Rubric, answer: Told) -> str | None:
    if answer.failure is not None:
        return None
    if assertion.field is None:
        return answer.text
    if not isinstance(answer.data, dict) or assertion.field not in answer.data:
        return None
    return text_of(answer.data[assertion.field])


def _graded(
    graded: Mapping[tuple[int, int, int, Rubric], Told], number: int, place: int, sample: int
) -> dict[Rubric, Told]:
    return {key[3]: told for key, told in graded.items() if key[:3] == (number, place, sample)}


def _sample(trial: Trial, case: Case, told: Told, graded: Mapping[Rubric, Told]) -> Sample:
    said = Said(
        text=told.text,
        data=told.data,
        schema=trial.target.profile.stage(case.stage).output,
        recalled=told.recalled,
        latency_ms=told.latency_ms,
        tokens=told.tokens,
        failure=None if told.failure is None else f"there is no answer: {told.failure}",
    )

    def special(assertion: Python | Rubric, _: Said) -> Problem:
        if isinstance(assertion, Rubric):
            answer = graded.get(assertion)
            if answer is None:
                return f"the answer has no field {assertion.field!r}"
            return verdict(answer, trial.set.written.grader or "")
        context: dict[str, Any] = {
            "data": told.data,
            "vars": case.vars,
            "stage": case.stage,
            "test": case.description,
        }
        return run_function(assertion.value, trial.set.folder, told.text, context)

    checks = tuple(check(assertion, said, special) for assertion in case.asserts)
    return Sample(told.text, checks, recalled=told.recalled, answered_by=told.answered_by)


def _grader(one: CaseSet, registry: Registry) -> tuple[str, str] | None:
    if one.written.grader is None:
        return None
    model = reading_model(registry, one.written.grader)
    return model.name, model.model_revision


def _outcome(trial: Trial, tests: tuple[TestOutcome, ...], grader: tuple[str, str] | None) -> SetOutcome:
    return SetOutcome(
        reference=trial.target.reference,
        profile_id=trial.target.profile.id,
        profile_hash=trial.target.profile.hash,
        set_name=trial.set.name,
        set_hash=trial.set.hash_with(grader),
        model=trial.model.name,
        model_revision=trial.model.model_revision,
        tests=tests,
    )
