"""Start what serves this home: Dagster alone, which this process becomes, or with the gateway beside it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from imageworks_dagster.command.bringing_up import Program, run_together
from imageworks_dagster.command.serving import check_files, check_port, take_home
from imageworks_dagster.command.terminal import console, errors, say
from imageworks_dagster.instance import prepare_dagster_home
from imageworks_dagster.opened import open_store
from store.older_variables import told_at_start

if TYPE_CHECKING:
    from store.settings import Settings


def become_dagster(settings: Settings, port: int) -> None:
    """Become Dagster's web server and daemon: this process is theirs from now on.

    Raises:
        AlreadyServed: another program has the home or the port.
    """
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


def bring_up(settings: Settings, port: int, gateway_port: int | None) -> None:
    """Run the gateway, and Dagster's web server and daemon, until one ends or somebody ends them.

    Args:
        settings: the settings in force.
        port: the web UI's.
        gateway_port: the gateway's; None for the setting's.

    Raises:
        AlreadyServed: another program has the home or a port.
        EndedEarly: one of them ended by itself.
    """
    home = open_store(settings).home
    check_files(home)
    served_at = gateway_port or settings.gateway_port
    take_home(home, port)
    check_port(port, again="imageworks up --port")
    check_port(served_at, host=settings.gateway_host, again="imageworks up --gateway-port")
    prepare_dagster_home(home)
    dagster_url = f"http://127.0.0.1:{port}"
    gateway_url = f"http://{_reached_at(settings.gateway_host)}:{served_at}"
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


def _reached_at(host: str) -> str:
    """How a browser on this machine names what listens on the host."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - nothing is bound here
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _dagster_command(port: int) -> list[str]:
    """Dagster's web server and daemon over one code server."""
    dagster = Path(sys.executable).with_name("dagster")
    # A file, because the name of a code location can be given in no other way, and people see it everywhere.
    workspace = str(files("imageworks_dagster").joinpath("workspace.yaml"))
    return [str(dagster), "dev", "-w", workspace, "-h", "127.0.0.1", "-p", str(port)]


def _pass_on(written: bytes) -> None:
    sys.stderr.buffer.write(written)
    sys.stderr.buffer.flush()
