"""Score a batch's photos with an image-quality model, where a run has chosen one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from backends.iqa.metrics import METRICS
from backends.request import Labels
from backends.scoring import read_scores, score_request
from imageworks_dagster.asking import ask_all
from imageworks_dagster.picturing import SCORED, Previews
from imageworks_dagster.stages import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backends.answer import Answer
    from backends.request import Request
    from backends.scoring import Scores
    from imageworks_dagster.stages import Row, Stage
    from registry.schema import Model


def score_entries(stage: Stage, entries: Sequence[Row]) -> dict[str, Row]:
    """The columns about image quality of each entry, by its id; none where the run has chosen no model for it.

    Raises:
        backends.errors.BackendError: the model cannot be reached at all, or stopped answering for too long; what was
            answered until then is kept.
    """
    model = stage.scorer
    if model is None:
        return {}
    previews = Previews(stage.settings, SCORED)
    requests = [(entry["entry_id"], _request(stage, model, entry, previews)) for entry in entries]
    answers = ask_all(stage, model, requests, read=read_scores)
    return {entry_id: _columns(answer, scores) for entry_id, (answer, scores) in answers.items()}


def _request(stage: Stage, model: Model, entry: Row, previews: Previews) -> Request:
    run, photo = stage.run, stage.photo_file(entry)
    labels = Labels(
        stage=stage.asset,
        run_id=run.run_id,
        trace_id=UUID(run.run_id).hex,
        batch=stage.batch.name,
        entry_id=entry["entry_id"],
        photo_ids=(photo.photo_id,),
        registry_version=run.manifest.registry_version,
    )
    return score_request(model, previews.image(photo), (), labels)


def _columns(answer: Answer, scores: Scores | None) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "answered_by": answer.request_id,
        "recalled": answer.recalled,
        "request_digest": answer.request_digest,
        "model": answer.model,
        "model_revision": answer.model_revision,
        "deployment": answer.deployment,
    }
    if scores is None:
        return columns | {"iqa_error": answer.error_message}
    known = {name: mean for name, mean in scores.means.items() if name in METRICS}
    failed = "; ".join(f"{name}: {words}" for name, words in sorted(scores.errors.items()))
    return columns | known | {"iqa": canonical(answer.data), "iqa_error": failed or None}
