"""`imageworks prompts impact`: what a change of prompts makes stale, and what it costs, before anybody makes it."""

# Typer reads the annotations of what it is given: they are not postponed in this module.

import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imageworks.counting import counted
from imageworks_dagster.command.commands import run_command
from imageworks_dagster.impact import StageImpact, requests_of
from imageworks_dagster.opened import open_store
from prompt_hub.hashing import short
from prompt_hub.hub import PromptHub
from prompt_hub.revisions.references import Reference
from prompt_hub.revisions.store import PromptStore, resolve
from prompt_hub.schema import PromptProfile
from prompt_hub.showing import show
from registry.registry import Registry
from store.home import Home
from store.settings import Settings

if TYPE_CHECKING:
    from imageworks_dagster.foreseeing import BatchImpact

Named = Callable[[str], PromptProfile]


class ImpactForm(StrEnum):
    """How to write it."""

    TABLE = "table"
    JSON = "json"


def impact(
    changes: Annotated[
        list[str],
        typer.Argument(
            help="Files to try, above what the home folder holds; or with --label one revision, such as "
            "club-judge@1a2b3c4d5e6f."
        ),
    ],
    *,
    label: Annotated[
        str | None, typer.Option("--label", help="The label that would be moved to the revision.")
    ] = None,
    form: Annotated[ImpactForm, typer.Option("--format", help="table or json.")] = ImpactForm.TABLE,
) -> None:
    """What a change makes stale in which batches, and how many requests that costs. No model is asked."""
    # It loads what stages work with, and every other command starts without.
    from imageworks_dagster.foreseeing import Foreseer  # noqa: PLC0415 - see above

    settings = Settings()
    home, store = Home.of(settings), open_store(settings)
    prompts = PromptStore.over(store.database)
    hub = PromptHub.load_cached(home.prompts, home.cached_prompts)
    words, after = _change(changes, label, home, hub, prompts)
    foreseer = Foreseer(
        settings,
        store,
        Registry.load(home.registry, embedded=_embedded_revisions()),
        before=lambda text: resolve(text, hub, prompts),
        after=after,
    )
    found = foreseer.all_batches()
    if form is ImpactForm.JSON:
        typer.echo(json.dumps(_as_json(words, found), indent=2))
    else:
        _print(words, found)


def _embedded_revisions() -> dict[str, str]:
    from imageworks.baseline.functions import embedded_revisions  # noqa: PLC0415 - as above

    return dict(embedded_revisions())


def _change(
    changes: Sequence[str], label: str | None, home: Home, hub: PromptHub, prompts: PromptStore
) -> tuple[str, Named]:
    """The change in words, and what references name after it."""
    if label is None:
        missing = [one for one in changes if "@" in one and not Path(one).exists()]
        if missing:
            raise typer.BadParameter(f"{missing[0]} is no file; with --label say which label moves there")
        tried = PromptHub.load(home.prompts, files=[Path(one) for one in changes])
        return f"{', '.join(changes)} above the home folder's prompts", lambda text: resolve(
            text, tried, prompts
        )
    if len(changes) != 1:
        raise typer.BadParameter("--label moves to one revision: name one")
    profile = resolve(changes[0], hub, prompts)

    def after(text: str) -> PromptProfile:
        if Reference.parse(text) == Reference(profile.id, label=label):
            return profile
        return resolve(text, hub, prompts)

    return f"{label} of {profile.id} moved to {short(profile.hash)}", after


def _print(words: str, found: Sequence["BatchImpact"]) -> None:
    still = [one for one in found if one.batch.state == "open"]
    rows = [
        [f"{one.batch.pipeline} {one.batch.name}", stage.asset, _why(stage), _requests(stage)]
        for one in still
        for stage in one.stages
    ]
    typer.echo(f"{words}:")
    if rows:
        show(["batch", "stale", "why", "requests"], rows)
    for one in still:
        if one.problem is not None:
            typer.echo(f"{one.batch.pipeline} {one.batch.name}: cannot be said: {one.problem}", err=True)
    published = [one.batch.name for one in found if one.batch.state == "published" and one.reached]
    if published:
        typer.echo(f"Published, and untouched: {', '.join(published)}.")
    least, most = requests_of(stage for one in still for stage in one.stages)
    if not rows:
        typer.echo("No open batch becomes stale.")
        return
    exactly = counted(most, "request") if least == most else f"{least} to {most} requests"
    typer.echo(
        f"{exactly}, as the tables are now. A count is exact where a stage's own prompt changes and its inputs stay; "
        f"where it reads what is answered anew, it is the most."
    )
    for one in still:
        if one.stages:
            batch = one.batch
            typer.echo(f"Run it with: {run_command(batch.pipeline, batch.folder, batch.name)}")


def _why(stage: StageImpact) -> str:
    reads = f"reads {', '.join(stage.because)}" if stage.because else ""
    return "; ".join(filter(None, ["its prompt changes" if stage.why == "prompt" else "", reads]))


def _requests(stage: StageImpact) -> str:
    if not stage.questions:
        return "none"
    if not stage.exact:
        return f"at most {stage.requests}"
    kept = stage.questions - stage.requests
    return f"{stage.requests} of {stage.questions}" + (f", {kept} known" if kept else "")


def _as_json(words: str, found: Sequence["BatchImpact"]) -> dict[str, Any]:
    still = [one for one in found if one.batch.state == "open"]
    least, most = requests_of(stage for one in still for stage in one.stages)
    return {
        "change": words,
        "requests": {"least": least, "most": most},
        "batches": [
            {
                "pipeline": one.batch.pipeline,
                "batch": one.batch.name,
                "problem": one.problem,
                "stages": [
                    {
                        "asset": stage.asset,
                        "prompt_changes": stage.why == "prompt",
                        "because": list(stage.because),
                        "questions": stage.questions,
                        "requests": stage.requests,
                        "exact": stage.exact,
                    }
                    for stage in one.stages
                ],
            }
            for one in still
            if one.stages or one.problem is not None
        ],
        "published": [
            {"pipeline": one.batch.pipeline, "batch": one.batch.name}
            for one in found
            if one.batch.state == "published" and one.reached
        ],
    }
