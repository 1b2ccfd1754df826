"""The commands: judge, tag, demo, agreement, status, config, publish, forget, models, prompts, ui, up."""

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

from imageworks_dagster.command.commands import choice_options, run_command
from imageworks_dagster.command.models import app as models_app
from imageworks_dagster.command.prompts import app as prompts_app
from imageworks_dagster.command.running import (
    Finished,
    Interrupted,
    register_folder,
    run_batch,
    terminations_as_interrupts,
)
from imageworks_dagster.command.serving import check_port, take_home
from imageworks_dagster.command.terminal import indented, say
from imageworks_dagster.explained import EXPLAINED
from imageworks_dagster.instance import prepare_dagster_home
from imageworks_dagster.opened import has_home, open_store, which_home
from registry.errors import RegistryError
from registry.registry import Registry
from store.home import Home
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
app.add_typer(models_app, name="models")
app.add_typer(prompts_app, name="prompts")
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
    iqa_model: IqaModel = "",
    batch: BatchName = None,
    fresh: Fresh = False,
) -> None:
    """Check, measure, critique, compare and rank a folder of competition entries."""
    settings = _settings()
    name = register_folder(settings, "judge", folder, name=batch, rules=rules)
    choice = {"profile": profile, "model": model, "fresh": fresh}
    asking_with = choice_options(profile=profile, model=model, iqa_model=iqa_model, fresh=fresh)
    finished = run_batch(
        settings,
        "judge",
        name,
        console=console,
        configured={
            "judge/signals": {"model": iqa_model, "fresh": fresh},
            "judge/critiques": choice,
            "judge/playoff": choice,
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
) -> None:
    """Caption, keyword and describe a folder of photos; the files change only with --apply."""
    if apply and undo:
        raise typer.BadParameter("--apply and --undo contradict each other: give one of them")
    settings = _settings()
    if undo and not has_home(settings):
        say(console, f"Nothing was taken back: nothing was ever tagged in this home.\n{which_home(settings)}")
        return
    name = register_folder(settings, "tagger", folder, name=batch, rules=None)
    choice = {"profile": profile, "model": model, "fresh": fresh}
    asking = ("tagger/captions", "tagger/keywords", "tagger/descriptions")
    configured: dict[str, dict[str, Any]] = dict.fromkeys(asking, choice)
    action = "undo" if undo else "apply" if apply else "propose"
    asking_with = choice_options(profile=profile, model=model, fresh=fresh)
    configured["tagger/metadata"] = {"action": action}
    finished = run_batch(
        settings,
        "tagger",
        name,
        console=console,
        configured=configured,
        # The photos anew: a folder that was moved is found where it is now.
        only=["tagger/photos", "tagger/metadata"] if undo else None,
        resume=run_command(
            "tagger", folder, name, *asking_with, *([] if action == "propose" else [f"--{action}"])
        ),
    )
    _tell(finished, _report(settings, "tagger", name))
    if action != "propose":
        _tell_of_files(
            settings, name, finished, undo=run_command("tagger", folder, name, "--undo") if apply else ""
        )
    if action == "propose":
        again = run_command("tagger", folder, name, "--apply")
        say(console, f"No file was changed. Write the tags with: {again}")


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
    """All settings, where they come from, and what they mean; secrets masked."""
    settings = _settings()
    for name, value in settings.masked().items():
        source = "set" if name in settings.model_fields_set else "default"
        say(console, f"{variable(name)} = {value}  ({source})", style="bold")
        say(console, indented(Settings.model_fields[name].description or ""))


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

    plan = plan_forgetting(_settings(), path)
    if not yes:
        say(console, plan.words())
        typer.confirm("Remove all that?", abort=True)
    say(console, plan.carry_out())


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)] = 3000,
) -> None:
    """Dagster's web server and daemon, on this machine alone."""
    settings = _settings()
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
    served_at = gateway_port or settings.gateway_port
    take_home(home, port)
    check_port(port, again="imageworks up --port")
    check_port(served_at, again="imageworks up --gateway-port")
    prepare_dagster_home(home)
    dagster_url = f"http://127.0.0.1:{port}"
    gateway = [sys.executable, "-m", "gateway", "serve", "--port", str(served_at)]
    # The gateway's console shows runs that Dagster has.
    knowing = {"IMAGEWORKS_DAGSTER_URL": dagster_url, **os.environ}
    programs = [
        Program("The gateway", gateway, knowing),
        Program("Dagster", _dagster_command(port), os.environ),
    ]
    say(
        console,
        f"Dagster {dagster_url}, gateway http://{settings.gateway_host}:{served_at}  (Ctrl-C ends both)",
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
    return Home.of(settings).reports / pipeline / batch / "report.html"


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
