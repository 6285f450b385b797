"""The migrations make exactly the tables that the code declares, once, on both databases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text

from backend.db import migrate
from backend.db.changes import next_change
from backend.db.session import Database
from backend.db.tables import Base, Run

UPGRADE = """
import sys
from backend.db.migrate import upgrade
from backend.db.session import Database
upgrade(Database(sys.argv[1]))
print("alembic" in sys.modules)
"""


def start_upgrade(database: Database) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", UPGRADE, database.engine.url.render_as_string(hide_password=False)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_the_migrated_schema_is_the_declared_one(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_sqlite_tables_are_as_declared(tmp_path: Path) -> None:
    """What Alembic does not compare: primary keys, defaults, cascades, WITHOUT ROWID, indexes."""
    migrated, declared = (Database(f"sqlite:///{tmp_path / name}") for name in ("migrated.db", "declared.db"))
    migrate.upgrade(migrated)
    Base.metadata.create_all(declared.engine)
    assert shape(migrated) == shape(declared)


def shape(database: Database) -> dict[str, object]:
    """Not the statements themselves: a column that was added later stands at another place in them."""
    with database.read() as session:
        tables = session.execute(text("SELECT name, wr FROM pragma_table_list WHERE schema = 'main'")).all()
        found = {
            (table, part): (without_rowid, sorted(map(str, session.execute(text(f"SELECT {columns} FROM {source}")))))
            for table, without_rowid in tables
            if table not in ("alembic_version", "sqlite_schema")
            for part, columns, source in _parts_of(table)
        }
    database.close()
    return found


def _parts_of(table: str) -> list[tuple[str, str, str]]:
    return [
        ("columns", 'name, type, "notnull", dflt_value, pk', f"pragma_table_info('{table}')"),
        ("foreign keys", '"table", "from", "to", on_delete', f"pragma_foreign_key_list('{table}')"),
        ("indexes", "name, sql", f"sqlite_master WHERE type = 'index' AND tbl_name = '{table}'"),
    ]


def test_foreign_keys_are_those_declared(database: Database) -> None:
    """Deleting a run takes everything of it along on both databases."""
    rules = {
        (table.name, key.parent.name, key.ondelete)
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
    }
    with database.engine.connect() as connection:
        found = {
            (table, key["constrained_columns"][0], key["options"].get("ondelete"))
            for table in inspect(connection).get_table_names()
            for key in inspect(connection).get_foreign_keys(table)
        }
    assert found == rules


def test_the_change_counter_counts_from_the_start(database: Database) -> None:
    with database.write() as session:
        assert next_change(session) == 1
    with database.write() as session:
        assert next_change(session) == 2


def test_an_older_database_is_brought_up_to_date_with_what_is_in_it(empty_database: Database) -> None:
    upgrade_to(empty_database, "0001")
    with empty_database.engine.begin() as connection:
        connection.execute(text("UPDATE change_counter SET value = 7"))
        assert not inspect(connection).has_table("datasets")
    migrate.upgrade(empty_database)
    with empty_database.write() as session:
        assert session.execute(text("SELECT count(*) FROM datasets")).scalar_one() == 0
        assert next_change(session) == 8


def upgrade_to(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_runs_of_an_older_database_are_found_and_sorted(empty_database: Database) -> None:
    upgrade_to(empty_database, "0002")
    with empty_database.engine.begin() as connection:
        row = {
            "status": "queued",
            "desired": "run",
            "attempt": 1,
            "revision": 1,
            "config": "{}",
            "facts": "{}",
            "latest": "{}",
        }
        row |= {"ingested_through": 0, "crashes": 0, "step": 0, "epoch": 0, "elapsed_seconds": 0, "change": 1}
        row |= {"created_at": "2026-01-01 00:00:00", "queued_at": "2026-01-01 00:00:00"}
        for number in range(1200):
            texts = {
                "id": f"r_{number:08}",
                "name": f"ÜBUNG {number}",
                "notes": "Straße",
                "tags": '["A,B", "\\u00d6l"]',
            }
            given = row | texts
            columns, values = ", ".join(given), ", ".join(f":{name}" for name in given)
            connection.execute(text(f"INSERT INTO runs ({columns}) VALUES ({values})"), given)
    migrate.upgrade(empty_database)
    with empty_database.read() as session:
        for run in session.execute(select(Run)).scalars():
            number = int(run.id.removeprefix("r_"))
            assert run.name_folded == f"übung {number}"
            assert (run.notes_folded, run.tags_folded) == ("strasse", "\na,b\n\nöl\n")


def test_processes_that_start_at_once_migrate_once(empty_database: Database) -> None:
    processes = [start_upgrade(empty_database) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    printed = sorted(process.communicate()[0].strip() for process in processes)
    assert printed == ["False", "False", "True"]
    with empty_database.read() as session:
        assert session.execute(text("SELECT count(*) FROM change_counter")).scalar_one() == 1


def test_the_head_that_is_stated_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == migrate.HEAD
    assert {revision.revision for revision in script.walk_revisions()} == set(migrate.REVISIONS)


def test_a_database_of_a_newer_version_is_left_alone(empty_database: Database) -> None:
    database = empty_database
    migrate.upgrade(database)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(migrate.UnknownSchema, match="9999"):
        migrate.upgrade(database)
