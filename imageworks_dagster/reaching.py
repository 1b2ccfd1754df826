"""How a stage reaches the models that it asks, and what it says of those that it cannot reach.

Of a panel all judges are looked for before the first photo is put to one of them: whoever has to start three servers
learns of three at once, and not of one after each hour of work.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from backends.errors import ModelMisconfigured, ModelUnreachable
from imageworks.counting import counted
from imageworks_dagster.interruption import run_interruptible
from store.batches import batch as registered_batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backends.client import Client
    from imageworks_dagster.stages import Stage
    from registry.schema import Model
    from telemetry.spool import Spool

_Problem = ModelUnreachable | ModelMisconfigured


async def client_of(stage: Stage, spool: Spool) -> Client:
    """The client of a stage; make and use it inside the stage's event loop."""
    return await stage.resources.models.client(
        stage.settings,
        registry=stage.registry,
        store=stage.store,
        spool=spool,
        embedded=stage.embedded,
        labels={"run_id": stage.run.run_id, "batch": stage.batch.name, "stage": stage.asset},
        heard=stage.tally.hear,
    )


async def see_reachable(client: Client, model: Model, stage: Stage) -> None:
    """See that the model is there; of one that the batch has chosen, say that it stays its choice.

    Raises:
        ModelUnreachable: it is not; the message says what to do.
        ModelMisconfigured: it cannot be asked as things are set.
    """
    try:
        await client.check(model)
    except ModelUnreachable as error:
        stays = _stays(stage)
        if not stays:
            raise
        raise ModelUnreachable(f"{error} {stays}") from error


def see_all_reachable(stage: Stage, judges: Mapping[str, Model]) -> None:
    """See that every judge is there, before any of them is asked.

    Args:
        stage: the stage.
        judges: their models, by the judges' names: those that have to be asked something.

    Raises:
        ModelUnreachable: some are not; the message names each of them, and says what to do.
        ModelMisconfigured: likewise, where all of those cannot be asked as things are set.
    """
    if not judges:
        return
    models = {model.name: model for model in judges.values()}

    async def main() -> dict[str, _Problem]:
        with stage.resources.telemetry.spool() as spool:
            async with await client_of(stage, spool) as client:
                found = await asyncio.gather(*(_problem(client, model) for model in models.values()))
        return {name: one for name, one in zip(models, found, strict=True) if one is not None}

    problems = run_interruptible(main)
    if problems:
        _tell(stage, judges, problems)


async def _problem(client: Client, model: Model) -> _Problem | None:
    try:
        await client.check(model)
    except (ModelUnreachable, ModelMisconfigured) as error:
        return error
    return None


def _tell(stage: Stage, judges: Mapping[str, Model], problems: Mapping[str, _Problem]) -> NoReturn:
    named: dict[str, list[str]] = {}
    for judge, model in judges.items():
        named.setdefault(model.name, []).append(judge)
    missing = [judge for judge, model in judges.items() if model.name in problems]
    told = [f"{', '.join(named[name])}: {problem}" for name, problem in problems.items()]
    words = " ".join(
        (
            f"{counted(len(missing), 'judge')} of the panel cannot be asked, so none was asked about a photo.",
            *told,
            "Start what is missing, or leave it out of the panel.",
            _stays(stage),
        )
    ).rstrip()
    if all(isinstance(problem, ModelMisconfigured) for problem in problems.values()):
        raise ModelMisconfigured(words)
    raise ModelUnreachable(words)


def _stays(stage: Stage) -> str:
    """What the batch has chosen for the stage stays its choice, and how that is ended; empty where it chose nothing."""
    batch = registered_batch(stage.store.database, stage.batch.pipeline, stage.batch.name)
    pins = batch.pins.get(stage.asset, {})
    choice = "judges" if pins.get("judges") else "model"
    named = pins.get(choice)
    if not named:
        return ""
    option = f"--{choice}" if stage.scorer is None else "--iqa-model"
    return f"{named!r} stays the choice of batch {batch.name!r} until another is chosen; {option} default ends it."
