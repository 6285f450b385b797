"""Logs and events on a disk that takes nothing, and their bounds."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from supervisor import loggers

from backend.process import events
from backend.process.bounded_log import BoundedLog
from backend.process.events import Event, EventLog, EventReader, Happening


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond that, as on a disk with no more room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def logger_to(log: BoundedLog) -> loggers.Logger:
    logger = loggers.getLogger()
    log.setLevel(logger.level)
    logger.addHandler(log)
    return logger


def test_what_the_disk_refuses_is_left_out_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.process.bounded_log._RETRY_SECONDS", 0.0)
    log = BoundedLog(tmp_path / "part.log", max_bytes=10_000, backups=1)
    logger = logger_to(log)
    logger.info(b"before\n")
    with files_of_at_most(7):
        logger.info(b"meanwhile\n")
    logger.info(b"afterwards\n")
    assert (tmp_path / "part.log").read_text() == ("before\n(1 writes were left out, the disk took none)\nafterwards\n")
    assert "meanwhile" in log.tail()


def test_a_log_and_the_ones_before_it_have_a_limit(tmp_path: Path) -> None:
    logger = logger_to(BoundedLog(tmp_path / "part.log", max_bytes=1000, backups=2))
    for _ in range(100):
        logger.info(bytes(100))
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"part.log", "part.log.1", "part.log.2"}
    assert max(sizes.values()) <= 1100


@pytest.mark.parametrize("obstacle", ["part.log", "part.log.1"])
def test_a_folder_in_its_place_is_no_reason_to_end(tmp_path: Path, obstacle: str) -> None:
    (tmp_path / obstacle / "inner").mkdir(parents=True)
    logger = logger_to(BoundedLog(tmp_path / "part.log", max_bytes=100, backups=1))
    for _ in range(10):
        logger.info(bytes(60))


def event(number: int, what: Happening = Happening.STARTED) -> Event:
    at = datetime(2026, 1, 1, 0, 0, 0, number * 1000, UTC).isoformat(timespec="milliseconds")
    return Event(at=at, what=what, program="api", pid=number, born="1")


def test_an_event_that_the_disk_refuses_is_written_whole_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.append(event(1))
    with files_of_at_most(path.stat().st_size + 20), pytest.raises(OSError, match="File too large"):
        log.append(event(2))
    assert events.unreadable_lines(path) == 0
    log.flush()
    assert [found.pid for found in EventReader(path).new()] == [1, 2]


def test_a_reader_passes_over_what_is_damaged_and_repeats_nothing_of_a_shortened_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_BYTES", 1000)
    path = tmp_path / "events.jsonl"
    log, reader = EventLog(path), EventReader(path)
    told: list[int] = []
    for number in range(1, 51):
        if number == 3:
            with path.open("ab") as file:
                file.write(b'{"at": "20\n[]\n\xff\n')
        log.append(event(number))
        told += [found.pid for found in reader.new()]
    assert told == list(range(1, 51))
    assert path.stat().st_size < 2000
    assert events.processes(path)["api"].pid == 50
