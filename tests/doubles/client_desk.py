"""Where tests of the client work: models, requests, and a client with what it leaves behind."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backends.client import Client
from backends.request import Image, Labels, Request
from registry.schema import Model
from store.home import Home

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from backends.provider_settings import ProviderSettings
    from registry.registry import Registry
    from store.database import StateDatabase
    from store.settings import Settings
    from telemetry.spool import Spool

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["score", "critique"],
    "properties": {
        "score": {"type": "integer", "minimum": 0, "maximum": 20},
        "critique": {"type": "string", "minLength": 1, "maxLength": 400},
    },
}


def model_at(url: str | None, **changes: Any) -> Model:
    """A logical model with one deployment, of vLLM unless told otherwise."""
    deployment = {
        "name": "only",
        "provider": "embedded" if url is None else "vllm",
        "base_url": url,
        "served_model_id": "double-vlm",
        **changes.pop("deployment", {}),
    }
    return Model.model_validate(
        {
            "name": "double",
            "capabilities": {
                "chat": {"context_tokens": 16384, "max_output_tokens": 4096, "structured_output": True},
                "vision": {"max_images": 2, "max_long_side": 2048},
            },
            "deployments": [deployment],
            **changes,
        }
    )


def request_of(model: Model, user: str = "What do you see?", **changes: Any) -> Request:
    """A request with a schema and labels."""
    labels = {"stage": "judge/critiques", "run_id": "run-1", "batch": "club", "entry_id": f"club/{user[:40]}"}
    given = {"system": "You judge.", "output_schema": SCHEMA, **changes}
    return Request(model=model, user=user, labels=Labels(**{**labels, **given.pop("labels", {})}), **given)


def picture(digest: str = "a" * 64, content: bytes = b"\xff\xd8 a picture") -> Image:
    return Image(digest=digest, media_type="image/jpeg", load=lambda: content)


@dataclass
class Desk:
    """Where a client works: its settings and what it leaves behind."""

    settings: Settings
    database: StateDatabase
    spool: Spool
    registry: Registry
    embedded: dict[str, Any] = field(default_factory=dict)

    @asynccontextmanager
    async def client(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        providers: Mapping[str, ProviderSettings] | None = None,
        **settings: Any,
    ) -> AsyncIterator[Client]:
        async with Client(
            self.settings.model_copy(update=settings),
            self.registry,
            self.database,
            self.spool,
            self.embedded,
            environ=environ or {},
            providers=providers,
        ) as client:
            yield client

    def events(self) -> list[dict[str, Any]]:
        """All events in the spool, in order."""
        lines = [
            line
            for path in sorted(Home.of(self.settings).spool.glob("*.jsonl"))
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
        return [json.loads(line)["event"] for line in lines]
