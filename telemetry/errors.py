"""What can go wrong in telemetry, as one small tree.

TelemetryError
├── RecordFormatError       a spooled record does not fit its schema
│   └── NewerRecord             it was written by a newer version of the schema
├── CompactionError         compaction could not finish; the spools are all still there
│   └── DamagedParquet          a published Parquet file cannot be read
├── ManifestError           a run manifest cannot be used
│   ├── MissingManifest         there is no manifest of that run
│   ├── DamagedManifest         the manifest's file is not a manifest
│   └── SecretInManifest        a value that carries credentials was about to be written
└── QueryRefused            something else than one SELECT was asked of the catalog

Writing a record raises none of these: telemetry never fails an inference (see `telemetry.spool`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class TelemetryError(Exception):
    """Anything telemetry reports to its caller."""


class RecordFormatError(TelemetryError):
    """A spooled record does not fit its schema: a field is missing or has the wrong type."""


class NewerRecord(RecordFormatError):
    """The record was written by a newer version of the schema than this code knows."""


class CompactionError(TelemetryError):
    """Compaction could not finish; nothing is lost, since spools go only after their rows are published."""


class DamagedParquet(CompactionError):
    """A published Parquet file cannot be read."""


class ManifestError(TelemetryError):
    """A run manifest cannot be used."""


class MissingManifest(ManifestError):
    """There is no manifest of that run."""


class DamagedManifest(ManifestError):
    """The manifest's file is not a manifest.

    Attributes:
        path: The file.
    """

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


class SecretInManifest(ManifestError):
    """A value that carries credentials was about to be written into a manifest."""


class QueryRefused(TelemetryError):
    """The catalog's command line answers one SELECT statement and nothing else."""
