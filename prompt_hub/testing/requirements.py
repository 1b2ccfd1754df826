"""What a label requires: that the sets which name it have passed with exactly this revision."""

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
    from prompt_hub.testing.case_files import CaseSet
    from registry.registry import Registry
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


def _unmet_by(one: CaseSet, revision: Revision, database: StateDatabase, present: Present) -> Iterable[str]:
    if not one.is_live:
        yield from _not_passed(one, revision, database, "", "")
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
        yield from _not_passed(one, revision, database, model, model_revision)


def _not_passed(
    one: CaseSet, revision: Revision, database: StateDatabase, model: str, model_revision: str
) -> Iterable[str]:
    states = latest_states(database, revision.hash, one.hash, model, model_revision)
    wanted = [case.description for case in one.written.tests]
    failed = [test for test in wanted if states.get(test) == "failed"]
    if not failed and all(test in states for test in wanted):
        return
    with_model = f" with {model} ({short(model_revision)})" if model else ""
    happened = f"failed{with_model} ({', '.join(failed)})" if failed else f"has not passed{with_model}"
    yield f"its set {one.name} {happened}: `{command(one, revision)}`"


def command(one: CaseSet, revision: Revision) -> str:
    """The command that runs a set with a revision, and, if it is a live one, with the models that it names."""
    program = ["imageworks", "prompts"] if one.is_live else ["python", "-m", "prompt_hub"]
    reference = f"{revision.profile.id}@{short(revision.hash)}"
    return shlex.join([*program, "test", reference, *(["--live"] if one.is_live else []), "--set", one.name])
