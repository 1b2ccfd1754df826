"""A compose file as Compose reads it, as far as the stack uses it: variables, anchors, and what becomes a process."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCKER = Path(__file__).parents[2] / "docker"
_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\})")


@dataclass(frozen=True)
class Service:
    """One service: what runs, with what, and how it is asked whether it is well."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: dict[str, str]
    healthcheck: tuple[str, ...]
    stop_signal: str
    profiles: frozenset[str]
    secrets: tuple[str, ...]
    after: dict[str, str]
    folder: str
    raw: dict[str, Any]


def read_compose(variables: Mapping[str, str], path: Path = DOCKER / "compose.yaml") -> dict[str, Service]:
    """The services, by name."""
    # Compose merges `<<` as YAML 1.1 did.
    yaml = YAML(typ="safe", pure=True)
    document = yaml.load(path.read_text(encoding="utf-8"))
    return {name: _service(name, _filled(raw, variables)) for name, raw in document["services"].items()}


def variables_of(path: Path = DOCKER / "compose.yaml") -> dict[str, str]:
    """Every variable that the file reads, and what holds where it is not set."""
    return {
        found["name"]: found["default"] or ""
        for found in _VARIABLE.finditer(path.read_text(encoding="utf-8"))
        if found["name"]
    }


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, variables) for one in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        return variables.get(found["name"]) or found["default"] or ""

    return _VARIABLE.sub(fill, value)


def _service(name: str, raw: dict[str, Any]) -> Service:
    dockerfile = _dockerfile(raw)
    check = raw.get("healthcheck", {}).get("test") or dockerfile.get("HEALTHCHECK")
    command = raw.get("command") or dockerfile.get("CMD") or ()
    entrypoint = dockerfile.get("ENTRYPOINT") or ()
    return Service(
        name=name,
        image=raw["image"],
        command=(*entrypoint, *command),
        environment={
            **dockerfile.get("ENV", {}),
            **{key: str(value) for key, value in (raw.get("environment") or {}).items()},
        },
        healthcheck=tuple(check or ()),
        stop_signal=raw.get("stop_signal") or dockerfile.get("STOPSIGNAL") or "SIGTERM",
        profiles=frozenset(raw.get("profiles") or ()),
        secrets=tuple(raw.get("secrets") or ()),
        after={other: how["condition"] for other, how in (raw.get("depends_on") or {}).items()},
        folder=raw.get("working_dir") or dockerfile.get("WORKDIR") or "/",
        raw=raw,
    )


def _dockerfile(raw: dict[str, Any]) -> dict[str, Any]:
    """What the image of a service brings along, of the last stage of its Dockerfile."""
    if "build" not in raw:
        return {}
    text = (DOCKER.parent / raw["build"]["dockerfile"]).read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    stage = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]
    said: dict[str, Any] = {"ENV": {}}
    for line in stage:
        word, _, rest = line.partition(" ")
        if word in {"CMD", "ENTRYPOINT"}:
            said[word] = json.loads(rest)
        elif word == "HEALTHCHECK":
            said[word] = ["CMD", *json.loads(rest[rest.index("CMD") + 3 :])]
        elif word == "ENV":
            said[word].update(one.split("=", 1) for one in shlex.split(rest))
        elif word in {"STOPSIGNAL", "WORKDIR"}:
            said[word] = rest.strip()
    return said
