"""From merged layers to effective profiles: partials put in, every field checked, every problem placed."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from prompt_hub.errors import FileProblem, ProfileFileError, TemplateRefused
from prompt_hub.layers import layer_files, merged_profiles
from prompt_hub.memory import Checked, Memory
from prompt_hub.partials import at_fault, with_partials
from prompt_hub.profile_files import parse_profile_text, validation_problems
from prompt_hub.schema import PromptProfile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from prompt_hub.layers import LayeredProfile
    from prompt_hub.written_schemas import ProfileDocument

_TEXTS = ("system", "user")


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
    if problems:
        raise ProfileFileError(tuple(problems))
    try:
        return PromptProfile.model_validate({**content, "stages": stages})
    except ValidationError as error:
        raise ProfileFileError(
            tuple(layered.problem(place, text) for place, text in validation_problems(error))
        ) from error


def _template_problems(
    layered: LayeredProfile, profile: PromptProfile
) -> tuple[tuple[FileProblem, ...], tuple[FileProblem, ...]]:
    """What is wrong, and in what is right what is doubtful."""
    # jinja2 is dear, and most load without.
    from prompt_hub.checking import doubts, template_problems  # noqa: PLC0415 - see above
    from prompt_hub.placing import placed  # noqa: PLC0415 - see above

    problems = tuple(
        placed(layered, profile.stages[str(place[1])], place, problem)
        for place, problem in template_problems(profile)
    )
    if problems:
        return problems, ()
    return (), tuple(layered.problem(place, doubt) for place, doubt in doubts(profile))
