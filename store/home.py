"""The layout of the home folder: what is kept where."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from store.errors import HomeError
from store.path_text import path_text

if TYPE_CHECKING:
    from pathlib import Path

    from store.settings import Settings


@dataclass(frozen=True)
class Home:
    """The home folder and the places in it.

    Attributes:
        root: The folder itself, absolute.

    Raises:
        HomeError: The folder's path is not UTF-8.
    """

    root: Path

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
        return cls(settings.home)

    @property
    def state_db(self) -> Path:
        """The state database, when it is SQLite."""
        return self.root / "state.db"

    @property
    def cached_prompts(self) -> Path:
        """Prompt profiles as they were checked; may be deleted at any time."""
        return self.root / "cache" / "prompts.json"

    @property
    def assets(self) -> Path:
        """Tables: `<asset>/<batch>/<run_id>/part-*.parquet`."""
        return self.root / "assets"

    @property
    def reports(self) -> Path:
        """Reports for people, by pipeline and batch."""
        return self.root / "reports"

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
    def locks(self) -> Path:
        """Who works on which batch, one file a batch."""
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
            self.assets,
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
