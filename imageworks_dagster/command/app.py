"""The commands of `imageworks`."""

from __future__ import annotations

import getpass
import os
import signal
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from stamina.instrumentation import set_on_retry_hooks

from imageworks_dagster.choices import DEFAULT
from imageworks_dagster.command.commands import choice_options, run_command
from imageworks_dagster.command.competition import app as competition_app
from imageworks_dagster.command.models import app as models_app
from imageworks_dagster.command.prompts import app as prompts_app
from imageworks_dagster.command.running import (
    Finished,
    Interrupted,
    register_folder,
    run_batch,
    terminations_as_interrupts,
)
from imageworks_dagster.command.serving import check_files, check_port, take_home
from imageworks_dagster.command.switching import switch_lines
from imageworks_dagster.command.terminal import hanging, indented, say
from imageworks_dagster.command.vocabulary import app as vocabulary_app
from imageworks_dagster.explained import EXPLAINED
from imageworks_dagster.instance import prepare_dagster_home
from imageworks_dagster.opened import has_home, open_store, which_home
from registry.errors import RegistryError
from registry.registry import Registry
from store.home import Home
from store.older_variables import set_in, told_at_start
from store.path_text import path_text
from store.settings import Settings, unknown_variables, variable

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
console = Console()
errors = Console(stderr=True)

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
    settings = _settings()
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
    _tell(finished, _report(settings, "judge", name))


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
    settings = _settings()
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
    _tell(finished, _report(settings, "tagger", name))
    if action != "propose":
        _tell_of_files(
            settings, name, finished, undo=run_command("tagger", folder, name, "--undo") if apply else ""
        )
    if action == "propose":
        _tell_of_changes(settings, name)
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
        write_review(_settings(), batch, console)
    else:
        import_review(_settings(), batch, decided, console, who=_user())


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
    if not tend_library(_settings(), folder, console, tag=tag, configured=configured):
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

    if not backfill_batches(_settings(), policy, console, pipeline=pipeline, run=run, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def demo() -> None:
    """Judge and tag the demo photos."""
    from imageworks_dagster.demo.making import make_demo  # noqa: PLC0415 - draws pictures

    settings = _settings()
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
        _tell(one, _report(settings, pipeline, name), leave=False)
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

    tell_agreement(_settings(), batch, marks, console)


@app.command()
def status() -> None:
    """Batches, their last runs, and whether anything needs looking at."""
    from imageworks_dagster.command.status import print_status  # noqa: PLC0415 - reads manifests

    print_status(_settings(), console)


@app.command()
def config() -> None:
    """What is switched on for which application; all settings, whence and what they mean; secrets masked."""
    settings = _settings()
    for line in switch_lines(settings, lambda setting: _source(settings, setting)):
        say(console, line)
    for name, value in settings.masked().items():
        source = _source(settings, name)
        say(console, f"{variable(name)} = {value}  ({source})", style="bold")
        say(console, indented(Settings.model_fields[name].description or ""))
    for older in set_in(os.environ):
        say(console, f"{older.name}  (of the older set-up)", style="bold")
        say(console, indented(f"{older.words[:1].upper()}{older.words[1:]}."))


@app.command()
def publish(
    batch: Annotated[str, typer.Argument(help="Name of the batch.")],
    pipeline: Annotated[Literal["judge", "tagger"], typer.Option(help="Which pipeline's batch.")] = "judge",
) -> None:
    """Announce a batch's results: from now on it never runs by itself."""
    from imageworks_dagster.command.publishing import check_publishable  # noqa: PLC0415 - loads the store
    from store.batches import publish as publish_batch  # noqa: PLC0415 - loads the store

    store = open_store(_settings())
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

    plan = plan_forgetting(_settings(), path)
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

    tell_backup(_settings(), file, console, database=not without_database)


@app.command()
def restore(
    file: Annotated[
        Path, typer.Argument(help="An archive of `imageworks backup`.", exists=True, dir_okay=False)
    ],
    home: Annotated[Path, typer.Option(help="The home to make: a folder that is new or empty.")],
) -> None:
    """Make a home of a backup; every file is held to its digest first."""
    from imageworks_dagster.command.backup import tell_restore  # noqa: PLC0415 - loads the store

    tell_restore(_settings(), file, home, console)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)] = 3000,
) -> None:
    """Dagster's web server and daemon, on this machine alone."""
    settings = _settings()
    if told := told_at_start(os.environ):
        say(errors, told, style="yellow")
    home = open_store(settings).home
    # The home first: whoever has it may have the port too, and its address is the better answer.
    take_home(home, port)
    check_port(port)
    prepare_dagster_home(home)
    say(console, f"http://127.0.0.1:{port}  (Ctrl-C ends it)")
    command = _dagster_command(port)
    # A shell starts what it puts in the background with SIGINT ignored, and Dagster would then end on no signal.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - our own environment's program, no shell


