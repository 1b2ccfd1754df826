"""The commands of `imageworks`."""

from __future__ import annotations

import getpass
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from stamina.instrumentation import set_on_retry_hooks

from imageworks_dagster.choices import DEFAULT
from imageworks_dagster.command.commands import choice_options, run_command
from imageworks_dagster.command.competition import app as competition_app
from imageworks_dagster.command.configuration import settings_in_force, tell_settings
from imageworks_dagster.command.models import app as models_app
from imageworks_dagster.command.outcomes import report_of, tell, tell_of_changes, tell_of_files
from imageworks_dagster.command.prompts import app as prompts_app
from imageworks_dagster.command.running import (
    Interrupted,
    register_folder,
    run_batch,
    terminations_as_interrupts,
)
from imageworks_dagster.command.terminal import console, errors, say
from imageworks_dagster.command.vocabulary import app as vocabulary_app
from imageworks_dagster.explained import EXPLAINED
from imageworks_dagster.opened import has_home, open_store, which_home
from store.home import Home
from store.path_text import path_text

if TYPE_CHECKING:
    from imageworks_dagster.pipelines import PipelineName

app = typer.Typer(
    name="imageworks",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Judge competitions and tag photo libraries on your own machine.",
)
app.add_typer(competition_app, name="competition")
app.add_typer(models_app, name="models")
app.add_typer(prompts_app, name="prompts")
app.add_typer(vocabulary_app, name="vocabulary")

