"""What is to be played: devices, models, and those who ask them."""

# Annotations are read by pydantic when the classes are made, so their names are imported at run time.

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backends.leases.placing import places_on
from backends.leases.state import Device, ServedModel
from backends.simulation.errors import WorkloadError
from registry.nearest import did_you_mean
from store.yaml_reading import YamlError, field_text, read_yaml_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic_core import ErrorDetails

    from store.yaml_reading import FieldPath, YamlDocument

SHIPPED: Final = Path(__file__).parent / "workloads"

_DEVICE = re.compile(r"(?:(?P<profile>[0-9]g\.[0-9]{1,3}gb)=)?(?P<size>[0-9]+(?:\.[0-9]+)?)G")
_MIB_PER_GIB: Final = 1024

Seconds = Annotated[float, Field(ge=0, le=10_000_000)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=64)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class PlayedModel(_Part):
    """A model as a simulator sees it."""

    memory_mib: int = Field(ge=0, description="What a resident takes.")
    load_s: Seconds = Field(default=60, description="Seconds to load it.")
    unload_s: Seconds = Field(default=2, description="Seconds until its memory is free again.")
    slots: Count = Field(default=8, description="Requests that one resident answers at once.")
    prefer: str = Field(default="whole", pattern="^(whole|mig)$", description="A whole card, or a slice.")
    tags: tuple[Name, ...] = Field(default=(), description="Coexistence tags.")
    exclusive: bool = Field(default=False, description="Nothing else may be on its device.")


class Batch(_Part):
    """Many requests to one model, some at a time: one stage of one batch."""

    name: Name = Field(description="Named by those that come after it.")
    model: Name = Field(description="Which model it asks.")
    requests: Count = Field(description="How many.")
    seconds: Seconds = Field(description="Seconds for one, once it has its lease.")
    concurrency: Count = Field(default=8, description="Requests in flight, or waiting, at once.")
    arrives_s: Seconds = Field(default=0, description="When it comes, at the earliest.")
    after: Name | None = Field(default=None, description="The stage that has to end before.")


class Chat(_Part):
    """People who talk with one model: conversations come by chance, each of some messages with pauses."""

    model: Name = Field(description="Which model they talk with.")
    conversations: Count = Field(description="How many.")
    every_s: Seconds = Field(description="Mean time between the beginnings of two.")
    messages: Count = Field(default=4, description="Messages in each.")
    pause_s: Seconds = Field(default=10, description="Mean pause between an answer and the next message.")
    seconds: Seconds = Field(description="Seconds for one answer.")
    arrives_s: Seconds = Field(default=0, description="When the first may come.")


class Workload(_Part):
    """A whole workload."""

    description: str = Field(default="", max_length=2000)
    devices: tuple[str, ...] = Field(
        default=("24G",), description="As for --devices: 24G, or 1g.12gb=12G for a slice."
    )
    models: dict[Name, PlayedModel] = Field(min_length=1)
    batches: tuple[Batch, ...] = ()
    chats: tuple[Chat, ...] = ()

    def served(self, devices: Sequence[Device]) -> dict[str, ServedModel]:
        """The models as a policy takes them, with their places on these devices."""
        return {
            name: ServedModel(
                name=name,
                memory_mib=model.memory_mib,
                # A deployment has one copy; here every device has a server of its own.
                places=tuple(
                    place._replace(deployment=place.device)
                    for place in places_on(
                        devices, model=name, deployments=["simulated"], prefers_slice=model.prefer == "mig"
                    )
                ),
                slots=model.slots,
                load_s=model.load_s,
                unload_s=model.unload_s,
                tags=frozenset(model.tags),
                exclusive=model.exclusive,
            )
            for name, model in self.models.items()
        }


_PARTS: Final[dict[str, type[_Part]]] = {"models": PlayedModel, "batches": Batch, "chats": Chat}
"""What the fields of a workload hold, by name."""


