"""Run manifests: whole or absent, exact, and honest about crashes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.errors import DamagedManifest, ManifestError, MissingManifest, SecretInManifest
from telemetry.manifest import (
    LatencySummary,
    PinnedModel,
    PinnedProfile,
    RunManifest,
    StageSummary,
    close_manifest,
    manifests,
    mark_crashed,
    open_manifest,
    read_manifest,
    update_manifest,
)

OPENER = """
import sys
from pathlib import Path
from store.home import Home
from telemetry.manifest import RunManifest, StageSummary, open_manifest, update_manifest

home = Home(Path(sys.argv[1]))
open_manifest(home, RunManifest(run_id=sys.argv[2], pipeline="judge", batch="spring"))
print("open", flush=True)
while True:
    update_manifest(home, sys.argv[2], lambda manifest: manifest.stages.update(
        {f"judge/{len(manifest.stages) % 50}": StageSummary(entries=len(manifest.stages))}))
"""

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('abc\u00e9"\\'), inner, max_size=3),
    max_leaves=8,
)


def _marked(home) -> list[str]:
    return [manifest.run_id for manifest in mark_crashed(home).runs]


def _run(run_id: str = "run-1", **values) -> RunManifest:
    return RunManifest(run_id=run_id, pipeline="judge", batch="spring", **values)


def test_a_manifest_opens_changes_and_closes(home):
    assert open_manifest(home, _run()).status == "open"

    def count(manifest):
        manifest.stages["judge/critiques"] = StageSummary(
            entries=6, asked=4, recalled=2, failed={"stalled": 1}
        )

    update_manifest(home, "run-1", count)
    close_manifest(home, "run-1", "ok", summary=[LatencySummary(stage="s", model="m", p50_ms=1.5)])
    read = read_manifest(home, "run-1")
    assert read.status == "ok"
    assert read.ended_at >= read.started_at
    assert read.stages["judge/critiques"].failed == {"stalled": 1}
    assert read.summary[0].p50_ms == 1.5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.dictionaries(st.text("ab"), _JSON, max_size=4))
def test_what_is_pinned_comes_back_exactly(home, content):
    pinned = _run(
        profiles={
            "judge/critiques": PinnedProfile(
                profile_id="p", profile_stage="critique", profile_hash="h", stage_hash="s", content=content
            )
        },
        models={"judge/critiques": PinnedModel(model="m", model_revision="r", content=content)},
    )
    for path in home.manifests.glob("*.json"):
        path.unlink()
    open_manifest(home, pinned)
    read = read_manifest(home, "run-1")
    for back in (
        read.profiles["judge/critiques"].content,
        read.models["judge/critiques"].content,
        update_manifest(home, "run-1", lambda manifest: None).models["judge/critiques"].content,
    ):
        assert back == content
        # Equal is not enough: 1 == 1.0 == True, and hashes tell them apart.
        assert json.dumps(back) == json.dumps(content)


def test_the_first_to_open_pins_for_all_steps(home):
    open_manifest(home, _run(registry_version="first"))
    assert open_manifest(home, _run(registry_version="second")).registry_version == "first"
    assert read_manifest(home, "run-1").registry_version == "first"


def test_a_run_executed_again_keeps_its_pins_and_is_open_again(home):
    open_manifest(home, _run(registry_version="first"))
    close_manifest(home, "run-1", "failed")
    again = open_manifest(home, _run(registry_version="second"))
    assert (again.status, again.ended_at, again.registry_version) == ("open", None, "first")
    assert again.pid == os.getpid()


def test_many_writers_take_turns(home):
    open_manifest(home, _run())

    def add(name):
        for number in range(10):
            update_manifest(
                home,
                "run-1",
                lambda manifest, key=f"{name}-{number}": manifest.stages.update({key: StageSummary()}),
            )

    threads = [threading.Thread(target=add, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_manifest(home, "run-1").stages) == 40


def test_a_living_run_is_not_taken_for_crashed(home):
    open_manifest(home, _run())
    assert _marked(home) == []
    assert not read_manifest(home, "run-1").has_crashed()


@pytest.mark.parametrize("updates", [0, 7, 31])
def test_a_killed_run_leaves_a_whole_manifest_and_is_seen_as_crashed(home, updates):
    with subprocess.Popen(
        [sys.executable, "-c", OPENER, str(home.root), "run-1"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"open\n"
        while len(read_manifest(home, "run-1").stages) < updates:
            pass
        process.send_signal(signal.SIGKILL)
    manifest = read_manifest(home, "run-1")
    assert manifest.status == "open"
    assert manifest.has_crashed()
    assert _marked(home) == ["run-1"]
    assert _marked(home) == []
    assert read_manifest(home, "run-1").status == "crashed"
    assert read_manifest(home, "run-1").ended_at is not None


def test_a_process_that_nobody_waited_for_is_gone_too(home):
    with subprocess.Popen(
        [sys.executable, "-c", OPENER, str(home.root), "run-1"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"open\n"
        process.send_signal(signal.SIGKILL)
        # The end of its pipe is the end of the process; it stays a zombie until the block waits for it.
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert _marked(home) == ["run-1"]


def test_another_process_with_the_same_id_does_not_hide_a_crash(home):
    open_manifest(home, _run(pid_started=1))
    assert _marked(home) == ["run-1"]


def test_a_run_of_before_the_last_boot_has_crashed(home):
    open_manifest(home, _run(boot_id="another"))
    assert _marked(home) == ["run-1"]


def test_a_run_of_another_host_is_left_alone(home):
    open_manifest(home, _run(host="elsewhere", pid=2**22 - 1))
    assert _marked(home) == []


def test_urls_of_deployments_lose_their_credentials(home):
    model = PinnedModel(
        model="m",
        model_revision="r",
        deployments=[{"name": "vllm", "base_url": "http://user:secret@host:8600/x?key=secret#secret"}],
    )
    open_manifest(home, _run(models={"judge/critiques": model}))
    text = (home.manifests / "run-1.json").read_text(encoding="utf-8")
    assert "secret" not in text
    assert "http://host:8600/x" in text


def test_a_model_whose_entry_carries_a_password_is_refused(home):
    model = PinnedModel(
        model="m",
        model_revision="r",
        content={"deployments": [{"base_url": "${URL:-http://user:secret@host}"}]},
    )
    with pytest.raises(SecretInManifest, match="api_key_env") as raised:
        open_manifest(home, _run(models={"judge/critiques": model}))
    assert "secret" not in str(raised.value)
    assert list(home.manifests.glob("*.json")) == []


@pytest.mark.parametrize("run_id", ["../state", "", ".hidden", "a/b", "a" * 300, "a\n"])
def test_a_run_id_cannot_leave_the_folder(home, run_id):
    with pytest.raises(ManifestError, match="cannot name a manifest"):
        read_manifest(home, run_id)


def test_a_missing_manifest_says_what_to_do(home):
    with pytest.raises(MissingManifest, match="python -m telemetry manifest"):
        read_manifest(home, "run-9")


def test_a_damaged_manifest_is_named(home):
    (home.manifests / "run-1.json").write_text("{", encoding="utf-8")
    with pytest.raises(DamagedManifest, match=r"run-1\.json"):
        read_manifest(home, "run-1")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "Expecting property name"),
        ("[" * 100_000, "maximum recursion depth"),
        ("[]", "the whole: Input should be"),
        ('{"run_id": "a"}', "pipeline: Field required"),
        ('{"run_id": "a", "pipeline": "judge", "started_at": "yesterday"}', "started_at: .*isoformat"),
    ],
)
def test_a_damaged_manifest_is_listed_beside_the_others(home, content, why):
    (home.manifests / "a.json").write_text(content, encoding="utf-8")
    open_manifest(home, _run())
    found = manifests(home)
    assert [manifest.run_id for manifest in found.runs] == ["run-1"]
    (damaged,) = found.damaged
    assert damaged.path == home.manifests / "a.json"
    assert re.search(f"a.json is not a run manifest: {why}.*Move it away", str(damaged))


def test_a_manifest_that_cannot_be_read_is_damaged_too(home):
    (home.manifests / "a.json").mkdir()
    (damaged,) = manifests(home).damaged
    assert (
        str(damaged) == f"{home.manifests}/a.json cannot be read: Is a directory. Mend that, or move it away."
    )


def test_a_damaged_manifest_keeps_no_crashed_run_from_being_marked(home):
    (home.manifests / "a.json").write_text("{", encoding="utf-8")
    open_manifest(home, _run(pid_started=1))
    found = mark_crashed(home)
    assert [(manifest.run_id, manifest.status) for manifest in found.runs] == [("run-1", "crashed")]
    assert [error.path.name for error in found.damaged] == ["a.json"]


def test_a_number_that_json_cannot_hold_is_refused_and_the_old_manifest_stays(home):
    open_manifest(home, _run())

    def spoil(manifest):
        manifest.stages["s"] = StageSummary(seconds=float("nan"))

    with pytest.raises(ManifestError, match="cannot be written"):
        update_manifest(home, "run-1", spoil)
    assert read_manifest(home, "run-1").stages == {}


def test_fields_of_a_newer_version_survive_an_update(home):
    open_manifest(home, _run())
    path = home.manifests / "run-1.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), "mood": {"good": 1.0}}), encoding="utf-8"
    )
    close_manifest(home, "run-1", "ok")
    assert json.loads(path.read_text(encoding="utf-8"))["mood"] == {"good": 1.0}


def test_manifests_are_listed_newest_first(home):
    open_manifest(home, _run("b", started_at="2026-01-01T00:00:00+00:00"))
    open_manifest(home, _run("a", started_at="2026-01-02T00:00:00+00:00"))
    assert [manifest.run_id for manifest in manifests(home).runs] == ["a", "b"]
