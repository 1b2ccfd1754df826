"""docs/supervisor.md: its files load, its commands run, its tables and numbers are the code's."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from supervised import ROOT, free_port, program, served_by_double, within

from backends.iqa.metrics import metrics_named
from backends.services.supervision.configuration import (
    Restarts,
    ServerCommand,
    Watch,
    control_key,
    read_configuration,
)
from registry.registry import Registry

pytestmark = pytest.mark.slow

GUIDE = (Path(ROOT) / "docs" / "supervisor.md").read_text(encoding="utf-8")
TEXT = " ".join(GUIDE.split())
FILES = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
CONFIGURATIONS = {
    f"{text.splitlines()[0].removeprefix('provider: ')}.yaml": text
    for text in FILES
    if text.startswith("provider:")
}
(REGISTRY,) = [text for text in FILES if not text.startswith("provider:")]
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>.+?) -->\n)?```console\n(?P<commands>.*?)```", re.DOTALL)
KEYS = {"VLLM_SUPERVISOR_KEY": "k", "TRTLLM_SUPERVISOR_KEY": "k"}


def commands(*, run):
    return [
        line.removeprefix("$ ")
        for match in BLOCK.finditer(GUIDE)
        if (match["reason"] is None) is run
        for line in match["commands"].splitlines()
    ]


@pytest.fixture
def folder(tmp_path):
    """The guide's files, each under its name."""
    for name, text in CONFIGURATIONS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "registry.yaml").write_text(REGISTRY, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("command", commands(run=True))
def test_every_command_in_the_guide_runs(folder, command):
    program_name, *arguments = shlex.split(command)
    assert program_name == "python"
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **KEYS, "PYTHONPATH": str(ROOT), "IMAGEWORKS_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_commands_that_are_not_run_say_why():
    reasons = [match["reason"] for match in BLOCK.finditer(GUIDE) if match["reason"]]
    assert all(len(reason.split()) >= 4 for reason in reasons)
    assert commands(run=False) == ["python -m backends.services.supervisor --config vllm.yaml"]


def test_there_is_a_configuration_for_each_provider_and_the_registry_points_at_it(folder):
    registry = Registry.load(folder / "home" / "registry.yaml", environ={})
    assert set(CONFIGURATIONS) == {"vllm.yaml", "trtllm.yaml", "tf_iqa.yaml"}
    supervised = {
        deployment.provider: deployment
        for name in ("club-vlm", "club-trtllm", "club-iqa")
        for deployment in registry.models[name].deployments
    }
    for name in CONFIGURATIONS:
        configuration = read_configuration(folder / name)
        deployment = supervised[configuration.provider]
        assert deployment.base_url == f"http://127.0.0.1:{configuration.listens_at}"
        assert deployment.served_model_id in configuration.models
        assert deployment.control_key_env == configuration.control_key_env
        assert set(deployment.devices) <= set(registry.devices)
        assert control_key(configuration, "127.0.0.1", KEYS) == KEYS.get(configuration.control_key_env)


def test_the_commands_serve_what_the_registry_names(folder):
    registry = Registry.load(folder / "home" / "registry.yaml", environ={})
    for name in ("vllm.yaml", "trtllm.yaml", "tf_iqa.yaml"):
        for served, model in read_configuration(folder / name).models.items():
            arguments = model.arguments(24999)
            assert arguments[arguments.index("--port") + 1] == "24999"
            if name == "vllm.yaml":
                assert arguments[arguments.index("--served-model-name") + 1] == served
            if name == "trtllm.yaml":
                assert Path(arguments[1]).name == served
    worker = read_configuration(folder / "tf_iqa.yaml").models["club-iqa"].command
    metrics = metrics_named([worker[worker.index("--metrics") + 1]])
    measured = registry.models["club-iqa"].capabilities.iqa.metrics
    assert sorted(metric.name for metric in metrics) == sorted(measured)


def test_the_table_of_fields_has_them_all_with_their_defaults():
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", GUIDE, re.MULTILINE))
    fields = {name: field for name, field in ServerCommand.model_fields.items() if name != "command"}
    assert set(rows) == set(fields)
    for name, field in fields.items():
        assert rows[name].strip("`") == ("none" if name == "env" else str(field.default))


def test_the_table_of_routes_has_them_all_and_says_which_need_the_key(tmp_path):
    rows = re.findall(r"^\| `(?:(GET|POST) )?(/\S+)` \| (yes|no) \|", GUIDE, re.MULTILINE)
    bodies = {
        "/activate": {"model": "tiny", "token": 0},
        "/deactivate": {"token": 0},
        "/revoke": {"tokens": []},
    }
    with within(tmp_path, {"tiny": served_by_double()}, key="right") as supervised:
        del supervised.client.headers["Authorization"]
        for method, path, key in rows:
            answer = supervised.client.request(
                method or "GET", path.replace("{path:path}", "models"), json=bodies.get(path)
            )
            # Nothing is active, so what is forwarded finds nobody.
            expected = 401 if key == "yes" else 503 if not method else 200
            assert answer.status_code == expected, path
    assert len(rows) == 10


def test_the_orders_by_hand_work_against_a_supervisor(tmp_path, monkeypatch):
    (text,) = re.findall(r"^```bash\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    monkeypatch.setenv("VLLM_SUPERVISOR_KEY", "by-hand")
    models = {"club-vlm": served_by_double()}
    port = free_port()
    with program(tmp_path, models, port=port, control_key_env="VLLM_SUPERVISOR_KEY") as supervised:
        supervised.client.headers["Authorization"] = "Bearer by-hand"
        said = []
        for line in text.replace("127.0.0.1:8600", f"127.0.0.1:{port}").splitlines():
            done = subprocess.run(["bash", "-euc", line], capture_output=True, text=True, check=True)
            said.append(done.stdout)
            if "/activate" in line:
                supervised.until("ready")
        assert '"active":null' in said[0]
        assert '"model":"club-vlm"' in said[1]
        assert '"active":null' in said[3]


def test_the_numbers_of_crashes_and_looks_are_the_codes():
    restarts, watch = Restarts(), Watch()
    assert f"after {restarts.first_wait_s:g} s, then {2 * restarts.first_wait_s:g} s" in TEXT
    assert f"up to {restarts.longest_wait_s:g} s" in TEXT
    assert f"After {restarts.give_up_after} crashes within {restarts.within_s:g} s it is `failed`" in TEXT
    assert f"fails {watch.unhealthy_after} looks in a row, one every {watch.every_s:g} s" in TEXT
    assert f"`restarts: {{{', '.join(Restarts.model_fields)}}}`" in TEXT
    assert f"`watch: {{{', '.join(Watch.model_fields)}}}`" in TEXT
