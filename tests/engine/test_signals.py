"""Signals of terminals and schedulers, and terminals that are gone, with real processes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.engine.parts import TINY
from tests.engine.test_compare_command import options as comparison
from tests.engine.test_compare_command import table
from worker.common.signals import ENDING, WARNING, Received
from worker.engine.__main__ import main
from worker.engine.checkpoint import newest_first
from worker.engine.sinks.history import read_history

#: To end a hang; what is waited for takes seconds.
LONG_SECONDS = 150
ENGINE = [sys.executable, "-m", "worker.engine"]


def train(out: Path, **changes: object) -> list[str]:
    settings = TINY | {"epochs": 40, "log_every": 1} | changes
    return ["train", "--out", str(out), *(f"--{name}={value}" for name, value in settings.items())]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def wait_for_rows(out: Path, rows: int, process: subprocess.Popen[str] | None = None) -> None:
    until = time.monotonic() + LONG_SECONDS
    while len(read_history(out / "history.csv")) < rows:
        assert process is None or process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)


@contextmanager
def started(command: list[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(  # type: ignore[call-overload]
        command, text=True, env=environment(), start_new_session=True, stdin=subprocess.DEVNULL, **options
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def is_paused(out: Path) -> bool:
    return bool(json.loads((out / "summary.json").read_text())["status"] == "paused")


def test_one_signal_after_another_does_not_insist_and_the_same_does() -> None:
    received = Received()
    for second, number in enumerate([signal.SIGINT, signal.SIGTERM]):
        received.note(number, now=second)
    for second in range(5):
        received.note(signal.SIGXCPU, now=2.0 + second)
        received.note(signal.SIGHUP, now=2.0 + second)
    assert (received.first, received.insists) == (signal.SIGINT, False)
    received.note(signal.SIGTERM, now=1.2)
    assert not received.insists, "timeout(1) sends it twice"
    received.note(signal.SIGTERM, now=9.0)
    assert received.insists


@pytest.mark.parametrize("doubled", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_comes_twice_at_once_still_pauses(tmp_path: Path, doubled: signal.Signals) -> None:
    with started([*ENGINE, *train(tmp_path)], stdout=subprocess.DEVNULL) as process:
        wait_for_rows(tmp_path, 2, process)
        for _ in range(2):
            os.killpg(process.pid, doubled)
            time.sleep(0.05)
        assert process.wait(LONG_SECONDS) == 128 + doubled
    assert is_paused(tmp_path)


BUSY = """
import signal, sys, time
from worker.engine.signals import SignalControl
with SignalControl(heard=lambda: print("heard", flush=True)).listening():
    print("listening", flush=True)
    while True:
        time.sleep(0.05)
