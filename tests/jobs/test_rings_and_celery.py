"""Rings are Celery tasks: Celery's own worker understands those that the service writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.jobs.parts import REPOSITORY, RedisServer, wait_until
from worker.contract import names
from worker.contract.config import RunConfig
from worker.contract.messages import RunSpec
from worker.contract.rings import write_ring
from worker.jobs.connection import celery_url, connect

_PLAIN_WORKER = f"""
import json, sys
from celery import Celery
app = Celery(broker=sys.argv[1])
app.conf.update(worker_redirect_stdouts=False, task_default_queue="{names.TRAIN_QUEUE}", task_ignore_result=True)

@app.task(name="{names.TRAIN_TASK}")
def train(*, spec):
    print(json.dumps(spec), flush=True)

app.worker_main(["worker", "--pool", "solo", "--loglevel", "ERROR", "--without-mingle", "--without-gossip"])
"""


def test_a_plain_celery_worker_hears_a_ring(redis_server: RedisServer, tmp_path: Path) -> None:
    rung = RunSpec(run_id="r_1", attempt=3, name="a run", config=RunConfig(epochs=2))
    connection = connect(redis_server.url)
    connection.lpush(names.TRAIN_QUEUE, write_ring(rung))
    heard = tmp_path / "heard"
    with heard.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-c", _PLAIN_WORKER, celery_url(redis_server.url)],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: "run_id" in heard.read_text(), seconds=60, what="the ring", report=heard.read_text)
        (line,) = [line for line in heard.read_text().splitlines() if "run_id" in line]
        assert RunSpec.model_validate(json.loads(line)) == rung
    finally:
        worker.kill()
        worker.wait()
        connection.close()
