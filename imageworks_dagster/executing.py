"""Where the steps of a run are carried out: in the run's process, in one each on this host, or by Celery's workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from imageworks_dagster.errors import CannotExecute

if TYPE_CHECKING:
    from store.settings import Settings


def executor_of(settings: Settings) -> dg.ExecutorDefinition:
    """The executor that the settings name; the definitions are the same under each.

    Raises:
        CannotExecute: Celery is named, and is not installed or has no broker.
    """
    if settings.executor == "in_process":
        # A step waits for a GPU, and a process a step costs seconds.
        return dg.in_process_executor
    if settings.executor == "multiprocess":
        # Each step's process is forked from one that has loaded our modules, and done nothing with them.
        loaded = {"forkserver": {"preload_modules": ["imageworks_dagster.definitions"]}}
        forked: dg.ExecutorDefinition = dg.multiprocess_executor.configured({"start_method": loaded})
        return forked
    if settings.broker_url is None:
        raise CannotExecute(
            "IMAGEWORKS_EXECUTOR is celery, and IMAGEWORKS_BROKER_URL names no broker. Name one, such as "
            "redis://127.0.0.1:6379/0, or choose in_process."
        )
    try:
        import dagster_celery  # noqa: F401, PLC0415 - an extra

        from imageworks_dagster.handing_out import watched_celery_executor  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise CannotExecute(
            "IMAGEWORKS_EXECUTOR is celery, and Celery is not installed. Install it with: pip install "
            "'imageworks-dagster[celery]'"
        ) from error
    # Dagster reads the addresses from the environment of whoever carries a run out: no run's configuration, which
    # everybody sees, holds a password.
    executor: dg.ExecutorDefinition = watched_celery_executor.configured(
        {"broker": {"env": "IMAGEWORKS_BROKER_URL"}, "backend": {"env": "IMAGEWORKS_BROKER_URL"}}
    )
    return executor
