"""A run that was paused, or whose trainer or worker was killed, ends with the tensors of one that never was."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, BinaryIO

import pytest
import torch

from tests.support.service import Service

#: Long enough to be caught in the middle of an epoch: 44 steps an epoch.
CONFIG: dict[str, Any] = {"batch": 32, "epochs": 3, "sd": True, "seed": 7, "checkpoint_minutes": 0.05, "threads": 1}
MIDDLE_OF_SECOND_EPOCH = 60

Interruption = Callable[[Service, str], None]


@pytest.fixture(scope="module")
def undisturbed(service: Service) -> str:
    run_id = service.launch(**CONFIG)
    service.wait_for_status(run_id, "completed", seconds=180)
    return run_id


def pause_and_resume(service: Service, run_id: str) -> None:
    service.act(run_id, "pause")
    paused = service.wait_for_status(run_id, "paused", seconds=20)
    assert service.trainers() == []
    assert 0 < paused["progress"]["step"] < 132
    service.act(run_id, "resume")


def kill_the_trainer(service: Service, run_id: str) -> None:
    (trainer,) = service.trainers()
    trainer.send_signal(signal.SIGKILL)
    service.wait_until(lambda: service.run(run_id)["attempt"] == 2, seconds=30, what="a second attempt")


def kill_the_worker(service: Service, run_id: str) -> None:
    (trainer,) = service.trainers()
    service.worker().send_signal(signal.SIGKILL)
    service.wait_until(lambda: not trainer.is_running(), seconds=5, what="the trainer to die with its worker")
    service.wait_until(lambda: service.run(run_id)["attempt"] == 2, seconds=60, what="a second attempt")


@pytest.mark.fault
@pytest.mark.parametrize("interrupt", [pause_and_resume, kill_the_trainer, kill_the_worker])
def test_an_interrupted_run_ends_bit_for_bit_like_an_undisturbed_one(
    service: Service, undisturbed: str, interrupt: Interruption
) -> None:
    run_id = service.launch(**CONFIG)
    service.wait_for_step(run_id, MIDDLE_OF_SECOND_EPOCH)
    interrupt(service, run_id)
    finished = service.wait_for_status(run_id, "completed", seconds=180)
    assert finished["attempt"] == 2
    assert_same_tensors(service.last_checkpoint(run_id), service.last_checkpoint(undisturbed))
    for name in ("train/loss", "val/top1", "sd/depth", "lr"):
        assert service.series(run_id, name) == service.series(undisturbed, name)


def assert_same_tensors(one: BinaryIO, other: BinaryIO) -> None:
    """Compares every tensor of two checkpoints, and that there are any."""
    tensors, expected = (_tensors(torch.load(file, map_location="cpu", weights_only=True)) for file in (one, other))
    assert tensors.keys() == expected.keys()
    assert len(tensors) > 100
    different = [name for name, value in tensors.items() if not torch.equal(value, expected[name])]
    assert different == []


def _tensors(state: object, prefix: str = "") -> dict[str, torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return {prefix: state}
    children: dict[str, torch.Tensor] = {}
    if isinstance(state, dict):
        for key, value in state.items():
            children |= _tensors(value, f"{prefix}/{key}")
    elif isinstance(state, list | tuple):
        for index, value in enumerate(state):
            children |= _tensors(value, f"{prefix}/{index}")
    return children
