"""`imageworks models`: weights for the networks that run in ImageWorks' own worker."""

# Typer reads the annotations of what it is given: they are not postponed in this module.

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from imageworks_dagster.command.terminal import say
from store.home import Home
from store.path_text import path_text
from store.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Weights for the image-quality networks.")
console = Console()


@app.callback()
def models() -> None:
    """Weights for the image-quality networks."""


@app.command()
def fetch(
    metrics: Annotated[
        list[str], typer.Argument(help="nima or musiq, or single metrics such as musiq_spaq.")
    ],
    to: Annotated[
        Path | None, typer.Option(help="The weights' folder; by default weights/ in IMAGEWORKS_HOME.")
    ] = None,
    mirror: Annotated[
        str | None, typer.Option(help="Base URL of a place with the same layout, instead of the authors'.")
    ] = None,
) -> None:
    """Download weights, and hold them to their digest: the pinned one, or the one recorded when they first came."""
    from backends.iqa.fetching import fetch as fetch_weights  # noqa: PLC0415 - for this command alone
    from backends.iqa.metrics import metrics_named  # noqa: PLC0415 - as above

    folder = to or Home.of(Settings()).weights
    for metric in metrics_named(metrics):
        fetched = fetch_weights(metric, folder, mirror=mirror)
        place = path_text(fetched.weights)
        if fetched.sha256 is None:
            say(console, f"{metric.name}: {place} is there, and is what its record says.")
        elif metric.sha256 is None:
            say(
                console,
                f"{metric.name}: {place}, SHA-256 {fetched.sha256}. Nobody pinned a digest for it: this one is "
                f"trusted, and recorded beside it for the next time.",
            )
        else:
            say(console, f"{metric.name}: {place}, with the pinned SHA-256.")
