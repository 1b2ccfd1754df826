"""From merged layers to effective profiles: partials put in, every field checked, every problem placed."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from prompt_hub.errors import FileProblem, ProfileCycle, ProfileFileError, TemplateRefused
from prompt_hub.layers import layer_files, merged_profiles
from prompt_hub.memory import Checked, Memory
from prompt_hub.partials import at_fault, with_partials
from prompt_hub.profile_files import MISSING, parse_profile_text, validation_problems
from prompt_hub.schema import PromptProfile, StageTemplate
from registry.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prompt_hub.layers import LayeredProfile
    from prompt_hub.written_schemas import ProfileDocument
    from store.yaml_reading import FieldPath

_TEXTS = ("system", "user")
_OF_A_STAGE = frozenset((name,) for name in StageTemplate.model_fields)


def load_profiles(
    user_folder: Path | None,
    files: Iterable[Path] = (),
    *,
    memory: Memory | None = None,
    instead: Mapping[Path, str] = MappingProxyType({}),
) -> dict[str, Checked]:
    """All effective profiles by id, with the file of each of their fields and what is doubtful in them.

    The templates of shipped profiles are held by this package's tests; those that the user's layer touches are
    checked here, so that a mistake in them is told before any work, with its file and line.

    Args:
        user_folder: The user's layer; None, or a folder that does not exist, is an empty one.
        files: Files that stand above it.
        instead: Texts that files of the user's layer are taken to hold, be the files there or not.
        memory: What an earlier load left; what this one makes is left in it, and nothing where it raises.

    Raises:
        ProfileFileError: A file is broken; all that is wrong.
        ProfileCycle: Profiles extend, or partials include, one another in a circle.
    """
    try:
        return _loaded(user_folder, files, memory=memory, instead=instead)
    except ProfileFileError as error:
        standing = {
            problem.file: None for problem in error.problems if Path(problem.file).parent == user_folder
        }
        stopping = tuple(file for file in standing if Path(file) not in instead)
        raise (error.stopping_all(stopping) if stopping else error) from error


def _loaded(
    user_folder: Path | None,
    files: Iterable[Path],
    *,
    memory: Memory | None,
    instead: Mapping[Path, str],
) -> dict[str, Checked]:
    memory = memory if memory is not None else Memory()
    reads = memory.read

    def read(path: Path) -> ProfileDocument | tuple[FileProblem, ...]:
        return parse_profile_text(instead[path], str(path)) if path in instead else reads(path)

    layers = layer_files(user_folder, files, more=instead)
    merged = merged_profiles(layers, read=read if instead else reads, known=memory.merged)
    checked: dict[str, Checked] = {}
    problems: list[FileProblem] = []
    for profile_id, one in merged.items():
        known = memory.checked.get(profile_id)
        try:
            made = known if known is not None and known.made_from is one.profile else _checked(one.profile)
        except ProfileCycle:
            raise
        except ProfileFileError as error:
            problems.extend(error.problems)
        else:
            checked[profile_id] = made
            problems.extend(made.problems)
    if problems:
        raise ProfileFileError(tuple(dict.fromkeys(problems)))
    memory.merged, memory.checked = merged, checked
    return checked


def _checked(layered: LayeredProfile) -> Checked:
    profile = effective(layered)
    problems, doubts = _template_problems(layered, profile) if layered.touched_by_user else ((), ())
    return Checked(layered, profile, layered.provenance(), problems, doubts)


def effective(layered: LayeredProfile) -> PromptProfile:
    """The profile as it is used.

    Raises:
        ProfileFileError: A field is missing or wrong.
        ProfileCycle: Its partials include one another in a circle.
    """
    content: dict[str, Any] = {name: value for name, value in layered.content.items() if name != "partials"}
    partials = layered.content.get("partials", {})
    problems: list[FileProblem] = []
    stages: dict[str, Any] = {}
    for name, stage in content.get("stages", {}).items():
        stages[name] = dict(stage)
        for text in _TEXTS:
            if text in stage:
                try:
                    stages[name][text] = with_partials(stage[text], partials)
                except TemplateRefused as error:
                    partial = at_fault(stage[text], partials, error)
                    place = ("stages", name, text) if partial is None else ("partials", partial)
                    problems.append(layered.problem(place, str(error)))
                except ProfileCycle as error:
                    raise error.at(layered.problem(("partials", error.circle[0]), "")) from error
    if problems:
        raise ProfileFileError(tuple(problems))
    try:
        return PromptProfile.model_validate({**content, "stages": stages})
    except ValidationError as error:
        wrong = _without_misnamed_stages(list(validation_problems(error)), layered)
        raise ProfileFileError(tuple(layered.problem(place, text) for place, text in wrong)) from error


def _without_misnamed_stages(
    wrong: list[tuple[FieldPath, str]], layered: LayeredProfile
) -> list[tuple[FieldPath, str]]:
    """A stage that lacks what a stage needs, and is called nearly as another, is told once, with that other."""
    lacking: dict[str, list[str]] = {}
    for place, text in wrong:
        if text == MISSING and place[0] == "stages" and place[2:] in _OF_A_STAGE:
            lacking.setdefault(str(place[1]), []).append(str(place[2]))
    others = [name for name in layered.content.get("stages", {}) if name not in lacking]
    meant = {name: hint for name in lacking if (hint := did_you_mean(name, others))}
    told: dict[tuple[FieldPath, str], None] = {}
    for place, text in wrong:
        name = str(place[1]) if text == MISSING and place[2:] in _OF_A_STAGE else ""
        if name not in meant:
            told[place, text] = None
            continue
        known, fields = ", ".join(others), " and ".join(lacking[name])
        words = f"is none of the stages {known}; {meant[name]}as a stage of its own it lacks {fields}"
        told[("stages", name), words] = None
    return list(told)


def _template_problems(
    layered: LayeredProfile, profile: PromptProfile
) -> tuple[tuple[FileProblem, ...], tuple[FileProblem, ...]]:
    """What is wrong, and in what is right what is doubtful."""
    # jinja2 is dear, and most load without.
    from prompt_hub.checking import doubts, template_problems  # noqa: PLC0415 - see above
    from prompt_hub.placing import doubt_placed, placed  # noqa: PLC0415 - see above

    problems = tuple(
        placed(layered, profile.stages[str(place[1])], place, problem)
        for place, problem in template_problems(profile)
    )
    if problems:
        return problems, ()
    return (), tuple(doubt_placed(layered, place, doubt) for place, doubt in doubts(profile))
