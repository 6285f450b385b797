"""Stands in a trainer's place where a test needs one that misbehaves; speaks through the trainer's own lifeline.

The run's name says what it does: "count" makes a step every 10 ms, others are below.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

from worker.contract.messages import Point
from worker.jobs.lifeline import Lifeline, die_with_parent
from worker.jobs.wire import Ended, Measured, Outcome, Told

STEP_SECONDS = 0.01


def main() -> None:
    die_with_parent()
    line = Lifeline()
    spec = line.assignment.spec
    print("the stand-in begins", spec.name, flush=True)
    step = spec.checkpoints[0].step if spec.checkpoints else 0
    started = {"step": step, "epochs": 1, "steps_per_epoch": 100, "device": "cpu", "threads": 1}
    line.say(Told(message="started", body=started))
    if spec.name == "crash":
        print("something is about to go wrong", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    if spec.name == "refuse":
        line.say(Ended(outcome=Outcome.FAILED, reason="the images are upside down"))
        return
    if spec.name == "babble":
        os.write(int(os.environ["RESDROP_MESSAGES_FD"]), b'no json\n{"kind": "told", "message": "claim", "body": {}}\n')
    if spec.name in ("children", "escape"):
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        subprocess.Popen(command, start_new_session=spec.name == "escape")
    while spec.name == "stall":
        time.sleep(1)
    while spec.name == "deaf":
        line.tick()
        time.sleep(STEP_SECONDS)
    count(line, step)


def count(line: Lifeline, step: int) -> None:
    last = 60 if line.assignment.spec.name == "short" else 100_000
    while step < last and line.order is None:
        step += 1
        time.sleep(STEP_SECONDS)
        values = {"train/loss": 1.0 / step, "train/top1": float("nan")}
        at = datetime.now(UTC)
        line.say(Measured(point=Point(step=step, epoch=step / 100, elapsed_seconds=step / 100, at=at, values=values)))
        if step % 20 == 0:
            save(line, step)
    if line.order is not None:
        save(line, step)
        line.say(Ended(outcome=Outcome.STOPPED if line.order == "stop" else Outcome.PAUSED, step=step))
    else:
        line.say(Ended(outcome=Outcome.COMPLETED, step=step, elapsed_seconds=step / 100))


def save(line: Lifeline, step: int) -> None:
    assignment = line.assignment
    path = f"runs/{assignment.spec.run_id}/attempt-{assignment.spec.attempt}/step-{step}.pt"
    content = str(step).encode()
    (assignment.files / path).write_bytes(content)
    body = {
        "root_id": assignment.root_id,
        "path": path,
        "step": step,
        "epoch": step / 100,
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "elapsed_seconds": step / 100,
        "best": step == 20,
    }
    line.say(Told(message="checkpoint", body=body))


if __name__ == "__main__":
    main()
