"""Telemetry is asked over the gateway: one SELECT over its views, and nothing beyond them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import anyio
import httpx
import pyarrow as pa
import pytest
from object_store import BUCKET, object_store, variables
from served_gateway import Gateway, registry_of
from supervised import wait_until
from vllm_double import VllmDouble

from gateway.errors import BadRequest, DeadlineExceeded, Overloaded
from gateway.queries.analyst import AT_ONCE, Analyst
from store.artifacts import TableStore
from store.database import StateDatabase
from store.settings import Settings

QUERY = "/v1/telemetry/query"
HELLO = {"model": "talker", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    home = tmp_path_factory.mktemp("queries") / "home"
    with VllmDouble() as double, Gateway(home, registry_of(double.url)) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway):
    with httpx.Client(base_url=gateway.url, timeout=60) as client:
        yield client


def ask(client, sql, **more):
    return client.post(QUERY, json={"sql": sql, **more})


def test_what_was_asked_is_told_by_the_views(client):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    named = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    client.post("/v1/chat/completions", json=HELLO, headers=named)
    sql = f"SELECT stage, model, status, output_tokens > 0 AS wrote FROM events WHERE trace_id = '{trace}'"
    wait_until(lambda: ask(client, sql).json()["rows"], "what is told is two seconds old at most")
    said = ask(client, sql).json()
    assert said["object"] == "telemetry.rows"
    assert [column["name"] for column in said["columns"]] == ["stage", "model", "status", "wrote"]
    assert said["rows"] == [["gateway/chat", "talker", "ok", True]]
    assert said["truncated"] is False


def test_the_views_are_listed(client):
    names = {row[0] for row in ask(client, "SHOW TABLES").json()["rows"]}
    assert {"events", "attempts", "decisions", "gpu_samples", "runs", "run_stages"} <= names
    assert ask(client, "DESCRIBE events").json()["rows"]


def test_values_that_json_has_no_form_for_are_told_as_text(client):
    said = ask(
        client,
        "SELECT TIMESTAMP '2026-01-02 03:04:05', DATE '2026-01-02', 1.50::DECIMAL(4,2), 'nan'::DOUBLE, "
        "9007199254740993, {'a': [1, NULL]}, INTERVAL 1 DAY, '\\xAA'::BLOB, NULL",
    ).json()
    assert said["rows"] == [
        [
            "2026-01-02T03:04:05",
            "2026-01-02",
            "1.50",
            None,
            "9007199254740993",
            {"a": [1, None]},
            "1 day, 0:00:00",
            "aa",
            None,
        ]
    ]


def test_an_answer_has_so_many_rows_and_says_that_there_were_more(client):
    said = ask(client, "SELECT * FROM range(100)", limit=3).json()
    assert said["rows"] == [[0], [1], [2]]
    assert said["truncated"] is True
    exactly = ask(client, "SELECT * FROM range(3)", limit=3).json()
    assert (len(exactly["rows"]), exactly["truncated"]) == (3, False)


def test_an_answer_has_so_many_bytes(client):
    said = ask(client, "SELECT repeat('x', 1000000) FROM range(100)").json()
    assert 0 < len(said["rows"]) < 10
    assert said["truncated"] is True


@pytest.mark.parametrize("column", ["unnest(range(1000000000))", "repeat('x', 20000000000)"])
def test_a_query_that_takes_too_much_memory_ends_alone(client, column):
    answer = ask(client, f"SELECT list(c), max(c) FROM (SELECT {column} AS c)")
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] in {"query_too_large", "query_wrong"}
    assert ask(client, "SELECT 1").json()["rows"] == [[1]]


REFUSED = [
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM READ_CSV_AUTO('/etc/passwd')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM read_parquet('/etc/passwd')",
    "SELECT * FROM parquet_scan('/etc/passwd')",
    "SELECT * FROM parquet_metadata('/etc/passwd')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM '/etc/passwd'",
    "FROM '/etc/passwd'",
    'FROM "/etc/passwd"',
    "SELECT * FROM \"read_text\"('/etc/passwd')",
    "SELECT * FROM system.main.read_text('/etc/passwd')",
    "/* events */ SELECT * FROM -- events\nread_text('/etc/passwd')",
    "WITH events AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM events",
    "WITH \"/etc/passwd\" AS (SELECT 1) SELECT * FROM events, (FROM '/etc/passwd')",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM events WHERE EXISTS (FROM read_text('/etc/passwd'))",
    "SELECT * FROM events ORDER BY (SELECT 1 FROM read_text('/etc/passwd'))",
    "SELECT * FROM events LIMIT (SELECT count(*) FROM read_text('/etc/passwd'))",
    "SELECT * FROM events JOIN LATERAL (FROM read_text('/etc/passwd')) ON true",
    "SELECT 1 UNION ALL SELECT 2 FROM read_text('/etc/passwd')",
    "SELECT * FROM query('SELECT 1')",
    "FROM query_table('events')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SUMMARIZE '/etc/passwd'",
    "DESCRIBE '/etc/passwd'",
    "SELECT getenv('HOME')",
    "SELECT main.getenv('HOME')",
    "SELECT model.getenv() FROM events",
    "SELECT current_setting('home_directory')",
    "SELECT getvariable('x')",
    "SELECT sleep_ms(1)",
    "SELECT write_log('x')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM duckdb_functions",
    "SELECT * FROM behind.spooled_events",
    "SHOW ALL TABLES",
    "COPY events TO '/tmp/stolen.csv'",
    "COPY (SELECT 1) TO '/tmp/stolen.csv'",
    "ATTACH '/tmp/other.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "SET memory_limit = '100GB'",
    "RESET memory_limit",
    "EXPORT DATABASE '/tmp/stolen'",
    "IMPORT DATABASE '/tmp/stolen'",
    "CALL pragma_version()",
    "CREATE TABLE x (a INT)",
    "CREATE MACRO f() AS TABLE SELECT 1",
    "INSERT INTO runs VALUES (1)",
    "DELETE FROM runs",
    "DROP VIEW events",
    "VACUUM",
    "CHECKPOINT",
    "USE behind",
    "BEGIN",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "EXPLAIN ANALYZE SELECT 1",
    "WITH x AS (INSERT INTO runs SELECT * FROM runs RETURNING *) FROM x",
    "WITH x AS (DELETE FROM runs RETURNING *) FROM x",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY events TO '/tmp/stolen.csv'",
    ";",
    "-- nothing",
    "SELECT $1",
    "SELECT ?",
    "SELEC 1",
    "SELECT * FROM nothing",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT " + "NOT " * 16000 + "true",
]


def test_nothing_beyond_the_views_is_read_or_called(client):
    wrong = {}
    for sql in REFUSED:
        answer = ask(client, sql)
        error = answer.json().get("error", {})
        if answer.status_code != 400 or error.get("code") not in {"query_refused", "query_wrong"}:
            wrong[sql[:100]] = answer.text[:200]
        assert "root:" not in answer.text
    assert not wrong
    assert not Path("/tmp/stolen.csv").exists()


ALLOWED = [
    "SELECT 1 -- a word",
    "SELECT model, count(*), quantile_cont(total_ms, 0.95) FROM events GROUP BY ALL ORDER BY 1",
    "SELECT row_number() OVER (PARTITION BY model ORDER BY enqueued_at) FROM events QUALIFY true",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t",
    "WITH mine AS MATERIALIZED (FROM events) SELECT count(*) FROM Mine",
    "SELECT list_transform([1, 2], lambda x: x + 1), [x * 2 FOR x IN [1, 2] IF x > 1]",
    "SELECT e.model FROM events e LEFT JOIN attempts a USING (event_id)",
    "SELECT * FROM (SELECT 1 AS a, 2 AS b) UNPIVOT (v FOR k IN (a, b))",
    "SELECT unnest(generate_series(1, 3)), strftime(now(), '%Y')",
    "SELECT 'a' ~ 'b', 2 ** 3, 7 // 2, 7 % 2, ~1, 1 << 2, 'a' ^@ 'a'",
    "SELECT date_trunc('day', enqueued_at) AS day, count(*) FILTER (status = 'ok') FROM events GROUP BY day",
    "SELECT COLUMNS('.*_ms') FROM events",
    "SELECT * EXCLUDE (event_id) FROM events USING SAMPLE 10%",
    "VALUES (1), (2)",
    "FROM main.events",
    "SUMMARIZE events",
]


def test_what_analysts_ask_is_answered(client):
    wrong = {}
    for sql in ALLOWED:
        answer = ask(client, sql)
        if answer.status_code != 200:
            wrong[sql] = answer.json()["error"]["message"]
    assert not wrong


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sql": ""},
        {"sql": "SELECT 1", "limit": 0},
        {"sql": "SELECT 1", "limit": 10_001},
        {"sql": "x" * 70_000},
        {"sql": 1},
        {"sql": "SELECT 1", "params": []},
    ],
)
def test_a_body_that_is_no_query_is_refused(client, body):
    assert client.post(QUERY, json=body).status_code == 400


def test_queries_run_beside_one_another_and_beside_chats(client):
    def both(sql):
        return ask(client, sql).json()["rows"]

    assert both("SELECT 1") == [[1]]
    assert client.post("/v1/chat/completions", json=HELLO).status_code == 200
    assert both("SELECT 2") == [[2]]


ENDLESS = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t"


@pytest.mark.anyio
async def test_a_query_that_takes_too_long_is_ended(tmp_path):
    analyst = Analyst(Settings(home=tmp_path / "home"), longest_s=0.2)
    try:
        with pytest.raises(DeadlineExceeded):
            await analyst.ask(ENDLESS, 10)
    finally:
        await analyst.close()


@pytest.mark.anyio
async def test_tables_in_a_store_of_objects_are_asked_as_others_are(tmp_path, monkeypatch):
    with object_store() as endpoint:
        for name, value in variables(endpoint).items():
            monkeypatch.setenv(name, value)
        settings = Settings(home=tmp_path / "home", artifacts_url=f"s3://{BUCKET}/asked")
        with StateDatabase.open(settings) as database:
            rows = pa.table({"entry_id": ["a", "b"], "photo_id": ["p", "q"]})
            TableStore(database.home, database).publish(
                asset="judge/critiques", batch="spring", run_id="one", table=rows, expected=None
            )
        analyst = Analyst(settings)
        try:
            said = await analyst.ask("SELECT entry_id FROM judge_critiques ORDER BY ALL", limit=10)
            with pytest.raises(BadRequest):
                await analyst.ask("SELECT * FROM read_parquet('artifacts://club/other')", limit=10)
        finally:
            await analyst.close()
    assert said["rows"] == [["a"], ["b"]]


@pytest.mark.anyio
async def test_a_query_whose_asker_left_is_ended_and_the_next_is_answered(tmp_path):
    analyst = Analyst(Settings(home=tmp_path / "home"))
    try:
        for _ in range(AT_ONCE + 1):
            with anyio.move_on_after(0.3) as left:
                await analyst.ask(ENDLESS, 10)
            assert left.cancelled_caught
        assert (await analyst.ask("SELECT 1", 10))["rows"] == [[1]]
    finally:
        await analyst.close()


@pytest.mark.anyio
async def test_more_queries_than_may_wait_are_told_to_come_again(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.queries.analyst.MOST_WAITING", 0)
    analyst = Analyst(Settings(home=tmp_path / "home"))
    with pytest.raises(Overloaded):
        await analyst.ask("SELECT 1", 10)


def test_the_process_that_asks_has_no_secrets_around_it(monkeypatch, opened):
    monkeypatch.setenv("SOME_API_KEY", "hidden")
    with opened() as gateway, httpx.Client(base_url=gateway.url, timeout=30) as client:
        assert ask(client, "SELECT 1").status_code == 200
        environments = [
            (process / "environ").read_bytes()
            for process in Path("/proc").iterdir()
            if process.name.isdecimal() and _is_child(process)
        ]
    assert environments
    assert not any(b"hidden" in one for one in environments)


def _is_child(process):
    with suppress(OSError):
        parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        return parent == os.getpid() and b"gateway.queries.child" in (process / "cmdline").read_bytes()
    return False


def test_decisions_are_listed_since_a_time(client):
    assert client.get("/v1/decisions").json() == {"object": "list", "data": []}
    assert (
        client.get("/v1/decisions", params={"since": "2026-01-01T00:00:00Z", "limit": 5}).status_code == 200
    )


@pytest.mark.parametrize("params", [{"since": "yesterday"}, {"limit": 0}, {"limit": "x"}, {"limit": 100_000}])
def test_a_parameter_that_cannot_be_meant_is_refused_by_its_name(client, params):
    answer = client.get("/v1/decisions", params=params)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] in params
