"""Devices in the registry: declared by name, used by deployments, and told in words where they are wrong."""

from __future__ import annotations

import json

import pytest

from registry.errors import RegistryFileError
from registry.registry import Registry

MODEL = """
models:
  tiny-vlm:
    roles: [judge]
    capabilities:
      chat: {context_tokens: 16384, max_output_tokens: 4096, structured_output: true}
    deployments:
      - name: local
        provider: vllm
        base_url: http://127.0.0.1:24001
"""
DEVICES = """devices:
  studio: {memory_mib: 24576}
  slice-a:
    kind: mig
    memory_mib: 12288
    mig_profile: 1g.12gb
    uuid: MIG-0b3a1f6e-2f6b-5d0e-9d3d-0d5a3a0f4c11
  attic: {kind: host, memory_mib: 65536}
"""


@pytest.fixture
def load(tmp_path):
    def load(text, **kwargs):
        path = tmp_path / "registry.yaml"
        path.write_text(text, encoding="utf-8")
        return Registry.load(path, environ={}, **kwargs)

    return load


@pytest.fixture
def problems(load):
    def problems(text):
        with pytest.raises(RegistryFileError) as caught:
            load(text)
        return [(problem.line, problem.field, problem.problem) for problem in caught.value.problems]

    return problems


def on(*names):
    return f"{MODEL}        devices: [{', '.join(names)}]\n"


def test_no_device_is_shipped():
    assert Registry.load(None, environ={}).devices == {}


def test_a_declared_device_has_what_the_file_says_and_defaults_for_the_rest(load):
    devices = load(MODEL + DEVICES).devices
    assert list(devices) == ["attic", "slice-a", "studio"]
    assert (devices["studio"].kind, devices["studio"].memory_mib) == ("whole", 24576)
    assert (devices["studio"].uuid, devices["studio"].mig_profile) == (None, None)
    assert devices["slice-a"].mig_profile == "1g.12gb"
    assert (devices["attic"].kind, devices["attic"].memory_mib) == ("host", 65536)


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ("studio: {memory_mb: 1}", "memory_mb", "is no field here; did you mean memory_mib?"),
        ("studio: {memory_mib: 0}", "memory_mib", "greater than or equal to 1"),
        ('studio: {memory_mib: "24G"}', "memory_mib", "integer"),
        ("studio: {kind: half}", "kind", "must be 'whole', 'mig' or 'host'"),
        ("studio: {uuid: GPU 0}", "uuid", "does not have the form of such a text"),
        ("studio: {mig_profile: 12gb}", "mig_profile", "does not have the form of such a text"),
    ],
)
def test_a_wrong_field_is_told_with_line_and_field(problems, said, field, words):
    ((line, where, problem),) = problems(f"devices:\n  {said}\n")
    assert (line, where) == (2, f"devices.studio.{field}")
    assert words in problem


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("studio: 24576", "must be a mapping of names to values"),
        ("Studio: {memory_mib: 1}", "does not have the form of a name"),
        ("../up: {memory_mib: 1}", "does not have the form of a name"),
    ],
)
def test_a_device_that_is_none_is_told_at_its_name(problems, said, words):
    ((line, where, problem),) = problems(f"devices:\n  {said}\n")
    assert line == 2
    assert where.startswith("devices")
    assert words in problem


def test_every_wrong_device_is_told_at_once(problems):
    told = problems("devices:\n  one: {memory: 1}\n  two: {kind: card}\n")
    assert [line for line, _, _ in told] == [2, 3]


def test_devices_that_are_no_mapping_are_told(problems):
    ((line, where, problem),) = problems("devices: [studio]\n")
    assert (line, where, problem) == (1, "devices", "must be a mapping of names to values")


def test_a_misspelled_section_is_told_with_the_nearest(problems):
    ((_, where, problem),) = problems("device:\n  studio: {memory_mib: 1}\n")
    assert where == "device"
    assert "did you mean devices?" in problem


