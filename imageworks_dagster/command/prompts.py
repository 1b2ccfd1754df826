"""`imageworks prompts`: prompts tested with models, compositions walked with them, and what a change does."""

# Typer reads the annotations of what it is given: they are not postponed in this module.

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from imageworks_dagster.command.impact import impact
from imageworks_dagster.command.optimizing import optimize
from imageworks_dagster.command.terminal import answers_progress
from imageworks_dagster.command.trial import trial
from imageworks_dagster.composing import READERS, ROLES, model_of
from imageworks_dagster.opened import open_store
from imageworks_dagster.prompt_asking import COMPOSING, asking_with
from prompt_hub.composition.files import composition_named, load_compositions
from prompt_hub.composition.walking import Entry, walk
from prompt_hub.errors import VariablesRefused
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import system_user
from prompt_hub.revisions.store import PromptStore
from prompt_hub.testing.case_files import CaseSet, load_case_sets, sets_by_profile
from prompt_hub.testing.commands import (
    FormOption,
    OutputOption,
    ReferencesArgument,
    SetOption,
    targets_of,
)
from prompt_hub.testing.live import run_live, trials_of
from prompt_hub.testing.outcomes import failed
from prompt_hub.testing.reports.writing import ReportForm, check_form, write_report
from prompt_hub.testing.results import keep_results
from prompt_hub.testing.static import run_static
from registry.registry import Registry
from store.home import Home
from store.settings import Settings
from store.yaml_reading import read_yaml

app = typer.Typer(no_args_is_help=True, help="Prompts, tested with models, and what a change of them does.")
app.command()(impact)
app.command()(trial)
app.command()(optimize)
errors = Console(stderr=True)


@app.callback()
def prompts() -> None:
    """Prompts, tested with models."""


@app.command("test")
def run_tests(
    references: ReferencesArgument = None,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Ask models; without it prompts are only looked at.")
    ] = False,
    only: SetOption = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="Model or model role to ask, instead of the sets' own."),
    ] = None,
    more: Annotated[
        list[str] | None,
        typer.Option("--profile-ref", help="Another profile to compare with, such as club-judge@staging."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again, even what has a kept answer.")] = False,
    form: FormOption = ReportForm.TABLE,
    output: OutputOption = None,
) -> None:
    """Test prompts; exit code 1 if a test fails. What came of it is kept, and labels may require it."""
    check_form(form, output)
    if not live and (models or fresh):
        raise typer.BadParameter("--model and --fresh are for --live")
    settings = Settings()
    store = open_store(settings)
    folder = Home.of(settings).prompts
    hub = PromptHub.load(folder)
    sets = load_case_sets(folder, hub.profiles)
    prompts_store = PromptStore.over(store.database)
    targets = targets_of(_named(hub, sets, references or (), more or (), live=live), hub, prompts_store)
    chosen = sets_by_profile(sets, [target.profile.id for target in targets], only or ())
    if live:
        registry = Registry.load(Home.of(settings).registry)
        trials = trials_of(targets, chosen, registry, roles=ROLES, models=models or ())
        with answers_progress(errors) as progress:
            ask = asking_with(
                settings,
                registry,
                store,
                prompt_hub_version=hub.version,
                fresh=fresh,
                progress=progress,
            )
            outcomes = run_live(trials, ask, registry)
    else:
        outcomes = run_static(targets, chosen)
    keep_results(store.database, outcomes, who=str(system_user()))
    write_report(outcomes, form, output)
    if failed(outcomes):
        raise typer.Exit(1)


@app.command("compose")
def walk_composition(
    name: Annotated[str, typer.Argument(help="Id of a composition, such as tagging.")],
    *,
    variables: Annotated[Path, typer.Option("--vars", help="YAML or JSON file with the inputs.")],
    photos: Annotated[
        list[Path] | None, typer.Option("--photo", help="A photo to show; several in their order.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again, even what has a kept answer.")] = False,
) -> None:
    """Walk a composition with models: its result and every asking on the way, as JSON; exit code 1 if it failed."""
    settings = Settings()
    folders = Home.of(settings)
    hub = PromptHub.load(folders.prompts)
    composition = composition_named(name, load_compositions(folders.prompts, hub.profiles))
    inputs = read_yaml(variables)
    if not isinstance(inputs, dict):
        raise VariablesRefused(f"{variables} must hold a mapping of inputs to values.")
    store = open_store(settings)
    registry = Registry.load(folders.registry)
    with answers_progress(errors) as progress:
        ask = asking_with(
            settings,
            registry,
            store,
            prompt_hub_version=hub.version,
            fresh=fresh,
            progress=progress,
            stage=COMPOSING,
        )
        (walked,) = walk(
            composition,
            [Entry(inputs, tuple(photos or ()))],
            ask,
            profiles=hub.profiles,
            model_of=model_of(registry),
            readers=READERS,
        )
    typer.echo(json.dumps(walked.as_json(), indent=2, ensure_ascii=False))
    if walked.failure is not None:
        errors.print(walked.failure, markup=False)
        raise typer.Exit(1)


def _named(
    hub: PromptHub, sets: Sequence[CaseSet], references: Sequence[str], more: Sequence[str], *, live: bool
) -> list[str]:
    """What is to be tested; where nothing is named all profiles, or all that have live sets."""
    having = {one.profile_id for one in sets if one.is_live}
    return [*references, *more] or [one for one in hub.profiles if one in having or not live]
