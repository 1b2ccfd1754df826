"""The configuration of a supervisor: what it may say, and what is said where it is wrong."""

from __future__ import annotations

import pytest

from backends.services.supervision.configuration import control_key, read_configuration
from backends.services.supervision.errors import BadConfiguration

SMALL = """\
provider: vllm
models:
  tiny:
    command: [vllm, serve, tiny, --port, "{port}"]
"""


@pytest.fixture
def read(tmp_path):
    def of(text):
        path = tmp_path / "supervisor.yaml"
        path.write_text(text, encoding="utf-8")
        return read_configuration(path)

    return of


def test_a_provider_and_one_command_are_enough(read):
    configuration = read(SMALL)

    assert configuration.listens_at == 8600
    assert configuration.models["tiny"].arguments(24001)[-2:] == ("--port", "24001")
    assert configuration.models["tiny"].health == "/health"
    assert configuration.device is None


@pytest.mark.parametrize(("provider", "port"), [("vllm", 8600), ("trtllm", 8601), ("tf_iqa", 5105)])
def test_each_provider_has_its_port_unless_the_file_says_another(read, provider, port):
    text = SMALL.replace("vllm\n", f"{provider}\n", 1)

    assert read(text).listens_at == port
    assert read(f"{text}port: 9000\n").listens_at == 9000
    assert read(f"{text}port: 9000\n").listening_on(9001).listens_at == 9001


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (f"{SMALL}device: {{name: gpu-0, kind: whole}}\n", ":5: device.memory_mib:", "is missing"),
        (f"{SMALL}    timeout: 3\n", ":5: models.tiny.timeout:", "is no field here"),
        (SMALL.replace("[vllm", "[7"), ":4: models.tiny.command[0]:", "string"),
        (SMALL.replace("command: [", "command: []  # ["), ":4: models.tiny.command:", "at least 1"),
        (SMALL.replace("tiny:", '"a b":'), ":3: models.a b:", "pattern"),
        (SMALL.replace("provider: vllm", "provider: lmdeploy"), ":1: provider:", "'tf_iqa'"),
        (f"{SMALL}port: 24001\n", ":1:", "another child_port"),
        (f'{SMALL}port: "8600"\n', ":5: port:", "integer"),
        (f"{SMALL}restarts: {{give_up_after: 0}}\n", ":5: restarts.give_up_after:", "greater than"),
        (f"{SMALL}provider: vllm\n", ":5: provider:", "stands twice"),
        ("[]", ":1:", "must be a mapping"),
        ("", ":1:", "must be a mapping"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_field(read, tmp_path, text, place, words):
    with pytest.raises(BadConfiguration) as refused:
        read(text)

    assert f"{tmp_path / 'supervisor.yaml'}{place}" in str(refused.value)
    assert words in str(refused.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(BadConfiguration, match=r"none\.yaml: cannot be read"):
        read_configuration(tmp_path / "none.yaml")


def test_a_port_of_the_command_line_may_not_be_the_model_servers(read):
    with pytest.raises(BadConfiguration, match="--port 24001"):
        read(SMALL).listening_on(24001)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "127.0.0.2", "localhost"])
def test_on_the_loopback_no_key_is_needed(read, host):
    assert control_key(read(SMALL), host, {}) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "imageworks-vllm"])
def test_beyond_the_loopback_a_key_is_needed(read, host):
    with pytest.raises(BadConfiguration, match="control_key_env"):
        control_key(read(SMALL), host, {})

    assert control_key(read(f"{SMALL}control_key_env: KEY\n"), host, {"KEY": "k\n"}) == "k"


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}, {"KEY": " "}, {"KEY": "schlüssel"}])
def test_a_key_that_is_named_has_to_be_there(read, environ):
    with pytest.raises(BadConfiguration, match=r"KEY, which (is not set|holds characters that no key has)"):
        control_key(read(f"{SMALL}control_key_env: KEY\n"), "127.0.0.1", environ)
