"""Score pictures by metrics: decoded in threads, those that wait for one network together, one network at a time."""

from __future__ import annotations

import asyncio
import logging
import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from backends.batching import Batched
from backends.iqa.errors import PictureRefused
from backends.iqa.pictures import Prepared, prepare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backends.iqa.metrics import Network
    from backends.iqa.scoring import Score, Scorer

log = logging.getLogger(__name__)

DECIMALS: Final = 4
"""Of a score: a network's own noise, and what the size of a batch changes, lies below."""

_DECODERS: Final = 2

Outcome = dict[str, Any]
"""What one metric says of one picture: ``mean`` and perhaps ``std``, or ``error`` and ``error_class``."""


class Answering:
    """Scores pictures with the networks it was given. Belongs to one event loop."""

    def __init__(self, scorers: Sequence[Scorer], *, max_pixels: int) -> None:
        """Make one.

        Args:
            scorers: One a metric.
            max_pixels: Pictures with more are refused.
        """
        self._scorers = {scorer.metric.name: scorer for scorer in scorers}
        self._max_pixels = max_pixels
        # A picture while it is decoded may take most of a gigabyte, so few are.
        self._decoding = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decoding")
        # One network at a time: two at once would only take turns, and twice the memory.
        self._computing = ThreadPoolExecutor(1, thread_name_prefix="computing")
        self._waiting: Mapping[str, Batched[Prepared, Score]] = {
            name: self._batched(scorer) for name, scorer in self._scorers.items()
        }

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics there are."""
        return tuple(self._scorers)

    async def score(self, picture: bytes, metrics: Sequence[str]) -> dict[str, Outcome]:
        """What each metric says of a picture; one that fails says why, and takes nothing from the others.

        Args:
            picture: Encoded.
            metrics: Names, each once.
        """
        known = [name for name in metrics if name in self._scorers]
        outcomes = {name: self._unknown(name) for name in metrics if name not in self._scorers}
        if known:
            networks: set[Network] = {self._scorers[name].metric.network for name in known}
            loop = asyncio.get_running_loop()
            try:
                prepared = await loop.run_in_executor(self._decoding, self._prepare, picture, networks)
            except PictureRefused as refused:
                outcomes |= {name: _failed(str(refused), refused.error_class) for name in known}
            else:
                said = await asyncio.gather(*(self._score_one(name, prepared) for name in known))
                outcomes |= dict(zip(known, said, strict=True))
        return {name: outcomes[name] for name in metrics}

    def close(self) -> None:
        """Let go of the threads; what waits is not begun."""
        for threads in (self._decoding, self._computing):
            threads.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, picture: bytes, networks: set[Network]) -> Prepared:
        return prepare(picture, networks, max_pixels=self._max_pixels)

    def _batched(self, scorer: Scorer) -> Batched[Prepared, Score]:
        async def work(pictures: Sequence[Prepared]) -> Sequence[Score]:
            return await asyncio.get_running_loop().run_in_executor(self._computing, scorer.score, pictures)

        return Batched(work, at_most=scorer.at_once)

    async def _score_one(self, name: str, picture: Prepared) -> Outcome:
        try:
            score = await self._waiting[name].add(picture)
        except Exception as error:  # TensorFlow's own, of which some have no common base
            log.exception("%s failed", name)
            return _failed(f"{name} failed: {error}"[:500], "metric_failed")
        numbers = {"mean": score.mean} if score.std is None else {"mean": score.mean, "std": score.std}
        if not all(map(math.isfinite, numbers.values())):
            return _failed(f"{name} gave no number", "metric_failed")
        return {part: round(number, DECIMALS) for part, number in numbers.items()}

    def _unknown(self, name: str) -> Outcome:
        return _failed(f"{name} is not served here; what is: {', '.join(self._scorers)}", "metric_unknown")


def _failed(error: str, error_class: str) -> Outcome:
    return {"error": error, "error_class": error_class}
