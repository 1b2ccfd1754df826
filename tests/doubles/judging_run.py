"""Judge a folder once in a process of its own, under the executor that the environment names: a run as Dagster's
launcher makes it, so that workers find the definitions again by this module's name.
"""

from __future__ import annotations

import sys
from pathlib import Path

import dagster as dg

from imageworks_dagster.definitions import build_definitions
from imageworks_dagster.opened import open_store
from imageworks_dagster.partitions import add_batches
from store.batches import register
from store.settings import Settings

BATCH = "round"


def judge_job() -> dg.JobDefinition:
    """The job as the code location has it."""
    return build_definitions().resolve_job_def("judge")


def main(folder: Path) -> int:
    register(open_store(Settings()).database, pipeline="judge", name=BATCH, folder=folder)
    with dg.DagsterInstance.get() as instance:
        add_batches(instance, "judge", [BATCH])
        result = dg.execute_job(
            dg.reconstructable(judge_job),
            instance=instance,
            tags={"dagster/partition": BATCH},
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
            raise_on_error=False,
        )
    sys.stdout.write(result.run_id)
    return 0 if result.success else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
