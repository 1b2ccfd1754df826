"""The command line of the backends: `python -m backends simulate|devices`."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from backends.device_table import device_json, device_table
from backends.devices import Devices
from backends.leases.policy import Limits
from backends.simulation.errors import SimulationError, WorkloadError
from backends.simulation.figures import Figures, figures
from backends.simulation.playing import play
from backends.simulation.policies import PolicyName, policy_of
from backends.simulation.timeline import timeline_svg
from backends.simulation.workload import parse_devices, read_workload, shipped_workloads
from store.fitted_table import fitted

app = typer.Typer(
    name="backends",
    help="Model servers, and whose turn a device is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DEFAULTS = Limits()


@app.callback()
def backends() -> None:
    """Model servers, and whose turn a device is."""


@app.command()
def simulate(
    workload: Annotated[
        str, typer.Option(help=f"A file, or a shipped workload: {', '.join(shipped_workloads())}.")
    ],
    *,
    devices: Annotated[
        str | None,
        typer.Option(
            help="Such as 24G,24G, or 24G,1g.12gb=12G with a slice; the workload's own if not given."
        ),
    ] = None,
    policy: Annotated[
        list[PolicyName] | None, typer.Option(help="May be given several times; all if not given.")
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds that a chat waits before a batch in its stride is stopped.")
    ] = DEFAULTS.interactive_patience_s,
    worth: Annotated[
        float, typer.Option(min=0, help="A model in use stays for so many times of what a switch costs.")
    ] = DEFAULTS.worth,
    seed: Annotated[int, typer.Option(help="Of chance: when people come, how long requests take.")] = 0,
    picture: Annotated[
        Path | None, typer.Option(help="Where to write a timeline (SVG); one policy at a time.")
    ] = None,
) -> None:
    """Play a workload on paper, in virtual time: how long it takes, who waits, how often models are switched."""
    names = policy or list(PolicyName)
    if picture is not None and len(names) != 1:
        raise WorkloadError("A picture shows one policy: name it with --policy.")
    asked = read_workload(workload)
    cards = parse_devices(devices.split(",") if devices else asked.devices)
    limits = Limits(interactive_patience_s=patience, worth=worth)
    rows = []
    for name in names:
        played = play(asked, cards, policy_of(name, limits), seed=seed)
        rows.append((name.value, figures(played)))
        if picture is not None:
            picture.write_text(
                timeline_svg(played, title=f"{workload}, policy {name.value}"), encoding="utf-8"
            )
    _show(rows)
    if picture is not None:
        typer.echo(f"Timeline: {picture}")


@app.command("devices")
def devices_command(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Everything that is known, for programs.")] = False,
) -> None:
    """This host's memory, cards and slices of cards: how much they have, and what uses it."""
    with Devices() as devices:
        readings = devices.read()
    if as_json:
        typer.echo(device_json(readings))
        return
    in_terminal = sys.stdout.isatty()
    console = Console(width=None if in_terminal else 200)
    table = device_table(readings)
    console.print(fitted(table, console) if in_terminal else table)
    for problem in readings.problems:
        typer.echo(f"A device cannot be read. {problem}", err=True)


def main() -> None:
    """Run the command line; an expected error is one line on stderr and exit status 1."""
    try:
        app()
    except (SimulationError, OSError) as error:
        typer.echo(f"{error}", err=True)
        sys.exit(1)


def _show(rows: list[tuple[str, Figures]]) -> None:
    table = Table(
        "policy",
        "makespan",
        "switches",
        "busy",
        "switching",
        "chats wait p50",
        "p95",
        "longest",
        "batches wait p95",
        "longest",
    )
    for name, one in rows:
        table.add_row(
            name,
            _seconds(one.makespan_s),
            str(one.switches),
            f"{one.busy:.0%}",
            f"{one.switching:.0%}",
            _seconds(one.interactive.p50_s),
            _seconds(one.interactive.p95_s),
            _seconds(one.interactive.longest_s),
            _seconds(one.batch.p95_s),
            _seconds(one.batch.longest_s),
        )
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    for name, one in rows:
        if one.left_waiting:
            console.print(
                f"{name}: {one.left_waiting} requests were never answered; their model fits no device."
            )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} s"


if __name__ == "__main__":
    main()
