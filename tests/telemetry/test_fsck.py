"""fsck: what it finds beside damaged events, and what it mends."""

from __future__ import annotations

from telemetry.fsck import fsck
from telemetry.manifest import RunManifest, open_manifest, read_manifest


def _crashed(home, run_id):
    open_manifest(home, RunManifest(run_id=run_id, pipeline="judge", pid_started=1))


def test_every_crashed_run_is_named_and_marked(home):
    _crashed(home, "run-1")
    _crashed(home, "run-2")
    problems = fsck(home, repair=True).problems
    assert [(problem.path.stem, problem.mended) for problem in problems] == [("run-1", True), ("run-2", True)]
    assert fsck(home).problems == ()


def test_a_damaged_manifest_is_named_and_keeps_nothing_from_being_mended(home):
    (home.manifests / "a.json").write_text("{", encoding="utf-8")
    _crashed(home, "run-1")
    report = fsck(home, repair=True)
    assert [(problem.path.stem, problem.mended) for problem in report.problems] == [
        ("a", False),
        ("run-1", True),
    ]
    assert report.manifests == 2
    assert read_manifest(home, "run-1").status == "crashed"
