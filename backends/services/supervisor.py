"""The command line of the supervisor: `python -m backends.services.supervisor --config FILE`."""

import math
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from backends.nvml import Cards
from backends.services.serving import web_server
from backends.services.supervision.app import create_app
from backends.services.supervision.configuration import (
    DeviceDescription,
    control_key,
    read_configuration,
)
from backends.services.supervision.device_memory import DeviceMemory
from backends.services.supervision.doubts import doubts
from backends.services.supervision.errors import BadConfiguration
from backends.services.supervision.model_server import ModelServer
from backends.services.supervision.supervisor import Supervisor

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def supervise(
    config: Annotated[Path, typer.Option(help="The configuration, a YAML file.")],
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond the loopback only with a key.")] = (
        "127.0.0.1"
    ),
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port to listen on; the file's if not given.")
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Only check the configuration, and say what it has and what is not here."
        ),
    ] = False,
) -> None:
    """Run one model server at a time as a child process, and forward requests to it, until SIGTERM."""
    configuration = read_configuration(config)
    if port is not None:
        configuration = configuration.listening_on(port)
    if check:
        typer.echo(
            f"{config}: {configuration.provider} on port {configuration.listens_at}, "
            f"models {', '.join(configuration.models)}"
        )
        for doubt in doubts(configuration, os.environ):
            typer.echo(f"{config}: {doubt}", err=True)
        return
    key = control_key(configuration, host, os.environ)
    # Model servers do not get the key: what they run is less trusted than what may stop them.
    environ = {name: value for name, value in os.environ.items() if name != configuration.control_key_env}
    server = ModelServer(configuration.child_port)
    supervisor = Supervisor(
        configuration,
        environ=environ,
        is_healthy=server.is_healthy,
        device_memory=_memory_of(configuration.device),
    )
    service = web_server(
        create_app(supervisor, server, key=key, host=host),
        host=host,
        port=configuration.listens_at,
        # The model server's own headers are passed on.
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=math.ceil(configuration.longest_drain_s()),
    )
    # uvicorn ends in order, and raises the signal again when it has: that is an exit as asked for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    service.run()


def _memory_of(device: DeviceDescription | None) -> DeviceMemory | None:
    if device is None or device.uuid is None:
        return None
    cards, names = Cards(), {device.uuid}

    def used_mib() -> int | None:
        readings = cards.read().devices
        return next((one.memory_used_mib for one in readings if names & {one.uuid, one.name}), None)

    return DeviceMemory(used_mib)


def main() -> None:
    """Run the command line; an expected error is told on stderr, with exit status 1."""
    if sys.platform != "linux":
        typer.echo(
            "The supervisor needs Linux, which alone lets it hold all processes of a server.", err=True
        )
        sys.exit(1)
    try:
        app()
    except BadConfiguration as error:
        typer.echo(f"{error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
