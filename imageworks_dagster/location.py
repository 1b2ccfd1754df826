"""The code location that Dagster's servers load: the definitions, and what changed in prompts and models.

A reload of the definitions observes prompts and models at once, so that an edit shows without waiting for the
sensor.
"""

from __future__ import annotations

import os

import dagster as dg

from imageworks_dagster.assets.nodes import node_versions, observe_now
from imageworks_dagster.definitions import assemble, build_definitions
from store.settings import Settings

_settings = Settings()
defs = build_definitions(settings=_settings)

if os.environ.get("DAGSTER_HOME"):
    _assembly = assemble(_settings, {})
    with dg.DagsterInstance.get() as _instance:
        observe_now(_instance, node_versions(_assembly.hub, _assembly.registry))
