from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest

from backends.devices import devices


def test_the_hosts_own_memory_is_a_device():
    host = devices()[0]

    assert (host.kind, host.uuid) == ("host", "host")
    assert host.memory_mib > 256


@pytest.mark.parametrize("missing", [pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded])
def test_a_host_without_a_driver_has_no_card(monkeypatch, missing):
    def init():
        raise missing

    monkeypatch.setattr(pynvml, "nvmlInit", init)

    assert [device.kind for device in devices()] == ["host"]


@pytest.fixture
def two_cards(monkeypatch):
    """A driver that knows two cards; what is asked of it at its beginning and its end."""
    calls = []
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: calls.append("init"))
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: calls.append("shutdown"))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUUID", lambda handle: f"GPU-{handle}")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda handle: "A card")
    memory = SimpleNamespace(total=16 * 1024**3)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", lambda handle: memory)
    return calls


def cards():
    return [device for device in devices() if device.kind == "gpu"]


def test_cards_are_listed_with_their_memory_and_nvml_is_let_go(two_cards):
    assert [(card.uuid, card.memory_mib) for card in cards()] == [("GPU-0", 16384), ("GPU-1", 16384)]
    assert two_cards == ["init", "shutdown"]


def test_a_card_that_does_not_tell_its_memory_is_told_beside_the_others(two_cards, monkeypatch):
    def memory_of(handle):
        if handle == 0:
            raise pynvml.NVMLError_NotSupported
        return SimpleNamespace(total=16 * 1024**3)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", memory_of)

    silent, other = cards()

    assert (silent.uuid, silent.name, silent.memory_mib) == ("", "unreadable: card 0: Not Supported", 0)
    assert (other.uuid, other.memory_mib) == ("GPU-1", 16384)
    assert two_cards == ["init", "shutdown"]


def test_a_driver_that_cannot_count_its_cards_is_told(two_cards, monkeypatch):
    def count():
        raise pynvml.NVMLError_Unknown

    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", count)

    assert [card.name.partition(":")[0] for card in cards()] == ["unreadable"]


def test_a_broken_driver_is_told_and_fails_nothing(monkeypatch):
    def init():
        raise pynvml.NVMLError_Unknown

    monkeypatch.setattr(pynvml, "nvmlInit", init)

    assert devices()[1].name.startswith("unreadable: ")
