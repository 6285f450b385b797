"""Schedulers signal every process of a job: the worker, its trainer, the loaders of images."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.jobs.parts import REAL_TRAINER, Controller, RedisServer, WorkerProcess, wait_until
from tests.jobs.test_real_training import CONFIG

LONG_SECONDS = 150


@pytest.fixture
def worker(redis_server: RedisServer, tmp_path: Path) -> Iterator[WorkerProcess]:
    made = WorkerProcess(tmp_path / "home", redis_server.url, RESDROP_TRAINER_COMMAND=REAL_TRAINER)
    made.start()
    yield made
    made.end()


def begin(controller: Controller, worker: WorkerProcess) -> list[psutil.Process]:
    controller.launch("r_1", config=CONFIG.model_copy(update={"loader_workers": 1, "epochs": 100}))
    wait_until(lambda: controller.last_step("r_1") > 3, seconds=LONG_SECONDS, what="some steps", report=worker.log)
    return worker.trainers()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU])
def test_a_job_that_is_warned_checkpoints_and_lets_its_run_go(
    controller: Controller, worker: WorkerProcess, number: signal.Signals
) -> None:
    trainers = begin(controller, worker)
    assert worker.process is not None
    for process in [psutil.Process(worker.process.pid), *trainers]:
        process.send_signal(number)
    assert worker.wait(LONG_SECONDS) == 0
    word = controller.last_word("r_1")
    assert (word.kind, word.crashed) == ("released", False)
    assert controller.newest_checkpoints("r_1")[0].step >= 4


def test_a_trainer_that_is_terminated_alone_checkpoints_too(controller: Controller, worker: WorkerProcess) -> None:
    trainers = begin(controller, worker)
    trainers[0].terminate()
    wait_until(lambda: controller.last_word("r_1"), seconds=LONG_SECONDS, what="its end", report=worker.log)
    assert controller.last_word("r_1").kind == "paused"
    assert controller.newest_checkpoints("r_1")[0].step >= 4
