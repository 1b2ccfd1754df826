"""`imageworks prompts trial`: two revisions of a prompt on the same batch, compared entry by entry."""

# Typer reads the annotations of what it is given: they are not postponed in this module.

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from imageworks_dagster.command.terminal import answers_progress, say
from imageworks_dagster.errors import NothingToTry
from imageworks_dagster.opened import open_store
from imageworks_dagster.pipelines import PIPELINES, Pipeline, StageDeclaration
from prompt_hub.hashing import short
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.store import PromptStore, resolve
from prompt_hub.testing.targets import Target
from registry.registry import Registry
from store.batches import batches
from store.home import Home
from store.path_text import path_text
from store.publishing import make_folder, publish_file
from store.settings import Settings

console = Console()
errors = Console(stderr=True)

ReferenceArgument = Annotated[
    str, typer.Argument(help="A revision: club-judge@label, club-judge@hash, or club-judge for the files.")
]


def trial(
    batch: Annotated[str, typer.Argument(help="Name of the batch.")],
    first: ReferenceArgument,
    second: ReferenceArgument,
    *,
    stage: Annotated[
        str | None, typer.Option("--stage", help="critique, caption, keywords or description.")
    ] = None,
    pipeline: Annotated[
        Literal["judge", "tagger"] | None,
        typer.Option("--pipeline", help="Which pipeline's batch; told by the profile if not given."),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="Model or model role; what the batch asks if not given.")
    ] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again, even what has a kept answer.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for the report; beside the batch's if not given.")
    ] = None,
) -> None:
    """Ask two revisions of a prompt about all entries of a batch, and compare; no result of the batch is changed."""
    # They load what stages work with, and every other command starts without.
    from imageworks.trials import summary_of, trial_csv, trial_json, trial_page  # noqa: PLC0415 - see above
    from imageworks_dagster.trying import Tried, try_both  # noqa: PLC0415 - see above

    settings = Settings()
    home, store = Home.of(settings), open_store(settings)
    prompts = PromptStore.over(store.database)
    hub = PromptHub.load_cached(home.prompts, home.cached_prompts)
    one, other = (Target(text, resolve(text, hub, prompts)) for text in (first, second))
    line = _pipeline(pipeline, one)
    registered = next((known for known in batches(store.database, line.name) if known.name == batch), None)
    if registered is None:
        raise NothingToTry(f"There is no {line.name} batch {batch!r}; `imageworks status` shows them all.")
    tried = Tried(registered, _stage(line, stage), one, other, model)
    with answers_progress(errors) as progress:
        done = try_both(
            settings,
            Registry.load(home.registry),
            store,
            tried,
            prompt_hub_version=hub.version,
            fresh=fresh,
            progress=progress,
        )
    hashes = [one.profile.hash, other.profile.hash]
    name = "-".join([tried.stage.asset.rpartition("/")[2], *map(short, hashes), done.facts.model])
    folder = output or home.reports / line.name / batch / "trials" / name
    make_folder(folder)
    publish_file(folder / "trial.html", trial_page(done.facts, done.entries, done.pictures).encode())
    publish_file(folder / "trial.csv", trial_csv(done.entries).encode("utf-8-sig"))
    publish_file(folder / "trial.json", trial_json(done.facts, done.entries).encode())
    summary = summary_of(done.entries)
    words = [f"{summary.entries} entries, {summary.compared} answered by both"]
    if summary.mean_difference is not None:
        words.append(
            f"the second marks {summary.mean_difference:+.2f} on average: "
            f"{summary.better} higher, {summary.worse} lower, {summary.same} the same"
        )
    else:
        words.append(f"{summary.same} the same")
    if summary.added or summary.removed:
        words.append(f"{summary.added} keywords added, {summary.removed} removed")
    say(console, f"{'; '.join(words)}.")
    say(console, f"Report: {path_text(folder / 'trial.html')}")


def _pipeline(named: str | None, target: Target) -> Pipeline:
    if named is not None:
        return PIPELINES[named]
    for one in PIPELINES.values():
        if one.application == target.profile.application:
            return one
    raise NothingToTry(f"{target.reference} is for {target.profile.application}, which has no batches.")


def _stage(pipeline: Pipeline, profile_stage: str | None) -> StageDeclaration:
    """The stage that asks with a profile stage; the first that asks where none is named."""
    for one in pipeline.asking:
        if one.asks is not None and profile_stage in (None, one.asks.profile_stage):
            return one
    stages = ", ".join(one.asks.profile_stage for one in pipeline.asking if one.asks)
    raise NothingToTry(f"No stage of {pipeline.name} asks {profile_stage!r}; there are {stages}.")
