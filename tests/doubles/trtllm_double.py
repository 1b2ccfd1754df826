"""An honest double of `trtllm-serve`: vLLM's in its manners, with its own traps.

It answers a field that it does not know with HTTP 400; without a backend for guided decoding in its configuration it
takes a schema and answers with free text; it serves one model, under the base name of the folder that it came from.
"""

from __future__ import annotations

import json
import random
from typing import Any

from aiohttp import web
from vllm_double import WORDS, VllmDouble, fitting

KNOWN = {
    *("model", "messages", "stream", "response_format", "max_completion_tokens", "max_tokens", "temperature"),
    *(
        "top_p",
        "top_k",
        "min_p",
        "seed",
        "stop",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
    ),
    *("min_tokens", "stop_token_ids", "n", "logprobs"),
}


class TrtllmDouble(VllmDouble):
    """The server, in a thread of its own. Use as a context manager."""

    def __init__(self, *, guided: bool = True, **more: Any) -> None:
        super().__init__(metrics=False, **more)
        self.guided = guided

    async def _models(self, request: web.Request) -> web.Response:
        self.gets.append(request.path)
        card = {"id": self.model, "object": "model", "owned_by": "tensorrt_llm"}
        return web.json_response({"object": "list", "data": [card]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        unknown = sorted(set(body) - KNOWN)
        if unknown:
            detail = [{"type": "extra_forbidden", "loc": ["body", name]} for name in unknown]
            return web.json_response({"object": "error", "message": str(detail), "code": 400}, status=400)
        return await super()._chat(request)

    def _completion(self, body: dict[str, Any], digest: bytes) -> dict[str, Any]:
        answer_format = body.get("response_format", {})
        completion = super()._completion({**body, "response_format": {}}, digest)
        chance = random.Random(digest)
        if answer_format.get("type") == "json" and self.guided:
            text = json.dumps(fitting(answer_format["schema"], chance))
        else:
            text = " ".join(chance.choices(WORDS, k=12))
        completion["choices"][0]["message"]["content"] = text
        return completion
