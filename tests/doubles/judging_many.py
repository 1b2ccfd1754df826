"""Judge batches, each by a process of its own as Dagster's launcher makes them, some at once; workers do the steps.

The processes are forked from one that has loaded all: a tenth of the time. Prints a line for each batch that ended::

    python -m judging_many --at-once 8 FOLDER…
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path

import dagster as dg
from judging_run import judge_job

from imageworks_dagster.opened import close_stores, open_store
from imageworks_dagster.partitions import add_batches
from store.batches import register
from store.settings import Settings


def main(at_once: int, folders: list[Path], assets: list[str], *, fresh: bool) -> int:
    database = open_store(Settings()).database
    for folder in folders:
        register(database, pipeline="judge", name=folder.name, folder=folder)
    with dg.DagsterInstance.get() as instance:
        add_batches(instance, "judge", [folder.name for folder in folders])
    # A database does not go through a fork.
    close_stores()
    judge_job()
    close_stores()
    under_way: dict[int, str] = {}
    failed = 0
    for folder in folders:
        if len(under_way) >= at_once:
            failed += _end_of_one(under_way)
        child = os.fork()
        if not child:
            _judge(folder.name, assets, fresh=fresh)
        under_way[child] = folder.name
    while under_way:
        failed += _end_of_one(under_way)
    return 1 if failed else 0


def _end_of_one(under_way: dict[int, str]) -> bool:
    child, status = os.wait()
    sys.stdout.write(f"{under_way.pop(child)} {'failed' if status else 'judged'}\n")
    sys.stdout.flush()
    return bool(status)


def _judge(batch: str, assets: list[str], *, fresh: bool) -> None:
    status = 1
    asked_anew = {asset.replace("/", "__"): {"config": {"fresh": True}} for asset in assets} if fresh else {}
    try:
        with dg.DagsterInstance.get() as instance:
            result = dg.execute_job(
                dg.reconstructable(judge_job),
                instance=instance,
                tags={"dagster/partition": batch},
                run_config={"ops": asked_anew, "loggers": {"console": {"config": {"log_level": "WARNING"}}}},
                asset_selection=[dg.AssetKey(asset.split("/")) for asset in assets] or None,
                raise_on_error=False,
            )
        close_stores()
        status = 0 if result.success else 1
    except BaseException:  # noqa: BLE001 - told, and the process ends
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--at-once", type=int, default=1, help="batches that are judged at the same time")
    parser.add_argument("--asset", action="append", default=[], help="these alone; all by default")
    parser.add_argument("--fresh", action="store_true", help="ask anew; with --asset")
    given = parser.parse_args()
    sys.exit(main(given.at_once, given.folders, given.asset, fresh=given.fresh))
