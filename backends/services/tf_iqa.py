"""The TF-IQA worker: NIMA and MUSIQ behind HTTP, in a process of its own, on TensorFlow.

::

    python -m backends.services.tf_iqa --port 5105 --metrics nima_aesthetic,nima_technical --weights DIR

It ends on SIGTERM, and with it all that TensorFlow holds of a card: there is no other way to have that back.
"""

# Typer reads the annotations of what it is given: they are not postponed in this module.

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from backends.errors import BackendError
from backends.iqa.app import create_app
from backends.iqa.loading import load_scorers
from backends.iqa.metrics import metrics_named
from backends.services.serving import web_server
from store.errors import StoreError
from store.home import Home
from store.settings import Settings

SHUTDOWN_S = 5
"""Seconds that requests under way are given when it is told to end."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for a free one.", min=0, max=65535)],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    metrics: Annotated[
        str, typer.Option(help="Metrics to serve, separated by commas; nima or musiq for all of a network.")
    ] = "nima",
    weights: Annotated[
        Path | None, typer.Option(help="The weights' folder; by default weights/ in IMAGEWORKS_HOME.")
    ] = None,
) -> None:
    """Serve image-quality metrics until told to end."""
    settings = Settings()
    folder = weights or Home.of(settings).weights
    served = metrics_named(name.strip() for name in metrics.split(",") if name.strip())
    problems: list[Exception] = []

    def give_up(error: Exception) -> None:
        problems.append(error)
        server.should_exit = True

    application = create_app(
        served,
        lambda: load_scorers(served, folder),
        max_pixels=settings.max_pixels,
        host=host,
        failed=give_up,
    )
    server = web_server(
        application,
        host=host,
        port=port,
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    server.run()
    if problems:
        raise problems[0]


def main() -> None:
    """Run the worker; an expected error is one line on standard error and exit status 1."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except (BackendError, StoreError) as error:
        typer.echo(f"{error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
