"""A score is a request like any other: one picture to one image-quality model, answered by numbers.

So it is recalled, leased, retried, told in telemetry and kept like every other; `Client.complete`, `Client.score` and
`Client.map` take it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from backends.errors import InvalidRequest
from backends.iqa.metrics import METRICS
from backends.output_schemas import canonical_schema
from backends.request import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backends.output_schemas import CanonicalSchema
    from backends.request import Image, Labels
    from registry.schema import Model

_LONGEST_ERROR = 2000


@dataclass(frozen=True, slots=True)
class Scores:
    """What an answer to a score request says.

    Attributes:
        means: The score by metric, on that metric's scale; of those that succeeded.
        stds: Its spread by metric, where the metric has one.
        errors: In words, by metric; of those that failed.
    """

    means: dict[str, float]
    stds: dict[str, float]
    errors: dict[str, str]


def score_request(model: Model, image: Image, metrics: Sequence[str], labels: Labels) -> Request:
    """Ask a model to score a picture.

    Args:
        model: An image-quality model.
        image: The picture.
        metrics: Names of some of the model's metrics, in any order; empty for all of them.
        labels: For telemetry.

    Raises:
        InvalidRequest: The model does not measure one of them, or nothing at all.
    """
    limits = model.capabilities.iqa
    offered = () if limits is None else limits.metrics
    wanted = tuple(sorted(set(metrics))) or tuple(sorted(offered))
    unknown = [name for name in wanted if name not in offered]
    if unknown or not wanted:
        raise InvalidRequest(
            f"Model {model.name!r} does not measure {', '.join(unknown) or 'pictures'}; it measures "
            f"{', '.join(offered) or 'nothing'}."
        )
    return Request(
        model=model,
        user="",
        images=(image,),
        metrics=wanted,
        output_schema=scores_schema(wanted),
        labels=labels,
    )


@lru_cache(maxsize=64)
def scores_schema(metrics: tuple[str, ...]) -> CanonicalSchema:
    """The schema of an answer: by metric a mean and perhaps its spread, or an error."""
    return canonical_schema(
        {
            "type": "object",
            "additionalProperties": False,
            "required": list(metrics),
            "properties": {name: _outcome(name) for name in metrics},
        }
    )


def read_scores(data: Any) -> Scores:
    """What an answer's data say.

    Args:
        data: Of an answer to a score request, fitting its schema.
    """
    good = {name: outcome for name, outcome in data.items() if "mean" in outcome}
    return Scores(
        means={name: float(outcome["mean"]) for name, outcome in good.items()},
        stds={name: float(outcome["std"]) for name, outcome in good.items() if "std" in outcome},
        errors={name: outcome["error"] for name, outcome in data.items() if name not in good},
    )


def _outcome(name: str) -> dict[str, Any]:
    metric = METRICS.get(name)
    mean: dict[str, Any] = {"type": "number"}
    if metric is not None and metric.network == "nima":
        # The mean of a distribution over marks lies among them; MUSIQ's scale is where it was taught to stay.
        mean |= {"minimum": metric.low, "maximum": metric.high}
    score = {
        "type": "object",
        "additionalProperties": False,
        "required": ["mean"],
        "properties": {"mean": mean, "std": {"type": "number", "minimum": 0}},
    }
    words = {"type": "string", "maxLength": _LONGEST_ERROR}
    error = {
        "type": "object",
        "additionalProperties": False,
        "required": ["error"],
        "properties": {"error": words, "error_class": words},
    }
    return {"anyOf": [score, error]}
