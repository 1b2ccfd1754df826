"""The registry on the command line: `python -m registry list|inspect|validate|resolve|export|discover|import`."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from registry.addresses import expand, problem_with_template
from registry.discovery.proposing import propose
from registry.discovery.servers import Kind, look_at
from registry.discovery.writing import yaml_of
from registry.dumping import yaml_text
from registry.errors import BadDeploymentUrl, RegistryError, ServerSilent
from registry.importing.commands import import_registry
from registry.registry import Registry
from registry.schema import NEEDS
from registry.showing import capabilities_text, devices_table, fields_table, models_table, where
from store.errors import SettingsError
from store.fitted_table import fitted
from store.home import Home
from store.settings import Settings

app = typer.Typer(
    help="Models: which there are, where they are served, what they can do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# Wide enough for a table that goes into a file or a pipe.
_PIPE_WIDTH = 180

# Where each usually is on one's own machine; a supervisor may stand at the place of what it starts.
_USUAL = (
    "http://127.0.0.1:11434",
    "http://127.0.0.1:8600",
    "http://127.0.0.1:8000",
    "http://127.0.0.1:8601",
    "http://127.0.0.1:5105",
)

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Home folder that holds registry.yaml; IMAGEWORKS_HOME by default."),
]
UserFileOption = Annotated[
    Path | None, typer.Option("--user-file", help="A registry.yaml to use instead of the home folder's.")
]


class ExportFormat(StrEnum):
    """The languages that a registry is exported in."""

    JSON = "json"
    YAML = "yaml"


Need = StrEnum("Need", {need: need for need in NEEDS})  # type: ignore[misc]


@app.command("list")
def list_models(home: HomeOption = None, user_file: UserFileOption = None) -> None:
    """Show every model, and the devices that are declared."""
    registry, console = _registry(home, user_file), _console()
    tables = [models_table(registry), *([devices_table(registry)] if registry.devices else [])]
    for table in tables:
        console.print(fitted(table, console) if sys.stdout.isatty() else table)


@app.command()
def inspect(
    name: Annotated[str, typer.Argument(help="Name, alias or role.")],
    home: HomeOption = None,
    user_file: UserFileOption = None,
) -> None:
    """Show every field of a model, and which layer set it."""
    registry = _registry(home, user_file)
    _console().print(fields_table(registry, registry.resolve(name)))


@app.command()
def validate(
    file: Annotated[
        Path | None, typer.Argument(help="A user's registry.yaml; the home folder's by default.")
    ] = None,
    home: HomeOption = None,
    user_file: UserFileOption = None,
) -> None:
    """Check the registry, and the addresses in this environment; exit with 1 where something is wrong."""
    registry = _registry(home, file or user_file)
    troubles = list(_address_troubles(registry))
    for trouble in troubles:
        sys.stderr.write(f"{trouble}\n")
    if troubles:
        raise typer.Exit(1)
    changed = sum(layer == "user" for layer in registry.provenance.values())
    sys.stdout.write(
        f"The registry is in order: {len(registry.models)} models, {changed} fields set by the user, "
        f"registry_version {registry.version}\n"
    )


@app.command()
def resolve(
    name: Annotated[str, typer.Argument(help="Name, alias or role.")],
    need: Annotated[list[Need] | None, typer.Option("--need", help="Capability that it must have.")] = None,
    home: HomeOption = None,
    user_file: UserFileOption = None,
) -> None:
    """Say which model answers to a name, an alias or a role."""
    registry = _registry(home, user_file)
    model = registry.resolve(name, needs=[str(each) for each in need or ()])
    lines = [
        f"model            {model.name}{' (deprecated)' if model.deprecated else ''}",
        f"can              {capabilities_text(model)}",
        f"model_revision   {model.model_revision}",
        *(f"served by        {where(registry, deployment)}" for deployment in model.deployments),
    ]
    if model.is_embedded:
        lines.append("note             in a run, an embedded model's revision is the digest of its code")
    sys.stdout.write("\n".join(lines) + "\n")


@app.command()
def export(
    language: Annotated[ExportFormat, typer.Option("--format", help="json or yaml.")] = ExportFormat.YAML,
    home: HomeOption = None,
    user_file: UserFileOption = None,
) -> None:
    """Write the effective registry in the form of a registry.yaml."""
    registry = _registry(home, user_file)
    if language is ExportFormat.JSON:
        sys.stdout.write(json.dumps(registry.effective(), indent=2, ensure_ascii=False) + "\n")
        return
    sys.stdout.write(f"# registry_version {registry.version}\n{yaml_text(registry.effective())}")


@app.command()
def discover(
    urls: Annotated[
        list[str] | None,
        typer.Argument(metavar="[URL]...", help="Servers of which it is to be found out what they are."),
    ] = None,
    *,
    ollama: Annotated[list[str] | None, typer.Option(metavar="URL", help="An Ollama server.")] = None,
    vllm: Annotated[list[str] | None, typer.Option(metavar="URL", help="A vLLM server.")] = None,
    trtllm: Annotated[list[str] | None, typer.Option(metavar="URL", help="A TensorRT-LLM server.")] = None,
    openai: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Another server of the OpenAI protocol.")
    ] = None,
    tf_iqa: Annotated[
        list[str] | None, typer.Option("--tf-iqa", metavar="URL", help="A TF-IQA worker.")
    ] = None,
    home: HomeOption = None,
    user_file: UserFileOption = None,
) -> None:
    """Ask running servers which models they have, and write entries for those that the registry does not know.

    What is written is YAML for registry.yaml: take from it what you want, correct what its comments call a guess, then
    run `validate` and `python -m backends probe`. Without an address, the usual ports of this machine are asked: 11434
    (Ollama), 8600, 8601 and 5105 (supervisors, TensorRT-LLM, TF-IQA) and 8000 (vLLM). Nothing is loaded and nothing is
    changed.
    """
    registry = _registry(home, user_file)
    asked: list[tuple[str, Kind | None]] = [(url, None) for url in urls or ()]
    given: dict[Kind, list[str] | None] = {
        "ollama": ollama,
        "vllm": vllm,
        "trtllm": trtllm,
        "openai": openai,
        "tf_iqa": tf_iqa,
    }
    asked += [(url, kind) for kind, some in given.items() for url in some or ()]
    servers = []
    for url, kind in asked or [(url, None) for url in _USUAL]:
        try:
            servers.append(look_at(_plain_address(url), kind))
        except ServerSilent as error:
            sys.stderr.write(f"{_one_line(str(error))}.\n")
    if not servers:
        sys.stderr.write("No server says what it has. Start one, or give its address.\n")
        raise typer.Exit(1)
    proposal = propose(servers, registry)
    for words in proposal.left_out:
        sys.stderr.write(f"{_one_line(words)}.\n")
    sys.stdout.write(yaml_of(proposal))


app.command("import")(import_registry)


def _plain_address(url: str) -> str:
    problem = problem_with_template(url) if "$" not in url else "must have its variables filled in"
    if problem is not None:
        raise typer.BadParameter(f"{url} {problem}")
    return expand(url, {})


def _one_line(words: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in words).rstrip(". ")


def _registry(home: Path | None, user_file: Path | None) -> Registry:
    if user_file is not None:
        if not user_file.exists():
            raise typer.BadParameter(f"{user_file} does not exist")
        return Registry.load(user_file)
    place = Home(home) if home is not None else Home.of(Settings())
    return Registry.load(place.registry)


def _address_troubles(registry: Registry) -> list[str]:
    troubles = []
    for model in registry.models.values():
        for deployment in model.deployments:
            if deployment.base_url is None:
                continue
            try:
                consent = deployment.needs_consent(registry.environ)
            except BadDeploymentUrl as error:
                troubles.append(f"{model.name}: {error}")
                continue
            if consent and not deployment.remote:
                troubles.append(
                    f"{model.name}: the deployment {deployment.name} is at {registry.url(deployment)}, outside this "
                    "machine and its private network; set remote: true on it, and IMAGEWORKS_ALLOW_REMOTE=true "
                    "if photos may go there"
                )
    return troubles


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)


def main() -> None:
    """Run the command; an error of the registry or the settings is told in words, with exit status 1."""
    try:
        app(prog_name="python -m registry")
    except (RegistryError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
