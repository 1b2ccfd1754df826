"""The pages of performance."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from gateway.console.performance.drawing import chart_series, share, timeline
from gateway.console.performance.questions import (
    BACKENDS,
    DEVICES,
    ERRORS,
    LATENCY,
    QUESTIONS,
    STAGES,
    THROUGHPUT,
    TIMELINE,
    WAITS,
    Answer,
    Asker,
)
from gateway.console.results.gallery import PLAYOFF, TABLES
from gateway.errors import NotFound
from imageworks.spreadsheets import cell

if TYPE_CHECKING:
    from gateway.console.visits import Visit

_ORDER: Final = {
    stage: number
    for number, stage in enumerate((*TABLES["judge"][:-1], PLAYOFF, TABLES["judge"][-1], *TABLES["tagger"]))
}
"""Stages as they follow one another."""

_PAGE: Final = 40
_MOST_PAGES: Final = 100_000


def show_runs(visit: Visit) -> Response:
    """All runs, the newest first."""
    page = visit.number("page", 0, most=_MOST_PAGES)
    with _asker(visit) as asker:
        runs = asker.runs(most=_PAGE + 1, skipped=page * _PAGE)
    values: dict[str, Any] = {"runs": runs[:_PAGE], "page": page, "has_more": len(runs) > _PAGE}
    if visit.is_partial:
        return visit.page("runs_rows.html", **values)
    return visit.page("runs.html", section="performance", **values)


def show_run(visit: Visit) -> Response:
    """One run: what it depended on, and how fast each part of it was."""
    run_id = visit.step("run")
    with _asker(visit) as asker:
        run = asker.run(run_id)
        answers = {name: asker.ask(question, run_id) for name, question in QUESTIONS.items()}
    latency = answers[LATENCY.name].records
    longest = max((row["p99_ms"] or 0 for row in latency), default=0)
    manifest = json.loads(run["manifest"])
    return visit.page(
        "run.html",
        section="performance",
        run=run,
        manifest=manifest,
        questions=QUESTIONS,
        stages=sorted(answers[STAGES.name].records, key=lambda row: _ORDER.get(row["stage"], len(_ORDER))),
        latency=[
            {**row, **{f"{name}_at": share(row[f"{name}_ms"], longest) for name in ("p50", "p95", "p99")}}
            for row in latency
        ],
        throughput=_throughput(answers[THROUGHPUT.name]),
        waits=answers[WAITS.name].records,
        backends=answers[BACKENDS.name].records,
        devices=_devices(answers[DEVICES.name]),
        errors=answers[ERRORS.name].records,
        timeline=timeline(answers[TIMELINE.name]),
    )


def send_csv(visit: Visit) -> Response:
    """The rows of a question, for a spreadsheet.

    Raises:
        NotFound: There is no such run or question.
    """
    run_id, name = visit.step("run"), visit.step("question")
    question = QUESTIONS.get(name)
    if question is None:
        raise NotFound(f"There is no question {name[:80]!r}; there are {', '.join(QUESTIONS)}.")
    with _asker(visit) as asker:
        asker.run(run_id)
        answer = asker.ask(question, run_id)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(answer.columns)
    writer.writerows([cell(value) for value in row] for row in answer.rows)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.csv"',
        "Cache-Control": "no-store",
    }
    return Response(
        text.getvalue().encode("utf-8-sig"), headers=headers, media_type="text/csv; charset=utf-8"
    )


def compare_runs(visit: Visit) -> Response:
    """Two runs beside each other, stage by stage."""
    first, second = visit.asked("before"), visit.asked("after")
    with _asker(visit) as asker:
        runs = [asker.run(run_id) for run_id in (first, second)]
        stages = [_by_stage(asker.ask(STAGES, run_id)) for run_id in (first, second)]
        latency = [_by_stage(asker.ask(LATENCY, run_id)) for run_id in (first, second)]
    names = list(dict.fromkeys([*stages[0], *stages[1], *latency[0], *latency[1]]))
    compared = [
        {
            "stage": name,
            "facts": [
                (
                    words,
                    unit,
                    *_change(_value(source[0], name, column), _value(source[1], name, column)),
                )
                for words, source, column, unit in (
                    ("seconds", stages, "seconds", "s"),
                    ("asked", stages, "asked", ""),
                    ("recalled", stages, "recalled", ""),
                    ("asked a second", stages, "asked_a_second", ""),
                    ("p50", latency, "p50_ms", "ms"),
                    ("p95", latency, "p95_ms", "ms"),
                    ("p99", latency, "p99_ms", "ms"),
                    ("errors", latency, "errors", ""),
                    ("output tokens", stages, "output_tokens", ""),
                )
            ],
            "models": [_value(one, name, "model") for one in stages],
        }
        for name in names
    ]
    depends = _dependencies(*(json.loads(run["manifest"]) for run in runs))
    return visit.page(
        "compare_runs.html",
        section="performance",
        runs=runs,
        compared=compared,
        depends=depends,
        questions=(STAGES, LATENCY),
    )


def _asker(visit: Visit) -> Asker:
    return Asker(visit.parts.home, visit.parts.database)


def _throughput(answer: Answer) -> str | None:
    if len(answer.rows) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    return json.dumps(
        {
            "kind": "throughput",
            "data": chart_series(answer, "seconds", ("ok_a_second", "errors_a_second")),
            "series": ["answered a second", "failed a second"],
        }
    )


def _devices(answer: Answer) -> list[dict[str, str]]:
    charts = []
    for device in dict.fromkeys(answer.column("device")):
        rows = [row for row in answer.records if row["device"] == device]
        data = [
            [row["seconds"] for row in rows],
            [None if row["utilization"] is None else 100 * row["utilization"] for row in rows],
            [None if row["memory"] is None else 100 * row["memory"] for row in rows],
        ]
        chart = {"kind": "share", "data": data, "series": ["load %", "memory %"]}
        charts.append({"device": device, "chart": json.dumps(chart)})
    return charts


def _by_stage(answer: Answer) -> dict[str, dict[str, Any]]:
    """Rows by stage; of a stage at several deployments, the one that was asked most."""
    found: dict[str, dict[str, Any]] = {}
    for row in sorted(answer.records, key=lambda row: row.get("requests") or 0):
        found[row["stage"]] = row
    return {row["stage"]: found[row["stage"]] for row in answer.records}


def _value(rows: dict[str, dict[str, Any]], stage: str, column: str) -> Any:
    return rows.get(stage, {}).get(column)


def _change(before: float | None, after: float | None) -> tuple[float | None, float | None, float | None]:
    """Both values, and by how much of the first the second is larger."""
    if not before or after is None:
        return before, after, None
    return before, after, after / before - 1


def _dependencies(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What the runs depended on and that is not the same."""
    found = [
        (name.replace("_", " "), str(before.get(name) or ""), str(after.get(name) or ""))
        for name in ("git_sha", "python", "host", "registry_version", "prompt_hub_version")
    ]
    for kind, part in (("profiles", "stage_hash"), ("models", "model_revision")):
        first, second = before.get(kind) or {}, after.get(kind) or {}
        found += [
            (
                f"{part.replace('_', ' ')} of {stage}",
                str((first.get(stage) or {}).get(part) or ""),
                str((second.get(stage) or {}).get(part) or ""),
            )
            for stage in dict.fromkeys((*first, *second))
        ]
    return [one for one in found if one[1] != one[2]]