def shipped_workloads() -> list[str]:
    """Names of the workloads that come with the program."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def read_workload(name: str) -> Workload:
    """A workload by the name of a shipped one, or by its file.

    Raises:
        WorkloadError: There is none, or it cannot be played; the message says where and why.
    """
    path = SHIPPED / f"{name}.yaml" if name in shipped_workloads() else Path(name)
    if not path.exists():
        raise WorkloadError(
            f"There is no file {name} and no shipped workload of that name; these are shipped: "
            f"{', '.join(shipped_workloads())}."
        )
    try:
        document = read_yaml_document(path)
    except (OSError, YamlError) as error:
        raise WorkloadError(f"The workload {name} cannot be read: {error}") from error
    try:
        workload = Workload.model_validate(document.value)
    except ValidationError as error:
        raise _refused(document, map(_told, error.errors(include_url=False))) from error
    if problems := list(_wrong_names(workload)):
        raise _refused(document, problems)
    return workload


def _refused(document: YamlDocument, problems: Iterable[tuple[FieldPath, str]]) -> WorkloadError:
    return WorkloadError(
        "\n".join(
            str(YamlError(document.source, document.line_of(path), field_text(path), words))
            for path, words in problems
        )
    )


def _told(found: ErrorDetails) -> tuple[FieldPath, str]:
    """What pydantic found, as a field's path and words of ours."""
    path = tuple(step for step in found["loc"] if step != "[key]")
    match found["type"]:
        case "extra_forbidden":
            fields = _PARTS.get(str(path[0]) if len(path) > 1 else "", Workload).model_fields
            hint = did_you_mean(str(path[-1]), fields)
            words = f"is no field here; {hint}fields are {', '.join(fields)}"
        case "missing":
            words = "is missing; it must be given"
        case "too_short":
            words = "is empty; at least one must be given"
        case "string_pattern_mismatch":
            words = f"does not have the form of such a text ({found['ctx']['pattern']})"
        case "model_type" | "dict_type":
            words = "must be a mapping of names to values"
        case "tuple_type":
            words = "must be a list"
        case _:
            words = found["msg"].removeprefix("Input ")
            words = words[:1].lower() + words[1:]
    return path, words


def _wrong_names(workload: Workload) -> Iterator[tuple[FieldPath, str]]:
    """Models that there are not, two stages of one name, and stages that come after none."""
    asked: list[tuple[FieldPath, str]] = [
        *((("batches", number, "model"), one.model) for number, one in enumerate(workload.batches)),
        *((("chats", number, "model"), one.model) for number, one in enumerate(workload.chats)),
    ]
    for path, model in asked:
        if model not in workload.models:
            known = ", ".join(workload.models)
            yield path, f"{model} is no model of this workload; it has {known}"
    before: set[str] = set()
    for number, batch in enumerate(workload.batches):
        if batch.name in before:
            yield ("batches", number, "name"), f"two stages are named {batch.name}"
        if batch.after is not None and batch.after not in before:
            words = f"{batch.name} comes after {batch.after}, which is no stage before it"
            yield ("batches", number, "after"), words
        before.add(batch.name)


def check_sizes(workload: Workload, devices: Sequence[Device]) -> None:
    """Make sure that each model that is asked fits a device.

    Raises:
        WorkloadError: Some fit none; figures of requests that can never be answered would say nothing.
    """
    largest = max((device.memory_mib for device in devices), default=0)
    asked = dict.fromkeys(
        [*(batch.model for batch in workload.batches), *(chat.model for chat in workload.chats)]
    )
    if too_large := [name for name in asked if workload.models[name].memory_mib > largest]:
        sizes = ", ".join(f"{name} takes {workload.models[name].memory_mib:,} MiB" for name in too_large)
        raise WorkloadError(
            f"No device is large enough, and their requests would never be answered: {sizes}; the largest device has "
            f"{largest:,} MiB. Give a larger one with --devices, or take them out of the workload."
        )


def parse_devices(texts: Sequence[str]) -> list[Device]:
    """Devices from words such as ``24G`` for a whole card and ``1g.12gb=12G`` for a slice of one.

    Raises:
        WorkloadError: A word is none of these.
    """
    devices: list[Device] = []
    for number, text in enumerate(texts):
        parts = _DEVICE.fullmatch(text.strip())
        if parts is None:
            raise WorkloadError(
                f"{text!r} is no device; write 24G for a card, or 1g.12gb=12G for a slice of one."
            )
        profile = parts["profile"]
        devices.append(
            Device(
                name=f"{'slice' if profile else 'gpu'}-{number}",
                memory_mib=round(float(parts["size"]) * _MIB_PER_GIB),
                kind="mig" if profile else "whole",
                mig_profile=profile,
            )
        )
    return devices
