"""Rubbish in Celery's queue and in the keys around it: it is set aside and told of, and the worker trains on."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.jobs.parts import Controller, WorkerProcess, is_alive, wait_until
from tests.support.measuring import measured
from worker.contract import names
from worker.contract.config import RunConfig
from worker.contract.messages import RunSpec
from worker.contract.rings import write_ring
from worker.contract.status import Desired

pytestmark = pytest.mark.fault

StartWorker = Callable[..., WorkerProcess]


def element(text: bytes, *, without: str = "", **changes: Any) -> str:
    """An envelope as Celery writes it, with another body, or something in it changed or left out."""
    envelope = json.loads(write_ring(RunSpec(run_id="r_0", attempt=1, name="none", config=RunConfig())))
    envelope["body"] = base64.b64encode(text).decode()
    envelope |= changes
    envelope.pop(without, None)
    return json.dumps(envelope)


def headers(**changes: Any) -> dict[str, Any]:
    return {"task": names.TRAIN_TASK, "id": "1", "lang": "py"} | changes


def properties(**changes: Any) -> dict[str, Any]:
    info = {"exchange": "", "routing_key": names.TRAIN_QUEUE}
    return {"delivery_tag": "1", "delivery_info": info, "body_encoding": "base64"} | changes


DEEP = b"[" * 100_000 + b"]" * 100_000
RUBBISH: dict[str, str | bytes] = {
    "an empty body": element(b""),
    "a body that is a list": element(b"[]"),
    "a body that is an object": element(b"{}"),
    "a body that is null": element(b"null"),
    "a body that is a text": element(b'"x"'),
    "a body that is a number": element(b"7"),
    "a body of two parts": element(b"[[], {}]"),
    "a body of four parts": element(b"[[], {}, {}, {}]"),
    "a body without a spec": element(b"[[], {}, {}]"),
    "keywords that are a list": element(b"[[], [], {}]"),
    "a spec that is no object": element(b'[[], {"spec": "r_1"}, {}]'),
    "a spec that is null": element(b'[[], {"spec": null}, {}]'),
    "a spec of another kind": element(b'[[], {"spec": {"run_id": 7}}, {}]'),
    "a run id that leads elsewhere": element(b'[[], {"spec": {"run_id": "../x", "attempt": 1}}, {}]'),
    "a body that is no JSON": element(b"nonsense"),
    "a body that is not UTF-8": element(b'[[], {"spec": "\xff\xfe"}, {}]'),
    "a body nested deeply": element(DEEP),
    "an object that kombu would make": element(b'[[], {"spec": {"__type__": "uuid", "__value__": "?"}}, {}]'),
    "a body that is no base64": element(b"", body="***"),
    "a body that is a list in the envelope": element(b"", body=[]),
    "no body": element(b"", without="body"),
    "another content type": element(b"[]", **{"content-type": "application/x-python-serialize"}),
    "no content type": element(b"[]", without="content-type"),
    "another content encoding": element(b"[]", **{"content-encoding": "rot13"}),
    "another body encoding": element(b"[]", properties=properties(body_encoding="rot13")),
    "no headers": element(b"[]", without="headers"),
    "headers that are null": element(b"[]", headers=None),
    "headers that are a list": element(b"[]", headers=[]),
    "no id": element(b"[]", headers={"task": names.TRAIN_TASK}),
    "an unknown task": element(b"[[], {}, {}]", headers=headers(task="resdrop.riddle")),
    "a task that is a list": element(b"[[], {}, {}]", headers=headers(task=[])),
    "an expiry that is no time": element(b"[]", headers=headers(expires="soon")),
    "no properties": element(b"[]", without="properties"),
    "properties that are a text": element(b"[]", properties="x"),
    "no delivery info": element(b"[]", properties={"delivery_tag": "1", "body_encoding": "base64"}),
    "a delivery tag that is a list": element(b"[]", properties=properties(delivery_tag=[])),
    "a compressed body": element(b"[]", headers=headers(compression="application/x-gzip")),
    "nothing": "",
    "no JSON": "garbage",
    "a text": '"text"',
    "null": "null",
    "a list": "[]",
    "an empty object": "{}",
    "bytes": b"\xff\xfe\x00\x01",
    "a list nested deeply": DEEP,
    "a number too long": "1" * 10_000,
}


def begin(controller: Controller, start_worker: StartWorker) -> WorkerProcess:
    worker = start_worker()
    wait_until(lambda: controller.of_kind("worker_seen"), what="the worker", report=worker.log)
    return worker


def assert_trains(controller: Controller, worker: WorkerProcess, run_id: str = "r_1") -> None:
    controller.launch(run_id, name="short")
    wait_until(lambda: controller.last_word(run_id), what=f"the end of {run_id}", report=worker.log)
    assert controller.last_word(run_id).kind == "completed"
    assert worker.process is not None
    assert worker.process.poll() is None, "it is still the same worker"


def test_whatever_lies_in_the_queue_is_set_aside_by_name_and_the_next_ring_is_heard(
    controller: Controller, start_worker: StartWorker
) -> None:
    worker = begin(controller, start_worker)
    controller.launch("r_0", name="count")
    wait_until(lambda: controller.last_step("r_0") >= 10, what="step 10", report=worker.log)
    trainers = worker.trainers()
    with measured("45 kinds of rubbish in the queue, until all is told of"):
        for rubbish in RUBBISH.values():
            controller.redis.lpush(names.TRAIN_QUEUE, rubbish)
        wait_until(
            lambda: len(controller.of_kind("ring_refused")) == len(RUBBISH),
            what="all of it to be told of",
            report=worker.log,
        )
    refusals: Any = controller.of_kind("ring_refused")
    assert all(refusal.why for refusal in refusals)
    assert {refusal.worker_id for refusal in refusals} == {controller.of_kind("worker_seen")[0].worker_id}
    assert [refusal.ring for refusal in refusals if "garbage" in refusal.ring] == ["garbage"]
    assert max(len(refusal.ring) for refusal in refusals) <= 10_000
    assert controller.redis.llen(names.TRAIN_QUEUE) == 0
    assert all(map(is_alive, trainers)), "what trains is not disturbed"
    step = controller.last_step("r_0")
    wait_until(lambda: controller.last_step("r_0") > step, what="it to go on", report=worker.log)
    controller.change("r_0", desired=Desired.STOP)
    wait_until(lambda: controller.last_word("r_0"), what="its end", report=worker.log)
    assert_trains(controller, worker)


def test_a_key_of_another_kind_in_the_place_of_the_queue_is_moved_aside(
    controller: Controller, start_worker: StartWorker
) -> None:
    worker = begin(controller, start_worker)
    controller.redis.delete(names.TRAIN_QUEUE)
    controller.redis.set(names.TRAIN_QUEUE, "no list")
    wait_until(lambda: controller.of_kind("ring_refused"), what="it to be told of", report=worker.log)
    assert controller.redis.get(names.SET_ASIDE_KEY + names.TRAIN_QUEUE) == "no list"
    assert_trains(controller, worker)


@pytest.mark.parametrize("kind", ["a text", "rubbish of the right kind"])
def test_rubbish_in_the_keys_that_celery_keeps_disturbs_nothing(
    controller: Controller, start_worker: StartWorker, kind: str
) -> None:
    redis = controller.redis
    binding = f"_kombu.binding.{names.TRAIN_QUEUE}"
    if kind == "a text":
        for key in ("unacked", "unacked_index", "unacked_mutex", binding, f"_kombu.binding_permanent.{binding}"):
            redis.set(key, "rubbish")
    else:
        redis.hset("unacked", mapping={"1": "rubbish", "2": "[]", "3": json.dumps([{}, "x", "y"])})
        redis.zadd("unacked_index", {"1": 0, "2": 0, "3": 0, "4": 0})
        redis.sadd(binding, "rubbish", "\x06\x16", "")
    worker = begin(controller, start_worker)
    assert_trains(controller, worker)
    assert controller.of_kind("ring_refused") == []
