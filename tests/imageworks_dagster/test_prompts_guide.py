"""docs/prompts.md: its ten minutes, as a new user's shell runs them, with a model at the end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from judging_double import JudgingDouble
from made_up_photos import write_photo

GUIDE = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")
TEN_MINUTES = GUIDE.partition("## Ten minutes\n")[2].partition("\n## ")[0]
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>not run|with a model|exit code 1): .+? -->\n)?```console\n(?P<lines>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
REGISTRY = """\
models:
  near-vlm:
    roles: [caption]
    capabilities:
      chat: {{context_tokens: 16384, max_output_tokens: 2048, structured_output: true}}
      vision: {{max_images: 1, max_long_side: 1024}}
    deployments: [{{name: local, provider: vllm, base_url: "{url}", served_model_id: double-vlm}}]
    revision: "1"
roles: {{caption: near-vlm}}
"""


@pytest.mark.slow
def test_the_ten_minutes_run_as_they_are_pasted(tmp_path):
    for number in range(10):
        write_photo(tmp_path / "my-shoot" / f"IMG_{number}.jpg", seed=number)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEWORKS_")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    with JudgingDouble() as model:
        for block in BLOCK.finditer(TEN_MINUTES):
            if block["mark"] == "not run":
                continue
            if block["mark"] == "with a model":
                registry = REGISTRY.format(url=model.url)
                (tmp_path / ".imageworks" / "registry.yaml").write_text(registry, encoding="utf-8")
            pasted = re.sub(r"^\$ ", "", block["lines"], flags=re.MULTILINE)
            done = subprocess.run(
                ["bash", "-euc", pasted],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            expected = 1 if block["mark"] == "exit code 1" else 0
            assert done.returncode == expected, f"{pasted}\n{done.stdout}\n{done.stderr}"
    assert 13 <= len(model.history) <= 60
    assert "requests made" in done.stdout