"""
#: As in a library: no code of Python's runs on the main thread.
DEAF = BUSY.replace(
    "    while True:\n        time.sleep(0.05)\n",
    "    import ctypes\n    while True:\n        ctypes.CDLL(None).sleep(3600)\n",
)


@pytest.mark.parametrize("program", [BUSY, DEAF], ids=["in Python", "in a library"])
def test_whoever_insists_ends_the_process_at_once(program: str) -> None:
    with started([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGINT)
        time.sleep(1.5)
        process.send_signal(signal.SIGTERM)
        time.sleep(1.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 128 + signal.SIGINT


def test_nohup_keeps_a_training_over_the_end_of_its_terminal(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with started(["nohup", *ENGINE, *train(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for_rows(out, 2, process)
        process.send_signal(signal.SIGHUP)
        wait_for_rows(out, len(read_history(out / "history.csv")) + 3, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG_SECONDS) == 128 + signal.SIGTERM
    assert is_paused(out)


class Terminal:
    """A command with a terminal of its own, as in a window."""

    def __init__(self, command: list[str], *, hangs_up: bool) -> None:
        self.pid, self._window = pty.fork()
        if self.pid == 0:
            if not hangs_up:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os.execvpe(command[0], command, environment())

    def close(self) -> None:
        """As a window is closed, or a connection lost."""
        os.close(self._window)

    def wait(self) -> int:
        process, until = psutil.Process(self.pid), time.monotonic() + LONG_SECONDS
        while process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until
            time.sleep(0.05)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_a_terminal_that_is_closed_pauses_the_training(tmp_path: Path) -> None:
    terminal = Terminal([*ENGINE, *train(tmp_path)], hangs_up=True)
    wait_for_rows(tmp_path, 3)
    terminal.close()
    assert terminal.wait() == 128 + signal.SIGHUP
    assert is_paused(tmp_path)
    assert newest_first(tmp_path / "checkpoints")


def test_a_terminal_that_is_gone_ends_no_training_that_was_to_outlive_it(tmp_path: Path) -> None:
    terminal = Terminal([*ENGINE, *train(tmp_path, epochs=4)], hangs_up=False)
    wait_for_rows(tmp_path, 2)
    terminal.close()
    assert terminal.wait() == 0
    assert json.loads((tmp_path / "summary.json").read_text())["status"] == "completed"


@pytest.mark.parametrize("pauses", [False, True])
def test_a_reader_that_is_gone_ends_no_training(tmp_path: Path, pauses: bool) -> None:
    command = [*ENGINE, *train(tmp_path, epochs=40 if pauses else 3)]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        if pauses:
            wait_for_rows(tmp_path, 3, process)
            process.send_signal(signal.SIGUSR1)
        assert process.wait(LONG_SECONDS) == (128 + signal.SIGUSR1 if pauses else 0)
    assert is_paused(tmp_path) == pauses


def test_without_any_output_a_run_is_trained(tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m worker.engine {' '.join(train(tmp_path, epochs=1))} >&- 2>&-"
    with started(["sh", "-c", command]) as process:
        assert process.wait(LONG_SECONDS) == 0


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared") / "comparison"
    assert main(comparison(out, seeds="4")) == 0
    return out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2, signal.SIGHUP])
def test_a_scheduler_that_signals_every_process_pauses_a_comparison(
    tmp_path: Path, compared: Path, number: signal.Signals
) -> None:
    with started([*ENGINE, *comparison(tmp_path, seeds="4")], stdout=subprocess.PIPE) as process:
        wait_for_rows(tmp_path / "seed-4" / "baseline", 3, process)
        for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
            one.send_signal(number)
        said, _ = process.communicate(timeout=LONG_SECONDS)
        assert process.returncode == 128 + number, said
    assert "seed 4 baseline: paused" in said
    assert is_paused(tmp_path / "seed-4" / "baseline")
    assert main(comparison(tmp_path, seeds="4")) == 0
    assert table(tmp_path) == table(compared)


def test_a_terminal_that_is_closed_pauses_a_comparison(tmp_path: Path, compared: Path) -> None:
    terminal = Terminal([*ENGINE, *comparison(tmp_path, seeds="4")], hangs_up=True)
    wait_for_rows(tmp_path / "seed-4" / "baseline", 3)
    terminal.close()
    assert terminal.wait() == 128 + signal.SIGHUP
    assert is_paused(tmp_path / "seed-4" / "baseline")
    assert main(comparison(tmp_path, seeds="4")) == 0
    assert table(tmp_path) == table(compared)


def test_torchruns_ranks_pause_with_one_checkpoint(tmp_path: Path) -> None:
    """A signal reaches torchrun, which hands it on to all ranks."""
    out = tmp_path / "run"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*launcher, "-m", "worker.engine", *train(out, devices=2, device="cpu")]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        wait_for_rows(out, 3, process)
        process.send_signal(signal.SIGHUP)
        said, _ = process.communicate(timeout=LONG_SECONDS)
        assert process.returncode != 0
    assert said.count("pausing: writing a checkpoint") == 1, said
    assert is_paused(out)
    assert len(newest_first(out / "checkpoints")) == 1


def test_every_signal_is_heeded_by_name() -> None:
    assert {number.name for number in (*ENDING, *WARNING)} == {
        "SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGURG",
    }  # fmt: skip
