"""Errors whose message says all that a person needs: what happened, to what, and what to do."""

from __future__ import annotations

from backends.errors import BackendError
from imageworks.errors import ImageWorksError
from imageworks_dagster.errors import PlatformError
from photos.errors import PhotoError
from prompt_hub.errors import PromptHubError
from registry.errors import RegistryError
from store.errors import StoreError
from store.yaml_reading import YamlError
from telemetry.errors import TelemetryError

EXPLAINED = (
    PlatformError,
    StoreError,
    YamlError,
    PhotoError,
    RegistryError,
    TelemetryError,
    PromptHubError,
    BackendError,
    ImageWorksError,
)
"""The root of each floor's errors; anything else is a defect and keeps its stack."""
