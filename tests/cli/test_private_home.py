"""What a home holds is its owner's alone, also when it existed before."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.process.errors import CommandError
from backend.process.privacy import make_private
from backend.settings import without_password
from tests.cli.running import RunningUp, command_line
from tests.support.accounts import SOMEBODY, needs_superuser

Up = Callable[..., RunningUp]


def open_to_others(folder: Path) -> list[str]:
    """What lies in the folder, itself included, and gives rights to other accounts."""
    found = [folder, *folder.rglob("*")]
    return [str(path) for path in found if not path.is_symlink() and path.lstat().st_mode & 0o077]


@pytest.fixture(autouse=True)
def _usual_umask() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_all_that_up_writes_is_private(up: Up) -> None:
    """Redis with its append-only file, database, logs, and what the parts leave."""
    running = up(WITH_REAL_API="1")
    running.wait_for("ResDrop is ready", seconds=120)
    names = {path.name for path in running.home.rglob("*")}
    assert {"resdrop.db", "appendonlydir", "events.jsonl", "supervisor.log", "redis.conf"} <= names
    assert open_to_others(running.home) == []


def test_an_open_home_is_made_private_with_a_word(up: Up, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "files" / "runs").mkdir(parents=True)
    (home / "files" / "runs" / "step-5.pt").write_text("weights")
    (home / "resdrop.db.old").write_text("rows")
    outside = tmp_path / "outside"
    outside.write_text("of nobody's business")
    (home / "link").symlink_to(outside)
    home.chmod(0o755)
    running = up(home=home).ready()
    assert f"{home} is private now: other accounts of this machine had rights on 5 files and folders" in running.output
    assert open_to_others(home) == []
    assert outside.stat().st_mode & 0o777 == 0o644


def test_a_private_home_is_not_spoken_of(tmp_path: Path) -> None:
    said: list[str] = []
    make_private(tmp_path / "home", said.append)
    (tmp_path / "home").mkdir(mode=0o700)
    make_private(tmp_path / "home", said.append)
    assert said == []


def test_what_may_be_executed_stays_so(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    make_private(tmp_path, lambda _: None)
    assert stat.S_IMODE(program.stat().st_mode) == 0o700


@needs_superuser
def test_a_link_of_another_account_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o700)
    link = tmp_path / "home"
    link.symlink_to("there")
    os.lchown(link, SOMEBODY, SOMEBODY)
    with pytest.raises(CommandError, match=r"The link .*home belongs to the account"):
        make_private(link, lambda _: None)


@pytest.mark.parametrize(("mode", "is_told"), [(0o777, True), (0o1777, False), (0o755, False)])
def test_a_folder_in_which_others_could_replace_the_home_is_told_of(tmp_path: Path, mode: int, is_told: bool) -> None:
    (tmp_path / "place" / "home").mkdir(mode=0o700, parents=True)
    (tmp_path / "place").chmod(mode)
    said: list[str] = []
    make_private(tmp_path / "place" / "home", said.append)
    assert ["may rename or replace" in sentence for sentence in said] == ([True] if is_told else [])


def test_a_home_behind_a_link_is_made_private_too(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o755)
    (tmp_path / "home").symlink_to("disk")
    make_private(tmp_path / "home", lambda _: None)
    assert open_to_others(tmp_path / "disk") == []


@needs_superuser
@pytest.mark.parametrize("place", ["", "redis", "token"])
def test_a_home_that_another_account_laid_out_is_refused(tmp_path: Path, place: str) -> None:
    home = tmp_path / "home"
    (home / "redis").mkdir(parents=True)
    (home / "token").write_text("known to somebody")
    os.chown(home / place, SOMEBODY, SOMEBODY)
    done = command_line("up", "--home", str(home), "--port", "0", "--no-browser")
    assert done.returncode == 1
    assert f"belongs to the account {SOMEBODY}, not to root" in done.stderr
    assert "choose another with --home" in done.stderr
    with pytest.raises(CommandError):
        make_private(home, lambda _: None)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@host:6379/0", "redis://...@host:6379/0"),
        ("redis://user:se/c@ret@host", "redis://...@host"),
        ("unix:///run/redis.sock?db=0&password=secret", "unix:///run/redis.sock?db=0&password=..."),
        ("unix:///run/redis.sock?password=secret&db=0", "unix:///run/redis.sock?password=...&db=0"),
        ("postgresql://user:secret@host/db", "postgresql://...@host/db"),
        ("redis://host:6379", "redis://host:6379"),
    ],
)
def test_a_password_is_left_out_of_what_is_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_refused_database_is_named_without_its_password(tmp_path: Path) -> None:
    url = "mysql://user:se/cret@somewhere/x"
    done = command_line("up", "--home", str(tmp_path / "home"), "--port", "0", RESDROP_DATABASE_URL=url)
    assert "RESDROP_DATABASE_URL 'mysql://...@somewhere/x'" in done.stderr
    assert "cret" not in done.stderr
