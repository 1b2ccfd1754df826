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

if os.environ.get("DAGSTER_HOME"):
    with dg.DagsterInstance.get() as _instance:
        observe_now(_instance, _assembly)
