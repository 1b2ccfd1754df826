"""`imageworks competition`: what a rules file means, and rules brought over from a file that held them all."""

# Typer reads the annotations of what it is given: they are not postponed in this module.
# Each command loads what it works with.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from imageworks_dagster.command.terminal import indented, say
from store.path_text import path_text

app = typer.Typer(no_args_is_help=True, help="A competition's rules.")
console = Console()
errors = Console(stderr=True)


@app.callback()
def whole() -> None:
    """A competition's rules."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The rules, TOML.", exists=True, dir_okay=False)],
) -> None:
    """See that a rules file can be used, and say in plain words what each rule means and leads to."""
    from imageworks.judge_vision.competition_file import load_competitions
    from imageworks.judge_vision.rules_in_words import in_words

    found = load_competitions(file)
    for competition in found.values():
        say(console, competition.title, style="bold")
        for told in in_words(competition):
            say(console, f"{told.about}:")
            for sentence in told.sentences:
                say(console, indented(sentence))
    if len(found) == 1:
        say(console, "The file can be used.", style="green")
    else:
        say(
            console,
            f"Its {len(found)} competitions can be used, each in a file of its own: a round has a file with one.",
            style="yellow",
        )


@app.command("import")
def import_competitions(
    file: Annotated[Path, typer.Argument(help="The old competitions.toml.", exists=True, dir_okay=False)],
    *,
    output: Annotated[Path, typer.Option(help="Folder for the rules files.")] = Path("competitions"),
    replace: Annotated[bool, typer.Option("--replace", help="Write over files that are there.")] = False,
) -> None:
    """Write one rules file for each competition of an old competitions.toml; stderr tells what became of each key."""
    from imageworks.judge_vision.competition_file import rules_text
    from imageworks.judge_vision.older_rules import taken_apart
    from store.import_report import ImportReport
    from store.publishing import publish_file

    report = ImportReport(path_text(file))
    files = {
        output / f"{name}.toml": text
        for name, text in taken_apart(rules_text(file), str(file), report).items()
    }
    for line in report.lines():
        say(errors, line)
    there = [path_text(path) for path in files if path.exists()]
    if there and not replace:
        raise typer.BadParameter(f"{', '.join(there)} is there; name another folder, or --replace it")
    for path, text in files.items():
        publish_file(path.absolute(), text.encode())
        say(console, f"{path_text(path)}: imageworks judge FOLDER --rules {path_text(path)}")
