"""A home whose files are damaged, empty, foreign or in each other's place: everything but SQL is set aside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from backend.db import soundness
from backend.db.migrate import upgrade
from backend.db.revisions import TABLES
from backend.db.session import Database
from backend.db.soundness import check_sqlite
from backend.db.tables import Base, Checkpoint
from backend.process.home import Home
from backend.runs.creation import NewRow, insert_run
from backend.settings import Settings
from tests.cli.running import RunningUp, command_line, environment, page
from tests.support.postgres import new_database, running_postgres
from tests.support.small_disk import require_small_disks
from worker.contract.config import RunConfig

Up = Callable[..., RunningUp]

#: What is read before it is written, and has to hold something.
READ = ("up.json", "logs/events.jsonl", "token", "redis/password", "worker/worker.json", "files/root.json")
WRITTEN = (
    *("up.lock", "supervisord.conf", "supervisord.conf.new", "up.json.new", "resdrop.db.migrating", "supervisor.pid"),
    *("logs/api.log", "logs/supervisor.log", "logs/supervisor.out", "redis/redis.conf", "redis/redis.sock"),
    *("resdrop.db.controller.lock", "worker/lock"),
)
FOLDERS = ("logs", "redis", "files", "worker", "cache", "files/runs", "worker/spool")
OTHER_VERSION = {
    "up.json": '{"url": "http://127.0.0.1:1", "port": "eight", "new": {}}',
    "logs/events.jsonl": '{"at": "yesterday", "what": "hibernated", "program": 7, "pid": -1}\n[]\n',
    "token": "two words\nand a line",
    "redis/password": 'with "quotes"\nrequirepass x',
    "worker/worker.json": '{"name": "w"}',
    "files/root.json": "[]",
}
ALONE = {
    "torn": lambda name: OTHER_VERSION[name].encode()[:-7] if name.endswith("json") else b"\xff\xfe\x00" * 5,
    "empty": lambda _name: b"",
    "garbage": lambda _name: bytes(range(256)) * 3,
    "another version's": lambda name: OTHER_VERSION[name].encode(),
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = Home(tmp_path / "home")
    made.prepare()
    return made.path


def aside(home: Path, name: str) -> list[Path]:
    return list((home / name).parent.glob(f"{Path(name).name}.set-aside-*"))


def starts(running: RunningUp, *names: str) -> None:
    """It answers, and everything in `names` was set aside in a sentence."""
    assert page(running.ready().url) == b"a page"
    for name in names:
        assert f"{name} cannot be used" in running.output
        assert len(aside(running.home, name)) == 1, name


@pytest.mark.parametrize("how", ALONE)
def test_files_that_cannot_be_read_are_set_aside_and_made_anew(up: Up, home: Path, how: str) -> None:
    # An empty file of events is one to which nothing has happened.
    names = [name for name in READ if how != "empty" or name != "logs/events.jsonl"]
    for name in names:
        (home / name).write_bytes(ALONE[how](name))
    starts(up(home=home), *names)


@pytest.mark.parametrize("size", [4097, 1 << 20])
def test_secrets_that_are_too_long_are_set_aside(up: Up, home: Path, size: int) -> None:
    """No process could be started with them in its environment."""
    for name in ("token", "redis/password"):
        (home / name).write_text("a" * size)
    starts(up(home=home), "token", "redis/password")


def test_a_long_secret_is_kept(home: Path) -> None:
    (home / "token").write_text("a" * 4096 + "\n")
    assert Home(home).token() == "a" * 4096


def test_a_chosen_token_that_is_too_long_is_refused(home: Path) -> None:
    with pytest.raises(ValueError, match="RESDROP_TOKEN has 4097 characters; take 4096 or fewer"):
        Settings.from_environment({"RESDROP_HOME": str(home), "RESDROP_TOKEN": "a" * 4097})


def test_folders_in_place_of_files_are_set_aside(up: Up, home: Path) -> None:
    for name in (*READ, *WRITTEN):
        (home / name / "with something in it").mkdir(parents=True)
    starts(up(home=home), *READ, *WRITTEN)


def test_files_in_place_of_folders_are_set_aside(up: Up, home: Path) -> None:
    for name in reversed(FOLDERS):
        shutil.rmtree(home / name, ignore_errors=True)
    for name in ("logs", "redis", "files", "worker", "cache"):
        (home / name).write_text("in the way")
    starts(up(home=home), "logs", "redis", "files", "worker", "cache")


def test_files_in_place_of_inner_folders_are_set_aside(up: Up, home: Path) -> None:
    for name in ("files/runs", "worker/spool"):
        (home / name).write_text("in the way")
    starts(up(home=home), "files/runs", "worker/spool")


def test_links_that_lead_nowhere_and_pipes_are_set_aside(up: Up, home: Path) -> None:
    for name in READ:
        (home / name).symlink_to(home / "nowhere" / "at all")
    for name in ("logs/api.log", "supervisord.conf", "worker/lock"):
        os.mkfifo(home / name)
    shutil.rmtree(home / "files")
    (home / "files").symlink_to(home / "nowhere")
    starts(up(home=home), *(name for name in READ if name != "files/root.json"), "files", "logs/api.log", "worker/lock")


def test_a_file_that_its_owner_may_not_use_is_given_back_to_him(up: Up, home: Path) -> None:
    (home / "supervisord.conf").write_text("")
    for name in ("supervisord.conf", "up.lock"):
        (home / name).touch()
        (home / name).chmod(0)
    assert page(up(home=home).ready().url) == b"a page"


def test_after_a_torn_event_the_parts_of_a_killed_up_are_still_ended(up: Up) -> None:
    running = up(WORKER_TAKES="3").ready()
    supervisor = running.supervisor()
    running.process.send_signal(signal.SIGSTOP)  # so that it cannot act on the supervisor's death
    supervisor.kill()
    running.signal(signal.SIGKILL)
    running.wait()
    (running.home / "logs" / "events.jsonl").write_bytes(b'{"at": "2026')
    following = up(home=running.home).ready()
    assert "ending the worker that an earlier start left behind" in following.output
    assert set(following.parts()) == {"redis", "api", "controller", "worker"}


@pytest.mark.parametrize("verb", ["status", "down", "doctor"])
@pytest.mark.parametrize("how", ALONE)
def test_other_commands_say_sentences_on_such_a_home(home: Path, verb: str, how: str) -> None:
    for name in READ:
        (home / name).write_bytes(ALONE[how](name))
    done = command_line(verb, "--home", str(home), real=True)
    assert done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("verb", ["status", "down"])
def test_other_commands_find_a_running_up_whose_files_were_damaged(up: Up, verb: str) -> None:
    running = up().ready()
    for name in ("up.json", "logs/events.jsonl"):
        (running.home / name).write_bytes(b"\xff{")
    # It writes its address again.
    running.wait_until(lambda: Home(running.home).address() is not None, 60, what="the address")
    done = command_line(verb, "--home", str(running.home))
    assert "Traceback" not in done.stdout + done.stderr
    if verb == "down":
        assert (done.returncode, running.wait(), running.parts()) == (0, 0, {})


def test_the_id_of_the_storage_is_found_again_from_the_checkpoints_in_it(up: Up, home: Path) -> None:
    database = Database(f"sqlite:///{home / 'resdrop.db'}")
    upgrade(database)
    with database.write() as session:
        run = insert_run(session, NewRow(config=RunConfig()), at=datetime.now(UTC))
        for number, root_id in enumerate(["here", "here", "elsewhere", "elsewhere", "elsewhere"]):
            path = f"runs/{run.id}/attempt-1/step-{number}-{root_id}.pt"
            sizes = {"step": number, "epoch": 1.0, "elapsed_seconds": 1.0, "size_bytes": 1, "sha256": "0" * 64}
            same = {"run_id": run.id, "attempt": 1, "created_at": datetime.now(UTC)}
            session.add(Checkpoint(root_id=root_id, path=path, **sizes, **same))
            if root_id == "here":
                (home / "files" / path).parent.mkdir(parents=True, exist_ok=True)
                (home / "files" / path).write_text("weights")
    database.close()
    (home / "files" / "root.json").write_bytes(b"{")
    running = up(home=home).ready()
    assert "its checkpoints are those of storage here" in running.output
    assert json.loads((home / "files" / "root.json").read_text()) == {"id": "here"}


class TestSql:
    """Refused at once: nothing was started."""

    def refused(self, home: Path, *said: str, **environment: str) -> None:
        done = command_line("up", "--home", str(home), "--port", "0", "--no-browser", **environment)
        assert done.returncode == 1
        for words in said:
            assert words in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        assert not (home / "logs" / "events.jsonl").exists()

    @pytest.fixture
    def migrated(self, home: Path) -> Path:
        database = Database(f"sqlite:///{home / 'resdrop.db'}")
        upgrade(database)
        database.close()
        return home / "resdrop.db"

    def test_a_file_that_is_no_database(self, home: Path) -> None:
        (home / "resdrop.db").write_bytes(b"this is no database " * 500)
        said = f"The database {home / 'resdrop.db'} is damaged (file is not a database): bring it back from a backup"
        self.refused(home, said)

    def test_a_database_that_is_damaged_in_its_middle(self, home: Path, migrated: Path) -> None:
        content = bytearray(migrated.read_bytes())
        content[8192:40960] = os.urandom(32768)
        migrated.write_bytes(content)
        self.refused(home, f"The database {migrated} is damaged")

    def test_a_database_that_is_cut_short(self, home: Path, migrated: Path) -> None:
        migrated.write_bytes(migrated.read_bytes()[:10_000])
        self.refused(home, f"The database {migrated} is damaged")

    def test_a_folder_in_its_place(self, home: Path) -> None:
        (home / "resdrop.db").mkdir()
        self.refused(home, f"The database {home / 'resdrop.db'} cannot be used")

    def test_a_link_to_itself_in_its_place(self, home: Path) -> None:
        (home / "resdrop.db").symlink_to("resdrop.db")
        self.refused(home, f"The database {home / 'resdrop.db'} cannot be used (Too many levels of symbolic links): ")

    @pytest.mark.parametrize("table", ["runs", "metrics"])
    def test_a_table_that_is_missing(self, home: Path, migrated: Path, table: str) -> None:
        with sqlite3.connect(migrated) as connection:
            connection.execute(f"DROP TABLE {table}")
        connection.close()
        self.refused(home, f"The database {migrated} is damaged (it has no table {table}): bring it back from a backup")

    def test_the_tables_that_are_looked_for_are_those_that_there_are(self) -> None:
        assert frozenset(Base.metadata.tables) == TABLES

    def test_a_newer_schema(self, home: Path, migrated: Path) -> None:
        with sqlite3.connect(migrated) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        self.refused(home, f"The database {migrated} has schema 9999", "start the newer ResDrop")

    def test_another_programs_database(self, home: Path) -> None:
        with sqlite3.connect(home / "resdrop.db") as connection:
            connection.execute("CREATE TABLE songs (title TEXT)")
        connection.close()
        self.refused(home, "holds tables of another program")

    def test_a_log_whose_database_is_gone(self, home: Path, migrated: Path) -> None:
        """SQLite would delete it, and with it what was committed last."""
        log = migrated.with_name("resdrop.db-wal")
        log.write_bytes(bytes(4096))
        migrated.unlink()
        self.refused(home, "its write-ahead log resdrop.db-wal holds 4096 bytes", "move the log away")
        assert log.stat().st_size == 4096

    @pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
    @pytest.mark.parametrize("has_database", [True, False])
    def test_a_folder_in_the_place_of_a_file_beside_it(
        self, home: Path, request: pytest.FixtureRequest, suffix: str, has_database: bool
    ) -> None:
        if has_database:
            request.getfixturevalue("migrated")
        beside = home / f"resdrop.db{suffix}"
        beside.mkdir()
        self.refused(home, f"{beside} beside the database", "(Is a directory): move it away; the database stays")

    def test_a_journal_that_is_none(self, home: Path, migrated: Path) -> None:
        journal = migrated.with_name("resdrop.db-journal")
        journal.write_bytes(b"garbage" * 500)
        self.refused(home, f"The rollback journal {journal} beside the database", "is not SQLite's", "move it away")

    @pytest.mark.parametrize("name", ["resdrop.db", "resdrop.db-shm", "resdrop.db-wal"])
    @pytest.mark.parametrize("is_made", [True, False])
    def test_a_file_that_takes_no_writes(
        self, home: Path, request: pytest.FixtureRequest, name: str, is_made: bool
    ) -> None:
        if is_made:
            request.getfixturevalue("migrated")
        (home / name).touch()
        if subprocess.run(["chattr", "+i", str(home / name)], capture_output=True, check=False).returncode:
            pytest.skip("files cannot be made immutable here")
        try:
            self.refused(home, str(home / name), "cannot be used (Operation not permitted)", "chattr -i")
        finally:
            subprocess.run(["chattr", "-i", str(home / name)], check=True)

    def test_a_folder_that_takes_no_writes(self, tmp_path: Path, migrated: Path) -> None:
        require_small_disks(tmp_path)
        bound = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
        program = "import sys; from pathlib import Path; from backend.db.soundness import check_sqlite\n"
        program += "for name in sys.argv[1:]:\n"
        program += "    try: check_sqlite(Path(name))\n"
        program += "    except Exception as error: print(error)\n"
        asked = [sys.executable, "-c", program, str(migrated), str(migrated.with_name("other.db"))]
        command = ["unshare", "-r", "-m", "sh", "-c", bound, "sh", str(migrated.parent), *asked]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
        made, other = done.stdout.splitlines()
        assert made.startswith(f"The database {migrated} cannot be used (Read-only file system): make it")
        assert "other.db cannot be made (Read-only file system): make its folder" in other

    def test_looking_at_it_leaves_it_as_it_is(self, home: Path, migrated: Path) -> None:
        """Also its log, which whoever closes it last would write into it."""
        with closing(sqlite3.connect(migrated)) as connection:
            connection.execute("UPDATE change_counter SET value = 7")
            connection.commit()
            for name in ("resdrop.db", "resdrop.db-wal"):
                shutil.copy(home / name, home / f"{name}.killed")
        for name in ("resdrop.db", "resdrop.db-wal"):
            (home / f"{name}.killed").replace(home / name)
        before = [(home / name).read_bytes() for name in ("resdrop.db", "resdrop.db-wal")]
        check_sqlite(migrated)
        assert [(home / name).read_bytes() for name in ("resdrop.db", "resdrop.db-wal")] == before

    def test_a_database_that_another_writes_to_is_not_waited_for_in_vain(
        self, migrated: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(soundness, "_BUSY_SECONDS", 0.1)
        with closing(sqlite3.connect(migrated, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            check_sqlite(migrated)

    def test_an_empty_file_is_a_database_yet_to_be_made(self, up: Up, home: Path) -> None:
        (home / "resdrop.db").touch()
        running = up(home=home).ready()
        assert page(running.url) == b"a page"
        assert "begins anew" not in running.output

    @pytest.mark.parametrize("how", ["is empty", "is not there"])
    def test_files_of_runs_whose_database_is_gone_are_told_of(self, up: Up, home: Path, how: str) -> None:
        for name in ("r_one", "r_two"):
            (home / "files" / "runs" / name).mkdir(parents=True)
        if how == "is empty":
            (home / "resdrop.db").touch()
        said = up(home=home).ready().output
        assert f"the database {home / 'resdrop.db'} {how} and begins anew" in said
        assert "has the files of 2 runs that were in another" in said

    def test_what_a_killed_process_left_in_the_log_is_left_there(self, up: Up, home: Path, migrated: Path) -> None:
        connection = sqlite3.connect(migrated)
        connection.execute("UPDATE change_counter SET value = 7")
        connection.commit()
        for name in ("resdrop.db", "resdrop.db-wal"):
            shutil.copy(home / name, home / f"{name}.killed")
        connection.close()
        for name in ("resdrop.db", "resdrop.db-wal"):
            (home / f"{name}.killed").replace(home / name)
        up(home=home).ready()
        with sqlite3.connect(migrated) as connection:
            assert connection.execute("SELECT value FROM change_counter").fetchone() == (7,)
        connection.close()

    def test_a_newer_schema_in_postgres(self, home: Path) -> None:
        with running_postgres() as server:
            url = new_database(server)
            database = Database(url)
            with database.write() as session:
                session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
            database.close()
            self.refused(home, "has schema 9999", "start the newer ResDrop", RESDROP_DATABASE_URL=url)
