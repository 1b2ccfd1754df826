"""The Celery application of a worker: `celery -A imageworks_dagster.worker worker --prefetch-multiplier 1`.

Dagster's own, with the broker that the settings name, so that a worker needs no configuration file.
"""

from __future__ import annotations

from typing import Any

from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task

from imageworks_dagster.errors import CannotExecute
from store.settings import Settings


def _app() -> Any:
    broker = Settings().broker_url
    if broker is None:
        raise CannotExecute(
            "A worker needs a broker: name it in IMAGEWORKS_BROKER_URL, such as redis://127.0.0.1:6379/0."
        )
    made = make_app({"broker": broker.get_secret_value(), "backend": broker.get_secret_value()})  # type: ignore[no-untyped-call]
    create_task(made)  # type: ignore[no-untyped-call]
    return made


app = _app()
