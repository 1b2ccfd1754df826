from __future__ import annotations

import pytest

from backends.leases.state import Device, Place
from backends.simulation.errors import WorkloadError
from backends.simulation.workload import parse_devices, read_workload, shipped_workloads

MINIMAL = "models: {a: {memory_mib: 1000}}\n"


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "workload.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_cards_and_slices_are_read_from_words():
    assert parse_devices(["24G", "1g.12gb=12G", "0.5G"]) == [
        Device("gpu-0", 24 * 1024),
        Device("slice-1", 12 * 1024, "mig", "1g.12gb"),
        Device("gpu-2", 512),
    ]


@pytest.mark.parametrize("text", ["", "24", "24GB", "-1G", "1g.12gb", "mig=12G", "24G24G", "24G\n"])
def test_other_words_are_no_device(text):
    if text == "24G\n":
        assert parse_devices([text]) == [Device("gpu-0", 24 * 1024)]
        return
    with pytest.raises(WorkloadError, match="is no device; write 24G"):
        parse_devices([text])


def test_a_wrong_name_answers_with_what_is_shipped():
    with pytest.raises(WorkloadError, match="five-clubs, mixed-slices, tagging-and-chat"):
        read_workload("six-clubs")


@pytest.mark.parametrize("name", shipped_workloads())
def test_every_shipped_workload_says_what_it_is(name):
    assert len(read_workload(name).description.split()) > 10


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: {a: {memory_mib: 1000}", "is not closed"),
        ("models: {}", "models: "),
        ("models: {a: {memory_mib: -1}}", "workload.yaml:1: models.a.memory_mib: should be greater"),
        (
            MINIMAL + "batches: [{name: one, model: b, requests: 1, seconds: 1}]",
            "workload.yaml:2: batches[0].model: b is no model of this workload; it has a",
        ),
        (MINIMAL + "batches: [{name: one, model: a, requests: 0, seconds: 1}]", "batches[0].requests: "),
        (
            MINIMAL + "batches: [{name: one, model: a, requests: 1, seconds: 1, after: two}]",
            "no stage before it",
        ),
        (
            MINIMAL + "bathces: []",
            "workload.yaml:2: bathces: is no field here; did you mean batches? fields are",
        ),
    ],
)
def test_a_file_that_cannot_be_played_is_told_where_and_why(file, text, words):
    with pytest.raises(WorkloadError) as told:
        read_workload(file(text))
    assert words in str(told.value)
    assert "workload.yaml" in str(told.value)


def test_two_stages_of_one_name_are_refused(file):
    stage = "{name: one, model: a, requests: 1, seconds: 1}"
    with pytest.raises(WorkloadError, match="two stages are named one"):
        read_workload(file(MINIMAL + f"batches: [{stage}, {stage}]"))


def test_a_model_that_would_rather_be_on_a_slice_has_it_first(file):
    workload = read_workload(file("models: {a: {memory_mib: 1000, prefer: mig}, b: {memory_mib: 1000}}"))
    served = workload.served(parse_devices(["24G", "1g.12gb=12G"]))
    assert [place.device for place in served["a"].places] == ["slice-1", "gpu-0"]
    assert served["b"].places == (Place("b", "gpu-0", "gpu-0"), Place("b", "slice-1", "slice-1"))
