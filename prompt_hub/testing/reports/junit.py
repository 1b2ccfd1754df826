"""JUnit XML, as continuous integration reads it: a suite a set, a case a test."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from prompt_hub.testing.reports.printable import line, printable
from prompt_hub.testing.reports.words import against, rate_words, subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_hub.testing.outcomes import SetOutcome, TestOutcome


def junit_xml(outcomes: Sequence[SetOutcome]) -> str:
    """The document; a test of which something was skipped is a skipped case."""
    root = Element(
        "testsuites",
        {"name": "prompt tests", **_counts([test for one in outcomes for test in one.tests])},
    )
    for outcome in outcomes:
        name = line(f"{subject(outcome)}: {outcome.set_name}")
        suite = SubElement(root, "testsuite", {"name": name, **_counts(outcome.tests)})
        for test in outcome.tests:
            _add_case(suite, outcome, test)
        if outcome.doubts:
            SubElement(suite, "system-out").text = printable("\n".join(outcome.doubts))
    indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="unicode")}\n'


def _add_case(suite: Element, outcome: SetOutcome, test: TestOutcome) -> None:
    parts = [outcome.reference, outcome.set_name, test.stage, outcome.model]
    case = SubElement(
        suite, "testcase", classname=line(".".join(filter(None, parts))), name=line(test.test), time="0"
    )
    said = printable("\n".join(against(test)))
    if test.state == "failed":
        SubElement(case, "failure", type="AssertionError", message=f"rate {rate_words(test)}").text = said
    elif test.state == "incomplete":
        SubElement(case, "skipped", message=line(said))


def _counts(tests: Sequence[TestOutcome]) -> dict[str, str]:
    skipped = sum(test.state == "incomplete" for test in tests)
    wrong = sum(test.state == "failed" for test in tests)
    return {
        "tests": str(len(tests)),
        "failures": str(wrong),
        "errors": "0",
        "skipped": str(skipped),
        "time": "0",
    }
