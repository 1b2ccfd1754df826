"""The embedded models: for each its name, its function, and the digest of its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from imageworks.baseline.revision import code_digest
from imageworks.errors import UnknownTask

Variables = Mapping[str, object]
EmbeddedFunction = Callable[[Variables], dict[str, Any]]

BASELINE_JUDGE: Final = "baseline-judge"
BASELINE_TAGGER: Final = "baseline-tagger"

# Who only names a model, as the platform does when it is loaded, needs neither its rules nor what they compute with.


def _judging() -> Mapping[str, EmbeddedFunction]:
    from imageworks.baseline import judging  # noqa: PLC0415 - see above

    return {"critique": judging.critique, "pairwise": judging.compare}


def _tagging() -> Mapping[str, EmbeddedFunction]:
    from imageworks.baseline import tagging  # noqa: PLC0415 - see above

    return {"caption": tagging.caption, "keywords": tagging.keywords, "description": tagging.description}


_TASKS: Final[Mapping[str, Callable[[], Mapping[str, EmbeddedFunction]]]] = MappingProxyType(
    {BASELINE_JUDGE: _judging, BASELINE_TAGGER: _tagging}
)


def is_baseline(model: str) -> bool:
    """Whether a logical model judges or tags by rule, so that reports must say so."""
    return model in _TASKS


def _function(model: str) -> EmbeddedFunction:
    def answer(variables: Variables) -> dict[str, Any]:
        tasks = _TASKS[model]()
        task = variables.get("task")
        if not isinstance(task, str) or task not in tasks:
            raise UnknownTask(f"{model} was asked for task {task!r}; it knows {', '.join(tasks)}.")
        return tasks[task](variables)

    return answer


EMBEDDED: Final[Mapping[str, EmbeddedFunction]] = MappingProxyType(
    {model: _function(model) for model in _TASKS}
)
"""Model name → function from a request's variables (`task` and what it needs) to the answer's data."""


def embedded_revisions() -> dict[str, str]:
    """Model name → digest of the code that answers for it: an edited rule is another revision."""
    return dict.fromkeys(_TASKS, code_digest())
