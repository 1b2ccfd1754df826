"""What rows of judging say of other photos than their own: found, and taken out when those are forgotten.

A finding about two photos names the other one's file and has a picture of both. Which two they are is told by the name
of that picture, which is made of their ids: no table of the other photo's round, and no file, is needed to find it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select

from imageworks.judge_vision.findings import evidence_name
from imageworks_dagster.stages import canonical
from store.errors import DamagedTable
from store.tables import published_tables

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from imageworks_dagster.opened import OpenStore
    from store.artifacts import Unmention

COMPLIANCE = "judge/compliance"

_QUOTED = re.compile(r"“.*”", re.DOTALL)
_FORGOTTEN = "a photo that was forgotten"


@dataclass(frozen=True)
class Mentions:
    """Where photos are spoken of, and shown, in findings.

    Attributes:
        batches: Rounds in which a finding about another photo names one of them.
        evidence: Names of the pictures of the evidence in which one of them is.
    """

    batches: frozenset[str]
    evidence: frozenset[str]


def mentions_of(store: OpenStore, photo_ids: Collection[str]) -> Mentions:
    """Look through the findings of all rounds, current and older, for these photos.

    A table that cannot be read may speak of any photo: its round is among the batches.
    """
    ids = frozenset(photo_ids)
    tables = select(published_tables.c.batch, published_tables.c.run_id).where(
        published_tables.c.asset == COMPLIANCE
    )
    with store.database.read() as connection:
        published = connection.execute(tables).all()
    batches: set[str] = set()
    evidence: set[str] = set()
    for batch, run_id in published:
        try:
            table = store.tables.read(COMPLIANCE, batch, run_id)
        except DamagedTable:
            batches.add(batch)
            continue
        for row in table.select(["photo_id", "findings"]).to_pylist():
            findings = json.loads(row["findings"])
            own = row["photo_id"] in ids
            told = findings if own else _about(findings, row["photo_id"], ids)
            evidence.update(one["evidence"] for one in told if one.get("evidence"))
            if told and not own:
                batches.add(batch)
    return Mentions(frozenset(batches), frozenset(evidence))


def unmentioning(photo_ids: Collection[str]) -> Unmention:
    """What takes these photos out of the rows of others.

    A finding stays, for its verdict stands, and loses the other photo's name and picture. A comparison with a
    forgotten entry goes, as no entry is tied with one.
    """
    ids = frozenset(photo_ids)

    def unmention(asset: str, others: pa.Table, forgotten: pa.Table, /) -> pa.Table:
        if asset == COMPLIANCE:
            return _with_findings(others, ids)
        if asset == "judge/playoff" and forgotten.num_rows:
            # Every pair is asked in both orders, so each forgotten entry was shown first once.
            return others.filter(pc.invert(pc.is_in(others["opponent_id"], forgotten["entry_id"])))
        if asset == "judge/results" and forgotten.num_rows:
            return _untied(others, set(forgotten["entry_id"].to_pylist()))
        return others

    return unmention


def _about(findings: list[dict[str, Any]], photo_id: str, ids: frozenset[str]) -> list[dict[str, Any]]:
    """Those of a photo's findings that are about one of `ids` too."""
    pictured = [one for one in findings if one["rule"] in ("near_duplicate", "reuse") and one.get("evidence")]
    if not pictured or photo_id is None:
        return []
    names = {
        name
        for other in ids
        for name in (
            evidence_name("near_duplicate", photo_id, other),
            evidence_name("near_duplicate", other, photo_id),
            evidence_name("reuse", photo_id, other),
        )
    }
    return [one for one in pictured if one["evidence"] in names]


def _with_findings(others: pa.Table, ids: frozenset[str]) -> pa.Table:
    changed = False
    texts = []
    for photo_id, text in zip(others["photo_id"].to_pylist(), others["findings"].to_pylist(), strict=True):
        findings = json.loads(text)
        about = _about(findings, photo_id, ids)
        changed = changed or bool(about)
        kept = [_anonymous(one) if one in about else one for one in findings]
        texts.append(canonical(kept) if about else text)
    return _replaced(others, "findings", texts) if changed else others


def _anonymous(finding: Mapping[str, Any]) -> dict[str, Any]:
    left = {name: value for name, value in finding.items() if name != "evidence"}
    left["message"] = _QUOTED.sub(_FORGOTTEN, finding["message"])
    if finding["rule"] == "reuse":
        left["measured"] = _FORGOTTEN
    return left


def _untied(others: pa.Table, entries: set[str]) -> pa.Table:
    before = others["tied_with"].to_pylist()
    after = [None if tied is None else [one for one in tied if one not in entries] for tied in before]
    return others if after == before else _replaced(others, "tied_with", after)


def _replaced(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    index = table.schema.get_field_index(name)
    kind = table.schema.field(index)
    return table.set_column(index, kind, pa.array(values, kind.type))