@app.command()
def up(
    port: Annotated[int, typer.Option(help="The web UI's port on 127.0.0.1.", min=1, max=65535)] = 3000,
    gateway_port: Annotated[
        int | None, typer.Option(help="The gateway's port; the setting's if not given.", min=1, max=65535)
    ] = None,
) -> None:
    """All of it on this machine: the gateway, and Dagster's web server and daemon, until Ctrl-C ends them."""
    import asyncio  # noqa: PLC0415 - the other commands need none

    from imageworks_dagster.command.bringing_up import Program, run_together  # noqa: PLC0415 - as above

    settings = _settings()
    home = open_store(settings).home
    check_files(home)
    served_at = gateway_port or settings.gateway_port
    take_home(home, port)
    check_port(port, again="imageworks up --port")
    check_port(served_at, again="imageworks up --gateway-port")
    prepare_dagster_home(home)
    dagster_url = f"http://127.0.0.1:{port}"
    gateway_url = f"http://{settings.gateway_host}:{served_at}"
    gateway = [sys.executable, "-m", "gateway", "serve", "--port", str(served_at)]
    # The gateway's console shows runs that Dagster has.
    knowing = {"IMAGEWORKS_DAGSTER_URL": dagster_url, **os.environ}
    programs = [
        Program("The gateway", gateway, knowing),
        Program("Dagster", _dagster_command(port), os.environ),
    ]
    say(
        console,
        f"console {gateway_url}/console, Dagster {dagster_url}, gateway {gateway_url}  (Ctrl-C ends both)",
    )
    asyncio.run(run_together(programs, show=_pass_on))
    say(console, "Both have ended.")


def _dagster_command(port: int) -> list[str]:
    """Dagster's web server and daemon over one code server."""
    dagster = Path(sys.executable).with_name("dagster")
    # A file, because the name of a code location can be given in no other way, and people see it everywhere.
    workspace = str(files("imageworks_dagster").joinpath("workspace.yaml"))
    return [str(dagster), "dev", "-w", workspace, "-h", "127.0.0.1", "-p", str(port)]


def _pass_on(written: bytes) -> None:
    sys.stderr.buffer.write(written)
    sys.stderr.buffer.flush()


def _settings() -> Settings:
    settings = Settings()
    for name in _ignored_variables(settings):
        said = f"{name} is no setting and is ignored; `imageworks config` lists them."
        say(errors, said, style="yellow")
    return settings


def _source(settings: Settings, name: str) -> str:
    """Where a setting's value comes from."""
    if name not in settings.model_fields_set:
        return "default"
    older = [one.name for one in set_in(os.environ) if one.setting == name]
    return f"from {older[0]}" if older and not os.environ.get(variable(name)) else "set"


def _ignored_variables(settings: Settings) -> list[str]:
    """Variables that look like settings and that nothing reads; the registry's addresses name some too."""
    unknown = unknown_variables(os.environ)
    if not unknown:
        return []
    try:
        read = Registry.load(Home.of(settings).registry).variables
    except RegistryError as error:
        # It may be what this command is to be without, so it stops nothing here.
        say(errors, str(error), style="yellow")
        return []
    return [name for name in unknown if name not in read]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number and no name
        return f"user {os.getuid()}"


def _report(settings: Settings, pipeline: str, batch: str) -> Path:
    return Home.of(settings).report(pipeline, batch)


def _tell_of_changes(settings: Settings, batch: str) -> None:
    """Say what writing would do to the files: of many photos the sums here, all of it in a file."""
    from imageworks_dagster.tagging import telling  # noqa: PLC0415 - loads the store

    rows = open_store(settings).tables.read("tagger/metadata", batch).to_pylist()
    place = _report(settings, "tagger", batch).with_name(telling.CHANGES_FILE)
    for line in telling.shown_words(rows, whole=path_text(place)):
        say(console, hanging(line))


def _tell_of_files(settings: Settings, batch: str, finished: Finished, *, undo: str) -> None:
    """Say what was written, or taken back where ``undo`` names no command for that."""
    from imageworks_dagster.tagging import telling  # noqa: PLC0415 - loads the store
    from imageworks_dagster.tagging.undoing import undo_words  # noqa: PLC0415 - loads the store

    rows = open_store(settings).tables.read("tagger/metadata", batch).to_pylist()
    if undo:
        say(console, telling.applied_words(rows, undo=undo))
        if finished.by_rule:
            say(console, telling.BY_RULE, style="yellow")
        return
    say(console, undo_words(rows))
    if not any(row["state"] in ("undone", "refused") for row in rows):
        say(console, which_home(settings))
    refused = [row for row in rows if row["state"] == "refused"]
    for line in telling.refused_words(refused):
        say(errors, line, style="red")
    if refused:
        raise typer.Exit(1)


def _tell(finished: Finished, report: Path, *, leave: bool = True) -> None:
    for reason in finished.reasons:
        say(errors, reason, style="yellow" if finished.success else "red")
    if finished.success and report.exists():
        say(console, f"Report: {path_text(report)}")
    if leave and not finished.success:
        raise typer.Exit(1)
