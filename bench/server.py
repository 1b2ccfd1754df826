"""The local server that both sides of a bench ask: the tests' double of vLLM, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DOUBLE = Path(__file__).parent.parent / "tests" / "doubles" / "vllm_double.py"
SERVED = "double-vlm"

REGISTRY = """
models:
  bench-vlm:
    description: The bench's local server.
    roles: [judge, pairwise]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 4096, structured_output: true}}
      vision: {{max_images: 2, max_long_side: 1024}}
    deployments:
      - {{name: local, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}
    parameters:
      allowed: [temperature, top_p, seed, max_output_tokens]
    revision: "1"
"""


@contextmanager
def local_server(*, latency_s: float) -> Iterator[str]:
    """The URL of a server that takes ``latency_s`` for each answer."""
    command = [sys.executable, str(DOUBLE), "--port", "0", "--latency", str(latency_s), "--model", SERVED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def write_registry(home: Path, url: str) -> None:
    """Make the server a model of this home, under the name ``bench-vlm``."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "registry.yaml").write_text(REGISTRY.format(url=url), encoding="utf-8")
