"""Results and caches on filesystems without flock (Lustre), and without links (FAT, SMB)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engine.parts import TINY, Recorder, differences, final_state
from tests.engine.small_folders import SMALL_FOLDER, folder_of
from tests.support.refusing import NO_FLOCK, NO_LINKS, is_possible, refusing
from worker.engine.__main__ import main
from worker.engine.checkpoint import load
from worker.engine.sinks.history import read_history
from worker.engine.sinks.keeper import BEST, LAST
from worker.engine.train_command import newest_sound_checkpoint

pytestmark = pytest.mark.skipif(not is_possible(), reason="there is no filter of system calls here")


def engine(*arguments: str) -> list[str]:
    return refusing(NO_FLOCK | NO_LINKS, [sys.executable, "-m", "worker.engine", *arguments])


def settings(**changes: object) -> list[str]:
    return [f"--{name}={value}" for name, value in (TINY | changes).items()]


def done(*arguments: str) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(engine(*arguments), capture_output=True, text=True, check=False, timeout=240)
    assert "Traceback" not in found.stdout + found.stderr
    return found


LONG = {"epochs": 6, "log_every": 1, "checkpoint_minutes": 1e-6}


def test_a_training_has_one_writer_is_killed_and_goes_on_to_the_same_end(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["train", "--out", str(out), *settings(**LONG)]
    process = subprocess.Popen(engine(*command), start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while len(read_history(out / "history.csv")) < 8 and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.02)
        # It shall not be done before the other has loaded torch.
        os.killpg(process.pid, signal.SIGSTOP)
        refused = done(*command)
        assert refused.returncode == 2
        assert f"process {process.pid} on {socket.gethostname()} is training in {out}" in refused.stderr
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    again = done(*command)
    assert again.returncode == 0, again.stderr
    assert "going on after step" in again.stdout
    assert main(["train", "--out", str(tmp_path / "undisturbed"), *settings(**LONG)]) == 0
    expected = final_state(tmp_path / "undisturbed" / "checkpoints")
    assert differences(final_state(out / "checkpoints"), expected) == []
    checkpoints = out / "checkpoints"
    assert load(checkpoints / LAST).step == expected["step"]
    assert load(checkpoints / BEST).step == expected["best"]["step"]
    evaluated = done("evaluate", "--run", str(out), "--best")
    assert evaluated.returncode == 0, evaluated.stderr


def test_checkpoints_are_read_beside_a_training_that_replaces_them(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "worker.engine", "train", "--out", str(out), *settings(**LONG | {"epochs": 60})]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    recorder, seen = Recorder(), set()
    try:
        until = time.monotonic() + 240
        while len(seen) < 12 and time.monotonic() < until:
            assert process.poll() is None
            found = newest_sound_checkpoint(out / "checkpoints", recorder)
            assert found is not None or not seen
            seen |= {found.step} if found else set()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert len(seen) == 12
    assert recorder.notices == []


def test_a_comparison_is_trained(tmp_path: Path) -> None:
    given = {name: value for name, value in TINY.items() if name not in ("sd", "seed")} | {"epochs": 1}
    compared = done("compare", "--out", str(tmp_path), *(f"--{name}={value}" for name, value in given.items()))
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert "seed 0 sd: completed" in compared.stdout


def test_copies_of_images_are_made(tmp_path: Path) -> None:
    data = folder_of(tmp_path / "data", ["cat", "dog"])
    # The refusal of links is the process's own here, and takes glibc's semaphores too, which loader processes need.
    given = SMALL_FOLDER | {"epochs": 1, "data_dir": data, "cache_side": 32, "loader_workers": 0}
    trained = done("train", "--out", str(tmp_path / "run"), *settings(**given))
    assert trained.returncode == 0, trained.stderr
    assert "training on copies" in trained.stdout
