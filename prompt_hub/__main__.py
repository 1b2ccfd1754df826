"""The command line of the Prompt Hub: what profiles say, and what is kept of them."""

import json
import logging
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from prompt_hub.checking import template_problems
from prompt_hub.comparison_commands import add_commands as add_comparison_commands
from prompt_hub.composition.commands import compose
from prompt_hub.contracts import types_of
from prompt_hub.edit_command import edit
from prompt_hub.errors import BadReference, PromptHubError, RenderError, WouldOverwrite
from prompt_hub.exchange.commands import import_prompt
from prompt_hub.exporting import profile_yaml
from prompt_hub.hashing import short
from prompt_hub.hub import PromptHub
from prompt_hub.layers import unread_files
from prompt_hub.named import hub_of, named
from prompt_hub.provenance import Source
from prompt_hub.rendering import Rendered
from prompt_hub.rendering import render as render_stage
from prompt_hub.revision_commands import HomeOption, ReferenceArgument, warn_of
from prompt_hub.revision_commands import add_commands as add_revision_commands
from prompt_hub.schema import PromptProfile, StageTemplate
from prompt_hub.showing import show
from prompt_hub.testing.case_files import load_case_sets, sets_by_profile
from prompt_hub.testing.commands import run_tests
from store.errors import StoreError
from store.home import Home
from store.path_text import path_text
from store.publishing import publish_file
from store.settings import Settings
from store.yaml_reading import YamlError, field_text, read_yaml

app = typer.Typer(
    name="prompt_hub",
    help="What is said to models: profiles, their stages and hashes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Form(StrEnum):
    """How to write a profile."""

    YAML = "yaml"
    JSON = "json"
    PROMPTFOO = "promptfoo"


_ENDINGS_OF: Final = {Form.YAML: (".yaml", ".yml"), Form.JSON: (".json",), Form.PROMPTFOO: (".yaml", ".yml")}
_ENDINGS: Final = frozenset(ending for endings in _ENDINGS_OF.values() for ending in endings)
"""Of names of files: a name for the export that ends so, and is no folder, is the file's own."""


class Output(StrEnum):
    """How to write a rendered prompt, or what is said of a profile."""

    TEXT = "text"
    JSON = "json"


@app.command("list")
def list_profiles(*, home: HomeOption = None) -> None:
    """All profiles with their stages and hashes."""
    hub = hub_of(home)
    show(
        ["profile", "application", "stages", "hash", "from", "description"],
        (
            [
                profile.id,
                profile.application,
                " ".join(profile.stages),
                short(profile.hash),
                "user" if _by_user(hub, profile.id) else "shipped",
                profile.description,
            ]
            for profile in hub.profiles.values()
        ),
    )
    typer.echo(f"prompt_hub_version {hub.version}")


@app.command()
def inspect(
    reference: ReferenceArgument,
    form: Annotated[Output, typer.Option("--format", help="text or json.")] = Output.TEXT,
    *,
    home: HomeOption = None,
) -> None:
    """One profile: hashes, variables, parameters, and the file that each field comes from."""
    found = named(reference, home)
    profile = found.profile
    if form is Output.JSON:
        typer.echo(json.dumps(_inspected(profile, found.layers), indent=2, ensure_ascii=False))
        return
    typer.echo(f"{profile.id} ({profile.application}): {profile.description}")
    typer.echo(f"profile_hash {profile.hash}")
    if profile.extends:
        typer.echo(f"extends {profile.extends}")
    for name, stage in profile.stages.items():
        typer.echo(
            f"\n{name}: {stage.images} picture{'' if stage.images == 1 else 's'}, stage_hash {stage.hash}"
        )
        typer.echo(f"  parameters: {json.dumps(stage.parameters, ensure_ascii=False)}")
        typer.echo(f"  answer: {', '.join(_answer_fields(stage))}")
        for variable, declaration in stage.variables.items():
            needed = "" if declaration.required else " (may be left out)"
            kinds = " or ".join(types_of(declaration.value_schema))
            typer.echo(
                f"  variable {variable}{f' ({kinds})' if kinds else ''}{needed}: {declaration.description}"
            )
    typer.echo("\nWhere each field comes from:")
    for field, file in found.layers.items():
        typer.echo(f"  {field}  {Source.of(file)}")


@app.command()
def export(
    reference: ReferenceArgument,
    form: Annotated[Form, typer.Option("--format", help="yaml, json, or promptfoo.")] = Form.YAML,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for the file, or a file's own name; the terminal if not given."),
    ] = None,
    *,
    home: HomeOption = None,
) -> None:
    """The effective profile: what it extends and includes is put in. For promptfoo, with its live tests."""
    profile = named(reference, home).profile
    name = f"{profile.id}.{form}"
    if form is Form.PROMPTFOO:
        from prompt_hub.exchange import promptfoo  # noqa: PLC0415 - jinja2 is dear

        sets = sets_by_profile(load_case_sets(_home(home).prompts), [profile.id])[profile.id]
        text, losses = promptfoo.to_promptfoo(profile, sets)
        for loss in losses:
            typer.echo(str(loss), err=True)
        name = promptfoo.FILE_NAME
    elif form is Form.JSON:
        content = profile.model_dump(mode="json", exclude={"extends"})
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    else:
        text = f"# profile_hash {profile.hash}\n{profile_yaml(profile)}"
    if output is None:
        typer.echo(text, nl=False)
        return
    place = output
    if output.is_dir() or output.suffix.lower() not in _ENDINGS:
        place = output / name
    elif output.suffix.lower() not in _ENDINGS_OF[form]:
        ending = _ENDINGS_OF[form][0]
        raise BadReference(
            f"{path_text(output)} would hold {form}: end its name in {ending}, or choose another --format."
        )
    if place.exists():
        raise WouldOverwrite(f"{path_text(place)} is there; move it away, or give another name.")
    publish_file(place, text.encode())
    typer.echo(path_text(place))


