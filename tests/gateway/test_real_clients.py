"""Programs of other people, unmodified, through the gateway to a real vLLM server whose weights are random."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from made_up_photos import write_photo
from openai import AuthenticationError, NotFoundError, OpenAI
from pydantic import BaseModel, Field
from served_gateway import Gateway, registry_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from real_vllm import RealVllm

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

LLM = Path(sys.executable).with_name("llm")


class Mark(BaseModel):
    """What a photo is given."""

    score: int = Field(ge=0, le=20)
    kind: Literal["landscape", "portrait", "other"]


@pytest.fixture(scope="module")
def served(real_vllm: RealVllm, tmp_path_factory) -> Iterator[tuple[str, str]]:
    """The gateway's URL for clients, and a key."""
    registry = registry_of(real_vllm.url).replace("double-vlm", real_vllm.model)
    patience = {"first_byte_timeout_s": 120, "request_timeout_s": 240}
    gateway = Gateway(tmp_path_factory.mktemp("gateway") / "home", registry, **patience)
    key = gateway.key_of("a program")
    with gateway:
        yield f"{gateway.url}/v1", key


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    write_photo(path, seed=7)
    return path


@pytest.fixture
def openai(served) -> Iterator[OpenAI]:
    url, key = served
    with OpenAI(base_url=url, api_key=key, timeout=300, max_retries=0) as client:
        yield client


@pytest.fixture
def llm(served, tmp_path: Path):
    """Runs the ``llm`` command, which knows the gateway's model by its own configuration."""
    url, key = served
    folder = tmp_path / "llm"
    folder.mkdir()
    (folder / "extra-openai-models.yaml").write_text(
        f"- {{model_id: photos, model_name: talker, api_base: '{url}', api_key_name: gateway, vision: true, "
        f"supports_schema: true}}\n"
    )
    environ = {**os.environ, "LLM_USER_PATH": str(folder)}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(LLM), *arguments], env=environ, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("keys", "set", "gateway", "--value", key)
    return run


def shown(photo: Path) -> dict[str, object]:
    data = base64.b64encode(photo.read_bytes()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}


def test_openai_lists_the_models(openai):
    assert {model.id for model in openai.models.list()} >= {"talker", "blind"}
    assert openai.models.retrieve("gpt-local").id == "talker"


def test_openai_chats(openai):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    said = openai.chat.completions.create(model="talker", messages=messages, max_completion_tokens=20)
    assert said.model == "talker"
    assert isinstance(said.choices[0].message.content, str)
    assert said.choices[0].finish_reason in {"stop", "length"}
    assert 0 < said.usage.completion_tokens <= 20


def test_openai_streams(openai):
    with openai.chat.completions.create(
        model="talker",
        messages=[{"role": "user", "content": "Hello"}],
        max_completion_tokens=20,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        *chunks, last = stream
    assert len(chunks) > 1
    assert chunks[-1].choices[0].finish_reason in {"stop", "length"}
    assert last.usage.completion_tokens > 0


def test_openai_shows_a_photo_and_gets_what_fits_its_class(openai, photo):
    content = [{"type": "text", "text": "Mark it."}, shown(photo)]
    said = openai.chat.completions.parse(
        model="talker",
        messages=[{"role": "user", "content": content}],
        response_format=Mark,
        max_completion_tokens=300,
    )
    assert isinstance(said.choices[0].message.parsed, Mark)


def test_openai_raises_its_own_errors(openai):
    with pytest.raises(NotFoundError, match="talker"):
        openai.chat.completions.create(model="talkr", messages=[{"role": "user", "content": "Hello"}])
    with pytest.raises(AuthenticationError, match="not known"):
        openai.with_options(api_key="iw-wrong").models.list()


def test_llm_lists_the_model(llm):
    assert "photos" in llm("models", "list")


@pytest.mark.parametrize("how", [(), ("--no-stream",)], ids=["streamed", "whole"])
def test_llm_chats(llm, how):
    llm("-m", "photos", "-o", "max_tokens", "20", *how, "Hello")
    (logged,) = json.loads(llm("logs", "list", "--json"))
    assert logged["response"]


def test_llm_shows_a_photo_and_gets_what_fits_a_schema(llm, photo, tmp_path):
    schema = tmp_path / "mark.json"
    schema.write_text(json.dumps(Mark.model_json_schema()))
    options = ("-m", "photos", "-o", "max_tokens", "300", "--schema", str(schema), "-a", str(photo))
    assert Mark.model_validate_json(llm(*options, "Mark it."))
