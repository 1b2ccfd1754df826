"""What a label requires: that the sets which name it have passed with exactly this revision. And what is not tested."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from prompt_hub.errors import ReadsNoPrompt
from prompt_hub.hashing import short
from prompt_hub.testing.results import latest_states
from prompt_hub.testing.targets import reading_model
from registry.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prompt_hub.revisions.labels import Unmet
    from prompt_hub.revisions.revisions import Revision
    from prompt_hub.schema import PromptProfile
    from prompt_hub.testing.case_files import CaseSet
    from registry.registry import Registry
    from registry.schema import Model
    from store.database import StateDatabase

Present = Callable[[str], tuple[str, str]]
"""From the name of a model, or of a role, to the model's name and present revision."""


def present_in(load: Callable[[], Registry]) -> Present:
    """Models as a registry has them; it is read when the first one is asked for."""
    read: list[Registry] = []

    def present(name: str) -> tuple[str, str]:
        if not read:
            read.append(load())
        model = reading_model(read[0], name)
        return model.name, model.model_revision

    return present


def required_sets(load: Callable[[], Iterable[CaseSet]], database: StateDatabase, present: Present) -> Unmet:
    """The requirements of labels.

    Args:
        load: Reads the sets, when a label is moved; what it raises stops the move.
        database: Keeps what came of them.
        present: Says which models there are now.
    """

    def unmet(label: str, revision: Revision, /) -> Sequence[str]:
        own = [one for one in load() if one.profile_id == revision.profile.id]
        required = [one for one in own if label in one.written.required_for]
        return [words for one in required for words in _unmet_by(one, revision, database, present)]

    return unmet


def untested(
    sets: Iterable[CaseSet], profile: PromptProfile, stage: str, database: StateDatabase, model: Model
) -> list[str]:
    """The tests of a profile stage that have not passed with exactly this profile and this model, by set in words.

    A set that a label requires counts as every other. A model that answers by rule reads no prompt: nothing is to be
    tested with it.

    Args:
        sets: All sets there are.
        profile: What was asked with.
        stage: The profile stage.
        database: Keeps what came of tests.
        model: Who was asked.
    """
    if model.is_embedded:
        return []
    missing: list[str] = []
    for one in sets:
        wanted = [case.description for case in one.written.tests if case.stage == stage]
        if one.profile_id == profile.id and wanted:
            missing += _not_passed(
                one,
                wanted,
                profile,
                database=database,
                model=model.name if one.is_live else "",
                model_revision=model.model_revision if one.is_live else "",
                asked=model.name,
            )
    return missing


def _unmet_by(one: CaseSet, revision: Revision, database: StateDatabase, present: Present) -> Iterable[str]:
    if not one.is_live:
        yield from _not_passed(
            one, _tests_of(one), revision.profile, database=database, model="", model_revision=""
        )
        return
    models: dict[str, str] = {}
    missing: dict[str, list[str]] = {}
    for name in one.written.models or ():
        try:
            model, model_revision = present(name)
        except (RegistryError, ReadsNoPrompt) as error:
            missing.setdefault(str(error), []).append(name)
        else:
            models[model] = model_revision
    for why, names in missing.items():
        yield f"its set {one.name} has to pass with {', '.join(names)}, which cannot be asked: {why.rstrip('.')}"
    for model, model_revision in models.items():
        yield from _not_passed(
            one,
            _tests_of(one),
            revision.profile,
            database=database,
            model=model,
            model_revision=model_revision,
        )


def _tests_of(one: CaseSet) -> list[str]:
    return [case.description for case in one.written.tests]


def _not_passed(
    one: CaseSet,
    wanted: Sequence[str],
    profile: PromptProfile,
    *,
    database: StateDatabase,
    model: str,
    model_revision: str,
    asked: str = "",
) -> Iterable[str]:
    states = latest_states(database, profile.hash, one.hash, model, model_revision)
    failed = [test for test in wanted if states.get(test) == "failed"]
    if not failed and all(test in states for test in wanted):
        return
    with_model = f" with {model} ({short(model_revision)})" if model else ""
    happened = f"failed{with_model} ({', '.join(failed)})" if failed else f"has not passed{with_model}"
    yield f"its set {one.name} {happened}: `{command(one, profile, asked)}`"


def command(one: CaseSet, profile: PromptProfile, model: str = "") -> str:
    """The command that runs a set with a kept profile, and, if it is a live one, with the models that it names.

    Args:
        one: The set.
        profile: The profile.
        model: A model to ask instead of those that the set names.
    """
    program = ["imageworks", "prompts"] if one.is_live else ["python", "-m", "prompt_hub"]
    reference = f"{profile.id}@{short(profile.hash)}"
    live = ["--live", *(["--model", model] if model else [])]
    return shlex.join([*program, "test", reference, *(live if one.is_live else []), "--set", one.name])
