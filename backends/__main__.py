"""The command line of the backends: `python -m backends simulate|devices|leases|decisions|release|probe`."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, get_args

import typer

from backends.device_table import device_json, device_table
from backends.devices import Devices
from backends.errors import BackendError
from backends.lease_tables import leases_json, leases_table, standing_table, waiters_table
from backends.leases.ledger import Ledger
from backends.leases.policy import Limits
from backends.leases.releasing import leases_to_release
from backends.leases.standing import read_standing
from backends.showing import printable, show
from backends.simulation.errors import SimulationError, WorkloadError
from backends.simulation.figures import figures
from backends.simulation.figures_table import figures_table
from backends.simulation.playing import play
from backends.simulation.policies import PolicyName, policy_of
from backends.simulation.timeline import timeline_svg
from backends.simulation.workload import check_sizes, parse_devices, read_workload, shipped_workloads
from registry.errors import RegistryError
from registry.registry import Registry
from store.database import StateDatabase
from store.errors import StoreError
from store.home import Home
from store.settings import Settings
from telemetry.decisions import DecisionKind
from telemetry.errors import TelemetryError

app = typer.Typer(
    name="backends",
    help="Model servers, and whose turn a device is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DEFAULTS = Limits()
KindName = StrEnum("KindName", {kind: kind for kind in get_args(DecisionKind)})  # type: ignore[misc]


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
    check_sizes(asked, cards)
    limits = Limits(interactive_patience_s=patience, worth=worth)
    rows = []
    for name in names:
        played = play(asked, cards, policy_of(name, limits), seed=seed)
        rows.append((name.value, figures(played)))
        if picture is not None:
            picture.write_text(
                timeline_svg(played, title=f"{workload}, policy {name.value}"), encoding="utf-8"
            )
    show(figures_table(rows))
    for policy_name, one in rows:
        if one.left_waiting:
            typer.echo(
                f"{policy_name}: {one.left_waiting} requests were never answered: the policy found no place for them.",
                err=True,
            )
    if picture is not None:
        typer.echo(f"Timeline: {picture}")
    if any(one.left_waiting for _, one in rows):
        raise typer.Exit(1)


@app.command("devices")
def devices_command(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Everything that is known, for programs.")] = False,
) -> None:
    """What this host's memory, cards and slices have, and which models are on each device, held and wanted by whom.

    The first table is what the drivers say now. The second is the ledger, which processes of all hosts share: models
    with their state and leases, what is being loaded or unloaded, and who waits. Ask it why a batch stands still.
    """
    with Devices() as devices:
        readings = devices.read()
    standing = read_standing(Settings())
    if as_json:
        typer.echo(device_json(readings, standing.devices))
        return
    show(device_table(readings))
    if standing.devices:
        show(standing_table(standing.devices))
    for problem in readings.problems:
        typer.echo(f"A device cannot be read. {problem}", err=True)


@app.command("leases")
def leases_command(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="All of them, for programs.")] = False,
) -> None:
    """Every lease and everybody who waits for one.

    A lease whose holder says nothing for IMAGEWORKS_LEASE_TTL_S seconds runs out, and whoever waits next takes over.
    End one yourself with `release`, by the token that stands here.
    """
    standing = read_standing(Settings())
    if as_json:
        typer.echo(leases_json(standing))
        return
    if standing.leases:
        show(leases_table(standing.leases))
    if standing.waiters:
        show(waiters_table(standing.waiters))
    if not standing.leases:
        typer.echo("There are no leases.")
    if not standing.waiters:
        typer.echo("Nobody waits.")


@app.command("decisions")
def decisions_command(
    *,
    last: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 20,
    model: Annotated[str | None, typer.Option(help="Only those about this model, by its name.")] = None,
    kind: Annotated[KindName | None, typer.Option(help="Only those of this kind.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every field, for programs.")] = False,
) -> None:
    """The last decisions about devices, the newest last: what was granted, loaded and evicted, and why.

    Ask it why a model was loaded or had to go, and, with IMAGEWORKS_LEASES=observe, what would have had to wait. All of
    them are in telemetry's view `decisions`.
    """
    # Imported here: DuckDB and Arrow are of no use to the other commands.
    from backends.decision_table import decisions_json, decisions_table, last_decisions  # noqa: PLC0415 - see above

    rows = last_decisions(Home.of(Settings()), last=last, model=model, kind=kind)
    if as_json:
        typer.echo(decisions_json(rows))
    elif rows:
        show(decisions_table(rows))
    else:
        typer.echo("No such decisions yet.")


@app.command("probe")
def probe_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...", help="Names, aliases or roles; all that a server serves if not given."
        ),
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Every claim and what was seen, for programs.")
    ] = False,
) -> None:
    """Try at the servers what the registry claims of models; exit with 1 where something is otherwise.

    Each deployment is asked whether it has the model, a short question, the color of a picture, two sentences that have
    to come as JSON, or its metrics: what the registry says that it can. Do it after you added a model or changed a
    server. A server that loads models when they are asked loads them; with IMAGEWORKS_LEASES=enforce it is done under a
    lease.
    """
    # Imported here: what asks models is of no use to the other commands.
    from backends.probe_table import probe_json, probe_table  # noqa: PLC0415 - see above
    from backends.probing import probe_all  # noqa: PLC0415 - see above

    settings = Settings()
    registry = Registry.load(Home.of(settings).registry)
    models = [registry.resolve(name) for name in names] if names else list(registry.models.values())
    probed = asyncio.run(probe_all(models, settings, registry))
    if as_json:
        typer.echo(probe_json(probed))
    elif probed:
        show(probe_table(probed))
    else:
        typer.echo("Nothing to try: these models run within ImageWorks, and no server serves them.")
    mismatches = [words for one in probed for words in one.mismatches]
    for words in mismatches:
        typer.echo(printable(words).replace("\n", " "), err=True)
    if mismatches:
        raise typer.Exit(1)


@app.command()
def release(
    tokens: Annotated[
        list[int] | None, typer.Argument(metavar="[TOKEN]...", help="Tokens, as `leases` shows them.")
    ] = None,
    *,
    holder: Annotated[
        str | None, typer.Option(help="All leases of this holder, as `leases` shows it.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All leases of all holders.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; otherwise it is only said what would be.")
    ] = False,
) -> None:
    """End leases, when somebody holds a device who should not.

    What is asked under such a lease fails: a server that knows of leases is told to refuse it from now on, and only
    then the device is free. A holder that lives asks anew and stands in the queue again, so stop its process too if it
    is to stay away. A holder that died needs none of this: its leases run out by themselves.
    """
    settings = Settings()
    chosen = leases_to_release(
        read_standing(settings).leases, tokens=tokens or (), holder=holder, everything=everything
    )
    if not chosen:
        typer.echo("There are no leases.")
        return
    show(leases_table(chosen))
    if not yes:
        typer.echo("Nothing was released. Say --yes as well to end these leases.", err=True)
        raise typer.Exit(1)
    with StateDatabase.open(settings) as database:
        ended = Ledger(database, "operator", limits=DEFAULTS).release([lease.token for lease in chosen])
    typer.echo(
        f"{ended} {'lease has' if ended == 1 else 'leases have'} ended. Whoever waits next has the server refuse what "
        "still comes under it; a holder that lives asks anew."
    )


def main() -> None:
    """Run the command line; an expected error is told in words on stderr, with exit status 1."""
    try:
        app()
    except (
        BackendError,
        RegistryError,
        SimulationError,
        StoreError,
        TelemetryError,
        OSError,
    ) as error:
        typer.echo(printable(f"{error}"), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
