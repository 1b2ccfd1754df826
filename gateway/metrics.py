"""Figures about the gateway itself, as Prometheus reads them."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from gateway.admission import Admission, Class
    from telemetry.spool import Spool

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Meters:
    """What is counted. Names and labels come from our own code and the registry alone, so that they stay few.

    Attributes:
        requests: The counter of answers to a route, with a status.
        seconds: The histogram of how long a route's took.
        tokens: The counter of a model's tokens, ``input`` or ``output``.
    """

    def __init__(self, admission: Admission, spool: Spool) -> None:
        self._registry = CollectorRegistry()
        requests = Counter(
            "imageworks_gateway_requests",
            "Requests by route and status.",
            ("route", "status"),
            registry=self._registry,
        )
        seconds = Histogram(
            "imageworks_gateway_request_seconds",
            "Time from a request's head to its answer's end.",
            ("route",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        tokens = Counter(
            "imageworks_gateway_tokens",
            "Tokens by model and kind.",
            ("model", "kind"),
            registry=self._registry,
        )
        # Looking a child up costs as much as counting in it.
        self.requests = lru_cache(maxsize=1024)(requests.labels)
        self.seconds = lru_cache(maxsize=256)(seconds.labels)
        self.tokens = lru_cache(maxsize=256)(tokens.labels)
        under_way = Gauge(
            "imageworks_gateway_under_way", "Requests let in, by class.", ("class",), registry=self._registry
        )
        waiting = Gauge(
            "imageworks_gateway_waiting",
            "Requests that wait to be let in, by class.",
            ("class",),
            registry=self._registry,
        )
        kinds: tuple[Class, ...] = ("interactive", "batch")
        for kind in kinds:
            under_way.labels(kind).set_function(partial(admission.under_way.__getitem__, kind))
            waiting.labels(kind).set_function(partial(admission.waiting_of, kind))
        Gauge(
            "imageworks_gateway_dropped_events",
            "Telemetry that could not be written.",
            registry=self._registry,
        ).set_function(lambda: spool.dropped)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)
