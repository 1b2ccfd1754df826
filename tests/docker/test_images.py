"""The images: what a linter says of them, what is in them, and what they run as."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from compose import DOCKER, read_compose, variables_of
from dagster._core.storage.compute_log_manager import ComputeLogManager
from ruamel.yaml import YAML

ROOT = DOCKER.parent
DOCKERFILES = sorted(DOCKER.glob("Dockerfile.*"))
BUILT = {name: one for name, one in read_compose({}).items() if "build" in one.raw}


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_linter_finds_nothing(path):
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_it_runs_as_nobody_special_and_takes_what_is_locked(path):
    text = path.read_text()
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001"]
    assert re.search(r"^STOPSIGNAL SIGTERM$", text, re.MULTILINE)
    installs = re.findall(r"pip install .*", text)
    assert installs
    assert all("--require-hashes" in one or "--no-deps" in one for one in installs)
    # The base is an argument, so that it can be pinned by its digest.
    assert re.search(r"^ARG (\w+)=.*\n\nFROM \$\{\1\}", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["server.txt", "base.txt"])
def test_neither_gateway_nor_dagster_brings_a_model_library(name):
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / name).read_text(), re.MULTILINE))
    assert "fastapi" in locked
    assert not locked & {"torch", "torchvision", "tensorflow", "tensorflow-cpu", "vllm", "tensorrt-llm"}


def test_every_service_is_built_pinned_down_and_looked_at():
    assert set(BUILT) == {
        "imageworks-code",
        "imageworks-web",
        "imageworks-daemon",
        "imageworks-gateway",
        "imageworks-tf-iqa-service",
        "imageworks-vllm",
        "imageworks-trtllm",
        "imageworks-worker",
    }
    for name, service in read_compose({}).items():
        assert service.healthcheck[0] in {"CMD", "CMD-SHELL"}, name
        assert service.raw["restart"] == "unless-stopped", name
    for name, service in BUILT.items():
        assert service.raw["read_only"] is True, name
        assert service.raw["cap_drop"] == ["ALL"], name
        assert "deploy" in service.raw, name


def test_postgresql_is_well_when_others_can_reach_it_and_not_while_it_makes_its_databases():
    # Its image makes them by a server that listens at a socket, and to no address.
    assert read_compose({})["postgres"].healthcheck[1:4] == ("pg_isready", "-h", "127.0.0.1")


def test_only_the_loopback_reaches_in_unless_somebody_says_otherwise():
    ports = {name: one.raw["ports"] for name, one in read_compose({}).items() if "ports" in one.raw}
    assert ports == {"imageworks-web": ["127.0.0.1:3000:3000"], "imageworks-gateway": ["127.0.0.1:8700:8700"]}


def test_databases_and_the_servers_of_mounted_models_reach_nothing_outside():
    document = YAML(typ="safe", pure=True).load((DOCKER / "compose.yaml").read_text())
    assert document["networks"]["inside"]["internal"] is True
    alone = {name for name, one in read_compose({}).items() if one.raw["networks"] == ["inside"]}
    assert alone == {
        "postgres",
        "redis",
        "imageworks-tf-iqa-service",
        "imageworks-vllm",
        "imageworks-trtllm",
    }
    assert all("inside" in one.raw["networks"] for one in read_compose({}).values())


def test_other_accounts_of_the_host_do_not_get_at_the_secrets(tmp_path):
    script = shutil.copy(DOCKER / "make-secrets", tmp_path)
    subprocess.run([script], check=True)
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    # Containers run as another user.
    assert {one.stat().st_mode & 0o777 for one in (tmp_path / "secrets").iterdir()} == {0o444}


def test_what_steps_and_sensors_say_is_kept_where_writes_are_taken_and_all_containers_look():
    said = YAML(typ="safe", pure=True).load((DOCKER / "dagster.yaml").read_text())["compute_logs"]
    assert issubclass(getattr(import_module(said["module"]), said["class"]), ComputeLogManager)
    for name in ("imageworks-code", "imageworks-web", "imageworks-daemon", "imageworks-worker"):
        writable = [one.partition(":")[2] for one in BUILT[name].raw["volumes"]]
        assert any(said["config"]["base_dir"].startswith(f"{place}/") for place in writable)


@pytest.mark.parametrize("name", ["imageworks-vllm", "imageworks-trtllm"])
def test_a_model_server_may_load_the_kernels_that_it_compiles(name):
    # Docker mounts such a folder `noexec` unless it is told otherwise.
    assert read_compose({})[name].raw["tmpfs"] == ["/tmp:exec", "/home/imageworks:exec"]


def test_the_container_that_runs_live_in_has_its_name_when_it_is_made_anew():
    assert read_compose({})["imageworks-code"].raw["hostname"] == "imageworks-code"


def test_every_variable_is_explained_with_its_default():
    example = (DOCKER / ".env.example").read_text()
    told = dict(re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE))
    assert told == variables_of()


def test_every_secret_and_configuration_is_made_or_there():
    document = YAML(typ="safe", pure=True).load((DOCKER / "compose.yaml").read_text())
    made = set(re.findall(r"^make (\w+) ", (DOCKER / "make-secrets").read_text(), re.MULTILINE))
    assert {Path(one["file"]).name for one in document["secrets"].values()} == made
    for one in document["configs"].values():
        assert (DOCKER / one["file"]).is_file()
    for service in read_compose({}).values():
        assert set(service.secrets) <= set(document["secrets"])
