"""The user's own functions: what they may say, and how they are ended."""

from __future__ import annotations

import os

import pytest
from supervised import lives, wait_until

from prompt_hub.testing.functions import run_function


@pytest.fixture
def run(tmp_path):
    def ours(code, answer="sea", context=None, **how):
        (tmp_path / "ours.py").write_text(code, encoding="utf-8")
        return run_function("ours.py:says", tmp_path, answer, context or {}, **how)

    return ours


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("return True", None),
        ("return answer == 'sea'", None),
        ("return context['stage'] == 'caption'", None),
        ("return {'pass': True}", None),
        ("return False", "it says no"),
        ("return {'pass': False, 'reason': 'too short'}", "too short"),
        ("return 1", "ours.py:says gave 1; it has to give True, False"),
        ("return None", "ours.py:says gave null; it has to"),
        ("return {'pass': 'yes'}", "it has to give True, False"),
        ("return object()", "failed: TypeError: Object of type object is not JSON serializable"),
        ("raise ValueError('too blue')", "failed: ValueError: too blue"),
        ("import os; os._exit(0)", "gave nothing that can be read"),
        ("print('{\"pass\": true}'); return False", "it says no"),
    ],
)
def test_a_function_says_yes_or_no_or_what_is_wrong_with_it(run, body, problem):
    said = run(f"def says(answer, context):\n    {body}\n", context={"stage": "caption"})
    assert said is None if problem is None else problem in said


def test_a_function_that_is_not_there_is_told(run):
    assert run("def other(): ...") == "ours.py:says failed: KeyError: 'says'"


@pytest.mark.slow
def test_a_function_that_goes_on_is_ended_with_all_that_it_started(run, tmp_path):
    said = run(
        "def says(answer, context):\n"
        "    import subprocess, sys, time\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"    open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
        "    time.sleep(600)\n",
        time_limit_s=6,
    )
    assert said == "ours.py:says took longer than 6 s and was ended"
    number = int((tmp_path / "child").read_text())
    # The kill has been sent; the system takes its time with it.
    wait_until(lambda: not lives(number), "what it started is gone")


def test_a_function_sees_no_secret_of_the_environment(run, monkeypatch):
    monkeypatch.setenv("IMAGEWORKS_STATE_URL", "secret")
    assert "IMAGEWORKS_STATE_URL" in os.environ
    assert (
        run("import os\ndef says(answer, context): return 'IMAGEWORKS_STATE_URL' not in os.environ\n") is None
    )
