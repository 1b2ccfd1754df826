"""One HTML page that needs nothing else: tests down, profiles and models across, answers side by side."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Final

from prompt_hub.hashing import short
from prompt_hub.testing.reports.printable import printable
from prompt_hub.testing.reports.words import rate_words, summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prompt_hub.testing.outcomes import Check, Sample, SetOutcome, TestOutcome

_STYLE: Final = """\
:root { color-scheme: light dark; --line: #d0d4da; --soft: #f4f5f7; --text: #1b1f24; --faint: #57606a; --back: #fff;
  --passed: #1a7f37; --failed: #b3261e; --incomplete: #7a5b00; }
@media (prefers-color-scheme: dark) { :root { --line: #3a414a; --soft: #1d2228; --text: #e6e9ed; --faint: #9aa4af;
  --back: #12161a; --passed: #57c278; --failed: #ff8a80; --incomplete: #e0b74c; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; padding: 1.5rem; color: var(--text); background: var(--back); }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: 0 0 .5rem; }
.faint, .hash { color: var(--faint); }
.hash { font: .8em ui-monospace, monospace; font-weight: normal; display: block; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .6rem .75rem; border-bottom: 1px solid var(--line); }
tr:last-child > th, tr:last-child > td { border-bottom: 0; }
thead th { background: var(--soft); }
td, thead th + th { border-left: 1px solid var(--line); min-width: 22rem; }
tbody th { min-width: 9rem; max-width: 16rem; font-weight: 600; background: var(--back); }
tr > th:first-child { position: sticky; left: 0; }
tbody th span { display: block; font-weight: normal; }
.state { font-weight: 600; }
.passed { color: var(--passed); } .failed { color: var(--failed); } .incomplete { color: var(--incomplete); }
.state.passed::before { content: "\\2713\\00a0"; } .state.failed::before { content: "\\2717\\00a0"; }
.state.incomplete::before { content: "\\25CB\\00a0"; }
pre { font: .85em/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: .4rem 0;
  padding: .5rem; background: var(--soft); border-radius: 4px; max-height: 20rem; overflow: auto; }
ul { margin: .3rem 0; padding-left: 1.1rem; }
li { overflow-wrap: anywhere; }
details { margin-top: .4rem; }
summary { cursor: pointer; color: var(--faint); }
"""

_CSP: Final = (
    "default-src 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)


def report_html(outcomes: Sequence[SetOutcome]) -> str:
    """The page."""
    sets = dict.fromkeys((outcome.profile_id, outcome.set_name) for outcome in outcomes)
    body = "".join(
        _matrix(
            f"{profile_id}: {set_name}",
            [one for one in outcomes if (one.profile_id, one.set_name) == (profile_id, set_name)],
        )
        for profile_id, set_name in sets
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Prompt tests</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Prompt tests</h1>\n<p>{_text(summary(outcomes))}</p>\n{body}</body>\n</html>\n"
    )


def _matrix(title: str, columns: Sequence[SetOutcome]) -> str:
    rows = dict.fromkeys((test.test, test.stage) for column in columns for test in column.tests)
    heads = "".join(f'<th scope="col">{_head(column)}</th>' for column in columns)
    lines = []
    for name, stage in rows:
        cells = "".join(f"<td>{_cell(_test_of(column, name))}</td>" for column in columns)
        lines.append(
            f'<tr><th scope="row">{_text(name)}<span class="faint">{_text(stage)}</span></th>{cells}</tr>\n'
        )
    if not rows:
        return ""
    doubts = "".join(f"<li>{_text(doubt)}</li>" for column in columns for doubt in column.doubts)
    return (
        f'<h2>{_text(title)}</h2>\n<div class="scroll"><table>\n'
        f'<thead><tr><th scope="col">test</th>{heads}</tr></thead>\n'
        f"<tbody>\n{''.join(lines)}</tbody>\n</table></div>\n"
        + (f"<p>Warnings:</p><ul>{doubts}</ul>\n" if doubts else "")
    )


def _head(column: SetOutcome) -> str:
    passed = sum(test.state == "passed" for test in column.tests)
    model = (
        f'{_text(column.model)} <span class="hash">model_revision {short(column.model_revision)}</span>'
        if column.model
        else ""
    )
    return (
        f"{_text(column.reference)} "
        f'<span class="hash">profile_hash {short(column.profile_hash)}</span>{model}'
        f'<span class="state {column.state}">{column.state}: {passed} of {len(column.tests)} tests passed</span>'
    )


def _test_of(column: SetOutcome, name: str) -> TestOutcome | None:
    return next((test for test in column.tests if test.test == name), None)


def _cell(test: TestOutcome | None) -> str:
    if test is None:
        return '<span class="faint">not asked</span>'
    needs = "" if test.threshold == 1 else f" · needs {test.threshold:.0%}"
    head = f'<span class="state {test.state}">{test.state}</span> {rate_words(test)}{needs}'
    first, *others = [_sample(sample) for sample in test.samples]
    more = "".join(others)
    count = len(others)
    word = "sample" if count == 1 else "samples"
    return head + first + (f"<details><summary>{count} more {word}</summary>{more}</details>" if more else "")


def _sample(sample: Sample) -> str:
    # What is wrong comes first: it is what somebody looks for.
    ordered = sorted(sample.checks, key=lambda check: (check.holds is not False, check.holds is not None))
    wrong = [check for check in ordered if check.holds is not True]
    fine = [check for check in ordered if check.holds is True]
    text = f"<pre>{_text(sample.text)}</pre>" if sample.text else ""
    recalled = '<span class="faint">known from before</span>' if sample.recalled else ""
    holding = (
        f"<details><summary>{len(fine)} hold</summary><ul>{''.join(_lines(fine))}</ul></details>"
        if fine
        else ""
    )
    return text + recalled + (f"<ul>{''.join(_lines(wrong))}</ul>" if wrong else "") + holding


def _lines(checks: Sequence[Check]) -> Iterator[str]:
    for check in checks:
        state = {True: "passed", False: "failed", None: "incomplete"}[check.holds]
        word = {True: "holds", False: "fails", None: "skipped"}[check.holds]
        why = f": {_text(check.why)}" if check.why else ""
        yield f'<li><span class="{state}">{word}</span> {_text(check.what)}{why}</li>'


def _text(text: str) -> str:
    return escape(printable(text))
