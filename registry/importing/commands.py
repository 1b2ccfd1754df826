"""The command `import` of `python -m registry`: the old JSON registry becomes a registry.yaml."""

# Typer reads the annotations of what it is given: they are not postponed in this module.

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from registry.dumping import yaml_text
from registry.errors import FileProblem, RegistryFileError
from registry.importing.entries import read_entries
from registry.importing.translating import translate
from registry.registry import Registry
from store.import_report import ImportReport
from store.publishing import publish_file


def import_registry(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="model_registry.curated.json and .discovered.json; discovered replaces curated.",
        ),
    ],
    *,
    output: Annotated[
        Path | None, typer.Option(help="The registry.yaml to write; the terminal if none is named.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a file that is there.")] = False,
) -> None:
    """Read the JSON registry of the proxy-orchestrated ImageWorks into the form of a registry.yaml.

    What became of each field is told on stderr. What is written was loaded first, over the shipped models.
    """
    report = ImportReport(" and ".join(file.name for file in files))
    text = imported_text(files, report)
    sys.stderr.writelines(f"{line}\n" for line in report.lines())
    if output is None:
        sys.stdout.write(text)
        return
    if output.exists() and not replace:
        raise typer.BadParameter(f"{output} is there; name another file and take from it, or --replace it")
    publish_file(output.absolute(), text.encode())
    sys.stderr.write(f"Written to {output}. Next: python -m registry validate {output}\n")


def imported_text(files: list[Path], report: ImportReport) -> str:
    """The `registry.yaml` that says what the old files say.

    Raises:
        RegistryFileError: A file is broken, or what came of it is no registry.
    """
    shipped = Registry.load(None)
    taken = {*shipped.models, *(alias for model in shipped.models.values() for alias in model.aliases)}
    content: dict[str, Any] = translate(read_entries(files, report), taken, report)
    text = f"# Imported from {report.source}.\n{yaml_text(content) if content else ''}"
    with TemporaryDirectory() as folder:
        made = Path(folder) / "registry.yaml"
        made.write_text(text, encoding="utf-8")
        try:
            Registry.load(made)
        except RegistryFileError as error:
            said = tuple(FileProblem(report.source, None, one.field, one.problem) for one in error.problems)
            raise RegistryFileError(said) from error
    return text
