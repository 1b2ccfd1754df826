"""The run manifest: all that a run depended on, in one JSON file.

It appears whole when the run begins and is closed when it ends. It is also where a run's profiles and models
are pinned: what `open_manifest` gives back stands for the whole run, exactly as it was written, whoever edits
a prompt meanwhile.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from store.locking import locked
from store.publishing import publish_file
from telemetry.credentials import has_password, with_clean_urls
from telemetry.errors import DamagedManifest, ManifestError, MissingManifest, SecretInManifest
from telemetry.events import utc_now
from telemetry.processes import Process, this_process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.home import Home

Status = Literal["open", "ok", "failed", "canceled", "crashed"]

_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def _instant(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Instant = Annotated[str, AfterValidator(_instant)]


class _Part(BaseModel):
    # A newer version's fields survive an update by an older one.
    model_config = ConfigDict(extra="allow", protected_namespaces=(), ser_json_inf_nan="constants")


class PinnedShare(_Part):
    """One of several prompts of a stage, for a share of its photos."""

    reference: str = Field(description="How it was chosen, such as `library@staging`.")
    percent: int = Field(description="Its share of the photos.")
    profile_id: str = Field(description="Prompt profile.")
    profile_hash: str = Field(description="SHA-256 of the whole effective profile.")
    stage_hash: str = Field(description="SHA-256 of the effective profile stage.")
    content: dict[str, JsonValue] = Field(description="The effective profile, from which the run renders.")


class PinnedProfile(_Part):
    """The prompt of one stage, as it stood when the run began; the first of them where photos are split."""

    profile_id: str = Field(description="Prompt profile.")
    reference: str = Field(
        default="",
        description="How it was chosen, such as `club-judge@production`; empty: by its id, from the files.",
    )
    profile_stage: str = Field(description="Profile stage, such as `critique`.")
    profile_hash: str = Field(description="SHA-256 of the whole effective profile.")
    stage_hash: str = Field(description="SHA-256 of the effective profile stage.")
    content: dict[str, JsonValue] = Field(
        default_factory=dict, description="The effective profile or stage itself, from which the run renders."
    )
    shares: list[PinnedShare] = Field(
        default_factory=list, description="All prompts where photos are split between several, the first too."
    )

    @property
    def is_kept(self) -> bool:
        """Whether it is a kept revision, and not what the files said."""
        return self.reference != ""


class PinnedModel(_Part):
    """The model of one stage, as it stood when the run began."""

    model: str = Field(description="Logical model.")
    model_revision: str = Field(description="Digest of what in the model influences an answer.")
    deployments: Annotated[list[dict[str, JsonValue]], BeforeValidator(with_clean_urls)] = Field(
        default_factory=list, description="Its deployments; URLs without credentials."
    )
    content: dict[str, JsonValue] = Field(
        default_factory=dict, description="The effective registry entry, exactly."
    )


class PinnedJudge(_Part):
    """One of several judges of a stage, as it stood when the run began."""

    judge: str = Field(description="How it was named, such as `near-vlm:club-judge`.")
    samples: int = Field(default=1, description="How often each entry was put to it.")
    profile: PinnedProfile = Field(description="Its prompt.")
    model: PinnedModel = Field(description="Its model.")


class PinnedRules(_Part):
    """The competition's rules, as they stood when the run began."""

    file: str | None = Field(default=None, description="Where they were read; empty for the default rules.")
    digest: str = Field(description="SHA-256 of `content` as canonical JSON (RFC 8785).")
    content: dict[str, JsonValue] = Field(description="The rules themselves, as they were understood.")


class StageSummary(_Part):
    """What one stage of a run did."""

    entries: int = Field(default=0, description="Rows that the stage published.")
    ok: int = Field(default=0, description="Rows without an error class.")
    failed: dict[str, int] = Field(default_factory=dict, description="Rows by error class.")
    asked: int = Field(default=0, description="Requests that were asked; each has its event.")
    recalled: int = Field(default=0, description="Requests answered from what was kept; they have no event.")
    seconds: float = Field(default=0.0, description="Wall time of the stage.")
    input_tokens: int = Field(default=0, description="Input tokens of all requests asked.")
    output_tokens: int = Field(default=0, description="Output tokens of all requests asked.")
    lease_wait_ms: float = Field(default=0.0, description="Waiting for leases, all requests together.")
    dropped_events: int = Field(default=0, description="Events that could not be written (disk full).")
    unsynced_events: int = Field(
        default=0,
        description="Events that were written, but not for certain: a power cut may have taken them.",
    )
    telemetry_failing: bool = Field(
        default=False,
        description="Whether the last event could not be written or synced when the stage ended.",
    )


