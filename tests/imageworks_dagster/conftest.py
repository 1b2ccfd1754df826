"""A platform in an empty home, with an instance of its own, and small folders of photos."""

from __future__ import annotations

import shutil
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dagster as dg

from dagster_engines import keep_engines
from made_up_photos import write_photo

from imageworks_dagster.definitions import assemble, build_definitions
from imageworks_dagster.opened import OpenStore, close_stores, open_store
from imageworks_dagster.partitions import add_batches
from imageworks_dagster.pipelines import PIPELINES
from store.batches import name_for, register
from store.settings import Settings
from telemetry.manifest import RunManifest, read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from at_terminal import Said
    from dagster._core.definitions.sensor_definition import SensorExecutionData as Tick

keep_engines()

QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


@dataclass
class Platform:
    """The definitions, a store and a Dagster instance; runs pipelines in this process."""

    settings: Settings
    instance: dg.DagsterInstance
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def store(self) -> OpenStore:
        return open_store(self.settings)

    def definitions(self) -> dg.Definitions:
        return build_definitions(settings=self.settings, overrides=self.overrides)

    def assembly(self):
        return assemble(self.settings, self.overrides)

    def register(self, pipeline: str, folder: Path, *, rules: Path | None = None) -> str:
        name = name_for(self.store.database, pipeline, folder)
        register(self.store.database, pipeline=pipeline, name=name, folder=folder, rules=rules)
        add_batches(self.instance, pipeline, [name])
        return name

    def run(
        self,
        pipeline: str,
        batch: str,
        *,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        only: Sequence[str] | None = None,
        models: Mapping[str, Any] | None = None,
    ) -> dg.ExecuteInProcessResult:
        job = self.definitions().resolve_job_def(pipeline)
        ops = {
            PIPELINES[pipeline].stage(asset).op_name: {"config": dict(one)}
            for asset, one in (config or {}).items()
        }
        resources = {} if models is None else {"models": {"config": dict(models)}}
        return job.execute_in_process(
            instance=self.instance,
            partition_key=batch,
            run_config={"ops": ops, "loggers": QUIET, "resources": resources},
            raise_on_error=False,
            asset_selection=[dg.AssetKey(asset.split("/")) for asset in only] if only else None,
        )

    def tick(
        self, sensor: str, *, cursor: str | None = None, definitions: dg.Definitions | None = None
    ) -> Tick:
        """Evaluate a sensor as Dagster's daemon does, and report what it says, but launch no run.

        The definitions are those of now, unless earlier ones are given.
        """
        definitions = definitions or self.definitions()
        with dg.build_sensor_context(
            instance_ref=self.instance.get_ref(), cursor=cursor, definitions=definitions
        ) as context:
            said = definitions.resolve_sensor_def(sensor).evaluate_tick(context)
        for event in said.asset_events:
            self.instance.report_runless_asset_event(event)
        for request in said.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
        return said

    def rows(self, asset: str, batch: str) -> list[dict[str, Any]]:
        return self.store.tables.read(asset, batch).to_pylist()

    def manifest(self, result: dg.ExecuteInProcessResult) -> RunManifest:
        return read_manifest(self.store.home, result.run_id)

    def asked(self, result: dg.ExecuteInProcessResult) -> dict[str, int]:
        """Requests asked by stage, of stages that asked any."""
        stages = self.manifest(result).stages
        return {asset: stage.asked for asset, stage in stages.items() if stage.asked}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def platform(settings: Settings, instance: dg.DagsterInstance) -> Iterator[Platform]:
    yield Platform(settings, instance)
    close_stores()


@pytest.fixture(scope="module")
def module_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One for all tests of a module that only look at what a run came to."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(Settings(home=tmp_path_factory.mktemp("module") / "home"), instance)
    close_stores()


@contextmanager
def _platform_on_disk(place: Path) -> Iterator[Platform]:
    instance_folder = place / "dagster"
    instance_folder.mkdir(exist_ok=True)
    quiet = {"telemetry": {"enabled": False}}
    try:
        with dg.DagsterInstance.local_temp(str(instance_folder), overrides=quiet) as instance:
            yield Platform(Settings(home=place / "home"), instance)
    finally:
        close_stores()


@pytest.fixture(scope="session")
def open_platform() -> Callable[[Path], AbstractContextManager[Platform]]:
    """Opens a platform in a folder, with an instance on disk, as sensors and schedules ask for."""
    return _platform_on_disk


@pytest.fixture
def platform_on_disk(tmp_path: Path) -> Iterator[Platform]:
    with _platform_on_disk(tmp_path) as platform:
        yield platform


def _write_entries(folder: Path) -> Path:
    for number in range(6):
        write_photo(folder / f"Title {number} by Member {number:02d}.jpg", seed=number)
    return folder


@pytest.fixture
def entries_folder(tmp_path: Path) -> Path:
    """Six entries of a competition."""
    return _write_entries(tmp_path / "Spring Round")


@pytest.fixture(scope="module")
def judged_round(
    module_platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Platform, str, dg.ExecuteInProcessResult]:
    """A platform with six entries judged, the batch and the run; nothing of it is to be changed."""
    folder = _write_entries(tmp_path_factory.mktemp("entries") / "Spring Round")
    batch = module_platform.register("judge", folder)
    return module_platform, batch, module_platform.run("judge", batch)


@pytest.fixture
def shoot_folder(tmp_path: Path) -> Path:
    """Five photos of a shoot."""
    folder = tmp_path / "Harbor 2026"
    for number in range(5):
        write_photo(folder / f"IMG_{number:04d}.jpg", seed=100 + number)
    return folder


@pytest.fixture
def store_of() -> Iterator[Callable[[Path], OpenStore]]:
    """Opens the store of a home."""
    yield lambda home: open_store(Settings(home=home))
    close_stores()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Said]]:
    """A home with a judged round and two tagged shoots; one photo is in the round and in the first shoot."""
    from at_terminal import imageworks  # noqa: PLC0415 - loads the command

    place = tmp_path_factory.mktemp("made")
    for number in range(2):
        write_photo(place / "Spring Round" / f"Title {number} by Member {number}.jpg", seed=number)
        write_photo(place / "Hills" / f"IMG_{number}.jpg", seed=200 + number)
    write_photo(place / "Harbor" / "other.jpg", seed=100)
    shutil.copy(place / "Spring Round" / "Title 0 by Member 0.jpg", place / "Harbor" / "shared.jpg")
    said = [
        imageworks(place / "home", command, place / folder)
        for command, folder in (("judge", "Spring Round"), ("tag", "Harbor"), ("tag", "Hills"))
    ]
    assert [one.code for one in said] == [0, 0, 0], said
    return place, said


@pytest.fixture
def home(made: tuple[Path, list[Said]], tmp_path: Path) -> Path:
    """A copy of that home; the photos are shared, and not written into."""
    shutil.copytree(made[0] / "home", tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def folders(made: tuple[Path, list[Said]]) -> Path:
    """Where the photos of that home are."""
    return made[0]
