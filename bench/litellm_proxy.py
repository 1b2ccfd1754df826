"""LiteLLM's proxy before a server, with the settings that its makers advise for speed, and in one process as ours is.

It has a virtual environment of its own under the cache folder, since its pins contradict ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.own_process import free_port, served
from bench.server import SERVED

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imageworks"
ENVIRONMENT = CACHE / "bench-litellm"
KEY = "sk-bench"
CONFIG = """
model_list:
  - model_name: bench-vlm
    litellm_params: {{model: "openai/{served}", api_base: "{url}/v1", api_key: none}}
litellm_settings: {{telemetry: false, set_verbose: false, drop_params: true}}
general_settings: {{master_key: {key}, disable_spend_logs: true}}
"""


@contextmanager
def litellm_proxy(folder: Path, url: str) -> Iterator[str]:
    """The URL of a proxy before the server; installed first, where it is not yet."""
    config = folder / "litellm.yaml"
    config.write_text(CONFIG.format(served=SERVED, url=url, key=KEY), encoding="utf-8")
    port = free_port()
    environ = {
        **os.environ,
        # Nothing is fetched, and nothing is written.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
    }
    command = [str(_program()), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with served(
        command,
        f"http://127.0.0.1:{port}",
        ready="/health/liveliness",
        log=folder / "litellm.log",
        environ=environ,
    ):
        yield f"http://127.0.0.1:{port}"


def _program() -> Path:
    program = ENVIRONMENT / "bin" / "litellm"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", "litellm[proxy]"], check=True)
    return program
