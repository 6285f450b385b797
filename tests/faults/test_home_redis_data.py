"""A Redis whose data cannot be loaded: they are set aside by themselves, and it begins empty."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from backend.process import redis_data
from tests.cli.running import RunningUp
from tests.support.measuring import measured

Up = Callable[..., RunningUp]

pytestmark = pytest.mark.fault

MANIFEST = "appendonly.aof.manifest"


def incremental(folder: Path) -> Path:
    return next(folder.glob("*.incr.aof"))


def base(folder: Path) -> Path:
    return next(folder.glob("*.base.rdb"))


def damage_the_middle(folder: Path) -> None:
    path = incremental(folder)
    content = bytearray(path.read_bytes())
    content[2000:2200] = os.urandom(200)
    path.write_bytes(content)


def damage_the_base(folder: Path) -> None:
    path = base(folder)
    path.write_bytes(path.read_bytes()[:40] + os.urandom(60))


def write_a_newer_version(folder: Path) -> None:
    base(folder).write_bytes(b"VALKEY999" + base(folder).read_bytes()[9:])


def name_a_newer_command(folder: Path) -> None:
    with incremental(folder).open("ab") as file:
        file.write(b"*2\r\n$8\r\nNEWTHING\r\n$1\r\nx\r\n")


def break_the_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes()[:-9])


def empty_the_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(b"")


def lose_a_file(folder: Path) -> None:
    incremental(folder).unlink()


def put_a_folder_in_a_files_place(folder: Path) -> None:
    path = incremental(folder)
    path.unlink()
    path.mkdir()


def put_a_file_in_the_folders_place(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("in the way")


def leave_an_older_servers_damaged_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.with_name("appendonly.aof").write_bytes(os.urandom(1000))


DAMAGES = (
    *(damage_the_middle, damage_the_base, write_a_newer_version, name_a_newer_command, break_the_manifest),
    *(empty_the_manifest, lose_a_file, put_a_folder_in_a_files_place, put_a_file_in_the_folders_place),
    leave_an_older_servers_damaged_file,
)


def client(home: Path) -> redis.Redis:
    return redis.Redis.from_url(
        f"unix://{home / 'redis' / 'redis.sock'}?db=0", retry=Retry(ConstantBackoff(0.2), 100), socket_timeout=10
    )


def fill(home: Path) -> None:
    with client(home) as connection:
        for number in range(200):
            connection.set(f"key-{number}", "x" * 50)


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_next_up_sets_them_aside_and_goes_on(up: Up, damage: Callable[[Path], None]) -> None:
    running = up().ready()
    fill(running.home)
    running.signal(signal.SIGINT)
    assert running.wait() == 0
    damage(running.home / "redis" / "appendonlydir")
    with measured("up with data that Redis cannot load, until it answers"):
        following = up(home=running.home).ready()
        following.wait_for("it could not read its data (", 60)
    with client(running.home) as connection:
        assert connection.dbsize() == 0
        assert connection.set("new", "kept")
    kept = list((running.home / "redis").glob("append*.set-aside-*"))
    assert len(kept) == 1
    assert f"were set aside as redis/{kept[0].name}" in following.output
    assert following.process.poll() is None


def test_a_running_one_that_dies_with_damaged_data_comes_back_empty(up: Up) -> None:
    running = up().ready()
    fill(running.home)
    damage_the_middle(running.home / "redis" / "appendonlydir")
    running.parts()["redis"].kill()
    running.wait_for("it could not read its data (", 60)
    with client(running.home) as connection:
        assert connection.dbsize() == 0


def test_a_last_line_that_was_torn_loses_that_line_alone(up: Up) -> None:
    running = up().ready()
    fill(running.home)
    running.signal(signal.SIGINT)
    running.wait()
    path = incremental(running.home / "redis" / "appendonlydir")
    path.write_bytes(path.read_bytes()[:-7])
    following = up(home=running.home).ready()
    with client(running.home) as connection:
        assert connection.dbsize() == 199
    assert "set aside" not in following.output


@pytest.mark.parametrize(
    ("said", "how"),
    [
        ("1:M 1 Jan # Bad file format reading the append only file", "killed by SIGKILL"),
        ("* Ready to accept connections unix", "exit status 1"),
        ("1:M 1 Jan # Can't open the append-only file: No space left on device", "exit status 1"),
        ("*** FATAL CONFIG FILE ERROR", "exit status 1"),
        ("# Failed listening on port 0", "exit status 1"),
        ("* Server initialized", "exit status 0"),
    ],
)
def test_what_is_not_the_datas_fault_leaves_them_in_place(tmp_path: Path, said: str, how: str) -> None:
    (tmp_path / "appendonlydir").mkdir()
    assert redis_data.set_aside_unreadable(tmp_path, said=said, how=how) is None
    assert (tmp_path / "appendonlydir").is_dir()


def test_what_a_killed_rewrite_left_is_removed_by_the_next_start(up: Up) -> None:
    running = up().ready()
    running.signal(signal.SIGINT)
    running.wait()
    left = running.home / "redis" / "temp-rewriteaof-4711.aof"
    left.write_bytes(bytes(1000))
    up(home=running.home).ready()
    assert not left.exists()
