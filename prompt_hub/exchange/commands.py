"""The command `import` of `python -m prompt_hub`: a prompt of another tool becomes a profile."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from prompt_hub.errors import BadReference
from prompt_hub.exchange.carried import Carried
from prompt_hub.exchange.reading import SourceFolder
from prompt_hub.revision_commands import HomeOption
from prompt_hub.schema import Application, ProfileId
from store.home import Home
from store.path_text import path_text
from store.settings import Settings


class Format(StrEnum):
    """The tools whose files are read."""

    PROMPTFOO = "promptfoo"
    LANGCHAIN = "langchain"
    DOTPROMPT = "dotprompt"
    HAYSTACK = "haystack"


def import_prompt(
    form: Annotated[
        Format, typer.Argument(metavar="FORMAT", help="promptfoo, langchain, dotprompt or haystack.")
    ],
    file: Annotated[Path, typer.Argument(help="The file; what it names is read from its folder alone.")],
    *,
    profile_id: Annotated[
        str | None, typer.Option("--id", help="Id of the profile; made from the file's name if not given.")
    ] = None,
    application: Annotated[str, typer.Option(help="What it is for.")] = "base",
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
    carried = _carried(
        form, SourceFolder(file), name, _checked(Application, application, "--application"), grader
    )
    prompts = Home.of(Settings() if home is None else Settings(home=home)).prompts
    profile = check(carried, prompts, replace=replace or output is not None)
    for loss in carried.losses:
        typer.echo(str(loss), err=True)
    if output == Path("-"):
        texts = file_texts(carried).items()
        typer.echo("---\n".join(f"# {path}\n{text}" for path, text in texts), nl=False)
        return
    written = write(carried, output or prompts, replace=replace)
    typer.echo(f"{profile.id} with {', '.join(profile.stages)}: {', '.join(map(path_text, written))}")


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


def _id_of(file: Path) -> str:
    """The file's name, or its folder's where every such file is called the same."""
    name = file.absolute().parent.name if file.stem == "promptfooconfig" else file.stem
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:60] or "imported"


def _checked(kind: Any, value: str, option: str) -> str:
    try:
        checked: str = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise BadReference(
            f"{option} {value!r} cannot be: {error.errors(include_url=False)[0]['msg']}."
        ) from error
    return checked