class LatencySummary(_Part):
    """Latencies of one stage at one deployment; the stored form of `telemetry.summary.SummaryRow`."""

    stage: str
    model: str
    deployment: str | None = None
    requests: int = 0
    errors: int = 0
    canceled: int = 0
    recalled: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    lease_wait_ms: float = 0.0
    failures: dict[str, int] = Field(default_factory=dict)


class RunManifest(_Part):
    """All that a run depended on, and how it ended."""

    run_id: str = Field(description="Id of the run; the name of the file.")
    pipeline: str = Field(description="`judge` or `tagger`.")
    batch: str | None = Field(default=None, description="Batch that the run worked on.")
    status: Status = Field(default="open", description="`crashed`: its process ended without closing it.")
    started_at: Instant = Field(default_factory=utc_now, description="ISO 8601, UTC.")
    ended_at: Instant | None = Field(default=None, description="ISO 8601, UTC; of a crash, when it was seen.")
    host: str = Field(default_factory=lambda: this_process().host, description="Host that ran it.")
    boot_id: str = Field(default_factory=lambda: this_process().boot_id, description="Boot of the host.")
    pid: int = Field(default_factory=os.getpid, description="Process that ran it.")
    pid_started: int | None = Field(
        default_factory=lambda: this_process().started,
        description="Start of the process, ticks since the boot.",
    )
    git_sha: str | None = Field(default=None, description="Commit of the code.")
    git_dirty: bool | None = Field(
        default=None, description="Whether the code differed from the commit; empty if git could not tell."
    )
    git_dirty_digest: str | None = Field(default=None, description="SHA-256 of what differs from the commit.")
    python: str | None = Field(default=None, description="Version of Python.")
    packages: dict[str, str] = Field(default_factory=dict, description="Installed packages and versions.")
    registry_version: str | None = Field(default=None, description="Digest of the effective registry.")
    prompt_hub_version: str | None = Field(default=None, description="Digest of all effective profiles.")
    profiles: dict[str, PinnedProfile] = Field(default_factory=dict, description="By stage (asset key).")
    models: dict[str, PinnedModel] = Field(default_factory=dict, description="By stage (asset key).")
    judges: dict[str, list[PinnedJudge]] = Field(
        default_factory=dict,
        description="All judges of a stage where several were chosen; `profiles` and `models` have the first.",
    )
    roles: dict[str, str] = Field(
        default_factory=dict, description="Name and revision of the model that each role resolved to."
    )
    rules: PinnedRules | None = Field(default=None, description="Rules of a judging run.")
    switches: dict[str, str] = Field(
        default_factory=dict, description="How each switch of the application stood, and what it passed over."
    )
    settings: dict[str, JsonValue] = Field(default_factory=dict, description="Settings, secrets masked.")
    devices: list[dict[str, JsonValue]] = Field(default_factory=list, description="GPUs and their memory.")
    stages: dict[str, StageSummary] = Field(default_factory=dict, description="What each stage did.")
    summary: list[LatencySummary] = Field(default_factory=list, description="Latencies at the run's end.")

    @property
    def process(self) -> Process:
        """The process that ran it."""
        return Process(host=self.host, boot_id=self.boot_id, pid=self.pid, started=self.pid_started)

    def has_crashed(self) -> bool:
        """Whether it is marked as crashed, or open with its process gone."""
        return self.status == "crashed" or (self.status == "open" and self.process.is_gone())


@dataclass(frozen=True, slots=True)
class Manifests:
    """Manifests of a home.

    Attributes:
        runs: The newest run first.
        damaged: Which other files are there that are no manifests, and why.
    """

    runs: tuple[RunManifest, ...]
    damaged: tuple[DamagedManifest, ...]


def open_manifest(home: Home, manifest: RunManifest) -> RunManifest:
    """Publish the manifest of a run that begins, unless it has one.

    Call it from every step: the first publishes, the others get what the first pinned. A run that is executed
    again under its own id is open again, with the pins of its first time.

    Returns:
        The manifest that stands.

    Raises:
        SecretInManifest: A pinned model carries a URL with credentials.
        ManifestError: The run's id cannot be a file name.
    """
    with _exclusively(home):
        path = _path(home, manifest.run_id)
        if not path.exists():
            standing = manifest.model_copy(update={"status": "open", "ended_at": None})
        else:
            standing = _read(path)
            if standing.status == "open" and not standing.process.is_gone():
                return standing
            process = manifest.process
            standing = standing.model_copy(
                update={
                    "status": "open",
                    "ended_at": None,
                    "host": process.host,
                    "boot_id": process.boot_id,
                    "pid": process.pid,
                    "pid_started": process.started,
                }
            )
        _publish(path, standing)
        return _read(path)


