"""A real worker process and Redis, and the controller's side of the protocol; the stand-in takes a trainer's place."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.jobs.parts import Controller, WorkerProcess, is_alive, wait_until
from worker.contract.messages import CheckpointRef
from worker.contract.status import Desired

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def worker(start_worker: StartWorker) -> WorkerProcess:
    return start_worker(RESDROP_STALL_SECONDS="1.5", RESDROP_GRACE_SECONDS="1.5")


def wait_for_step(controller: Controller, run_id: str, step: int, worker: WorkerProcess, *, attempt: int = 1) -> None:
    wait_until(
        lambda: controller.last_step(run_id, attempt) >= step, what=f"step {step} of {run_id}", report=worker.log
    )


def wait_for_end(controller: Controller, run_id: str, worker: WorkerProcess, *, attempt: int = 1) -> None:
    wait_until(lambda: controller.last_word(run_id, attempt), what=f"the end of {run_id}", report=worker.log)


def free_devices(controller: Controller) -> list[str]:
    return list(controller.of_kind("worker_seen")[-1].free_devices)


def test_a_granted_claim_trains_to_the_end_and_every_message_arrives_once_in_order(
    controller: Controller, worker: WorkerProcess
) -> None:
    controller.launch("r_1", name="short")
    wait_for_end(controller, "r_1", worker)
    said = controller.of("r_1")
    assert [message.seq for message in said] == list(range(1, len(said) + 1))
    assert next(kind for kind in controller.kinds("r_1") if kind != "log") == "started"
    assert said[-1].kind == "completed"
    points = [point for message in said if message.kind == "metrics" for point in message.points]
    assert [point.step for point in points] == list(range(1, 61))
    assert {point.values["train/top1"] for point in points} == {None}
    claims = {message.claim_id for message in controller.of_kind("claim")}
    assert claims == {said[0].claim_id}
    wait_until(lambda: worker.spools() == [], what="the spool to be deleted")
    wait_until(lambda: free_devices(controller) == ["cpu:0"], what="the device to be free")


def test_a_checkpoint_is_told_after_the_metrics_before_it(controller: Controller, worker: WorkerProcess) -> None:
    controller.launch("r_1", name="short")
    wait_for_end(controller, "r_1", worker)
    step = 0
    for message in controller.of("r_1"):
        if message.kind == "metrics":
            step = message.points[-1].step
        if message.kind == "checkpoint":
            assert message.step == step


def test_a_metric_is_in_the_stream_within_a_fraction_of_a_second(controller: Controller, worker: WorkerProcess) -> None:
    controller.launch("r_1", name="short")
    wait_for_end(controller, "r_1", worker)
    batches = [message for message in controller.of("r_1") if message.kind == "metrics"]
    delays = sorted((batch.at - batch.points[0].at).total_seconds() for batch in batches)
    assert delays[len(delays) // 2] < 0.15
    assert len(batches) < 20


def test_without_a_grant_nothing_is_trained(controller: Controller, worker: WorkerProcess) -> None:
    controller.grants = False
    controller.launch("r_1")
    wait_until(lambda: len(controller.of_kind("claim")) >= 2, what="the claim to be repeated", report=worker.log)
    assert worker.trainers() == []
    assert free_devices(controller) == []
    controller.change("r_1", claim_id="another worker's")
    wait_until(lambda: free_devices(controller) == ["cpu:0"], what="the device to be given back", report=worker.log)
    assert controller.of("r_1") == []


def test_a_second_ring_for_the_same_attempt_makes_no_second_trainer(
    controller: Controller, start_worker: StartWorker
) -> None:
    worker = start_worker(RESDROP_DEVICES="cpu:0,cpu:1")
    spec = controller.launch("r_1").model_dump(mode="json")
    wait_for_step(controller, "r_1", 5, worker)
    for _ in range(3):
        controller.ring(spec)
    wait_for_step(controller, "r_1", 60, worker)
    assert len(worker.trainers()) == 1
    controller.change("r_1", desired=Desired.STOP)
    wait_for_end(controller, "r_1", worker)
    controller.ring(spec)
    time.sleep(0.5)
    assert len({claim.claim_id for claim in controller.of_kind("claim")}) == 1
    assert worker.trainers() == []


def test_two_slots_train_two_runs_at_once_and_a_third_waits_for_its_ring(
    controller: Controller, start_worker: StartWorker
) -> None:
    worker = start_worker(RESDROP_DEVICES="cpu:0,cpu:1")
    for run_id in ("r_1", "r_2"):
        controller.launch(run_id)
        wait_for_step(controller, run_id, 1, worker)
    third = controller.launch("r_3").model_dump(mode="json")
    time.sleep(0.5)
    assert len(worker.trainers()) == 2
    controller.change("r_1", desired=Desired.STOP)
    wait_for_end(controller, "r_1", worker)
    controller.ring(third)
    wait_for_step(controller, "r_3", 1, worker)


def test_pausing_leaves_a_checkpoint_and_no_process_and_resuming_goes_on_from_it(
    controller: Controller, worker: WorkerProcess
) -> None:
    controller.launch("r_1")
    wait_for_step(controller, "r_1", 30, worker)
    trainers = worker.trainers()
    asked_at = time.monotonic()
    controller.change("r_1", desired=Desired.PAUSE)
    wait_for_end(controller, "r_1", worker)
    assert time.monotonic() - asked_at < 5
    paused = controller.last_word("r_1")
    assert (paused.kind, [is_alive(process) for process in trainers]) == ("paused", [False])
    newest, *older = controller.newest_checkpoints("r_1")
    assert newest.step == paused.step == controller.last_step("r_1")
    assert (worker.home / "files" / newest.path).read_text() == str(paused.step)
    controller.launch("r_1", attempt=2, checkpoints=[newest, *older])
    wait_for_step(controller, "r_1", paused.step + 1, worker, attempt=2)
    (started,) = [message for message in controller.of("r_1", attempt=2) if message.kind == "started"]
    assert started.step == paused.step


def test_old_checkpoints_are_deleted_once_newer_ones_are_in_sql(controller: Controller, worker: WorkerProcess) -> None:
    controller.acknowledges = False
    controller.launch("r_1")
    wait_for_step(controller, "r_1", 85, worker)
    folder = worker.home / "files" / "runs" / "r_1" / "attempt-1"
    assert {"step-20.pt", "step-40.pt", "step-60.pt", "step-80.pt"} <= {path.name for path in folder.glob("*.pt")}
    controller.acknowledges = True
    wait_for_step(controller, "r_1", 145, worker)
    left = {path.name for path in folder.glob("*.pt")}
    assert "step-20.pt" in left, "the best one is kept"
    assert not {"step-40.pt", "step-60.pt", "step-80.pt"} & left
    gone = [message.path for message in controller.of("r_1") if message.kind == "checkpoint_removed"]
    assert gone[:2] == [f"runs/r_1/attempt-1/step-{step}.pt" for step in (40, 60)]


def test_stopping_ends_the_training_with_a_reason(controller: Controller, worker: WorkerProcess) -> None:
    controller.launch("r_1")
    wait_for_step(controller, "r_1", 5, worker)
    controller.change("r_1", desired=Desired.STOP)
    wait_for_end(controller, "r_1", worker)
    stopped = controller.last_word("r_1")
    assert stopped.kind == "stopped"
    assert "on request" in stopped.reason
    assert worker.trainers() == []


def test_a_training_that_cannot_go_on_says_why(controller: Controller, worker: WorkerProcess) -> None:
    controller.launch("r_1", name="refuse")
    wait_for_end(controller, "r_1", worker)
    failed = controller.last_word("r_1")
    assert (failed.kind, failed.reason) == ("failed", "the images are upside down")
    assert failed.log_tail == ["the stand-in begins refuse"]
    lines = [line for message in controller.of("r_1") if message.kind == "log" for line in message.lines]
    log = worker.home / "files" / "runs" / "r_1" / "attempt-1" / "train.log"
    assert lines == log.read_text().splitlines() == ["the stand-in begins refuse"]


def test_a_trainer_that_cannot_be_started_fails_its_run(controller: Controller, start_worker: StartWorker) -> None:
    worker = start_worker(RESDROP_TRAINER_COMMAND="/nowhere/python")
    controller.launch("r_1")
    wait_for_end(controller, "r_1", worker)
    assert controller.last_word("r_1").kind == "failed"
    assert "/nowhere/python" in controller.last_word("r_1").reason


def test_a_superseded_attempt_ends_without_a_word(controller: Controller, worker: WorkerProcess) -> None:
    controller.launch("r_1")
    wait_for_step(controller, "r_1", 5, worker)
    trainers = worker.trainers()
    controller.change("r_1", attempt=2, claim_id=None, ingested_through=0)
    wait_until(lambda: not any(map(is_alive, trainers)), seconds=3, what="the trainer to end", report=worker.log)
    wait_until(lambda: worker.spools() == [], what="the spool to be dropped")
    assert len(trainers) == 1
    assert controller.last_word("r_1") is None


def test_a_trainer_that_makes_no_step_is_ended(controller: Controller, worker: WorkerProcess) -> None:
    controller.launch("r_1", name="stall")
    wait_for_end(controller, "r_1", worker)
    released = controller.last_word("r_1")
    assert (released.kind, released.crashed) == ("released", True)
    assert "made no step for 1.5 s" in released.reason
    assert worker.trainers() == []


def test_a_trainer_that_does_not_answer_is_ended_when_its_time_is_over(
    controller: Controller, worker: WorkerProcess
) -> None:
    controller.launch("r_1", name="deaf", checkpoints=[], attempt=1)
    wait_until(lambda: worker.trainers(), what="a trainer")
    wait_until(lambda: controller.of("r_1"), what="its start")
    controller.change("r_1", desired=Desired.PAUSE)
    wait_for_end(controller, "r_1", worker)
    assert controller.last_word("r_1").kind == "paused"
    assert controller.last_word("r_1").step == 0
    assert worker.trainers() == []


def test_what_a_trainer_started_is_gone_with_it(controller: Controller, worker: WorkerProcess) -> None:
    controller.launch("r_1", name="children")
    wait_for_step(controller, "r_1", 5, worker)
    family = worker.trainers()
    assert len(family) == 2
    controller.change("r_1", desired=Desired.PAUSE)
    wait_for_end(controller, "r_1", worker)
    assert [is_alive(process) for process in family] == [False, False]


def test_a_process_that_left_the_session_and_holds_the_pipes_holds_up_nothing(
    controller: Controller, worker: WorkerProcess
) -> None:
    controller.launch("r_1", name="escape")
    wait_for_step(controller, "r_1", 5, worker)
    trainer, escaped = sorted(worker.trainers(), key=lambda process: process.create_time())
    controller.change("r_1", desired=Desired.PAUSE)
    wait_for_end(controller, "r_1", worker)
    assert (is_alive(trainer), is_alive(escaped)) == (False, True)


def test_a_trainers_babble_is_logged_and_harms_nothing(controller: Controller, worker: WorkerProcess) -> None:
    controller.launch("r_1", name="babble")
    wait_for_step(controller, "r_1", 20, worker)
    log = worker.home / "files" / "runs" / "r_1" / "attempt-1" / "train.log"
    assert log.read_text().count("said what cannot be read") == 2
    assert [message.seq for message in controller.of("r_1")] == list(range(1, len(controller.of("r_1")) + 1))


def test_a_ring_that_is_garbage_is_refused_by_name_and_nothing_else_happens(
    controller: Controller, worker: WorkerProcess
) -> None:
    garbage: list[object] = [
        "garbage",
        None,
        {"run_id": "r_1"},
        {"run_id": "../r_1", "attempt": 1, "name": "", "config": {}},
        {"run_id": "r_1", "attempt": 0, "name": "", "config": {}},
        {"run_id": "r_1", "attempt": 1, "name": "", "config": {"batch": 4096}},
    ]
    for ring in garbage:
        controller.ring(ring)
    wait_until(lambda: len(controller.of_kind("ring_refused")) == len(garbage), what="the refusals", report=worker.log)
    assert controller.of_kind("claim") == []
    assert "Traceback" not in worker.log()
    controller.launch("r_2", name="short")
    wait_for_end(controller, "r_2", worker)


def test_a_run_whose_checkpoint_lies_elsewhere_is_left_alone(controller: Controller, worker: WorkerProcess) -> None:
    elsewhere = CheckpointRef(root_id="another root", path="runs/r_1/attempt-1/step-20.pt", step=20)
    controller.launch("r_1", attempt=2, checkpoints=[elsewhere])
    wait_until(lambda: "not mounted here" in worker.log(), what="the refusal", report=worker.log)
    assert controller.of_kind("claim") == []


def test_shutting_down_lets_every_run_go_with_a_checkpoint(controller: Controller, start_worker: StartWorker) -> None:
    worker = start_worker(RESDROP_DEVICES="cpu:0,cpu:1")
    for run_id in ("r_1", "r_2"):
        controller.launch(run_id)
        wait_for_step(controller, run_id, 5, worker)
    trainers = worker.trainers()
    asked_at = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert time.monotonic() - asked_at < 10
    for run_id in ("r_1", "r_2"):
        released = controller.last_word(run_id)
        assert (released.kind, released.crashed) == ("released", False)
        assert controller.newest_checkpoints(run_id)[0].step == controller.last_step(run_id)
    assert [is_alive(process) for process in trainers] == [False, False]
    assert worker.spools() == []
    assert [message.kind for message in controller.messages][-1] == "worker_gone"


def test_shutting_down_waits_only_so_long_for_an_acknowledgement_and_keeps_the_rest(
    controller: Controller, start_worker: StartWorker
) -> None:
    worker = start_worker(RESDROP_FAREWELL_SECONDS="1")
    controller.launch("r_1")
    wait_for_step(controller, "r_1", 5, worker)
    controller.acknowledges = False
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert len(worker.spools()) == 1
    controller.acknowledges = True
    again = start_worker()
    wait_until(lambda: again.spools() == [], seconds=15, what="the rest to be acknowledged", report=again.log)
    assert controller.last_word("r_1").crashed is False


def test_a_second_worker_in_the_same_folder_is_refused(controller: Controller, start_worker: StartWorker) -> None:
    first = start_worker()
    wait_until(lambda: controller.of_kind("worker_seen"), what="the first worker")
    second = start_worker()
    assert second.wait(10) == 2
    assert first.process is not None
    assert (
        f"another worker, process {first.process.pid} on {socket.gethostname()}, runs with the folder" in second.log()
    )


def test_a_worker_keeps_its_name_and_its_storage_root_over_a_restart(
    controller: Controller, start_worker: StartWorker
) -> None:
    seen = []
    for _ in range(2):
        worker = start_worker()
        count = len(controller.of_kind("worker_seen"))
        wait_until(lambda count=count: len(controller.of_kind("worker_seen")) > count, what="a sign of life")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        seen.append(controller.of_kind("worker_seen")[-1])
    assert seen[0].worker_id == seen[1].worker_id
    assert seen[0].root_id == seen[1].root_id
    assert seen[0].boot_id != seen[1].boot_id
    assert {"python", "torch", "celery"} <= seen[0].versions.keys()


def test_the_secrets_stay_with_the_worker(controller: Controller, start_worker: StartWorker) -> None:
    worker = start_worker(RESDROP_TOKEN="hush")
    controller.launch("r_1")
    wait_for_step(controller, "r_1", 1, worker)
    (trainer,) = worker.trainers()
    environment = Path(f"/proc/{trainer.pid}/environ").read_text()
    assert "OMP_NUM_THREADS" in environment
    assert "hush" not in environment
    assert "pass-phrase" not in environment


def test_what_a_worker_leaves_is_its_accounts_alone(controller: Controller, start_worker: StartWorker) -> None:
    """Started by hand, under the usual umask: checkpoints, logs, spools and its name."""
    before = os.umask(0o022)
    try:
        worker = start_worker()
    finally:
        os.umask(before)
    controller.launch("r_1", name="count")
    wait_until(lambda: controller.newest_checkpoints("r_1"), what="a checkpoint", report=worker.log)
    by_the_test = worker.home / "worker.log"
    made = [path for path in worker.home.rglob("*") if path != by_the_test and not path.is_symlink()]
    assert [path for path in made if path.suffix == ".pt"]
    assert worker.spools()
    assert [str(path) for path in made if path.lstat().st_mode & 0o077] == []
