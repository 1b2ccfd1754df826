"""What a configuration names that is not on this machine."""

from __future__ import annotations

import pytest

from backends.services.supervision.configuration import Configuration
from backends.services.supervision.doubts import doubts


@pytest.fixture
def doubted():
    def told(environ=(), **fields):
        model = {"command": ("sh", "--port", "{port}"), **fields.pop("model", {})}
        configuration = Configuration.model_validate(
            {"provider": "vllm", "models": {"tiny": model}, **fields}
        )
        return list(doubts(configuration, {"PATH": "/usr/bin:/bin", **dict(environ)}))

    return told


def test_what_is_all_there_raises_none(doubted):
    assert doubted() == []
    assert doubted({"KEY": "k"}, control_key_env="KEY") == []


def test_a_key_may_come_later(doubted):
    (doubt,) = doubted(control_key_env="KEY")
    assert (
        doubt == "control_key_env: KEY, which is not set: put a key into it before the supervisor is started."
    )


def test_a_program_is_looked_for_where_the_server_would_find_it(doubted, tmp_path):
    program = tmp_path / "vllm"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    command = ("vllm", "serve", "--port", "{port}")
    assert doubted(model={"command": command, "env": {"PATH": str(tmp_path)}}) == []
    assert doubted(model={"command": command}) == [
        "models.tiny.command: there is no program vllm here that can be run."
    ]


def test_a_server_that_is_not_told_its_port_is_noticed(doubted):
    (doubt,) = doubted(model={"command": ("sh",)}, child_port=24005)
    assert doubt == (
        "models.tiny.command: no argument has {port}, so see to it that the server listens on child_port, 24005."
    )
