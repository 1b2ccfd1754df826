"""Tables of assets: whole or not there, one run's or another's."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from store.artifacts import TableStore
from store.data_version import data_version
from store.database import StateDatabase
from store.errors import DamagedTable, InvalidTable, MissingTable, PublishConflict, PublishFailed
from store.settings import Settings
from store.table_files import ROWS_A_PART
from store.tables import published_tables

PROCESSES = Path(__file__).with_name("processes.py")
ASSET = "judge/critiques"


def table(number=3, score=10, **more):
    return pa.table(
        {
            "entry_id": [f"b/{row}.jpg" for row in range(number)],
            "photo_id": [f"photo-{row}" for row in range(number)],
            "score": [score] * number,
            **more,
        }
    )


def publish(tables, run="r1", rows=None, expected=None, **more):
    return tables.publish(
        asset=ASSET, batch="b", run_id=run, table=table() if rows is None else rows, expected=expected, **more
    )


def folders(tables):
    return sorted(path.name for path in (tables._assets / ASSET / "b").iterdir() if path.is_dir())


def published(tables):
    """Folders that the database knows."""
    with tables._database.read() as connection:
        return {Path(path).name for path in connection.execute(select(published_tables.c.path)).scalars()}


def test_what_was_published_is_read_back(tables):
    pointer = publish(tables)
    assert (pointer.asset, pointer.batch, pointer.run_id, pointer.rows) == (ASSET, "b", "r1", 3)
    assert tables.current(ASSET, "b") == pointer
    read = tables.read(ASSET, "b")
    assert read.select(["entry_id", "photo_id", "score"]).equals(table())
    assert read["batch"].to_pylist() == ["b"] * 3
    assert read["run_id"].to_pylist() == ["r1"] * 3
    assert data_version(read) == pointer.data_version


def test_parts_hold_at_most_two_thousand_rows_in_order(tables):
    pointer = publish(tables, rows=table(2 * ROWS_A_PART + 1))
    assert [part.name for part in pointer.parts] == [f"part-0000{number}.parquet" for number in range(3)]
    assert [pq.read_metadata(part).num_rows for part in pointer.parts] == [2000, 2000, 1]
    assert pq.read_metadata(pointer.parts[0]).row_group(0).column(0).compression == "ZSTD"
    assert tables.read(ASSET, "b")["entry_id"].to_pylist() == table(4001)["entry_id"].to_pylist()


def test_plain_duckdb_reads_the_parts(tables):
    pointer = publish(tables, rows=table(2500))
    query = f"SELECT count(*), min(run_id) FROM '{pointer.path}/part-*.parquet'"
    assert duckdb.sql(query).fetchall() == [(2500, "r1")]


def test_an_empty_table_keeps_its_columns(tables):
    pointer = publish(tables, rows=table(0))
    assert pointer.rows == 0
    assert set(tables.read(ASSET, "b").column_names) == {"entry_id", "photo_id", "score", "batch", "run_id"}


def test_the_next_run_takes_the_pointer_and_the_older_table_stays(tables):
    first = publish(tables, "r1")
    second = publish(tables, "r2", table(score=20), expected=first)
    assert tables.current(ASSET, "b") == second
    assert tables.read(ASSET, "b")["score"].to_pylist() == [20] * 3
    assert tables.read(ASSET, "b", "r1")["score"].to_pylist() == [10] * 3


def test_a_run_that_says_the_same_has_the_same_data_version(tables):
    first = publish(tables, "r1", table(seconds=[1.0, 2.0, 3.0]), volatile=["seconds"])
    second = publish(tables, "r2", table(seconds=[9.0, 9.0, 9.0]), expected=first, volatile=["seconds"])
    third = publish(tables, "r3", table(score=11), expected=second)
    assert second.data_version == first.data_version
    assert third.data_version != first.data_version


def test_who_saw_no_table_loses_against_who_was_first(tables):
    publish(tables, "r1")
    with pytest.raises(PublishConflict, match="run r1 published it") as caught:
        publish(tables, "r2", table(score=20), expected=None)
    assert caught.value.winner == "r1"
    assert tables.read(ASSET, "b")["score"].to_pylist() == [10] * 3
    assert folders(tables) == ["r1"]


def test_who_saw_an_older_table_loses_against_who_was_first(tables):
    first = publish(tables, "r1")
    publish(tables, "r2", expected=first)
    with pytest.raises(PublishConflict) as caught:
        publish(tables, "r3", expected=first)
    assert caught.value.winner == "r2"
    assert tables.current(ASSET, "b").run_id == "r2"


def test_of_many_that_publish_at_once_one_wins_and_the_others_know_it(tables):
    first = publish(tables, "r0")
    together = threading.Barrier(6)
    outcomes = {}

    def work(run):
        together.wait()
        try:
            outcomes[run] = publish(tables, run, table(score=int(run[1:])), expected=first)
        except PublishConflict as conflict:
            outcomes[run] = conflict.winner

    threads = [threading.Thread(target=work, args=(f"r{number}",)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = tables.current(ASSET, "b")
    assert outcomes.pop(winner.run_id) == winner
    assert set(outcomes.values()) == {winner.run_id}
    assert tables.read(ASSET, "b")["score"].to_pylist() == [int(winner.run_id[1:])] * 3


def test_two_stores_of_one_home_compare_and_set_against_each_other(tables, any_settings):
    first = publish(tables, "r1")
    with StateDatabase.open(any_settings) as database:
        publish(TableStore(database.home, database), "r2", expected=first)
    with pytest.raises(PublishConflict):
        publish(tables, "r3", expected=first)


def test_a_step_that_is_tried_again_in_its_run_publishes_over_itself(tables):
    publish(tables, "r1")
    again = publish(tables, "r1", table(score=20), expected=None)
    assert tables.current(ASSET, "b") == again
    assert published(tables) == {again.path.name}
    assert tables.read(ASSET, "b", "r1")["score"].to_pylist() == [20] * 3
    third = publish(tables, "r1", table(score=30), expected=again)
    assert tables.read(ASSET, "b")["score"].to_pylist() == [30] * 3
    assert len(folders(tables)) == 2
    assert third.path.name in folders(tables)


def test_assets_and_batches_do_not_touch_each_other(tables):
    publish(tables)
    other = tables.publish(asset="judge/results", batch="b", run_id="r1", table=table(5), expected=None)
    third = tables.publish(asset=ASSET, batch="c", run_id="r1", table=table(6), expected=None)
    assert [pointer.rows for pointer in tables.pointers()] == [3, 6, 5]
    assert tables.pointers(ASSET) == (tables.current(ASSET, "b"), third)
    assert tables.pointers("judge/results") == (other,)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (pa.table({"entry_id": ["a"]}), "no column photo_id"),
        (pa.table({"score": [1]}), "no column entry_id and no photo_id"),
        (pa.table({"entry_id": ["a", None], "photo_id": ["p", "q"]}), "1 rows without entry_id"),
        (pa.table({"entry_id": ["a", "a"], "photo_id": ["p", "q"]}), "2 rows of entry_id 'a'"),
        (pa.table({"entry_id": ["a"], "photo_id": ["p"], "run_id": ["other"]}), "run_id 'r1'"),
        (pa.table({"entry_id": ["a"], "photo_id": ["p"], "batch": ["other"]}), "batch 'b'"),
    ],
)
def test_a_table_that_breaks_the_rules_is_refused(tables, rows, words):
    with pytest.raises(InvalidTable, match=words):
        publish(tables, rows=rows)
    assert tables.current(ASSET, "b") is None


def test_rows_may_be_named_by_several_columns(tables):
    pairs = pa.table({"entry_id": ["a", "a"], "photo_id": ["p", "p"], "other_id": ["b", "c"]})
    assert publish(tables, rows=pairs, key=("entry_id", "other_id")).rows == 2
    with pytest.raises(InvalidTable, match="2 rows of entry_id 'a'"):
        publish(tables, "r2", rows=pairs)


@pytest.mark.parametrize("bad", ["", "..", "../x", "a/b", ".hidden", "x" * 121, "a\nb", "r1~2"])
def test_names_cannot_leave_their_folder(tables, bad):
    with pytest.raises(InvalidTable):
        publish(tables, run=bad)
    with pytest.raises(InvalidTable):
        tables.publish(asset=ASSET, batch=bad, run_id="r", table=table(), expected=None)
    if bad != "a/b":
        with pytest.raises(InvalidTable):
            tables.publish(asset=bad, batch="b", run_id="r", table=table(), expected=None)


def test_a_table_that_was_never_published_is_told_with_what_to_materialize(tables):
    with pytest.raises(
        MissingTable, match=r"no table judge/critiques of batch 'b'\. Materialize judge/critiques"
    ):
        tables.read(ASSET, "b")
    publish(tables)
    with pytest.raises(MissingTable, match="by run r9"):
        tables.read(ASSET, "b", "r9")


def test_files_that_are_gone_are_told(tables):
    publish(tables).parts[0].unlink()
    with pytest.raises(DamagedTable, match="are gone"):
        tables.read(ASSET, "b")


def test_a_part_that_is_gone_is_told(tables):
    publish(tables, rows=table(2500)).parts[1].unlink()
    with pytest.raises(DamagedTable, match=r"has 2000 rows .* published with 2500"):
        tables.read(ASSET, "b")


def test_a_part_that_was_overwritten_is_told(tables):
    publish(tables).parts[0].write_bytes(b"holiday")
    with pytest.raises(DamagedTable, match="no readable Parquet file"):
        tables.read(ASSET, "b")


def test_a_part_in_which_one_bit_has_turned_is_told(tables):
    part = publish(tables, rows=table(2000)).parts[0]
    content = bytearray(part.read_bytes())
    file = pq.ParquetFile(part)
    column = file.metadata.row_group(0).column(file.schema_arrow.names.index("entry_id"))
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(DamagedTable, match="no readable Parquet file"):
        tables.read(ASSET, "b")


class LateReader(TableStore):
    """Looks into the folder that it was shown, before it asks the database where the table is now."""

    def __init__(self, home, database, seen):
        super().__init__(home, database)
        self.seen = [seen]

    def _find(self, asset, batch, run_id):
        return self.seen.pop() if self.seen else super()._find(asset, batch, run_id)


@pytest.mark.parametrize("left", [0, 1])
def test_who_comes_while_a_rewritten_table_is_removed_reads_the_new_one(tables, database, left):
    old = publish(tables, rows=table(2500))
    contents = [(part, part.read_bytes()) for part in old.parts]
    tables.forget(["photo-7"])
    old.path.mkdir()
    for part, content in contents[:left]:
        part.write_bytes(content)
    assert LateReader(database.home, database, old).read(ASSET, "b").num_rows == 2499


def test_a_full_disk_leaves_the_table_that_was_current(tables):
    first = publish(tables)
    noise = table(50, text=[random.randbytes(2000) for _ in range(50)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(PublishFailed, match="still current"):
            publish(tables, "r2", noise, expected=first)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert tables.current(ASSET, "b") == first
    assert folders(tables) == ["r1"]
    publish(tables, "r2", noise, expected=first)


def test_a_home_under_an_odd_name_holds_tables(tmp_path):
    with StateDatabase.open(Settings(home=tmp_path / "café ?#%s")) as database:
        tables = TableStore(database.home, database)
        publish(tables)
        assert tables.read(ASSET, "b").num_rows == 3


def test_tables_that_a_lost_database_knew_are_left_alone(tmp_path):
    for run in ("r1", "r2"):
        with StateDatabase.open(Settings(home=tmp_path)) as database:
            publish(TableStore(database.home, database), run)
        (tmp_path / "state.db").unlink()
    assert {path.name for path in (tmp_path / "assets" / ASSET / "b").glob("r*")} == {"r1", "r2"}


def test_a_moved_home_finds_its_tables(tmp_path):
    with StateDatabase.open(Settings(home=tmp_path / "old")) as database:
        publish(TableStore(database.home, database))
    (tmp_path / "old").rename(tmp_path / "new")
    with StateDatabase.open(Settings(home=tmp_path / "new")) as database:
        assert TableStore(database.home, database).read(ASSET, "b").num_rows == 3


def prepared(root, homes, rows):
    """Homes `root/1` … with one table of run `old`, closed."""
    for number in range(1, homes + 1):
        with StateDatabase.open(Settings(home=root / str(number))) as database:
            publish(TableStore(database.home, database), "old", rows)


@pytest.mark.slow
@pytest.mark.parametrize("old", [True, False], ids=["over an old table", "the first table"])
def test_a_kill_at_any_effect_of_publishing_leaves_the_old_table_or_the_new_one(tmp_path, old):
    homes = 60
    if old:
        prepared(tmp_path, homes, table(4500, made_by=["old"] * 4500))
    arguments = [sys.executable, PROCESSES, "die_at_each_effect", tmp_path, "publish"]
    died, code = map(
        int, subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    )
    assert code == 0
    assert 8 < died < homes
    makers = set()
    for number in range(1, died + 1):
        with StateDatabase.open(Settings(home=tmp_path / str(number))) as database:
            tables = TableStore(database.home, database)
            now = tables.current(ASSET, "b")
            if now is not None:
                read = tables.read(ASSET, "b")
                assert read.num_rows == 4500
                assert len(read["made_by"].unique()) == 1
                assert data_version(read) == now.data_version
            makers.add(now and read["made_by"][0].as_py())
            # The next run, or the same, goes on from there and clears away what the dead try left.
            run = random.choice(["new", "newer"])
            publish(tables, run, table(4500, made_by=["newer"] * 4500), expected=now)
            assert tables.read(ASSET, "b")["made_by"].unique().to_pylist() == ["newer"]
            listed = published(tables)
            superseded = {now.path.name} if now else set()
            assert listed <= set(folders(tables)) <= listed | superseded
            assert not list(database.home.assets.rglob(".unpublished"))
    assert makers == {"old" if old else None, "new"}


@pytest.mark.parametrize("rounds", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_after_a_kill_at_any_moment_the_last_acknowledged_table_or_a_later_one_is_current(
    any_settings, rounds
):
    for _ in range(rounds):
        environ = {"STATE_URL": any_settings.state_url.get_secret_value()} if any_settings.state_url else {}
        process = subprocess.Popen(
            [sys.executable, PROCESSES, "publish", any_settings.home], stdout=subprocess.PIPE, env=environ
        )
        last = [process.stdout.readline() for _ in range(random.randint(1, 4))][-1]
        # Not a wait for anything: the moment of the kill is drawn.
        time.sleep(random.random() / 20)
        process.send_signal(signal.SIGKILL)
        last = ([last] + [line for line in process.stdout if line.endswith(b"\n")])[-1]
        process.stdout.close()
        process.wait()
        acknowledged = int(last.strip().removeprefix(b"run-"))
        with StateDatabase.open(any_settings) as database:
            tables = TableStore(database.home, database)
            read = tables.read(ASSET, "b")
            assert read.num_rows == 4500
            (maker,) = read["made_by"].unique().to_pylist()
            assert int(maker.removeprefix("run-")) in {acknowledged, acknowledged + 1}


def test_a_reader_never_sees_a_mix_while_others_publish_and_forget(tables):
    pointer = publish(tables, "r0", table(4100, made_by=["r0"] * 4100))
    done = threading.Event()
    seen = []

    def read():
        while not done.is_set():
            rows = tables.read(ASSET, "b")
            seen.append((rows.num_rows, rows["made_by"].unique().to_pylist()))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 6):
        pointer = publish(tables, f"r{number}", table(4100, made_by=[f"r{number}"] * 4100), expected=pointer)
        assert tables.forget(["photo-4099"]).count > 0
        pointer = tables.current(ASSET, "b")
    done.set()
    for reader in readers:
        reader.join()
    assert seen
    assert all(rows in {4100, 4099} and len(makers) == 1 for rows, makers in seen)
