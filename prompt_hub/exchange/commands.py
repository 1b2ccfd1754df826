"""The command `import` of `python -m prompt_hub`: a prompt of another tool becomes a profile."""

from dataclasses import replace as replace_in
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from prompt_hub.errors import BadReference
from prompt_hub.exchange.carried import Carried, id_of
from prompt_hub.exchange.reading import SourceFolder
from prompt_hub.revision_commands import HomeOption
from prompt_hub.schema import Application, ProfileId, StageName
from store.home import Home
from store.path_text import path_text
from store.settings import Settings


class Format(StrEnum):
    """The tools whose files are read."""

    PROMPTFOO = "promptfoo"
    LANGCHAIN = "langchain"
    DOTPROMPT = "dotprompt"
    HAYSTACK = "haystack"
    PERSONAL_TAGGER = "personal-tagger"


def import_prompt(
    form: Annotated[
        Format,
        typer.Argument(
            metavar="FORMAT", help="promptfoo, langchain, dotprompt, haystack or personal-tagger."
        ),
    ],
    file: Annotated[Path, typer.Argument(help="The file; what it names is read from its folder alone.")],
    *,
    profile_id: Annotated[
        str | None, typer.Option("--id", help="Id of the profile; made from the file's name if not given.")
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(
            "--stage", help="Name of its one stage, such as caption; made from its text or file if not given."
        ),
    ] = None,
    application: Annotated[
        str, typer.Option(help="What it is for: base, judge_vision or personal_tagger.")
    ] = "base",
    grader: Annotated[
        str | None, typer.Option(help="Model or role that reads answers, for promptfoo's llm-rubric.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder to write into, or - for the terminal; the home's prompts if none."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the files of this id.")] = False,
    home: HomeOption = None,
) -> None:
    """Make a profile of another tool's prompt; what cannot be carried over is said, with its place."""
    from prompt_hub.exchange.writing import check, file_texts, write  # noqa: PLC0415 - jinja2 is dear

    name = _checked(ProfileId, profile_id or _id_of(file), "--id")
    folder = SourceFolder(file)
    if form is Format.PERSONAL_TAGGER:
        several = _of_personal_tagger(folder, profile_id)
    else:
        several = [_carried(form, folder, name, _checked(Application, application, "--application"), grader)]
    if stage is not None:
        named = _checked(StageName, stage, "--stage")
        several = [carried.with_stage(named) for carried in several]
    prompts = Home.of(Settings() if home is None else Settings(home=home)).prompts
    # All of them are looked at before the first is written.
    profiles = [check(carried, prompts, replace=replace or output is not None) for carried in several]
    for carried, profile in zip(several, profiles, strict=True):
        for loss in carried.losses:
            typer.echo(str(loss), err=True)
        if output == Path("-"):
            texts = file_texts(carried).items()
            typer.echo("---\n".join(f"# {path}\n{text}" for path, text in texts), nl=False)
            continue
        written = write(carried, output or prompts, replace=replace)
        typer.echo(f"{profile.id} with {', '.join(profile.stages)}: {', '.join(map(path_text, written))}")


def _of_personal_tagger(folder: SourceFolder, profile_id: str | None) -> list[Carried]:
    from prompt_hub.exchange.personal_tagger import from_personal_tagger  # noqa: PLC0415 - jinja2 is dear

    several = from_personal_tagger(folder)
    if profile_id is None:
        return several
    if len(several) > 1:
        names = ", ".join(one.profile["id"] for one in several)
        raise BadReference(f"--id names one profile, and this file has {names}.")
    return [replace_in(several[0], profile={**several[0].profile, "id": profile_id})]


def _carried(
    form: Format, folder: SourceFolder, profile_id: str, application: str, grader: str | None
) -> Carried:
    # Each brings jinja2, which most commands do without.
    match form:
        case Format.PROMPTFOO:
            from prompt_hub.exchange.promptfoo_reading import from_promptfoo  # noqa: PLC0415 - see above

            return from_promptfoo(folder, profile_id, application, grader=grader)
        case Format.LANGCHAIN:
            from prompt_hub.exchange.langchain import from_langchain  # noqa: PLC0415 - see above

            return from_langchain(folder, profile_id, application)
        case Format.DOTPROMPT:
            from prompt_hub.exchange.dotprompt import from_dotprompt  # noqa: PLC0415 - see above

            return from_dotprompt(folder, profile_id, application)
        case Format.HAYSTACK:
            from prompt_hub.exchange.haystack import from_haystack  # noqa: PLC0415 - see above

            return from_haystack(folder, profile_id, application)
        case Format.PERSONAL_TAGGER:
            raise AssertionError("its file holds several profiles")


def _id_of(file: Path) -> str:
    """The file's name, or its folder's where every such file is called the same."""
    name = file.absolute().parent.name if file.stem == "promptfooconfig" else file.stem
    return id_of(name)


def _checked(kind: Any, value: str, option: str) -> str:
    try:
        checked: str = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise BadReference(
            f"{option} {value!r} cannot be: {error.errors(include_url=False)[0]['msg']}."
        ) from error
    return checked
