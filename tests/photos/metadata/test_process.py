from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from photos.metadata import process
from photos.metadata.errors import MetadataUnreadable, ToolCrashed, ToolFailed
from photos.metadata.fields import MetadataFields
from photos.metadata.process import MetadataProcess
from photos.metadata.reading import read_metadata
from photos.metadata.writing import MetadataWriter


@contextmanager
def watched(pid: int):
    """A handle on a process that tells when it is gone."""
    handle = os.pidfd_open(pid)
    try:
        yield lambda: bool(select.select([handle], [], [], 60)[0])
    finally:
        os.close(handle)


def test_it_starts_when_first_asked_and_stays_warm(photo):
    with MetadataProcess() as tool:
        assert tool.pid is None
        said = tool.ask({"op": "read", "path": str(photo)})["said"]
        first = tool.pid
        tool.ask({"op": "read", "path": str(photo)})
        assert tool.pid == first
    assert said["keywords"] == ["harbor", "Küste"]


def test_it_ends_with_its_owner(photo):
    with MetadataProcess() as tool:
        tool.ask({"op": "read", "path": str(photo)})
        pid = tool.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_was_killed_between_requests_is_started_anew(photo):
    with MetadataProcess() as tool:
        tool.ask({"op": "read", "path": str(photo)})
        first = tool.pid
        with watched(first) as gone:
            os.kill(first, signal.SIGKILL)
            assert gone()
        assert tool.ask({"op": "read", "path": str(photo)})["said"]["rating"] == 3
        assert tool.pid != first


def test_a_process_that_dies_during_a_request_says_so_and_the_next_request_works(photo):
    with MetadataProcess() as tool:
        tool.ask({"op": "read", "path": str(photo)})
        stopped = tool.pid
        os.kill(stopped, signal.SIGSTOP)
        # Once stopped, it cannot answer before it is killed.
        os.waitpid(stopped, os.WUNTRACED)
        with watched(stopped):
            killer = subprocess.Popen(["sh", "-c", f"kill -KILL {stopped}"])
            with pytest.raises(ToolCrashed, match="died"):
                tool.ask({"op": "read", "path": str(photo)})
            killer.wait()
        assert tool.ask({"op": "read", "path": str(photo)})["said"]["rating"] == 3


def test_a_write_survives_one_crash_of_the_tool(photo):
    with MetadataWriter() as writer:
        writer.read(photo)
        crashed = []

        def wanted(said):
            if not crashed:
                crashed.append(writer._process.pid)
                with watched(crashed[0]) as gone:
                    os.kill(crashed[0], signal.SIGSTOP)
                    subprocess.Popen(["sh", "-c", f"kill -KILL {crashed[0]}"]).wait()
                    assert gone()
            return MetadataFields(title="T")

        assert writer.write(photo, wanted).changed
    assert read_metadata(photo).title == "T"


def test_a_process_that_never_answers_is_killed(photo, monkeypatch):
    monkeypatch.setattr(process, "_PATIENCE", 0.2)
    with MetadataProcess() as tool:
        tool._running()
        pid = tool.pid
        os.kill(pid, signal.SIGSTOP)
        with watched(pid) as gone:
            with pytest.raises(ToolCrashed, match="no answer"):
                tool.ask({"op": "read", "path": str(photo)})
            assert gone()


def test_its_own_alarm_ends_a_request_that_hangs():
    code = (
        "import signal, sys; from photos.metadata import exiv2_worker as worker\n"
        "worker.SECONDS_PER_REQUEST = 1\n"
        "worker.answer = lambda request: signal.pause()\n"
        "worker.main()\n"
    )
    root = Path(process.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"{}\n", capture_output=True, cwd=root, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGALRM


def test_ctrl_c_is_left_to_the_parent(photo):
    with MetadataProcess() as tool:
        tool.ask({"op": "read", "path": str(photo)})
        first = tool.pid
        os.kill(first, signal.SIGINT)
        tool.ask({"op": "read", "path": str(photo)})
        assert tool.pid == first


def test_what_cannot_be_read_is_told_by_class(tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    with MetadataProcess() as tool:
        with pytest.raises(MetadataUnreadable):
            tool.ask({"op": "read", "path": str(bad)})
        with pytest.raises(ToolFailed):
            tool.ask(
                {
                    "op": "edit",
                    "path": str(bad),
                    "fields": {"title": 5},
                    "exif_description": True,
                    "in_memory": False,
                }
            )
        with pytest.raises(ToolFailed):
            tool.ask({"nonsense": True})


def test_it_dies_when_its_parent_is_killed(photo):
    code = (
        "import sys; from photos.metadata.process import MetadataProcess\n"
        "tool = MetadataProcess(); tool.ask({'op': 'read', 'path': sys.argv[1]})\n"
        "print(tool.pid, flush=True); sys.stdin.read()\n"
    )
    root = Path(process.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code, str(photo)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    ) as parent:
        pid = int(parent.stdout.readline())
        with watched(pid) as gone:
            parent.kill()
            parent.wait()
            assert gone()
