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

    def unmet(label: str, profile: PromptProfile, named: str, /) -> Sequence[str]:
        own = [one for one in load() if one.profile_id == profile.id]
        required = [one for one in own if label in one.written.required_for]
        return [words for one in required for words in _unmet_by(one, profile, named, database, present)]

    return unmet


def untested(
    sets: Iterable[CaseSet],
    profile: PromptProfile,
    stage: str,
    *,
    database: StateDatabase,
    model: Model,
    present: Present,
) -> list[str]:
    """The sets that have not passed a profile stage with exactly this profile and this model, and what runs them.

    At most two lines: of what asks models, and of what only looks. A set that a label requires counts as every other.
    A model that answers by rule reads no prompt: nothing is to be tested with it.

    Args:
        sets: All sets there are.
        profile: What was asked with.
        stage: The profile stage.
        database: Keeps what came of tests.
        model: Who was asked.
        present: Says which models there are now, for those that grade.
    """
    if model.is_embedded:
        return []
    own = [one for one in sets if one.profile_id == profile.id]
    told: list[str] = []
    for is_live in (True, False):
        revision = (model.name, model.model_revision) if is_live else ("", "")
        found: dict[str, list[CaseSet]] = {}
        for one in own:
            wanted = [case.description for case in one.written.tests if case.stage == stage]
            if one.is_live is is_live and wanted:
                states = latest_states(database, profile.hash, _hash_now(one, present), *revision)
                if any(states.get(test) == "failed" for test in wanted):
                    found.setdefault("failed", []).append(one)
                elif not all(test in states for test in wanted):
                    found.setdefault("not passed yet", []).append(one)
        if found:
            words = ", ".join(
                f"{' and '.join(one.name for one in some)} {how}" for how, some in found.items()
            )
            missing = [one for some in found.values() for one in some]
            asked = model.name if is_live else ""
            named = f"{profile.id}@{short(profile.hash)}"
            told.append(f"{words}: `{command(missing, named, asked)}`")
    return told


def _unmet_by(
    one: CaseSet, profile: PromptProfile, named: str, database: StateDatabase, present: Present
) -> Iterable[str]:
    if not one.is_live:
        yield from _not_passed(
            one, one.hash, profile, named=named, database=database, model="", model_revision=""
        )
        return
    models: dict[str, str] = {}
    missing: dict[str, list[str]] = {}
    grader = one.written.grader
    for name in (*(one.written.models or ()), *([grader] if grader is not None else [])):
        try:
            model, model_revision = present(name)
        except (RegistryError, ReadsNoPrompt) as error:
            missing.setdefault(str(error), []).append(name)
        else:
            if name in (one.written.models or ()):
                models[model] = model_revision
    for why, names in missing.items():
        yield f"its set {one.name} has to pass with {', '.join(names)}, which cannot be asked: {why.rstrip('.')}"
    if missing and grader in {name for names in missing.values() for name in names}:
        return
    set_hash = _hash_now(one, present)
    for model, model_revision in models.items():
        yield from _not_passed(
            one,
            set_hash,
            profile,
            named=named,
            database=database,
            model=model,
            model_revision=model_revision,
        )


def _hash_now(one: CaseSet, present: Present) -> str:
    """What its results are kept by, with the grader as it is now; "" where it is not there, by which none is kept."""
    if one.written.grader is None:
        return one.hash
    try:
        return one.hash_with(present(one.written.grader))
    except (RegistryError, ReadsNoPrompt):
        return ""


def _not_passed(
    one: CaseSet,
    set_hash: str,
    profile: PromptProfile,
    *,
    named: str,
    database: StateDatabase,
    model: str,
    model_revision: str,
) -> Iterable[str]:
    wanted = [case.description for case in one.written.tests]
    states = latest_states(database, profile.hash, set_hash, model, model_revision)
    failed = [test for test in wanted if states.get(test) == "failed"]
    if not failed and all(test in states for test in wanted):
        return
    with_model = f" with {model} ({short(model_revision)})" if model else ""
    happened = f"failed{with_model} ({', '.join(failed)})" if failed else f"has not passed{with_model}"
    yield f"its set {one.name} {happened}: `{command([one], named)}`"


def command(sets: Sequence[CaseSet], named: str, model: str = "") -> str:
    """The command that runs sets of one mode with a profile, and, if they are live, with the models that they name.

    Args:
        sets: The sets; at least one.
        named: The profile's reference.
        model: A model to ask instead of those that the sets name.
    """
    names = [part for one in sets for part in ("--set", one.name)]
    if not sets[0].is_live:
        return shlex.join(["python", "-m", "prompt_hub", "test", named, *names])
    asked = ["--model", model] if model else []
    return shlex.join(["imageworks", "prompts", "test", named, "--live", *asked, *names])
