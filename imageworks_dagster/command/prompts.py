"""`imageworks prompts`: prompts tested with models."""

# Typer reads the annotations of what it is given: they are not postponed in this module.

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from imageworks_dagster.command.optimizing import optimize
from imageworks_dagster.command.terminal import TerminalProgress
from imageworks_dagster.opened import open_store
from imageworks_dagster.pipelines import PIPELINES
from imageworks_dagster.prompt_asking import asking_with
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.access import system_user
from prompt_hub.revisions.store import PromptStore
from prompt_hub.testing.case_files import CaseSet, load_case_sets, sets_by_profile
from prompt_hub.testing.commands import (
    FormOption,
    OutputOption,
    ReferencesArgument,
    SetOption,
    check_profiles,
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

app = typer.Typer(no_args_is_help=True, help="Prompts, tested with models.")
errors = Console(stderr=True)

ROLES = {
    stage.asks.profile_stage: stage.asks.role
    for one in PIPELINES.values()
    for stage in one.stages
    if stage.asks
}
"""The role of the model that a profile stage is asked of."""


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
    hub, sets = PromptHub.load(folder), load_case_sets(folder)
    check_profiles(sets, hub)
    prompts_store = PromptStore.over(store.database)
    targets = targets_of(_named(hub, sets, references or (), more or (), live=live), hub, prompts_store)
    chosen = sets_by_profile(sets, [target.profile.id for target in targets], only or ())
    if live:
        registry = Registry.load(Home.of(settings).registry)
        trials = trials_of(targets, chosen, registry, roles=ROLES, models=models or ())
        with _progress() as progress:
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
        outcomes = run_static(targets, chosen, shipped=PromptHub.load(None).profiles)
    keep_results(store.database, outcomes, who=str(system_user()))
    write_report(outcomes, form, output)
    if failed(outcomes):
        raise typer.Exit(1)


app.command("optimize")(optimize)


def _named(
    hub: PromptHub, sets: Sequence[CaseSet], references: Sequence[str], more: Sequence[str], *, live: bool
) -> list[str]:
    """What is to be tested; where nothing is named all profiles, or all that have live sets."""
    having = {one.profile_id for one in sets if one.is_live}
    return [*references, *more] or [one for one in hub.profiles if one in having or not live]


@contextmanager
def _progress() -> Iterator[Callable[[int, int, int], None]]:
    """Shows how many answers there are; on stderr, so that a report may go to stdout."""
    with TerminalProgress(errors) as shown:
        name = "answers"

        def told(done: int, total: int, wrong: int) -> None:
            if done == 0:
                shown.started(name, total)
            else:
                shown.advanced(name, done, wrong)

        yield told
        shown.finished(name)
