"""Migrations: one way to the tables, whoever starts, and never half of it."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from old_database import make_old
from sqlalchemy import MetaData, inspect, select, text

import store
from store.database import StateDatabase
from store.errors import DatabaseNewer
from store.migrating import revision
from store.migrations import HEAD
from store.settings import Settings
from store.tables import metadata

PROCESSES = Path(__file__).with_name("processes.py")


@pytest.fixture
def migrated(any_settings):
    """Settings of a database that went through every script, as one of the first version did."""
    make_old(any_settings)
    StateDatabase.open(any_settings).close()
    return any_settings


def everything_of(settings):
    """The tables with all that belongs to them, but for the order of what is in no order; and their rows."""
    with StateDatabase.open(settings) as database, database.read() as connection:
        asked = inspect(connection)
        made = MetaData()
        made.reflect(connection)
        shapes = {
            name: {
                "columns": [
                    (each["name"], str(each["type"]), each["nullable"], each["default"])
                    for each in asked.get_columns(name)
                ],
                "primary key": asked.get_pk_constraint(name),
                "foreign keys": sorted(map(str, asked.get_foreign_keys(name))),
                "checks": sorted(
                    (each["name"], each["sqltext"]) for each in asked.get_check_constraints(name)
                ),
                "uniques": sorted(map(str, asked.get_unique_constraints(name))),
                "indexes": sorted(map(str, asked.get_indexes(name))),
            }
            for name in asked.get_table_names()
        }
        rows = {name: connection.execute(select(table)).all() for name, table in made.tables.items()}
    return shapes, rows


def test_the_migrations_make_the_tables_that_the_code_knows(migrated):
    with StateDatabase.open(migrated) as database, database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_new_database_is_made_as_the_migrations_leave_it(settings, tmp_path):
    shapes, rows = everything_of(settings)
    older = Settings(home=tmp_path / "older")
    make_old(older)
    older_shapes, older_rows = everything_of(older)
    assert shapes == older_shapes
    assert rows == older_rows
    assert rows["alembic_version"] == [(HEAD,)]
    assert {name for name, kept in rows.items() if kept} == {
        "alembic_version",
        "lease_ledger",
        "prompt_protected_labels",
    }


def test_the_named_head_is_the_newest_script():
    config = Config()
    config.set_main_option("script_location", "store:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_migration_imports_nothing_of_ours_so_that_it_never_changes():
    for script in (Path(store.__file__).parent / "migrations" / "versions").glob("r*.py"):
        tree = ast.parse(script.read_text(encoding="utf-8"))
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {name for name in modules if name and name.startswith("store")}


def test_opening_a_new_database_and_opening_it_again_do_not_import_alembic(settings):
    code = """
import sys
sys.path.insert(0, sys.argv[2])
from processes import *
for _ in range(2):
    StateDatabase.open(settings(sys.argv[1])).close()
print("alembic" in sys.modules)
"""
    arguments = [sys.executable, "-c", code, settings.home, PROCESSES.parent]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_database_of_a_newer_version_is_refused_and_left_alone(any_settings):
    with StateDatabase.open(any_settings) as database:
        later = text("UPDATE alembic_version SET version_num = '9999'")
        database.write(lambda connection: connection.execute(later))
    with pytest.raises(DatabaseNewer, match="newer ImageWorks"):
        StateDatabase.open(any_settings)


def test_processes_that_start_at_once_all_find_the_tables(any_settings):
    environ = {}
    if any_settings.state_url:
        environ["STATE_URL"] = any_settings.state_url.get_secret_value()
    processes = [
        subprocess.Popen(
            [sys.executable, PROCESSES, "open_together", any_settings.home],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environ,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        with process:
            assert process.stdout.read() == f"{HEAD}\n"
        assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("age", ["new", "old"])
def test_a_kill_at_any_statement_of_a_migration_leaves_nothing_in_the_way(tmp_path, age):
    arguments = [sys.executable, PROCESSES, "die_at_each_statement", tmp_path, age]
    said = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    died, code = map(int, said.split())
    assert code == 0
    assert died > 15
    for number in range(1, died + 1):
        settings = Settings(home=tmp_path / str(number))
        with StateDatabase.open(settings) as database, database.read() as connection:
            assert revision(connection) == HEAD
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_the_scripts_are_found_outside_of_the_tree(tmp_path):
    # As a wheel lays them out: the package alone, somewhere else.
    source = Path(store.__file__).parent
    shutil.copytree(source, tmp_path / "site" / "store", ignore=shutil.ignore_patterns("__pycache__"))
    code = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import store
from store.database import StateDatabase
from store.settings import Settings
assert Path(store.__file__).is_relative_to(sys.argv[1])
StateDatabase.open(Settings(home=Path(sys.argv[1], "home"))).close()
"""
    subprocess.run([sys.executable, "-c", code, tmp_path / "site"], check=True, cwd=tmp_path)
    assert (tmp_path / "site" / "home" / "state.db").exists()
