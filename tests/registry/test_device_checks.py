"""A device that contradicts itself is refused where it is declared, not when a model is leased on it."""

from __future__ import annotations

import pytest

from registry.errors import RegistryFileError
from registry.registry import Registry


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "registry.yaml"
        path.write_text(f"devices:\n{text}", encoding="utf-8")
        return Registry.load(path, environ={})

    return load


@pytest.mark.parametrize(
    "text",
    [
        "  far: {memory_mib: 24576}\n",
        "  big: {uuid: GPU-1}\n",
        "  gpu-0: {}\n",
        "  host: {kind: host}\n",
        "  far-memory: {kind: host, memory_mib: 64000}\n",
        "  slice: {kind: mig, uuid: MIG-1, mig_profile: 1g.12gb}\n",
    ],
)
def test_a_device_that_can_be_found_or_says_its_memory_is_taken(load, text):
    assert len(load(text).devices) == 1


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("  far: {}", 2, "devices.far.memory_mib", "is missing"),
        ("  far-memory: {kind: host}", 2, "devices.far-memory.memory_mib", "is missing"),
        ("  host: {memory_mib: 8000}", 2, "devices.host.kind", "must be host"),
        ("  a: {uuid: MIG-1}", 2, "devices.a.uuid", "must begin with GPU-"),
        ("  a: {kind: mig, uuid: GPU-1}", 2, "devices.a.uuid", "must begin with MIG-"),
        ("  a: {kind: host, uuid: GPU-1, memory_mib: 5}", 2, "devices.a.uuid", "left out"),
        ("  a: {memory_mib: 5, mig_profile: 1g.12gb}", 2, "devices.a.mig_profile", "set kind: mig"),
        ("  a: {uuid: GPU-1}\n  b: {uuid: GPU-1}", 3, "devices.b.uuid", "is that of a too"),
    ],
)
def test_a_device_that_contradicts_itself_is_told_at_its_field(load, text, line, field, words):
    with pytest.raises(RegistryFileError, match=words) as caught:
        load(text)
    assert (caught.value.line, caught.value.field) == (line, field)
