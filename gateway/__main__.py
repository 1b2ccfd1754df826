"""The gateway's command line: serve it, and make and revoke its API keys."""

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gateway.app import create_app
from gateway.errors import BadRequest, GatewayError
from gateway.keys import Keys
from gateway.serving import refuse_unguarded, web_server
from imageworks.baseline.functions import embedded_revisions
from prompt_hub.errors import PromptHubError
from prompt_hub.hub import PromptHub
from registry.errors import RegistryError
from registry.registry import Registry
from store.database import StateDatabase
from store.errors import StoreError
from store.home import Home
from store.older_variables import told_at_start
from store.path_text import path_text
from store.settings import Settings

app = typer.Typer(
    name="gateway",
    help="One URL for programs and people: models, prompts and telemetry.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys_app = typer.Typer(
    help="API keys. A key's text is shown once, and only its digest is kept.", no_args_is_help=False
)
app.add_typer(keys_app, name="keys", invoke_without_command=True)

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Home folder; IMAGEWORKS_HOME or .imageworks if not given.")
]


@app.command()
def serve(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; the setting's if not given.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 for a free one.")] = None,
    home: HomeOption = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are ended first."""
    changes = {"gateway_host": host, "gateway_port": port}
    settings = _settings(home).model_copy(
        update={name: value for name, value in changes.items() if value is not None}
    )
    refuse_unguarded(settings)
    _check_files(Home.of(settings))
    if told := told_at_start(os.environ):
        typer.echo(told, err=True)
    server = web_server(create_app(settings=settings), settings, log_level="info")
    # The collector is not to look through all that is loaded again and again.
    gc.freeze()
    try:
        server.run()
    finally:
        # At the end it is to look through it: what is kept from it outlives the interpreter, DuckDB's types among it,
        # and each is told of in the terminal.
        gc.unfreeze()
    if not server.started:
        raise typer.Exit(1)


@keys_app.callback(invoke_without_command=True)
def keys(context: typer.Context, *, home: HomeOption = None) -> None:
    """API keys: list them, or make and revoke."""
    if context.invoked_subcommand is not None:
        return
    with StateDatabase.open(_settings(home)) as database:
        found = Keys(database).all()
    if not found:
        typer.echo("There is no API key. Until there is one, the gateway answers this machine alone.")
        return
    table = Table("key", "whose", "for", "a minute", "made", "state")
    for key in found:
        table.add_row(
            key.key_id,
            key.identity,
            key.note,
            "" if key.requests_a_minute is None else str(key.requests_a_minute),
            f"{key.made_at:%Y-%m-%d}",
            "good" if key.revoked_at is None else f"revoked {key.revoked_at:%Y-%m-%d}",
        )
    Console().print(table)


@keys_app.command("make")
def make_key(
    identity: Annotated[
        str, typer.Argument(help="Whose it is; `python -m prompt_hub roles` says what they may.")
    ],
    *,
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    requests_a_minute: Annotated[
        int | None, typer.Option("--a-minute", min=1, help="How often it may ask; no bound if not given.")
    ] = None,
    text_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the text that is to be the key, such as a container's secret; it may be one already."
        ),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Make a key, and show it this once."""
    with StateDatabase.open(_settings(home)) as database:
        if text_file is not None:
            key = Keys(database).adopt(
                identity, _text_of(text_file), note=note, requests_a_minute=requests_a_minute
            )
            typer.echo(f"Key {key.key_id} of {key.identity} is the text of {path_text(text_file)}.", err=True)
            return
        key, text = Keys(database).make(identity, note=note, requests_a_minute=requests_a_minute)
    typer.echo(f"Key {key.key_id} of {identity}. It is not shown again:", err=True)
    typer.echo(text)


@keys_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="Its id, as the list shows it.")], *, home: HomeOption = None
) -> None:
    """Let a key be good no longer; a gateway that runs knows within two seconds."""
    with StateDatabase.open(_settings(home)) as database:
        Keys(database).revoke(key_id)
    typer.echo(f"Key {key_id} is revoked.")


def main() -> None:
    """Run a command; an error of ours is a sentence and exit code 1."""
    try:
        app()
    except (GatewayError, StoreError, RegistryError, PromptHubError) as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


def _check_files(home: Home) -> None:
    """Refuse what cannot be used before the server starts: there it would be a stack and not a sentence."""
    Registry.load(home.registry, embedded=embedded_revisions())
    PromptHub.load_cached(home.prompts, home.cached_prompts)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path_text(path)} holds no key: {error}.") from error


def _settings(home: Path | None) -> Settings:
    return Settings() if home is None else Settings(home=home)


if __name__ == "__main__":
    main()
