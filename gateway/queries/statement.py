"""What may be asked of telemetry: one SELECT over its views, which calls nothing that reaches beyond them.

The first of three walls. Behind it DuckDB is locked, and reads telemetry's folders alone; and it runs in a process of
its own, which has no secrets in its environment but those of a store of objects, if the tables are in one, and is
ended when it takes too long or too much.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import duckdb

from telemetry.errors import QueryRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

_NODES: Final = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_TABLES: Final = frozenset(
    {
        "BASE_TABLE",
        "SUBQUERY",
        "JOIN",
        "TABLE_FUNCTION",
        "EMPTY",
        "EXPRESSION_LIST",
        "PIVOT",
        "SHOW_REF",
        "COLUMN_DATA",
    }
)
_TABLES_OF: Final = {"JOIN": ("left", "right"), "PIVOT": ("source",)}
_TABLE_FUNCTIONS: Final = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree"})
_WINDOW_FUNCTIONS: Final = frozenset(
    {
        "cume_dist",
        "dense_rank",
        "fill",
        "first_value",
        "lag",
        "last_value",
        "lead",
        "nth_value",
        "ntile",
        "percent_rank",
        "rank",
        "row_number",
    }
)
# What tells of the process or its settings, keeps something, waits, or runs a text as a query.
_REFUSED_FUNCTIONS: Final = frozenset(
    {
        "current_setting",
        "currval",
        "getenv",
        "getvariable",
        "json_deserialize_sql",
        "json_execute_serialized_sql",
        "json_serialize_plan",
        "json_serialize_sql",
        "nextval",
        "parse_duckdb_log_message",
        "pg_sleep",
        "query",
        "query_table",
        "setseed",
        "setval",
        "sleep_ms",
        "write_log",
    }
)
_KINDS: Final = ("scalar", "aggregate", "macro")
_FUNCTIONS: Final = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ?"


def known_functions(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Functions of values that a query may call, in small letters."""
    found = connection.execute(_FUNCTIONS, [list(_KINDS)]).fetchall()
    names = frozenset(name.lower() for (name,) in found if not name.startswith("__"))
    return (names | _TABLE_FUNCTIONS | _WINDOW_FUNCTIONS) - _REFUSED_FUNCTIONS


def refuse_statement(
    connection: duckdb.DuckDBPyConnection, text: str, *, views: frozenset[str], functions: frozenset[str]
) -> None:
    """Return if a text is one SELECT that may be asked. DuckDB's own parser reads it, which will run it too.

    Args:
        connection: Parses it.
        text: The query.
        views: Names of the tables that it may read.
        functions: Names of the functions that it may call.

    Raises:
        QueryRefused: It is something else, or several statements, or reads or calls what it may not.
        duckdb.Error: It cannot be parsed.
    """
    statements = duckdb.extract_statements(text)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise QueryRefused(f"One SELECT statement is answered; this is {kinds}.")
    row = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    said = json.loads(row[0]) if row else {"error": True}
    if said["error"]:
        raise QueryRefused(
            f"This SELECT cannot be looked into: {said.get('error_message', 'no reason given')}"
        )
    parts = list(_parts(said["statements"]))
    # Names of its own, none of which could be a file's: they are known wherever they stand.
    own = {
        entry["key"].lower()
        for part in parts
        for entry in _named_queries(part)
        if re.fullmatch(r"\w+", entry["key"])
    }
    for part in parts:
        _refuse_part(part, tables=views | own, functions=functions)


def _parts(said: Any) -> Iterator[dict[str, Any]]:
    """Every part of a parsed query, without recursion: it may be nested deeply."""
    left = [said]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)


def _named_queries(part: dict[str, Any]) -> list[dict[str, Any]]:
    cte_map = part.get("cte_map")
    return cte_map["map"] if isinstance(cte_map, dict) else []


def _refuse_part(part: dict[str, Any], *, tables: frozenset[str], functions: frozenset[str]) -> None:
    # Of a cast, it is itself a part.
    kind = found if isinstance(found := part.get("type"), str) else ""
    if kind.endswith("_NODE") and kind not in _NODES:
        raise QueryRefused(f"A query may hold no {kind.removesuffix('_NODE').replace('_', ' ')}.")
    if part.get("class") == "PARAMETER":
        raise QueryRefused("A query may have no parameters; write the values themselves.")
    for place in ("from_table", *_TABLES_OF.get(kind, ())):
        if isinstance(table := part.get(place), dict):
            _refuse_table(table)
    if "table_name" in part and kind in {"BASE_TABLE", "SHOW_REF"}:
        _refuse_name(part, tables)
    if kind == "TABLE_FUNCTION":
        name = str(part["function"].get("function_name", "")).lower()
        if name not in _TABLE_FUNCTIONS:
            raise QueryRefused(
                f"{name or 'what is called there'} is no table that can be read; `SHOW TABLES` lists them."
            )
    elif "function_name" in part:
        name = str(part["function_name"]).lower()
        if name not in functions:
            raise QueryRefused(f"The function {name} cannot be called here.")


def _refuse_table(table: dict[str, Any]) -> None:
    if table.get("type") not in _TABLES:
        raise QueryRefused(f"A query may not read from a {str(table.get('type')).replace('_', ' ')}.")


def _refuse_name(part: dict[str, Any], tables: frozenset[str]) -> None:
    name = str(part["table_name"])
    path = [str(part.get(level, "")) for level in ("catalog_name", "schema_name")]
    if part["type"] == "SHOW_REF" and name in {"", '"tables"'}:
        return
    if path not in (["", ""], ["", "main"], ["memory", "main"]) or name.strip('"').lower() not in tables:
        shown = ".".join([*filter(None, path), name])
        raise QueryRefused(f"There is no view {shown[:200]!r}; `SHOW TABLES` lists them.")
