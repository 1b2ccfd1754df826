"""`imageworks prompts optimize`: a better prompt, looked for by machine and kept as a revision."""

# Typer reads the annotations of what it is given: they are not postponed in this module.

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from imageworks_dagster.command.terminal import TerminalProgress, say
from imageworks_dagster.opened import open_store
from imageworks_dagster.prompt_asking import asking_with
from prompt_hub.errors import BadReference, WouldOverwrite
from prompt_hub.exporting import profile_yaml
from prompt_hub.hashing import short
from prompt_hub.hub import PromptHub
from prompt_hub.layers import layer_files, merged_profiles
from prompt_hub.revisions.access import system_user
from prompt_hub.revisions.references import Reference
from prompt_hub.revisions.store import PromptStore, resolve
from prompt_hub.testing.targets import reading_model
from registry.registry import Registry
from store.home import Home
from store.path_text import path_text
from store.publishing import publish_file
from store.settings import Settings

EVENTS = "prompts/optimize"
"""What events of this have as their stage."""

errors = Console(stderr=True)
console = Console()


def optimize(  # noqa: PLR0917 - Typer's options are parameters
    reference: Annotated[
        str, typer.Argument(help="club-judge for what the files say, club-judge@label or club-judge@hash.")
    ],
    stage: Annotated[str, typer.Option(help="Profile stage, such as critique.")],
    data: Annotated[Path, typer.Option(help="Labelled examples: .parquet, .csv or .jsonl.")],
    metric: Annotated[
        str,
        typer.Option(
            help="spearman, mae, valid, length:FIELD:LEAST:MOST, keywords-precision, keywords-recall, keywords-f1; "
            "several with weights, as spearman=0.7,valid=0.3."
        ),
    ],
    model: Annotated[str, typer.Option(help="Model or model role that is asked the stage's question.")],
    budget: Annotated[int, typer.Option(min=1, help="Requests to models in all; never more are made.")],
    reflection_model: Annotated[
        str | None, typer.Option(help="Model that writes texts anew; the same if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=100_000, help="Decides what chance decides.")] = 0,
    holdout: Annotated[
        float, typer.Option(min=0.05, max=0.9, help="Share of the examples that the optimizer never sees.")
    ] = 0.3,
    freeze: Annotated[
        list[str] | None, typer.Option(help="Text that stays: system, user, partials, or partials.NAME.")
    ] = None,
    few_shot: Annotated[int, typer.Option(min=0, max=16, help="Demonstrations to try.")] = 0,
    output: Annotated[Path | None, typer.Option(help="YAML file for the best profile.")] = None,
) -> None:
    """Look for a better prompt of a stage; the best becomes a revision with its lineage. No label moves."""
    # They load jinja2, and the optimizer itself loads with the search.
    from prompt_hub.improving.budget import Budget  # noqa: PLC0415 - see above
    from prompt_hub.improving.candidates import Subject  # noqa: PLC0415 - see above
    from prompt_hub.improving.examples import read_examples  # noqa: PLC0415 - see above
    from prompt_hub.improving.lineage import lineage_of  # noqa: PLC0415 - see above
    from prompt_hub.improving.metrics import metric_of  # noqa: PLC0415 - see above
    from prompt_hub.improving.searching import Found, Plan, search  # noqa: PLC0415 - see above

    if output is not None and output.exists():
        raise WouldOverwrite(f"{path_text(output)} is there; move it away, or name another file.")
    settings = Settings()
    home = Home.of(settings)
    store = open_store(settings)
    hub, registry = PromptHub.load(home.prompts), Registry.load(home.registry)
    prompts = PromptStore.over(store.database)
    who = system_user()
    named = Reference.parse(reference)
    prompts.access.require(who, "author", f"save a revision of {named.profile_id}")
    profile = resolve(reference, hub, prompts)
    layered: Any = {}
    if not named.is_kept:
        layered = merged_profiles(layer_files(home.prompts))[profile.id].profile.content
    examples = read_examples(data, profile, stage)
    train, held_out = examples.split(holdout, seed)
    plan = Plan(
        subject=Subject.of(profile, stage, layered, freeze or ()),
        metric=metric_of(metric, profile.stage(stage).output, examples.rows),
        train=train,
        held_out=held_out,
        model=reading_model(registry, model),
        reflection_model=reading_model(registry, reflection_model or model),
        seed=seed,
        few_shot=few_shot,
    )
    found = Found()
    ask = asking_with(
        settings,
        registry,
        store,
        prompt_hub_version=hub.version,
        fresh=False,
        progress=lambda done, total, wrong: None,  # noqa: ARG005 - what counts is told below
        stage=EVENTS,
    )
    with TerminalProgress(errors) as shown:
        shown.started("requests", budget)
        allowed = Budget(budget, ask, told=lambda used, _: shown.advanced("requests", used, 0))
        try:
            search(plan, allowed, found, note=lambda text: say(errors, text))
        except KeyboardInterrupt:
            shown.stopped("requests")
            _tell_interrupted(found)
            raise typer.Exit(130) from None
        shown.finished("requests")
    best = found.best
    if best is None or found.held_out is None:
        raise BadReference("The search ended without having measured anything.")
    lineage = lineage_of(plan, examples, allowed, found)
    _tell(lineage)
    if best.score <= found.tried[0].score:
        say(console, "No better prompt was found; nothing is kept.")
        return
    if found.held_out[1] < found.held_out[0]:
        say(
            console,
            "What was found is better on what it learned from, and worse on what it never saw: nothing is kept. More "
            "examples help, or a larger --holdout.",
        )
        return
    made = plan.subject.applied(best.texts)
    _keep(prompts, profile, made, lineage, author=str(who))
    if output is not None:
        publish_file(output, f"# profile_hash {made.hash}\n{profile_yaml(made)}".encode())
        say(console, f"Written: {path_text(output)}")


def _keep(prompts: PromptStore, parent: Any, made: Any, lineage: dict[str, Any], *, author: str) -> None:
    prompts.revisions.keep(parent, author=author, message="What an optimizer began with.")
    scores = lineage["scores"]["held_out"]
    message = (
        f"{lineage['stage']} optimized for {lineage['metric']}: {scores[0]:.3f} -> {scores[1]:.3f} held out"
    )
    prompts.revisions.keep(made, author=author, message=message, parents=[parent.hash], lineage=lineage)
    name = f"{made.id}@{short(made.hash)}"
    say(console, f"Kept as {name}. See it: python -m prompt_hub diff {parent.id}@{short(parent.hash)} {name}")


def _tell(lineage: dict[str, Any]) -> None:
    requests, scores = lineage["requests"], lineage["scores"]
    say(
        console,
        f"{requests['made']} of {lineage['budget']} requests made, {requests['recalled']} answers recalled, "
        f"{len(lineage['candidates'])} candidates measured, {len(lineage['refused'])} refused; {lineage['ended']}.",
    )
    held_out = lineage["data"]["held_out"]
    for name, words, count in (
        ("train", "to learn from", lineage["data"]["examples"] - held_out),
        ("held_out", "held out", held_out),
    ):
        before, after = scores[name]
        say(console, f"{words} ({count} examples): {before:.3f} before, {after:.3f} now")


def _tell_interrupted(found: Any) -> None:
    best = found.best
    say(
        errors,
        "Interrupted; nothing is kept. The same command goes on from the answers that are.",
        style="yellow",
    )
    if best is not None and best.score > found.tried[0].score:
        say(
            console,
            f"The best so far, to learn from: {found.tried[0].score:.3f} before, {best.score:.3f} with",
        )
        for name, text in best.texts.items():
            if text != found.tried[0].texts[name]:
                say(console, f"\n{name}:\n{text}")
