"""Where an imported profile goes: checked with the whole hub first, and over nothing that is there."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from prompt_hub.errors import CaseFileError, FileProblem, ProfileFileError, WouldOverwrite
from prompt_hub.exporting import yaml_text
from prompt_hub.hub import PromptHub
from prompt_hub.testing.case_files import FOLDER, load_case_sets, read_case_file
from store.publishing import publish_file

if TYPE_CHECKING:
    from prompt_hub.exchange.carried import Carried
    from prompt_hub.schema import PromptProfile

_SUFFIXES: Final = (".yaml", ".yml")


def file_texts(carried: Carried) -> dict[str, str]:
    """The files that hold what was carried, by their paths within a folder of profiles."""
    profile_id = carried.profile["id"]
    texts = {f"{profile_id}.yaml": yaml_text(carried.profile)}
    if carried.cases is not None:
        texts[f"{FOLDER}/{profile_id}.yaml"] = yaml_text(carried.cases)
    return texts


def check(carried: Carried, prompts: Path, *, replace: bool) -> PromptProfile:
    """The profile as it would be in the user's layer, with all that is there.

    Args:
        carried: What is to be written.
        prompts: The user's layer.
        replace: Whether a file of the user's with this profile may go.

    Raises:
        WouldOverwrite: There is such a profile.
        ProfileFileError, ProfileCycle, CaseFileError: It, or the hub with it, would be broken.
    """
    profile_id = carried.profile["id"]
    name = f"{profile_id}.yaml"
    _check_free(profile_id, prompts, replace=replace)
    with TemporaryDirectory() as made:
        staged = Path(made)
        for path in prompts.iterdir() if prompts.is_dir() else ():
            if path.suffix in _SUFFIXES and path.name != name:
                (staged / path.name).symlink_to(path.resolve())
        for file, text in file_texts(carried).items():
            (staged / file).parent.mkdir(exist_ok=True)
            (staged / file).write_text(text, encoding="utf-8")
        try:
            profile = PromptHub.load(staged).get(profile_id)
        except ProfileFileError as error:
            raise ProfileFileError(_moved(error.problems, staged, prompts)) from error
        if carried.cases is not None:
            sets = read_case_file(staged / FOLDER / name, by_user=True)
            if isinstance(sets, tuple):
                raise CaseFileError(_moved(sets, staged, prompts))
            _check_sets({one.name for one in sets}, profile_id, prompts)
    return profile


def _check_free(profile_id: str, prompts: Path, *, replace: bool) -> None:
    place = prompts / f"{profile_id}.yaml"
    hub = PromptHub.load(prompts)
    if profile_id not in hub.profiles:
        if place.exists():
            raise WouldOverwrite(f"{place} is there and has another profile; name another with --id.")
        return
    if set(hub.provenance[profile_id].values()) != {str(place)}:
        raise WouldOverwrite(f"There is a profile {profile_id!r} in other files; name another with --id.")
    if not replace:
        raise WouldOverwrite(
            f"{place} has the profile {profile_id!r}; name another with --id, or --replace it."
        )


def write(carried: Carried, folder: Path, *, replace: bool) -> list[Path]:
    """Write the files into a folder.

    Raises:
        WouldOverwrite: One is there, and is not to be replaced; none is written.
        store.errors.PublishFailed: One could not be written.
    """
    texts = {folder / file: text for file, text in file_texts(carried).items()}
    there = [str(path) for path in texts if path.exists() and not replace]
    if there:
        raise WouldOverwrite(f"{' and '.join(there)} is there; name another with --id, or --replace it.")
    for path, text in texts.items():
        publish_file(path, text.encode())
    return list(texts)


def _check_sets(names: set[str], profile_id: str, prompts: Path) -> None:
    own = str(prompts / FOLDER / f"{profile_id}.yaml")
    for one in load_case_sets(prompts):
        if one.profile_id == profile_id and one.name in names and not one.place.startswith(f"{own}:"):
            raise WouldOverwrite(
                f"{one.place} has tests of {profile_id!r} that are called {one.name} already."
            )


def _moved(problems: tuple[FileProblem, ...], staged: Path, prompts: Path) -> tuple[FileProblem, ...]:
    """The problems with the paths that people know."""
    return tuple(
        FileProblem(one.file.replace(str(staged), str(prompts), 1), one.line, one.field, one.problem)
        for one in problems
    )
