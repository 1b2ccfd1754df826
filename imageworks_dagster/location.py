"""The code location that Dagster's servers load: the definitions, and what changed in prompts, models and roles.

A reload of the definitions observes them at once, so that an edit shows without waiting for the sensor.
"""

from __future__ import annotations

import os

import dagster as dg

from imageworks_dagster.assets.nodes import observe_now
from imageworks_dagster.definitions import assemble, definitions_of
from store.settings import Settings

_assembly = assemble(Settings(), {})
defs = definitions_of(_assembly)

# A code server in Kubernetes is told where Dagster's home is, and has none: there the sensor observes.
if os.path.isdir(os.environ.get("DAGSTER_HOME", "")):  # noqa: PTH112 - an empty name is no folder here
    with dg.DagsterInstance.get() as _instance:
        observe_now(_instance, _assembly)
