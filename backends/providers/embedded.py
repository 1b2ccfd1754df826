"""Provider ``embedded``: functions of this program, from a request's structured variables to an answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from backends.errors import EmbeddedFailed, ModelMisconfigured
from backends.providers.parameters import wanted_parameters
from backends.providers.protocol import RawAnswer

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from backends.providers.protocol import Observed, Question
    from registry.schema import Model

EmbeddedFunction = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From a request's variables to the data of its answer."""

_LOG: Final = logging.getLogger(__name__)


class Embedded:
    """One embedded model: it never looks at a picture, and never stands in for another model."""

    looks_at_pictures = False
    # A function that misses its schema would miss it again.
    repairs = False

    def __init__(self, model: Model, functions: Mapping[str, EmbeddedFunction], threads: Executor) -> None:
        """Make one.

        Args:
            model: The logical model.
            functions: What the assembly registered, by model name.
            threads: Where the function runs.

        Raises:
            ModelMisconfigured: No function is registered for the model.
        """
        if model.name not in functions:
            raise ModelMisconfigured(
                f"Model {model.name!r} has provider embedded, and no function of this program answers for it; "
                f"those that have one: {', '.join(sorted(functions)) or 'none'}."
            )
        self._model = model
        self._function = functions[model.name]
        self._threads = threads

    async def check(self) -> None:
        """See ``Backend``: a function is always there."""

    async def probe(self) -> None:
        """See ``Backend``: a function is always there."""

    async def ask(self, question: Question, observed: Observed) -> RawAnswer:
        """See ``Backend``."""
        request = question.request
        observed.dropped_parameters = tuple(sorted(wanted_parameters(self._model, request.parameters)))
        try:
            text = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._answer, request.variables
            )
        except Exception as error:
            _LOG.exception("The function of model %s failed.", self._model.name)
            raise EmbeddedFailed(
                f"The function of model {self._model.name!r} failed: {type(error).__name__}: {error}."
            ) from error
        observed.raw = RawAnswer(text=text, finish_reason="stop", served_model=self._model.name)
        return observed.raw

    def _answer(self, variables: Mapping[str, Any]) -> str:
        return json.dumps(self._function(variables), ensure_ascii=False, sort_keys=True)