@app.command()
def validate(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files to try, above what the home folder holds.")
    ] = None,
    *,
    home: HomeOption = None,
) -> None:
    """Check all profiles, or what they would be with these files; exit code 1 if something is wrong."""
    tried = files or []
    hub = hub_of(home, tried)
    problems = 0
    for profile in hub.profiles.values():
        for place, problem in template_problems(profile):
            problems += 1
            typer.echo(f"{profile.id}: {field_text(place)}: {problem}", err=True)
    if problems:
        raise typer.Exit(1)
    # Labels rely on them: a file that tests nothing is no small thing.
    load_case_sets(_home(home).prompts, hub.profiles)
    unread = unread_files(_home(home).prompts)
    for path in unread:
        typer.echo(f"warning: {path_text(path)}: is not read: a profile's file ends in .yaml", err=True)
    doubts = sum(len(some) for some in hub.doubts.values()) + len(unread)
    warn_of(doubt for some in hub.doubts.values() for doubt in some)
    stages = sum(len(profile.stages) for profile in hub.profiles.values())
    typer.echo(f"{len(hub.profiles)} profiles with {stages} stages are right; {doubts} warnings.")


@app.command()
def render(
    reference: ReferenceArgument,
    stage: Annotated[str, typer.Argument(help="Profile stage, such as critique.")],
    variables: Annotated[Path, typer.Option("--vars", help="YAML or JSON file with the variables.")],
    form: Annotated[Output, typer.Option("--format", help="text or json.")] = Output.TEXT,
    *,
    home: HomeOption = None,
) -> None:
    """What would be said to a model, without asking one."""
    values = read_yaml(variables)
    if not isinstance(values, dict):
        raise RenderError(f"{variables} must hold a mapping of variables to values.")
    profile = named(reference, home).profile
    rendered = render_stage(profile, stage, values)
    if form is Output.JSON:
        typer.echo(json.dumps(_as_json(rendered), indent=2, ensure_ascii=False))
        return
    typer.echo(
        f"# {reference}/{stage}  stage_hash {short(rendered.stage_hash)}  pictures {rendered.images}  "
        f"{json.dumps(rendered.parameters)}"
    )
    typer.echo(f"\n## system\n\n{rendered.system}\n\n## user\n\n{rendered.user}")


add_revision_commands(app)
add_comparison_commands(app)
app.command()(edit)
app.command()(compose)
app.command("test")(run_tests)
app.command("import")(import_prompt)


def main() -> None:
    """Run a command; an error of ours is a sentence and exit code 1."""
    # Whoever calls the library hears of refusals by its log; here they are said as errors.
    logging.getLogger("prompt_hub").addHandler(logging.NullHandler())
    try:
        app()
    except (PromptHubError, StoreError, YamlError) as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


def _home(folder: Path | None) -> Home:
    return Home.of(Settings() if folder is None else Settings(home=folder))


def _by_user(hub: PromptHub, profile_id: str) -> bool:
    return any(Source.of(file).layer == "user" for file in hub.provenance[profile_id].values())


def _inspected(profile: PromptProfile, layers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": profile.id,
        "application": profile.application,
        "profile_hash": profile.hash,
        "extends": profile.extends,
        "stages": {
            name: {
                "stage_hash": stage.hash,
                "images": stage.images,
                "parameters": stage.parameters,
                "input_schema": stage.input_schema,
                "output_schema": stage.output,
            }
            for name, stage in profile.stages.items()
        },
        "files": dict(layers),
    }


def _answer_fields(stage: StageTemplate) -> list[str]:
    fields = stage.output["properties"]
    return list(fields) if isinstance(fields, dict) else []


def _as_json(rendered: Rendered) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": rendered.system},
            {"role": "user", "content": rendered.user},
        ],
        "images": rendered.images,
        "parameters": dict(rendered.parameters),
        "output_schema": dict(rendered.output_schema),
        "profile_hash": rendered.profile_hash,
        "stage_hash": rendered.stage_hash,
    }


if __name__ == "__main__":
    main()
