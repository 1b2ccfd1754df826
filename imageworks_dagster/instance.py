"""The Dagster instance in `IMAGEWORKS_HOME/dagster`, made from the shipped template when there is none."""

from __future__ import annotations

import os
from importlib.resources import files
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from store.publishing import publish_file

if TYPE_CHECKING:
    from store.home import Home

TERMINAL_ALONE = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
}


def prepare_dagster_home(home: Home) -> str:
    """Make the instance's folder, and name it in ``DAGSTER_HOME`` for this process and its children.

    A ``DAGSTER_HOME`` that is set already is left alone.

    Returns:
        The folder.

    Raises:
        store.errors.PublishFailed: it could not be written.
    """
    chosen = os.environ.get("DAGSTER_HOME")
    if chosen:
        return chosen
    config = home.dagster / "dagster.yaml"
    if not config.exists():
        # Whole or not at all: with half of it, Dagster would call home, and let runs hang for ever.
        publish_file(config, files("imageworks_dagster").joinpath("dagster.yaml").read_bytes())
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    return str(home.dagster)


def open_instance(home: Home) -> dg.DagsterInstance:
    """The instance that the web server and the command share, as the command uses it.

    What the command prints goes to its terminal alone. Dagster would send it through files and back by four
    processes more, which a Ctrl-C in the terminal ends with a stack trace each.
    """
    folder = prepare_dagster_home(home)
    return dg.DagsterInstance.from_ref(
        InstanceRef.from_dir(folder, overrides={"compute_logs": TERMINAL_ALONE})
    )