Folder = Annotated[Path, typer.Argument(help="Folder of photos.", exists=True, file_okay=False)]
BatchName = Annotated[str | None, typer.Option("--batch", help="Name of the batch; by default the folder's.")]
Profile = Annotated[
    str, typer.Option("--profile", help="Prompt profile; remembered for this batch, until 'default'.")
]
Model = Annotated[
    str, typer.Option("--model", help="Model or model role; remembered for this batch, until 'default'.")
]
IqaModel = Annotated[
    str,
    typer.Option(
        "--iqa-model",
        help="Image-quality model for the signals; remembered for this batch, until 'default'. None by default.",
    ),
]
Judges = Annotated[
    str,
    typer.Option(
        "--judges",
        help="Several judges, such as 'near-vlm, far-vlm:club-judge*2'; remembered for this batch, until 'default'. "
        "They share the playoff, unless --model names one for it.",
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ask again, even what has a kept answer.")]


def run() -> None:
    """Run the command line; an explained error prints its words alone."""
    # Retries are in telemetry; stamina's own lines would break into the progress.
    set_on_retry_hooks(())
    try:
        with terminations_as_interrupts():
            app()
    except Interrupted as interrupted:
        say(errors, str(interrupted), style="yellow")
        sys.exit(130)
    except EXPLAINED as error:
        say(errors, str(error), style="red")
        sys.exit(1)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(console, f"imageworks {version('imageworks-dagster')}")
        raise typer.Exit


@app.callback()
def whole(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Judge competitions and tag photo libraries on your own machine."""


@app.command()
def judge(
    folder: Folder,
    rules: Annotated[
        Path | None, typer.Option(help="The competition's rules, TOML.", exists=True, dir_okay=False)
    ] = None,
    profile: Profile = "",
    model: Model = "",
    judges: Judges = "",
    iqa_model: IqaModel = "",
    batch: BatchName = None,
    fresh: Fresh = False,
) -> None:
    """Check, measure, critique, compare and rank a folder of competition entries."""
    settings = settings_in_force()
    name = register_folder(settings, "judge", folder, name=batch, rules=rules)
    choice = {"profile": profile, "model": model, "fresh": fresh}
    asking_with = choice_options(
        profile=profile, model=model, judges=judges, iqa_model=iqa_model, fresh=fresh
    )
    # Judges name their models; the model beside them is for the playoff, which they are asked in too without one.
    panel = judges not in ("", DEFAULT)
    of_critiques = {**choice, "judges": judges, "model": "" if panel else model}
    of_playoff = {**choice, "model": model or (DEFAULT if panel else "")}
    finished = run_batch(
        settings,
        "judge",
        name,
        console=console,
        configured={
            "judge/signals": {"model": iqa_model, "fresh": fresh},
            "judge/critiques": of_critiques,
            "judge/playoff": of_playoff,
        },
        resume=run_command("judge", folder, name, *asking_with),
    )
    tell(finished, report_of(settings, "judge", name))


@app.command()
def tag(
    folder: Folder,
    profile: Profile = "",
    model: Model = "",
    batch: BatchName = None,
    fresh: Fresh = False,
    apply: Annotated[bool, typer.Option("--apply", help="Write the tags into the photos.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was written, byte for byte.")] = False,
    approved: Annotated[
        bool, typer.Option("--approved", help="With --apply: only tags that a review approved.")
    ] = False,
) -> None:
    """Caption, keyword and describe a folder of photos; the files change only with --apply."""
    if approved and not apply:
        raise typer.BadParameter("--approved goes with --apply: it says which tags are written")
    if apply and undo:
        raise typer.BadParameter("--apply and --undo contradict each other: give one of them")
    settings = settings_in_force()
    if undo and not has_home(settings):
        say(console, f"Nothing was taken back: nothing was ever tagged in this home.\n{which_home(settings)}")
        return
    if not undo:
        from imageworks_dagster.tagging.knowledge import keyword_rules  # noqa: PLC0415 - loads tables of words

        keyword_rules(settings)  # what cannot be used is told before anything is done
    name = register_folder(settings, "tagger", folder, name=batch, rules=None)
    choice = {"profile": profile, "model": model, "fresh": fresh}
    asking = ("tagger/captions", "tagger/keywords", "tagger/descriptions")
    configured: dict[str, dict[str, Any]] = dict.fromkeys(asking, choice)
    action = "undo" if undo else "apply" if apply else "propose"
    asking_with = choice_options(profile=profile, model=model, fresh=fresh)
    configured["tagger/metadata"] = {"action": action, **({"approved_only": True} if approved else {})}
    finished = run_batch(
        settings,
        "tagger",
        name,
        console=console,
        configured=configured,
        # The photos anew: a folder that was moved is found where it is now.
        only=["tagger/photos", "tagger/metadata"] if undo else None,
        resume=run_command(
            "tagger",
            folder,
            name,
            *asking_with,
            *([] if action == "propose" else [f"--{action}"]),
            *(["--approved"] if approved else []),
        ),
    )
    tell(finished, report_of(settings, "tagger", name))
    if action != "propose":
        tell_of_files(
            settings, name, finished, undo=run_command("tagger", folder, name, "--undo") if apply else ""
        )
    if action == "propose":
        tell_of_changes(settings, name)
        again = run_command("tagger", folder, name, "--apply")
        say(console, f"No file was changed. Write the tags with: {again}")
        say(console, f"Or decide on each of them first: imageworks review {name}")


@app.command()
def review(
    batch: Annotated[str, typer.Argument(help="Name of a tagged batch.")],
    decided: Annotated[
        Path | None,
        typer.Option("--import", help="Decisions to take back: the saved CSV.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Write a sheet on which tags are approved, edited or rejected; or take the decisions back."""
    from imageworks_dagster.command.review import import_review, write_review  # noqa: PLC0415 - loads the store

    if decided is None:
        write_review(settings_in_force(), batch, console)
    else:
        import_review(settings_in_force(), batch, decided, console, who=_user())


@app.command()
def library(
    folder: Folder,
    profile: Profile = "",
    model: Model = "",
    tag: Annotated[
        bool, typer.Option("--tag", help="Tag what is due; without it, that is only told.")
    ] = False,
) -> None:
    """Cut a photo library into batches, and tag those in which something is new, changed, moved or gone."""
    from imageworks_dagster.command.library import tend_library  # noqa: PLC0415 - loads the store

    choice = {"profile": profile, "model": model, "fresh": False}
    asking = ("tagger/captions", "tagger/keywords", "tagger/descriptions")
    configured: dict[str, dict[str, Any]] = dict.fromkeys(asking, choice)
    if not tend_library(settings_in_force(), folder, console, tag=tag, configured=configured):
        raise typer.Exit(1)


@app.command()
def backfill(
    policy: Annotated[
        Literal["unfinished", "failed", "stale", "all"],
        typer.Argument(
            help="Batches that never ran to their end, that have entries without a result, that a promotion made "
            "stale, or all that are open."
        ),
    ],
    pipeline: Annotated[
        Literal["judge", "tagger"] | None, typer.Option(help="Batches of this pipeline alone.")
    ] = None,
    run: Annotated[
        bool, typer.Option("--run/--dry-run", help="Run them; otherwise that is only told.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The costs for programs.")] = False,
) -> None:
    """Run batches once more by a policy; which they are, and what they cost, is told first."""
    from imageworks_dagster.command.backfill import backfill_batches  # noqa: PLC0415 - loads the store

    if run and as_json:
        raise typer.BadParameter(
            "--json tells the costs, and a run its progress: give one of --json and --run"
        )
    if not backfill_batches(
        settings_in_force(), policy, console, pipeline=pipeline, run=run, as_json=as_json
    ):
        raise typer.Exit(1)


@app.command()
def demo() -> None:
    """Judge and tag the demo photos."""
    from imageworks_dagster.demo.making import make_demo  # noqa: PLC0415 - draws pictures

    settings = settings_in_force()
    folders = make_demo(Home.of(settings).root / "demo")
    finished = []
    batches: tuple[tuple[PipelineName, Path, Path | None], ...] = (
        ("judge", folders.judge, folders.rules),
        ("tagger", folders.tag, None),
    )
    for pipeline, folder, rules in batches:
        title = "Judge-Vision" if pipeline == "judge" else "Personal-Tagger"
        say(console, f"{title}: {path_text(folder)}", style="bold")
        name = register_folder(settings, pipeline, folder, name=None, rules=rules)
        one = run_batch(settings, pipeline, name, console=console, configured={}, resume="imageworks demo")
        tell(one, report_of(settings, pipeline, name), leave=False)
        finished.append(one)
    say(
        console,
        "What failed, was empty or truncated is so on purpose: the demo's photos have faults to be found.",
    )
    if not all(one.success for one in finished):
        raise typer.Exit(1)
    say(console, "See both runs in the web UI: imageworks ui")


@app.command()
def agreement(
    batch: Annotated[str, typer.Argument(help="Name of a judged batch.")],
    marks: Annotated[
        Path,
        typer.Option(
            help="People's marks: CSV with the columns judge, file and mark.", exists=True, dir_okay=False
        ),
    ],
) -> None:
    """Compare people's marks with the judge's scores and with one another."""
    from imageworks_dagster.command.agreement import tell_agreement  # noqa: PLC0415 - loads the store

    tell_agreement(settings_in_force(), batch, marks, console)


@app.command()
def status() -> None:
    """Batches, their last runs, and whether anything needs looking at."""
    from imageworks_dagster.command.status import print_status  # noqa: PLC0415 - reads manifests

    print_status(settings_in_force(), console)


@app.command()
def config() -> None:
    """What is switched on for which application; all settings, whence and what they mean; secrets masked."""
    tell_settings(settings_in_force())


@app.command()
def publish(
    batch: Annotated[str, typer.Argument(help="Name of the batch.")],
    pipeline: Annotated[Literal["judge", "tagger"], typer.Option(help="Which pipeline's batch.")] = "judge",
) -> None:
    """Announce a batch's results: from now on it never runs by itself."""
    from imageworks_dagster.command.publishing import check_publishable  # noqa: PLC0415 - loads the store
    from store.batches import publish as publish_batch  # noqa: PLC0415 - loads the store

    store = open_store(settings_in_force())
    check_publishable(store, pipeline, batch)
    published = publish_batch(store.database, pipeline, batch, by=_user())
    say(console, f"{published.name} is published; schedules and the inbox leave it alone from now on.")


@app.command()
def forget(
    path: Annotated[Path, typer.Argument(help="Photo, or folder of photos; it need not be there any more.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove photos from every table, kept answer and report. The files themselves are left alone."""
    from imageworks_dagster.command.forgetting import plan_forgetting  # noqa: PLC0415 - loads the store
    from imageworks_dagster.instance import open_instance  # noqa: PLC0415 - loads Dagster

    plan = plan_forgetting(settings_in_force(), path)
    if not yes:
        say(console, plan.words())
        typer.confirm("Remove all that?", abort=True)
    with open_instance(plan.store.home) as instance:
        say(console, plan.carry_out(instance))


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Look at versions, disk, home, database, devices, models and prompts; exit code 1 if something is broken."""
    from imageworks_dagster.command.doctor import tell_findings  # noqa: PLC0415 - loads the store

    if not tell_findings(console, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The archive: .tar, .tar.gz or .tar.zst.")],
    without_database: Annotated[
        bool, typer.Option("--without-database", help="Leave out a PostgreSQL database that pg_dump took.")
    ] = False,
) -> None:
    """Keep all of the home in one archive, also while runs go on; photos and weights are not inside."""
    from imageworks_dagster.command.backup import tell_backup  # noqa: PLC0415 - loads the store

    tell_backup(settings_in_force(), file, console, database=not without_database)


@app.command()
def restore(
    file: Annotated[
        Path, typer.Argument(help="An archive of `imageworks backup`.", exists=True, dir_okay=False)
    ],
    home: Annotated[Path, typer.Option(help="The home to make: a folder that is new or empty.")],
) -> None:
    """Make a home of a backup; every file is held to its digest first."""
    from imageworks_dagster.command.backup import tell_restore  # noqa: PLC0415 - loads the store

    tell_restore(settings_in_force(), file, home, console)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)] = 3000,
) -> None:
    """Dagster's web server and daemon, on this machine alone."""
    from imageworks_dagster.command.starting import become_dagster  # noqa: PLC0415 - the other commands need none

    become_dagster(settings_in_force(), port)


@app.command()
def up(
    port: Annotated[int, typer.Option(help="The web UI's port on 127.0.0.1.", min=1, max=65535)] = 3000,
    gateway_port: Annotated[
        int | None, typer.Option(help="The gateway's port; the setting's if not given.", min=1, max=65535)
    ] = None,
) -> None:
    """All of it on this machine: the gateway, and Dagster's web server and daemon, until Ctrl-C ends them."""
    from imageworks_dagster.command.starting import bring_up  # noqa: PLC0415 - the other commands need none

    bring_up(settings_in_force(), port, gateway_port)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number and no name
        return f"user {os.getuid()}"
