"""The configuration of a supervisor: one YAML file, and the only place that a command comes from."""

# Annotations are read by pydantic when the classes are made, so their names are imported at run time.

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from backends.keys import UnusableKey, read_key
from backends.services.supervision.errors import BadConfiguration
from backends.trusted_hosts import is_loopback
from registry.schema import MIG_PROFILE
from store.yaml_reading import YamlDocument, YamlError, field_text, read_yaml_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Provider = Literal["vllm", "trtllm", "tf_iqa"]

PORTS: Final[dict[Provider, int]] = {"vllm": 8600, "trtllm": 8601, "tf_iqa": 5105}
"""Where a supervisor listens if neither its file nor its command line says so."""

PORT_PLACEHOLDER: Final = "{port}"

_WORDS: Final = {
    "extra_forbidden": "is no field here",
    "missing": "is missing; it must be given",
    "model_type": "must be a mapping of fields to values",
}


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("has a NUL character, which no command line or environment can hold")
    return text


Seconds = Annotated[float, Field(ge=0, le=86_400)]
SomeSeconds = Annotated[float, Field(gt=0, le=86_400)]
Port = Annotated[int, Field(ge=1, le=65_535)]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@()+-]*$", max_length=128)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
Argument = Annotated[str, AfterValidator(_without_nul)]
# No control characters: these are shown on terminals.
Label = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), hide_input_in_errors=True, strict=True
    )


class ServerCommand(_Part):
    """How one model is served."""

    command: tuple[Argument, ...] = Field(
        min_length=1, description="Program and arguments; {port} stands for child_port. No shell reads it."
    )
    env: dict[VariableName, Argument] = Field(
        default_factory=dict, description="Variables beside the supervisor's own environment."
    )
    health: str = Field(
        default="/health",
        pattern=r"^/[A-Za-z0-9._~/-]*$",
        description="Answers 200 when the server is ready, and only while it works.",
    )
    load_timeout_s: SomeSeconds = Field(default=600, description="Seconds to become ready.")
    drain_s: Seconds = Field(default=30, description="Seconds that requests in flight get to end.")
    stop_s: SomeSeconds = Field(default=20, description="Seconds between SIGTERM and SIGKILL.")

    def arguments(self, port: int) -> tuple[str, ...]:
        """The command line, for a server that listens on this port."""
        return tuple(argument.replace(PORT_PLACEHOLDER, str(port)) for argument in self.command)


class DeviceDescription(_Part):
    """The device that this supervisor's models are loaded onto."""

    name: Label = Field(description="Its name in the ledger of devices.")
    kind: Literal["whole", "mig", "host"] = Field(description="A card, a MIG slice, or a host's memory.")
    memory_mib: int = Field(ge=1, description="Its memory in MiB.")
    uuid: Label | None = Field(default=None, description="NVML's, of the slice for a slice.")
    mig_profile: str | None = Field(default=None, pattern=MIG_PROFILE)


class Restarts(_Part):
    """How a server that ended by itself is started anew."""

    first_wait_s: Seconds = Field(default=1, description="Wait before the first restart; then doubled.")
    longest_wait_s: Seconds = Field(default=60, description="No wait is longer.")
    give_up_after: int = Field(default=5, ge=1, le=1000, description="Crashes that make it failed,")
    within_s: SomeSeconds = Field(default=600, description="within so many seconds.")


class Watch(_Part):
    """How the health of a server is watched."""

    every_s: SomeSeconds = Field(default=2, description="Seconds between two looks.")
    timeout_s: SomeSeconds = Field(default=10, description="Seconds for an answer.")
    unhealthy_after: int = Field(default=3, ge=1, le=1000, description="Failed looks in a row.")


class Configuration(_Part):
    """A whole configuration."""

    provider: Provider = Field(description="The protocol that the models' servers speak.")
    port: Port | None = Field(default=None, description="Where the supervisor listens.")
    child_port: Port = Field(default=24001, description="Where the model server listens, on the loopback.")
    device: DeviceDescription | None = None
    models: dict[ModelName, ServerCommand] = Field(min_length=1)
    control_key_env: VariableName | None = Field(
        default=None, description="Variable that holds the key of the control routes."
    )
    max_body_mib: int = Field(default=64, ge=1, le=1024, description="Bound of a forwarded request's body.")
    restarts: Restarts = Restarts()
    watch: Watch = Watch()

    @model_validator(mode="after")
    def _ports_differ(self) -> Configuration:
        if (problem := _problem_with_ports(self)) is not None:
            raise ValueError(problem)
        return self

    @property
    def listens_at(self) -> int:
        """The port of the supervisor."""
        return PORTS[self.provider] if self.port is None else self.port

    def listening_on(self, port: int) -> Configuration:
        """The same, listening on another port.

        Raises:
            BadConfiguration: It is the model server's.
        """
        moved = self.model_copy(update={"port": port})
        if (problem := _problem_with_ports(moved)) is not None:
            raise BadConfiguration(f"--port {port}: {problem}")
        return moved

    def longest_drain_s(self) -> float:
        """Seconds that the most patient model lets requests in flight end."""
        return max(model.drain_s for model in self.models.values())


def read_configuration(path: Path) -> Configuration:
    """Read a configuration.

    Raises:
        BadConfiguration: It cannot be read or used; the message has a line for each problem, with its place.
    """
    try:
        document = read_yaml_document(path)
    except YamlError as error:
        raise BadConfiguration(f"The configuration cannot be read: {error}") from error
    try:
        # From JSON and strictly: "8" is no number and 1 is no truth, but a list may fill a tuple.
        return Configuration.model_validate_json(json.dumps(document.value))
    except ValidationError as error:
        problems = [_told(document, problem) for problem in error.errors(include_url=False)]
        raise BadConfiguration("\n".join(problems)) from error


def control_key(configuration: Configuration, host: str, environ: Mapping[str, str]) -> str | None:
    """The key of the control routes; None where they need none.

    Args:
        configuration: Names the variable.
        host: The address that the supervisor binds.
        environ: The environment's variables.

    Raises:
        BadConfiguration: The variable holds no key, or there is none and others than this machine could give orders.
    """
    name = configuration.control_key_env
    if name is None:
        if is_loopback(host):
            return None
        raise BadConfiguration(
            f"The supervisor would listen on {host}, where others than this machine could start and stop its models. "
            "Name the variable that holds a key in control_key_env, or listen on 127.0.0.1."
        )
    try:
        return read_key(name, environ)
    except UnusableKey as error:
        raise BadConfiguration(f"control_key_env names {error}: put a key into it.") from error


def _problem_with_ports(configuration: Configuration) -> str | None:
    if configuration.child_port != configuration.listens_at:
        return None
    return (
        f"the supervisor and the model server cannot both listen on port {configuration.child_port}; "
        "give another child_port"
    )


def _told(document: YamlDocument, problem: Any) -> str:
    # A key that is wrong has a further step, which the file does not have.
    path = tuple(step for step in problem["loc"] if step != "[key]")
    words = _WORDS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    place = f"{document.source}:{document.line_of(path)}"
    return f"{place}: {field_text(path)}: {words}" if path else f"{place}: {words}"
