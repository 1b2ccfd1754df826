"""The command `test` of `python -m prompt_hub`: prompts are looked at, and no model is asked."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from prompt_hub.hub import PromptHub
from prompt_hub.revision_commands import HomeOption, opened
from prompt_hub.revisions.access import system_user
from prompt_hub.revisions.store import PromptStore, resolve
from prompt_hub.testing.case_files import load_case_sets, sets_by_profile
from prompt_hub.testing.outcomes import failed
from prompt_hub.testing.reports.writing import ReportForm, check_form, write_report
from prompt_hub.testing.results import keep_results
from prompt_hub.testing.static import run_static
from prompt_hub.testing.targets import Target
from store.home import Home

ReferencesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        help="club-judge for what the files say, club-judge@label or club-judge@hash; all if none."
    ),
]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Only the sets of this name.")]
FormOption = Annotated[ReportForm, typer.Option("--format", help="table, junit, json or html.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", help="File for it; the terminal if not given.")
]


def run_tests(
    references: ReferencesArgument = None,
    *,
    only: SetOption = None,
    form: FormOption = ReportForm.TABLE,
    output: OutputOption = None,
    home: HomeOption = None,
) -> None:
    """Test prompts without asking a model; exit code 1 if a test fails. What came of it is kept."""
    check_form(form, output)
    with opened(home) as (store, settings):
        prompts = Home.of(settings).prompts
        hub = PromptHub.load(prompts)
        sets = load_case_sets(prompts, hub.profiles)
        targets = targets_of(references or list(hub.profiles), hub, store)
        chosen = sets_by_profile(sets, [target.profile.id for target in targets], only or ())
        outcomes = run_static(targets, chosen)
        keep_results(store.database, outcomes, who=str(system_user()))
    write_report(outcomes, form, output)
    if failed(outcomes):
        raise typer.Exit(1)


def targets_of(references: Iterable[str], hub: PromptHub, store: PromptStore) -> list[Target]:
    """The profiles that are named, each reference once.

    Raises:
        PromptHubError: One of them is not there.
        store.errors.DatabaseUnreachable: Nobody can say.
    """
    return [Target(reference, resolve(reference, hub, store)) for reference in dict.fromkeys(references)]
