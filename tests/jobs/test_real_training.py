"""The engine itself under the worker: ResNet-20 on small digits, in one worker for all tests of this file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.jobs.parts import REAL_TRAINER, Controller, RedisServer, WorkerProcess, is_alive, wait_until
from worker.contract.config import RunConfig
from worker.contract.messages import Sequenced
from worker.contract.status import Desired

#: 44 steps an epoch.
SETTINGS = {"dataset": "digits", "depth": 20, "image_size": 8, "crop_padding": 1, "batch": 32, "epochs": 3, "lr": 0.1}
CONFIG = RunConfig.model_validate(SETTINGS | {"warmup_epochs": 1, "log_every": 1, "threads": 1, "sd": True})
STEPS = 132


class Service:
    """A worker, and the controller that it speaks to."""

    def __init__(self, home: Path, redis_server: RedisServer) -> None:
        self.controller = Controller(redis_server.url)
        self.worker = WorkerProcess(home, redis_server.url, RESDROP_TRAINER_COMMAND=REAL_TRAINER)
        self.files = home / "files"

    def wait_for_end(self, run_id: str, *, attempt: int = 1) -> Sequenced:
        wait_until(
            lambda: self.controller.last_word(run_id, attempt),
            seconds=120,
            what=f"the end of {run_id}",
            report=lambda: f"{self.worker.log()}\n{self.controller.of(run_id, attempt)[-3:]}",
        )
        word = self.controller.last_word(run_id, attempt)
        assert isinstance(word, Sequenced)
        return word

    def steps(self, run_id: str, *attempts: int) -> list[int]:
        """Of the points of the training curve."""
        said = [message for attempt in attempts for message in self.controller.of(run_id, attempt)]
        points = [point for message in said if message.kind == "metrics" for point in message.points]
        return [point.step for point in points if "train/loss" in point.values]

    def started_step(self, run_id: str, attempt: int) -> int:
        (started,) = [message for message in self.controller.of(run_id, attempt) if message.kind == "started"]
        return started.step


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = Path(tempfile.mkdtemp(prefix="rd"))
    redis_server = RedisServer(folder)
    redis_server.start()
    started = Service(tmp_path_factory.mktemp("jobs") / "home", redis_server)
    try:
        started.worker.start()
        yield started
    finally:
        started.worker.end()
        started.controller.close()
        redis_server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def undisturbed(service: Service) -> str:
    service.controller.launch("r_undisturbed", config=CONFIG)
    service.wait_for_end("r_undisturbed")
    return "r_undisturbed"


def test_a_run_is_trained_to_the_end(service: Service, undisturbed: str) -> None:
    said = service.controller.of(undisturbed)
    assert said[-1].kind == "completed"
    assert said[-1].step == STEPS
    assert [message.seq for message in said] == list(range(1, len(said) + 1))
    (started,) = [message for message in said if message.kind == "started"]
    assert (started.step, started.blocks, started.steps_per_epoch, started.epochs, started.threads) == (0, 9, 44, 3, 1)
    assert service.steps(undisturbed, 1) == list(range(1, STEPS + 1))
    for reference in service.controller.newest_checkpoints(undisturbed):
        assert (service.files / reference.path).is_file()


def test_after_the_end_no_more_checkpoints_are_left_than_are_to_be_kept(service: Service, undisturbed: str) -> None:
    """The last one too is in SQL before the one that it replaces goes."""
    saved = [message for message in service.controller.of(undisturbed) if message.kind == "checkpoint"]
    best = next(message.path for message in reversed(saved) if message.best)
    there = {str(path.relative_to(service.files)) for path in (service.files / "runs" / undisturbed).glob("*/*.pt")}
    assert there == {best, *(message.path for message in saved[-CONFIG.keep_checkpoints :])}
    assert len(saved) == 3


def test_a_pause_frees_all_and_the_resumed_run_ends_with_the_same_tensors(service: Service, undisturbed: str) -> None:
    controller = service.controller
    controller.launch("r_1", config=CONFIG)
    wait_until(lambda: controller.last_step("r_1") >= 10, seconds=60, what="step 10", report=service.worker.log)
    trainers = service.worker.trainers()
    controller.change("r_1", desired=Desired.PAUSE)
    service.wait_for_end("r_1")
    paused = controller.last_word("r_1")
    # Where it is caught depends on the machine: in an epoch, or in the evaluation after one.
    assert (paused.kind, paused.step < STEPS) == ("paused", True)
    assert not any(map(is_alive, trainers))
    controller.launch("r_1", attempt=2, config=CONFIG, checkpoints=controller.newest_checkpoints("r_1"))
    assert_completed(service.wait_for_end("r_1", attempt=2))
    assert service.started_step("r_1", 2) == paused.step
    assert service.steps("r_1", 1, 2) == list(range(1, STEPS + 1))
    assert_same_tensors(service.files / "runs", f"{undisturbed}/attempt-1", "r_1/attempt-2")


def test_a_damaged_checkpoint_is_told_by_name_and_passed_over_for_the_next_older(
    service: Service, undisturbed: str
) -> None:
    wait_until(lambda: not service.worker.trainers(), seconds=60, what="the slot to be free")
    newest, older, *_ = refs = service.controller.newest_checkpoints(undisturbed)
    file = service.files / newest.path
    whole = file.read_bytes()
    file.write_bytes(whole[:-1000])
    service.controller.launch(undisturbed, attempt=2, config=CONFIG, checkpoints=refs)
    assert_completed(service.wait_for_end(undisturbed, attempt=2))
    said = service.controller.of(undisturbed, 2)
    (notice,) = [message.text for message in said if message.kind == "notice"]
    assert file.name in notice
    assert service.started_step(undisturbed, 2) == older.step < newest.step


def test_two_processes_share_a_run_and_a_pause_leaves_neither(service: Service) -> None:
    controller, shared = service.controller, CONFIG.model_copy(update={"devices": 2, "epochs": 2})
    for run_id in ("r_shared", "r_shared_and_paused"):
        wait_until(lambda: not service.worker.trainers(), seconds=60, what="the slot to be free")
        controller.launch(run_id, config=shared)
        wait_until(lambda run_id=run_id: controller.last_step(run_id) >= 10, seconds=90, what=f"step 10 of {run_id}")  # type: ignore[misc]
        if run_id == "r_shared":
            assert_completed(service.wait_for_end(run_id))
    processes = service.worker.trainers()
    controller.change("r_shared_and_paused", desired=Desired.PAUSE)
    assert service.wait_for_end("r_shared_and_paused").kind == "paused"
    assert not any(map(is_alive, processes))
    refs = controller.newest_checkpoints("r_shared_and_paused")
    controller.launch("r_shared_and_paused", attempt=2, config=shared, checkpoints=refs)
    assert_completed(service.wait_for_end("r_shared_and_paused", attempt=2))
    assert_same_tensors(service.files / "runs", "r_shared/attempt-1", "r_shared_and_paused/attempt-2")


def test_missing_images_fail_the_run_in_a_sentence(service: Service) -> None:
    images = RunConfig.model_validate({"dataset": "cifar10", "data_dir": "/nowhere/cifar"})
    service.controller.launch("r_2", config=images)
    failed = service.wait_for_end("r_2")
    assert failed.kind == "failed"
    assert failed.reason.startswith("data_dir /nowhere/cifar does not exist")


def assert_completed(word: Sequenced) -> None:
    assert word.kind == "completed", word


def assert_same_tensors(runs: Path, one: str, other: str) -> None:
    newest = [max((runs / folder).glob("step-*.pt")) for folder in (one, other)]
    first, second = (tensors(torch.load(path, weights_only=True)) for path in newest)
    assert first.keys() == second.keys()
    assert len(first) > 100
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def tensors(content: object, name: str = "") -> dict[str, torch.Tensor]:
    if isinstance(content, torch.Tensor):
        return {name: content}
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return {key: value for part, inner in pairs for key, value in tensors(inner, f"{name}/{part}").items()}