def update_manifest(
    home: Home, run_id: str, change: Callable[[RunManifest], RunManifest | None]
) -> RunManifest:
    """Change a manifest, one writer at a time.

    Args:
        home: The home.
        run_id: The run.
        change: Gets the manifest as it stands; changes it in place, or gives back another one.

    Returns:
        The manifest that stands now.

    Raises:
        MissingManifest: The run has none.
    """
    with _exclusively(home):
        path = _path(home, run_id)
        manifest = _read(path)
        changed = change(manifest) or manifest
        if changed.run_id != run_id:
            raise ManifestError(f"The manifest of run {run_id} cannot become that of {changed.run_id}.")
        _publish(path, changed)
        return _read(path)


def close_manifest(
    home: Home, run_id: str, status: Status, *, summary: list[LatencySummary] | None = None
) -> RunManifest:
    """Say how a run ended.

    Raises:
        MissingManifest: The run has none.
    """

    def close(manifest: RunManifest) -> None:
        manifest.status = status
        manifest.ended_at = utc_now()
        if summary is not None:
            manifest.summary = summary

    return update_manifest(home, run_id, close)


def read_manifest(home: Home, run_id: str) -> RunManifest:
    """The manifest of a run.

    Raises:
        MissingManifest: The run has none.
        DamagedManifest: Its file is not a manifest.
    """
    return _read(_path(home, run_id))


def manifests(home: Home) -> Manifests:
    """All manifests."""
    return _each(home, _read)


def manifest_files(home: Home) -> list[Path]:
    """The files of all manifests, by name."""
    return sorted(path for path in home.manifests.glob("*.json") if _RUN_ID.fullmatch(path.stem))


def mark_crashed(home: Home) -> Manifests:
    """Mark open manifests whose process, of this host, is gone.

    Returns:
        Those that were marked; a damaged one keeps no other from it.
    """

    def mark(path: Path) -> RunManifest | None:
        if not _read(path).has_crashed():
            return None
        with _exclusively(home):
            manifest = _read(path)
            if manifest.status != "open" or not manifest.process.is_gone():
                return None
            manifest.status = "crashed"
            manifest.ended_at = utc_now()
            _publish(path, manifest)
            return manifest

    return _each(home, mark)


def _each(home: Home, work: Callable[[Path], RunManifest | None]) -> Manifests:
    runs, damaged = [], []
    for path in manifest_files(home):
        try:
            run = work(path)
        except MissingManifest:  # moved away meanwhile
            continue
        except DamagedManifest as error:
            damaged.append(error)
        else:
            if run is not None:
                runs.append(run)
    runs.sort(key=lambda run: (run.started_at, run.run_id), reverse=True)
    return Manifests(tuple(runs), tuple(damaged))


def _path(home: Home, run_id: str) -> Path:
    if not _RUN_ID.fullmatch(run_id):
        raise ManifestError(
            f"{run_id!r} cannot name a manifest: a run id has letters, digits, '.', '_' and '-', at most 200."
        )
    return home.manifests / f"{run_id}.json"


def _exclusively(home: Home) -> Any:
    home.manifests.mkdir(parents=True, exist_ok=True)
    return locked(home.manifests / ".lock")


def _read(path: Path) -> RunManifest:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise MissingManifest(
            f"Run {path.stem} has no manifest in {path.parent}. "
            "`python -m telemetry manifest` lists the runs that have one."
        ) from None
    except OSError as error:
        raise DamagedManifest(
            f"{path} cannot be read: {error.strerror or error}. Mend that, or move it away.", path=path
        ) from error
    try:
        return RunManifest.model_validate(json.loads(content))
    except (ValueError, RecursionError) as error:
        raise DamagedManifest(
            f"{path} is not a run manifest: {_in_a_line(error)}. Move it away.", path=path
        ) from error


def _in_a_line(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"


def _publish(path: Path, manifest: RunManifest) -> None:
    for stage, model in manifest.models.items():
        if has_password(model.content):
            raise SecretInManifest(
                f"The registry entry of model {model.model!r} (stage {stage}) holds a URL with a password, "
                "which would be readable in the run's manifest. Name its key's variable in `api_key_env`."
            )
    # Python's json on both sides gives every number back as it was: what is pinned here is hashed by others.
    try:
        text = json.dumps(manifest.model_dump(mode="json"), ensure_ascii=False, indent=1, allow_nan=False)
        # A change made in place was not validated yet; what cannot be read back must not be published.
        RunManifest.model_validate(json.loads(text))
        publish_file(path, text.encode("utf-8"))
    except ValueError as error:
        raise ManifestError(f"The manifest of run {manifest.run_id} cannot be written: {error}.") from error
