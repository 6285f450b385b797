"""A worker whose spool cannot be written: it says so at once, takes no runs meanwhile, and disturbs no other run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.jobs.parts import Controller, WorkerProcess, wait_until
from tests.support.measuring import measured
from worker.contract.status import Desired

pytestmark = pytest.mark.fault

StartWorker = Callable[..., WorkerProcess]


def spool_folder(worker: WorkerProcess) -> Path:
    return worker.home / "worker" / "spool"


def unavailable(controller: Controller) -> str | None:
    seen = controller.of_kind("worker_seen")
    return getattr(seen[-1], "unavailable_reason", None) if seen else None


def put_a_file_in_its_place(worker: WorkerProcess) -> None:
    """Nobody can make a folder there, the superuser included."""
    shutil.rmtree(spool_folder(worker))
    spool_folder(worker).write_text("in the way")


def heal(worker: WorkerProcess) -> None:
    spool_folder(worker).unlink()


def test_it_says_so_takes_no_runs_and_takes_them_again(controller: Controller, start_worker: StartWorker) -> None:
    worker = start_worker()
    wait_until(lambda: controller.of_kind("worker_seen"), seconds=60, what="the worker", report=worker.log)
    assert unavailable(controller) is None
    with measured("the spool cannot be written, until the worker says so"):
        put_a_file_in_its_place(worker)
        wait_until(lambda: unavailable(controller), seconds=60, what="the reason", report=worker.log)
    assert "spool cannot be written to" in str(unavailable(controller))
    spec = controller.launch("r_1", name="short")
    wait_until(lambda: "run r_1 is not begun" in worker.log(), seconds=60, what="the refusal", report=worker.log)
    assert controller.of_kind("claim") == []
    heal(worker)
    wait_until(lambda: unavailable(controller) is None, seconds=60, what="the end of it", report=worker.log)
    controller.ring(spec.model_dump(mode="json"))
    wait_until(lambda: controller.last_word("r_1"), seconds=60, what="the end", report=worker.log)
    assert controller.last_word("r_1").kind == "completed"


def test_runs_that_train_meanwhile_go_on_and_stay_obedient(controller: Controller, start_worker: StartWorker) -> None:
    worker = start_worker(RESDROP_DEVICES="cpu:0,cpu:1")
    for run_id in ("r_1", "r_2"):
        controller.launch(run_id, name="count")
        wait_until(lambda run_id=run_id: controller.last_step(run_id) >= 10, seconds=60, what="r", report=worker.log)
    put_a_file_in_its_place(worker)
    for run_id in ("r_1", "r_2"):
        wait_until(
            lambda run_id=run_id: any(
                "cannot keep on its disk" in m.text for m in controller.of(run_id) if m.kind == "notice"
            ),
            seconds=60,
            what="the notice",
            report=worker.log,
        )
    controller.change("r_2", desired=Desired.PAUSE)
    wait_until(lambda: controller.last_word("r_2"), seconds=60, what="the pause", report=worker.log)
    assert controller.last_word("r_2").kind == "paused"
    step = controller.last_step("r_1")
    wait_until(lambda: controller.last_step("r_1") > step + 20, seconds=60, what="more steps", report=worker.log)
    heal(worker)
    wait_until(lambda: len(worker.spools()) == 1, seconds=60, what="a spool anew", report=worker.log)
    # It holds all that is not acknowledged, so that a kill now loses nothing.
    worker.signal(9)
    worker.wait()
    again = start_worker()
    wait_until(lambda: controller.last_word("r_1"), seconds=60, what="the release", report=again.log)
    points = [p.step for m in controller.of("r_1") if m.kind == "metrics" for p in m.points]
    assert points == list(range(1, len(points) + 1))


def test_a_spool_folder_that_was_removed_is_made_again(controller: Controller, start_worker: StartWorker) -> None:
    worker = start_worker()
    controller.launch("r_1", name="count")
    wait_until(lambda: controller.last_step("r_1") >= 10, seconds=60, what="step 10", report=worker.log)
    with measured("the spool folder is removed, until it is there again"):
        shutil.rmtree(spool_folder(worker))
        wait_until(lambda: len(worker.spools()) == 1, seconds=60, what="the spool", report=worker.log)


def test_a_granted_run_is_let_go_at_once_where_its_folder_cannot_be_made(
    controller: Controller, start_worker: StartWorker
) -> None:
    worker = start_worker()
    wait_until(lambda: controller.of_kind("worker_seen"), seconds=60, what="the worker", report=worker.log)
    (worker.home / "files" / "runs").mkdir(parents=True, exist_ok=True)
    (worker.home / "files" / "runs" / "r_1").write_text("in the way")
    controller.launch("r_1", name="short")
    wait_until(lambda: controller.last_word("r_1"), seconds=60, what="the end", report=worker.log)
    released = controller.last_word("r_1")
    assert (released.kind, released.crashed) == ("released", True)
    assert "attempt-1 (Not a directory)" in released.reason.replace("cannot be written to", "")
    controller.launch("r_2", name="short")
    wait_until(lambda: controller.last_word("r_2"), seconds=60, what="another run", report=worker.log)
    assert controller.last_word("r_2").kind == "completed"


def test_damaged_spools_of_an_earlier_start_keep_no_worker_from_starting(
    controller: Controller, start_worker: StartWorker, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "worker" / "spool"
    folder.mkdir(parents=True)
    (folder / "garbage.jsonl").write_bytes(bytes(range(256)))
    (folder / "empty.jsonl").write_bytes(b"")
    (folder / "another.jsonl").write_text('{"version": 9}\n')
    (folder / "folder.jsonl").mkdir()
    (folder / "half.new").write_bytes(b"{")
    worker = start_worker()
    controller.launch("r_1", name="short")
    wait_until(lambda: controller.last_word("r_1"), seconds=60, what="the end", report=worker.log)
    names = sorted(path.name.partition(".set-aside-")[0] for path in folder.iterdir() if ".set-aside-" in path.name)
    assert names == ["another.jsonl", "empty.jsonl", "folder.jsonl", "garbage.jsonl"]
    assert not (folder / "half.new").exists()


def test_what_a_kill_left_of_a_checkpoint_is_removed_by_the_next_start(
    controller: Controller, start_worker: StartWorker
) -> None:
    worker = start_worker()
    controller.launch("r_1", name="count")
    wait_until(lambda: controller.last_step("r_1") >= 10, seconds=60, what="step 10", report=worker.log)
    left = worker.home / "files" / "runs" / "r_1" / "attempt-1" / "step-00000099.pt.partial"
    others = worker.home / "files" / "runs" / "r_other" / "attempt-1" / "step-00000001.pt.partial"
    others.parent.mkdir(parents=True)
    for path in (left, others):
        path.write_bytes(b"half")
    worker.signal(9)
    worker.wait()
    again = start_worker()
    wait_until(lambda: not left.exists(), seconds=60, what="the leftover to go", report=again.log)
    assert others.exists(), "another run's is not this one's to remove"
