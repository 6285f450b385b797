"""A lock with real processes, with flock and without."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.support.refusing import NO_FLOCK, is_possible, refusing
from worker.common import file_lock, lock_note
from worker.common.file_lock import LockTaken, exclusive
from worker.common.lock_note import Holder

HOLD = """
import os, sys, time
from pathlib import Path
from worker.common.file_lock import LockTaken, exclusive
try:
    with exclusive(Path(sys.argv[1])):
        if sys.argv[2:] == ["fork"] and os.fork() == 0:
            time.sleep(600)
        print("held", flush=True)
        sys.stdin.read()
except LockTaken as taken:
    print(taken.who, flush=True)
"""

needs_filter = pytest.mark.skipif(not is_possible(), reason="there is no filter of system calls here")
#: How processes are started that have flock, and some that have not.
KINDS = [pytest.param(False, id="flock"), pytest.param(True, id="no flock", marks=needs_filter)]


def hold(path: Path, *more: str, without_flock: bool) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(path), *more]
    if without_flock:
        command = refusing(NO_FLOCK, command)
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)


@contextmanager
def holding(path: Path, *more: str, without_flock: bool) -> Iterator[subprocess.Popen[str]]:
    with hold(path, *more, without_flock=without_flock) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def said(process: subprocess.Popen[str]) -> str:
    with process:
        return process.communicate()[0].strip()


@pytest.mark.parametrize("without_flock", KINDS)
def test_a_second_process_is_told_who_has_the_lock(tmp_path: Path, without_flock: bool) -> None:
    path = tmp_path / "lock"
    with holding(path, without_flock=without_flock) as first:
        second = said(hold(path, without_flock=without_flock))
        assert re.fullmatch(rf"process \d+ on {re.escape(socket.gethostname())}", second)
        assert str(first.pid) in second


@pytest.mark.parametrize("without_flock", KINDS)
def test_a_holder_that_was_killed_has_it_no_more(tmp_path: Path, without_flock: bool) -> None:
    path = tmp_path / "lock"
    with holding(path, without_flock=without_flock) as first:
        first.kill()
        first.wait()
        assert said(hold(path, without_flock=without_flock)) == "held"


@pytest.mark.parametrize("without_flock", KINDS)
def test_a_holder_that_ends_leaves_only_the_file(tmp_path: Path, without_flock: bool) -> None:
    path = tmp_path / "lock"
    assert said(hold(path, without_flock=without_flock)) == "held"
    assert [found.name for found in tmp_path.iterdir()] == ["lock"]


def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(tmp_path: Path) -> None:
    """Loader processes of images are forked, and live some seconds longer than a training that was killed."""
    path = tmp_path / "lock"
    with holding(path, "fork", without_flock=False) as first:
        first.kill()
        first.wait()
        assert said(hold(path, without_flock=False)) == "held"


def test_who_copies_a_folder_in_use_can_lock_the_copy(tmp_path: Path) -> None:
    """The holder of the folder that it was made of lives on, and has nothing to do with the copy."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with holding(folder / "lock", without_flock=False):
        shutil.copytree(folder, tmp_path / "copy")
        assert (tmp_path / "copy" / "lock.holder").exists()
        assert said(hold(tmp_path / "copy" / "lock", without_flock=False)) == "held"


@needs_filter
def test_of_many_who_find_a_dead_holder_one_has_the_lock_at_a_time(tmp_path: Path) -> None:
    path, count = tmp_path / "lock", 6
    with holding(path, without_flock=True) as first:
        first.kill()
        first.wait()
    contenders = [hold(path, without_flock=True) for _ in range(count)]
    answers = []
    for process in contenders:
        assert process.stdout is not None
        answers.append(process.stdout.readline().strip())
    # All of them are still there, whoever holds it waits for its standard input to close.
    assert answers.count("held") == 1
    for process in contenders:
        said(process)
    assert said(hold(path, without_flock=True)) == "held"


def note_of_another_machine(path: Path) -> Path:
    elsewhere = replace(Holder.this_process(), host="node7", pid=4242, boot="another", token="theirs")
    note = path.with_name("lock.holder")
    note.write_text(json.dumps(asdict(elsewhere)))
    return note


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_note, "SILENT_SECONDS", 2.0)
    monkeypatch.setattr(file_lock, "BEAT_SECONDS", 0.1)


def test_another_machine_that_goes_on_touching_its_note_has_the_lock(tmp_path: Path) -> None:
    note, ended = note_of_another_machine(tmp_path / "lock"), threading.Event()

    def touch() -> None:
        while not ended.wait(0.2):
            os.utime(note)

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        with pytest.raises(LockTaken, match="process 4242 on node7 holds"), exclusive(tmp_path / "lock"):
            pass
    finally:
        ended.set()
        thread.join()


@pytest.mark.usefixtures("brisk")
def test_another_machine_that_fell_silent_has_it_no_more(tmp_path: Path) -> None:
    note_of_another_machine(tmp_path / "lock")
    with exclusive(tmp_path / "lock"):
        assert "theirs" not in (tmp_path / "lock.holder").read_text()


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 3}'])
def test_a_note_that_cannot_be_read_is_nobodys_once_it_stands_still(tmp_path: Path, content: str) -> None:
    (tmp_path / "lock.holder").write_text(content)
    with exclusive(tmp_path / "lock"):
        assert str(os.getpid()) in (tmp_path / "lock.holder").read_text()


@pytest.mark.usefixtures("brisk")
def test_one_that_died_while_it_removed_a_note_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lock, "_REMOVAL_SECONDS", 0.5)
    note_of_another_machine(tmp_path / "lock")
    (tmp_path / "lock.holder.theirs").touch()
    with exclusive(tmp_path / "lock"):
        assert sorted(found.name for found in tmp_path.iterdir()) == ["lock", "lock.holder"]


@pytest.mark.usefixtures("brisk")
def test_a_holder_whose_lock_was_taken_over_is_told_by_whom(tmp_path: Path) -> None:
    told: list[Holder] = []
    with exclusive(tmp_path / "lock", lost=told.append):
        note_of_another_machine(tmp_path / "lock")
        wait_until(lambda: bool(told))
    assert str(told[0]) == "process 4242 on node7"
    assert (tmp_path / "lock.holder").exists()


@pytest.mark.usefixtures("brisk")
def test_a_note_that_somebody_deleted_is_written_again(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock"):
        (tmp_path / "lock.holder").unlink()
        wait_until((tmp_path / "lock.holder").exists)


def test_whoever_waits_is_told_for_whom_and_has_it_afterwards(tmp_path: Path) -> None:
    path, told = tmp_path / "lock", list[str]()
    with holding(path, without_flock=False) as first:

        def tell(taken: LockTaken) -> None:
            told.append(taken.who)
            first.kill()

        with exclusive(path, wait=tell):
            pass
    assert told == [f"process {first.pid} on {socket.gethostname()}"]


def wait_until(condition: Callable[[], bool], *, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