def test_an_unknown_device_is_told_where_it_is_used_with_the_nearest(problems):
    ((line, where, problem),) = problems(on("gpu-0", "studoi") + DEVICES)
    assert (line, where) == (11, "models.tiny-vlm.deployments[0].devices[1]")
    assert problem.startswith("there is no device studoi; did you mean studio?")
    assert problem.endswith("declared are attic, slice-a, studio")


def test_a_card_of_this_machine_that_is_misspelled_is_told_with_the_nearest(problems):
    ((_, _, problem),) = problems(on("gpu0"))
    assert problem.startswith("there is no device gpu0; did you mean gpu-0")


def test_an_unknown_device_where_none_are_declared_is_told_with_this_machines_names(problems):
    ((_, _, problem),) = problems(on("card"))
    assert "this machine's are host, gpu-0, gpu-1 and so on, and declared are none" in problem


@pytest.mark.parametrize("name", ["host", "gpu-0", "gpu-17", "gpu-0.1"])
def test_this_machines_own_devices_need_no_declaring(load, name):
    assert load(on(name)).models["tiny-vlm"].deployments[0].devices == (name,)


@pytest.mark.parametrize("name", ["gpu", "gpu-", "gpu-0.", "hosts", "gpu-1000"])
def test_what_only_looks_like_one_of_them_does(problems, name):
    assert len(problems(on(name))) == 1


def test_a_deployment_names_a_device_once_and_keeps_their_order(load, problems):
    assert load(on("studio", "gpu-0") + DEVICES).models["tiny-vlm"].deployments[0].devices == (
        "studio",
        "gpu-0",
    )
    ((_, _, problem),) = problems(on("gpu-0", "gpu-0"))
    assert problem == "gpu-0 stands twice; keep it once"


@pytest.mark.parametrize(("slots", "good"), [(1, True), (4096, True), (0, False), (4097, False)])
def test_slots_are_from_1_to_4096(load, slots, good):
    text = f"{MODEL}        slots: {slots}\n"
    if good:
        assert load(text).models["tiny-vlm"].deployments[0].slots == slots
    else:
        with pytest.raises(RegistryFileError, match=r"deployments\[0\]\.slots"):
            load(text)


@pytest.mark.parametrize("said", ["devices: [host]", "slots: 2", "control_key_env: A_KEY"])
def test_an_embedded_model_is_on_no_device(problems, said):
    told = problems(
        f"models:\n  baseline-judge:\n    deployments: [{{name: embedded, provider: embedded, {said}}}]\n"
    )
    assert [problem for _, _, problem in told] == [
        "must be left out: an embedded model runs within ImageWorks"
    ]


def test_a_supervisors_key_is_a_variable_that_addresses_and_keys_are_read_from(load):
    assert "DESK_KEY" in load(f"{MODEL}        control_key_env: DESK_KEY\n").variables


def test_where_a_model_is_does_not_change_its_revision(load):
    bare = load(MODEL).model_revision("tiny-vlm")
    said = "        slots: 3\n        control_key_env: DESK_KEY\n"
    assert load(on("studio") + said + DEVICES).model_revision("tiny-vlm") == bare


def test_devices_are_part_of_the_effective_registry_and_so_of_its_version(load):
    assert len({load(text).version for text in (MODEL, MODEL + DEVICES, on("gpu-0") + DEVICES)}) == 3


def test_an_exported_registry_gives_the_same_devices_again(load):
    registry = load(on("studio", "gpu-0") + DEVICES)
    again = load(json.dumps(registry.effective()))
    assert dict(again.devices) == dict(registry.devices)
    assert again.version == registry.version
    assert again.models["tiny-vlm"] == registry.models["tiny-vlm"]


def test_what_a_file_says_of_a_device_has_its_layer(load):
    provenance = load(MODEL + DEVICES).provenance
    assert provenance["devices.studio.memory_mib"] == "user"
    assert "devices.studio.kind" not in provenance
