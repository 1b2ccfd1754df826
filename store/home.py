"""The layout of the home folder: what is kept where."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from store.errors import HomeError
from store.object_paths import ObjectPath
from store.path_text import path_text

if TYPE_CHECKING:
    from store.object_paths import Place
    from store.settings import Settings


@dataclass(frozen=True)
class Home:
    """The home folder and the places in it.

    Attributes:
        root: The folder itself, absolute.
        artifacts: URL of the store that holds the tables, when they are not in the folder.

    Raises:
        HomeError: The folder's path is not UTF-8.
    """

    root: Path
    artifacts: str | None = None

    def __post_init__(self) -> None:
        try:
            os.fsencode(self.root).decode("utf-8")
        except UnicodeDecodeError as error:
            raise HomeError(
                f"The home folder {path_text(self.root)} cannot be used: its path is not UTF-8, and DuckDB takes no "
                "other. Rename it, or name another folder in IMAGEWORKS_HOME."
            ) from error

    @classmethod
    def of(cls, settings: Settings) -> Home:
        """The home that `settings` name; nothing is made.

        Raises:
            HomeError: The folder's path is not UTF-8.
        """
        return cls(settings.home, settings.artifacts_url)

    @property
    def state_db(self) -> Path:
        """The state database, when it is SQLite."""
        return self.root / "state.db"

    @property
    def cached_prompts(self) -> Path:
        """Prompt profiles as they were checked; may be deleted at any time."""
        return self.root / "cache" / "prompts.json"

    @property
    def assets(self) -> Place:
        """Tables: `<asset>/<batch>/<run_id>/part-*.parquet`."""
        if self.artifacts is None:
            return self.root / "assets"
        protocol, _, place = self.artifacts.rstrip("/").partition("://")
        return Path(unquote(place)) if protocol == "file" else ObjectPath(f"{protocol}://{place}")

    @property
    def reports(self) -> Path:
        """Reports for people, by pipeline and batch."""
        return self.root / "reports"

    def report(self, pipeline: str, batch: str) -> Path:
        """The report of a batch, one HTML file; there once its last stage has run."""
        return self.reports / pipeline / batch / "report.html"

    @property
    def telemetry(self) -> Path:
        """What happened."""
        return self.root / "telemetry"

    @property
    def spool(self) -> Path:
        """Events, decisions and GPU samples as they were written, one file a process."""
        return self.telemetry / "spool"

    @property
    def events(self) -> Path:
        """Compacted events, as Parquet by date."""
        return self.telemetry / "events"

    @property
    def decisions(self) -> Path:
        """Compacted decisions about devices, as Parquet by date."""
        return self.telemetry / "decisions"

    @property
    def gpu_samples(self) -> Path:
        """Compacted readings of devices, as Parquet by date."""
        return self.telemetry / "gpu_samples"

    @property
    def telemetry_lock(self) -> Path:
        """Locked by whoever moves or removes records of telemetry, and by whoever may not miss one meanwhile."""
        return self.telemetry / "compaction.lock"

    @property
    def quarantine(self) -> Path:
        """Spool lines that could not be read."""
        return self.telemetry / "quarantine"

    @property
    def manifests(self) -> Path:
        """Run manifests, one JSON file a run."""
        return self.root / "manifests"

    def thumbnail(self, photo_id: str) -> Path:
        """Where a photo's thumbnail is kept; a cache that may be deleted at any time."""
        return self.root / "thumbnails" / photo_id[:2] / f"{photo_id}.jpg"

    @property
    def evidence(self) -> Path:
        """Pictures on which findings are drawn, a folder a photo; a cache that may be deleted at any time."""
        return self.root / "evidence"

    def evidence_of(self, photo_id: str, name: str, version: str) -> Path:
        """Where a picture of the evidence is kept for one of the photos in it.

        Args:
            photo_id: The photo.
            name: As the finding names it.
            version: Of the detectors that it was drawn by.
        """
        return self.evidence / photo_id[:2] / photo_id / f"{name}-{version}.webp"

    @property
    def parts(self) -> Path:
        """What the steps of runs under way have made of their parts of a batch: `<run_id>/<asset>/`."""
        return self.root / "parts"

    @property
    def locks(self) -> Path:
        """Who works on which batch, and which run has divided it: a file a batch each."""
        return self.root / "locks"

    @property
    def prompts(self) -> Path:
        """The user's layer of prompt profiles."""
        return self.root / "prompts"

    @property
    def weights(self) -> Path:
        """Weights of the networks that we run ourselves; made when the first are fetched."""
        return self.root / "weights"

    @property
    def registry(self) -> Path:
        """The user's layer of the registry, a YAML file."""
        return self.root / "registry.yaml"

    @property
    def dagster(self) -> Path:
        """Dagster's own home."""
        return self.root / "dagster"

    def create(self) -> Home:
        """Make the folders that are not there yet.

        Returns:
            This home.

        Raises:
            HomeError: A folder cannot be made or written into.
        """
        folders = (
            self.root,
            *([self.assets] if isinstance(self.assets, Path) else []),
            self.reports,
            self.spool,
            self.events,
            self.decisions,
            self.gpu_samples,
            self.quarantine,
            self.manifests,
            self.locks,
            self.prompts,
            self.dagster,
        )
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            # A real write: permission bits do not know of read-only and full disks.
            with tempfile.TemporaryFile(dir=self.root) as probe:
                probe.write(b"?")
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as error:
            raise HomeError(
                f"The home folder {self.root} cannot be used: {error.strerror or error} "
                f"({error.filename or self.root}). Make it writable, free space on its disk, "
                "or name another folder in IMAGEWORKS_HOME."
            ) from error
        return self
