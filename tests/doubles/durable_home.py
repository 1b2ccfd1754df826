"""A home whose models are the vLLM double, and an account of what a kill or a termination left in it."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import dagster as dg
import numpy as np
from made_up_photos import write_photo
from sqlalchemy import func, select
from vllm_double import Asked, Fault, Slow, VllmDouble
from web_ui import IMAGEWORKS, environment

from imageworks_dagster.measuring import SIGNALS_VERSION
from imageworks_dagster.partitions import PARTITIONS
from store.artifacts import TableStore
from store.batches import name_for, register
from store.database import StateDatabase
from store.home import Home
from store.settings import Settings
from store.tables import kept_answers, measurements, metadata_writes
from telemetry.catalog import connect
from telemetry.fsck import fsck
from telemetry.manifest import RunManifest, manifests, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

CONCURRENCY = 4

REGISTRY = """\
models:
  double-vlm:
    description: An honest double of a vLLM server.
    roles: [judge, pairwise, caption, keywords, description]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 512}}
    deployments:
      - {{name: local, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}
    revision: "1"
"""

ANSWERS_WITH = {
    "judge/critiques": "critique",
    "judge/playoff": "winner",
    "tagger/captions": "caption",
    "tagger/keywords": "keywords",
    "tagger/descriptions": "description",
}
"""A property of each asking stage's answers that no other stage's have."""

FOREVER_S = 3600.0


def question(asked: Mapping[str, Any]) -> str:
    """What a request to the double asked, the same for the same question; from its history."""
    return json.dumps(asked["body"], sort_keys=True)


class HoldingDouble(VllmDouble):
    """The double, which answers some requests of one stage and leaves the others without an answer.

    Attributes:
        held_stage: the asset whose requests are held; None answers all.
        free: how many of them are answered first.
    """

    held_stage: str | None = None
    free: int = 0

    def hold(self, asset: str, *, after: int) -> None:
        self.held_stage, self.free = asset, after

    def release(self) -> None:
        self.held_stage = None

    def _next_fault(self, asked: Asked) -> Fault | None:
        schema = asked.body["response_format"]["json_schema"]["schema"]
        if self.held_stage is None or ANSWERS_WITH[self.held_stage] not in schema["properties"]:
            return None
        self.free -= 1
        return None if self.free >= 0 else Slow(FOREVER_S)


@dataclass(frozen=True)
class DurableHome:
    """A platform's home that commands and servers work in, as processes of their own."""

    root: Path

    @classmethod
    def make(cls, root: Path, url: str) -> DurableHome:
        """A home where the model `double-vlm` is at ``url``."""
        root.mkdir(parents=True)
        (root / "registry.yaml").write_text(REGISTRY.format(url=url), encoding="utf-8")
        return cls(root)

    @property
    def settings(self) -> Settings:
        return Settings(home=self.root)

    @property
    def home(self) -> Home:
        return Home.of(self.settings)

    @property
    def environment(self) -> dict[str, str]:
        return {**environment(self.root), "IMAGEWORKS_CONCURRENCY": str(CONCURRENCY), "COLUMNS": "200"}

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start the `imageworks` command in a process group of its own."""
        return subprocess.Popen(
            [str(IMAGEWORKS), *map(str, arguments)],
            env=self.environment,
            cwd=self.root.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )

    def command(self, *arguments: object) -> str:
        """Run the `imageworks` command to its good end; gives what it printed."""
        with self.start(*arguments) as process:
            printed, complaints = process.communicate()
        assert process.returncode == 0, printed + complaints
        return printed

    @contextmanager
    def database(self) -> Iterator[StateDatabase]:
        with StateDatabase.open(self.settings) as database:
            yield database

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        with dg.DagsterInstance.from_config(str(self.home.dagster)) as instance:
            yield instance

    def register(self, pipeline: str, folder: Path) -> str:
        """Register a folder as a batch, for the command and for the web UI."""
        with self.database() as database, self.instance() as instance:
            name = name_for(database, pipeline, folder)
            register(database, pipeline=pipeline, name=name, folder=folder)
            instance.add_dynamic_partitions(PARTITIONS[pipeline].name, [name])
        return name

    def kept(self) -> dict[str, str]:
        """Who answered, by request digest, of all answers that are kept."""
        columns = select(kept_answers.c.request_digest, kept_answers.c.answered_by)
        with self.database() as database, database.read() as connection:
            return {row.request_digest: row.answered_by for row in connection.execute(columns)}

    def measured(self) -> int:
        """How many photos' signals are kept."""
        signals = measurements.c.version == SIGNALS_VERSION
        return self._count(select(func.count()).select_from(measurements).where(signals))

    def written(self) -> int:
        """How many writes into photos are recorded as done."""
        done = select(func.count()).select_from(metadata_writes).where(metadata_writes.c.state == "written")
        return self._count(done)

    def _count(self, statement: Any) -> int:
        with self.database() as database, database.read() as connection:
            return int(connection.execute(statement).scalar_one())

    def rows(self, asset: str, batch: str) -> list[dict[str, Any]]:
        """The current rows of an asset's table."""
        with self.database() as database:
            rows: list[dict[str, Any]] = TableStore(self.home, database).read(asset, batch).to_pylist()
            return rows

    def is_published(self, asset: str, batch: str) -> bool:
        """Whether the asset has a table for the batch."""
        with self.database() as database:
            return TableStore(self.home, database).current(asset, batch) is not None

    def last_manifest(self) -> RunManifest:
        """The manifest of the newest run."""
        return manifests(self.home).runs[0]

    def manifest(self, run_id: str) -> RunManifest:
        return read_manifest(self.home, run_id)

    def run_status(self, run_id: str) -> dg.DagsterRunStatus:
        with self.instance() as instance:
            run = instance.get_run_by_id(run_id)
        assert run is not None
        return run.status

    def assert_accounts_are_right(self) -> None:
        """Every kept answer has exactly one event, a good one; no event is doubled; no file is torn."""
        with self.database() as database, connect(self.home, database) as connection:
            events = connection.execute("SELECT event_id, request_digest, status FROM events").fetchall()
        assert max(Counter(event for event, _, _ in events).values()) == 1
        good = Counter((digest, event) for event, digest, status in events if status == "ok")
        assert {answer: good[answer] for answer in self.kept().items()} == dict.fromkeys(
            self.kept().items(), 1
        )
        assert fsck(self.home).problems == ()


def questions_of(history: Iterable[Mapping[str, Any]], request_ids: Iterable[str]) -> set[str]:
    """The questions that these requests asked."""
    wanted = set(request_ids)
    return {question(asked) for asked in history if asked["request_id"] in wanted}


def write_round(folder: Path, count: int, *, seed: int) -> Path:
    """A competition's folder with so many small entries, all different."""
    for number in range(count):
        write_photo(folder / f"Title {number:02d} by Member {number:02d}.jpg", seed=seed + number)
    return folder


def write_shoot(folder: Path, count: int, *, seed: int) -> Path:
    """A shoot's folder with so many small photos, all different."""
    for number in range(count):
        write_photo(folder / f"IMG_{number:04d}.jpg", seed=seed + number)
    return folder


def write_heavy_round(folder: Path, count: int) -> Path:
    """A competition's folder of 12-megapixel entries, which take long to measure and little to make."""
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.full((3000, 4000, 3), (3 * number, 255 - 3 * number, 90), np.uint8)
        cv2.imwrite(str(folder / f"Tone {number:02d} by Member {number:02d}.jpg"), pixels)
    return folder
