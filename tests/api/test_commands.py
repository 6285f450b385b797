"""Pause, resume, stop and delete, from every status that a run can have."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import redis

from backend.db.tables import Run
from tests.api.house import House, wait_until
from worker.contract import names
from worker.contract.messages import RunKey
from worker.contract.status import Desired

# What is shown, then what each command leads to; None is a refusal.
AFTER = [
    ("queued", {"pause": "paused", "resume": "queued", "stop": "stopped"}),
    ("starting", {"pause": "pausing", "resume": "starting", "stop": "stopping"}),
    ("running", {"pause": "pausing", "resume": "running", "stop": "stopping"}),
    ("pausing", {"pause": "pausing", "resume": "running", "stop": "stopping"}),
    ("stopping", {"pause": None, "resume": None, "stop": "stopping"}),
    ("paused", {"pause": "paused", "resume": "queued", "stop": "stopped"}),
    ("failed", {"pause": None, "resume": "queued", "stop": None}),
    ("stopped", {"pause": None, "resume": "queued", "stop": "stopped"}),
    ("completed", {"pause": None, "resume": None, "stop": None}),
]
WISHES = {"pausing": Desired.PAUSE, "stopping": Desired.STOP}


def run_that_is(house: House, shown: str) -> str:
    run_id = house.api.launch()
    house.move(run_id, "running" if shown in WISHES else shown, desired=WISHES.get(shown))
    assert house.api.run(run_id)["status"] == shown
    return run_id


def test_each_command_leads_where_it_should_or_says_why_not(house: House) -> None:
    for shown, outcomes in AFTER:
        for command, expected in outcomes.items():
            run_id = run_that_is(house, shown)
            answer = house.client.post(f"/api/v1/runs/{run_id}/{command}")
            if expected is None:
                assert answer.status_code == 409, (shown, command)
                assert f"is {shown} and cannot be" in answer.json()["detail"]
                assert house.api.run(run_id)["status"] == shown
            else:
                assert answer.status_code == 202, (shown, command)
                assert answer.json()["status"] == expected == house.api.run(run_id)["status"]


def test_a_command_sent_twice_changes_nothing_more(house: House) -> None:
    for shown, command in [
        ("queued", "resume"),
        ("running", "resume"),
        ("pausing", "pause"),
        ("paused", "pause"),
        ("stopping", "stop"),
        ("stopped", "stop"),
    ]:
        run_id = run_that_is(house, shown)
        before = house.api.run(run_id)
        house.api.post(f"/runs/{run_id}/{command}")
        assert house.api.run(run_id) == before, (shown, command)


def test_a_resume_is_a_new_attempt_without_its_past(house: House) -> None:
    for shown in ("paused", "failed", "stopped"):
        run_id = run_that_is(house, shown)
        house.move(run_id, "queued", reason="it crashed", crashes=4)
        before = house.api.run(run_id)
        resumed = house.api.post(f"/runs/{run_id}/resume")
        assert (resumed["attempt"], resumed["status"]) == (before["attempt"] + 1, "queued")
        assert (resumed["reason"], resumed["finished_at"]) == (None, None)
        with house.database.read() as session:
            assert session.get_one(Run, run_id).crashes == 0


def test_the_holder_is_told_at_once(house: House, redis_client: redis.Redis) -> None:
    run_id = run_that_is(house, "running")
    house.api.post(f"/runs/{run_id}/pause")

    def is_told() -> bool:
        standing = redis_client.get(names.run_key(run_id))
        return standing is not None and RunKey.model_validate_json(str(standing)).desired is Desired.PAUSE

    wait_until(is_told, what="the key to say pause")


def test_several_at_once_each_for_itself(house: House) -> None:
    running, done = run_that_is(house, "running"), run_that_is(house, "completed")
    answer = house.api.post("/runs/actions", {"action": "pause", "ids": [running, done, "r_nothing"]})
    assert [(item["id"], item["ok"]) for item in answer["items"]] == [
        (running, True),
        (done, False),
        ("r_nothing", False),
    ]
    assert answer["items"][0]["detail"] == "pausing"
    assert "is completed and cannot be paused" in answer["items"][1]["detail"]
    assert "there is no run 'r_nothing'" in answer["items"][2]["detail"]


def test_several_are_deleted_at_once(house: House) -> None:
    ids = [house.api.launch() for _ in range(3)]
    answer = house.api.post("/runs/actions", {"action": "delete", "ids": ids})
    assert all(item["ok"] for item in answer["items"])
    assert house.api.get("/runs")["items"] == []


BODY = {"name": "once", "config": {"epochs": 6}}


class TestIdempotency:
    def test_the_same_request_creates_once(self, house: House) -> None:
        headers = {"Idempotency-Key": "k1"}
        first = house.api.post("/runs", BODY, status=201, headers=headers)
        again = house.api.post("/runs", BODY, status=201, headers=headers)
        assert first == again
        assert len(house.api.get("/runs")["items"]) == 1

    def test_the_key_of_another_request_is_refused(self, house: House) -> None:
        headers = {"Idempotency-Key": "k1"}
        house.api.post("/runs", BODY, status=201, headers=headers)
        answer = house.api.post("/runs", BODY | {"name": "other"}, status=422, headers=headers)
        assert "Idempotency-Key 'k1' was sent before with another request" in answer["errors"]["Idempotency-Key"][0]
        assert len(house.api.get("/runs")["items"]) == 1

    def test_one_key_may_serve_different_addresses(self, house: House) -> None:
        headers = {"Idempotency-Key": "k1"}
        run = house.api.post("/runs", BODY, status=201, headers=headers)
        clones = [house.api.post(f"/runs/{run['id']}/clone", headers=headers)["id"] for _ in range(2)]
        made = [
            house.api.post("/comparisons", {"config": {"epochs": 6}}, status=201, headers=headers) for _ in range(2)
        ]
        assert clones[0] == clones[1] != run["id"]
        assert made[0] == made[1]

    def test_what_is_deleted_is_not_made_again(self, house: House) -> None:
        headers = {"Idempotency-Key": "k1"}
        run = house.api.post("/runs", BODY, status=201, headers=headers)
        house.client.delete(f"/api/v1/runs/{run['id']}")
        answer = house.api.post("/runs", BODY, status=409, headers=headers)
        assert "has been deleted; take a new key" in answer["detail"]

    def test_requests_at_the_same_time_create_once(self, house: House) -> None:
        with house.served() as url, ThreadPoolExecutor(8) as pool:

            def send(_: int) -> str:
                headers = {"Idempotency-Key": "k1"}
                return str(httpx.post(f"{url}/api/v1/runs", json=BODY, headers=headers, timeout=20).json()["id"])

            assert len(set(pool.map(send, range(8)))) == 1
