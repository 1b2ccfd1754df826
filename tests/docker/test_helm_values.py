"""docker/helm/values.yaml: what Dagster's chart takes, with our image, our settings and no secret.

The chart is no package of an index that tests reach, so the names that it takes are held here: those of its own schema,
which refuses others.
"""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from typing import Any

import pytest
from compose import DOCKER
from dagster_k8s.launcher import K8sRunLauncher
from ruamel.yaml import YAML

from store.settings import Settings, variable

TEXT = (DOCKER / "helm" / "values.yaml").read_text(encoding="utf-8")
VALUES: dict[str, Any] = YAML(typ="safe", pure=True).load(TEXT)

POD = {"image", "env", "envConfigMaps", "envSecrets", "podSecurityContext", "securityContext", "resources"}
VOLUMES = {"volumes", "volumeMounts"}
TAKEN: dict[tuple[str, ...], set[str]] = {
    (): {
        "global",
        "generatePostgresqlPasswordSecret",
        "postgresql",
        "rabbitmq",
        "redis",
        "dagsterWebserver",
        "dagsterDaemon",
        "runLauncher",
        "computeLogManager",
        "telemetry",
        "dagster-user-deployments",
    },
    ("global",): {"postgresqlSecretName", "dagsterHome", "serviceAccountName", "celeryConfigSecretName"},
    ("postgresql",): {
        "enabled",
        "postgresqlHost",
        "postgresqlUsername",
        "postgresqlDatabase",
        "postgresqlParams",
        "service",
    },
    ("dagsterWebserver",): {*POD, *VOLUMES, "replicaCount", "service", "workspace"},
    ("dagsterDaemon",): {
        *POD,
        *VOLUMES,
        "enabled",
        "runCoordinator",
        "runMonitoring",
        "runRetries",
        "sensors",
        "schedules",
    },
    ("dagsterDaemon", "runCoordinator"): {"enabled", "type", "config"},
    ("dagsterDaemon", "runCoordinator", "config", "queuedRunCoordinator"): {
        "maxConcurrentRuns",
        "tagConcurrencyLimits",
        "dequeueIntervalSeconds",
    },
    ("runLauncher",): {"type", "config"},
    ("runLauncher", "config", "k8sRunLauncher"): {
        *VOLUMES,
        "imagePullPolicy",
        "loadInclusterConfig",
        "envConfigMaps",
        "envSecrets",
        "envVars",
        "runK8sConfig",
    },
    ("runLauncher", "config", "k8sRunLauncher", "runK8sConfig"): {
        "containerConfig",
        "podSpecConfig",
        "podTemplateSpecMetadata",
        "jobSpecConfig",
        "jobMetadata",
    },
    ("dagster-user-deployments",): {"enabled", "enableSubchart", "imagePullSecrets", "deployments"},
}
DEPLOYMENT = {*POD, *VOLUMES, "name", "port", "codeServerArgs", "includeConfigInLaunchedRuns"}


def at(path: tuple[str, ...]) -> dict[str, Any]:
    found = VALUES
    for name in path:
        found = found[name]
    return found


(CODE,) = VALUES["dagster-user-deployments"]["deployments"]


@pytest.mark.parametrize("path", TAKEN, ids=lambda path: ".".join(path) or "whole")
def test_the_chart_takes_every_name(path):
    assert set(at(path)) <= TAKEN[path]


def test_the_chart_takes_every_name_of_the_code_location():
    assert set(CODE) <= DEPLOYMENT


def test_every_pod_has_our_image_of_this_version_as_the_user_of_the_image():
    version = tomllib.loads((DOCKER.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    user = re.search(r"^USER (\d+)$", (DOCKER / "Dockerfile.dagster").read_text(), re.MULTILINE)
    for pod in (VALUES["dagsterWebserver"], VALUES["dagsterDaemon"], CODE):
        assert pod["image"] == {
            "repository": "imageworks-dagster",
            "tag": version,
            "pullPolicy": "IfNotPresent",
        }
        assert pod["podSecurityContext"]["runAsUser"] == int(user[1])
        assert pod["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
    assert "image: imageworks-dagster:${IMAGEWORKS_VERSION" in (DOCKER / "compose.yaml").read_text()


def test_the_code_location_is_started_as_the_image_starts_it():
    flag, module = CODE["codeServerArgs"]
    started = re.search(r"^CMD (.*)$", (DOCKER / "Dockerfile.dagster").read_text().splitlines()[-1])
    assert f'"{flag}", "{module}"' in started[1]
    assert f'"-p", "{CODE["port"]}"' in started[1]
    assert import_module(module.partition(".")[0])


def test_every_variable_is_a_setting_with_a_value_that_it_takes():
    fields = {variable(name): name for name in Settings.model_fields}
    Settings(**{fields[name]: value for name, value in CODE["env"].items()})


def test_queue_monitoring_and_deadlines_are_those_of_the_other_stack():
    yaml = YAML(typ="safe", pure=True)
    other = yaml.load((DOCKER / "dagster.yaml").read_text(encoding="utf-8"))
    queue = at(("dagsterDaemon", "runCoordinator", "config", "queuedRunCoordinator"))
    runs = other["concurrency"]["runs"]
    assert queue["maxConcurrentRuns"] == runs["max_concurrent_runs"]
    assert queue["tagConcurrencyLimits"] == runs["tag_concurrency_limits"]
    monitoring = VALUES["dagsterDaemon"]["runMonitoring"]
    longest = other["run_monitoring"]["max_runtime_seconds"]
    assert monitoring["maxRuntimeSeconds"] == longest
    assert (
        monitoring["freeSlotsAfterRunEndSeconds"]
        == other["run_monitoring"]["free_slots_after_run_end_seconds"]
    )
    run = at(("runLauncher", "config", "k8sRunLauncher", "runK8sConfig"))
    assert run["jobSpecConfig"]["activeDeadlineSeconds"] == longest


def test_the_image_brings_the_launcher_that_the_chart_names():
    locked = (DOCKER.parent / "requirements" / "server.txt").read_text()
    assert VALUES["runLauncher"]["type"] == K8sRunLauncher.__name__
    assert re.search(r"^dagster-k8s==", locked, re.MULTILINE)


NAMES_OR_SWITCHES = {"generatePostgresqlPasswordSecret", "postgresqlSecretName"}


def test_there_is_no_secret_in_it():
    def texts(value, name=""):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from texts(inner, key)
        elif isinstance(value, list):
            for inner in value:
                yield from texts(inner, name)
        else:
            yield name, str(value)

    for name, text in texts(VALUES):
        assert not re.search("password|token|secret", name, re.IGNORECASE) or name in NAMES_OR_SWITCHES, name
        assert "@" not in text
    assert VALUES["generatePostgresqlPasswordSecret"] is False


def test_runs_see_what_the_code_location_sees():
    assert CODE["includeConfigInLaunchedRuns"] == {"enabled": True}
    assert {mount["name"] for mount in CODE["volumeMounts"]} == {volume["name"] for volume in CODE["volumes"]}
    mounted = [mount["mountPath"] for mount in CODE["volumeMounts"]]
    for name in ("IMAGEWORKS_HOME", "IMAGEWORKS_INBOX"):
        assert any(CODE["env"][name].startswith(place) for place in mounted)
