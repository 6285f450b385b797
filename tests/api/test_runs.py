"""Launching, listing, editing and deleting runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from tests.api.house import QUICK, House, wait_until
from worker.contract import names
from worker.contract.config import RunConfig
from worker.contract.messages import RunKey
from worker.contract.status import Desired


def test_a_launched_run_is_queued_and_shows_its_whole_configuration(house: House) -> None:
    answer = house.client.post("/api/v1/runs", json={"config": QUICK})
    run = answer.json()
    assert answer.headers["Location"] == f"/api/v1/runs/{run['id']}"
    assert (run["status"], run["desired"], run["attempt"]) == ("queued", "run", 1)
    assert run["config"] == RunConfig(**QUICK).model_dump(mode="json")
    assert run["progress"] == {"epoch": 0, "epochs": 3, "step": 0, "steps": 33, "eta_seconds": None}
    assert run["waiting_for"] == "a worker"
    assert run == house.api.run(run["id"])
    (event,) = house.api.get(f"/runs/{run['id']}/events")["items"]
    assert (event["from"], event["to"], event["kind"]) == (None, "queued", "status")


def test_a_launch_publishes_the_key_and_rings(house: House, redis_client: redis.Redis) -> None:
    run_id = house.api.launch()
    wait_until(lambda: redis_client.llen(names.TRAIN_QUEUE) == 1, what="the ring")
    key = RunKey.model_validate_json(str(redis_client.get(names.run_key(run_id))))
    assert (key.attempt, key.desired, key.claim_id) == (1, Desired.RUN, None)


def test_names_tags_and_notes_are_kept_and_can_be_changed(house: House) -> None:
    body = {"name": "  mine ", "tags": ["a", "b", "a"], "notes": "two\nlines", "config": QUICK}
    run = house.api.post("/runs", body, status=201)
    assert (run["name"], run["tags"], run["notes"]) == ("mine", ["a", "b"], "two\nlines")
    edited = house.client.patch(f"/api/v1/runs/{run['id']}", json={"name": "yours", "tags": []}).json()
    assert (edited["name"], edited["tags"], edited["notes"]) == ("yours", [], "two\nlines")
    assert edited["change"] > run["change"]
    same = house.client.patch(f"/api/v1/runs/{run['id']}", json={"name": "yours"}).json()
    assert same["change"] == edited["change"]


def test_a_clone_is_a_new_run_with_the_same_configuration(house: House) -> None:
    run_id = house.api.launch(name="first", tags=["t"], seed=2**62 + 1)
    house.move(run_id, "completed")
    clone = house.api.post(f"/runs/{run_id}/clone")
    assert clone["id"] != run_id
    assert (clone["status"], clone["tags"], clone["config"]["seed"]) == ("queued", ["t"], 2**62 + 1)


class TestLists:
    @pytest.fixture
    def five(self, house: House) -> list[str]:
        ids = [house.api.launch(name=f"run {n}", tags=["even"] if n % 2 == 0 else []) for n in range(5)]
        house.move(ids[1], "running", best_top1=90.0)
        house.move(ids[2], "running", desired=Desired.PAUSE, best_top1=95.0)
        house.move(ids[3], "completed", best_top1=95.0)
        return ids

    def test_pages_show_every_run_once_in_order(self, house: House, five: list[str]) -> None:
        house.move(five[4], "stopped", epoch=1.0)
        house.move(five[0], "queued", epoch=2 / 7)
        keys = ("created_at", "name", "status", "best", "epoch", "progress", "elapsed", "change")
        for sort in (sign + key for key in keys for sign in ("", "-")):
            whole = [run["id"] for run in house.api.get("/runs", sort=sort)["items"]]
            seen: list[str] = []
            page = house.api.get("/runs", sort=sort, limit=2)
            while True:
                seen += [run["id"] for run in page["items"]]
                if page["next"] is None:
                    break
                page = house.api.get("/runs", sort=sort, limit=2, cursor=page["next"])
            assert seen == whole, sort
            assert sorted(seen) == sorted(five)

    def test_sorting_orders_by_what_it_names(self, house: House, five: list[str]) -> None:
        def ids(sort: str) -> list[str]:
            return [run["id"] for run in house.api.get("/runs", sort=sort)["items"]]

        assert ids("created_at") == five == ids("name")
        assert ids("-created_at") == five[::-1]
        assert set(ids("-best")[:2]) == {five[2], five[3]}
        assert ids("-best")[2] == five[1]

    def test_progress_is_the_share_of_the_epochs_and_a_completed_run_is_done(self, house: House) -> None:
        short, long, done = house.api.launch(epochs=2), house.api.launch(epochs=50), house.api.launch(epochs=3)
        house.move(short, "stopped", epoch=1.0)
        house.move(long, "stopped", epoch=10.0)
        house.move(done, "completed")
        assert [run["id"] for run in house.api.get("/runs", sort="-progress")["items"]] == [done, short, long]

    def test_a_run_launched_meanwhile_shifts_no_page(self, house: House, five: list[str]) -> None:
        first = house.api.get("/runs", limit=2)
        house.api.launch()
        rest = house.api.get("/runs", limit=10, cursor=first["next"])
        assert [run["id"] for run in first["items"] + rest["items"]] == five[::-1]

    def test_filters(self, house: House, five: list[str]) -> None:
        cases: list[tuple[dict[str, str], list[int]]] = [
            ({"status": "running"}, [1]),
            ({"status": "pausing"}, [2]),
            ({"status": "pausing,completed"}, [2, 3]),
            ({"tag": "even"}, [0, 2, 4]),
            ({"tag": "eve"}, []),
            ({"q": "RUN 3"}, [3]),
            ({"q": "%"}, []),
            ({"q": "run", "status": "queued"}, [0, 4]),
        ]
        for query, found in cases:
            page = house.api.get("/runs", sort="created_at", **query)
            assert [run["id"] for run in page["items"]] == [five[n] for n in found], query

    def test_odd_tags_are_found_exactly(self, house: House) -> None:
        odd = ['a"b', "100%", "ä_ö", "back\\slash"]
        ids = {tag: house.api.launch(tags=[tag]) for tag in odd}
        for tag, run_id in ids.items():
            assert [run["id"] for run in house.api.get("/runs", tag=tag)["items"]] == [run_id]

    def test_the_queue_is_in_the_order_of_launch(self, house: House, five: list[str]) -> None:
        assert [run["id"] for run in house.api.get("/queue")["items"]] == [five[0], five[4]]


class TestWaiting:
    def reason(self, house: House, run_id: str) -> str:
        return str(house.api.run(run_id)["waiting_for"])

    def test_says_what_is_missing(self, house: House) -> None:
        run_id = house.api.launch()
        assert self.reason(house, run_id) == "a worker"
        house.worker(free_devices=[])
        assert self.reason(house, run_id) == "a free device"
        house.worker()
        assert self.reason(house, run_id) == "a worker to take it"
        house.checkpoint(run_id, f"runs/{run_id}/step-5.pt", root_id="other", content=None)
        assert self.reason(house, run_id) == "a worker that has the storage with its checkpoints (other)"

    def test_a_gpu_is_missed(self, house: House) -> None:
        run_id = house.api.launch(device="cuda")
        house.worker()
        assert self.reason(house, run_id) == "a worker with a GPU"

    def test_a_retry_counts_down(self, house: House) -> None:
        run_id = house.api.launch()
        house.move(run_id, "queued", not_before=datetime.now(UTC) + timedelta(seconds=20))
        assert self.reason(house, run_id) in ("a retry in 20 s", "a retry in 19 s")

    def test_a_running_one_waits_for_nothing(self, house: House) -> None:
        run_id = house.api.launch()
        house.move(run_id, "running")
        assert house.api.run(run_id)["waiting_for"] is None


class TestProgress:
    def test_follows_the_points(self, house: House) -> None:
        run_id = house.api.launch()
        house.move(run_id, "running")
        house.points(run_id, range(1, 11), train_loss=lambda step: 1 / step)
        house.points(run_id, range(10, 11), val_top1=lambda _: 88.0)
        run = house.api.run(run_id)
        assert run["progress"] == {"epoch": 1.0, "epochs": 3, "step": 10, "steps": 33, "eta_seconds": 11.5}
        assert run["best"] == {"val/top1": 88.0, "epoch": 1.0}
        assert run["latest"] == {"train/loss": 0.1, "val/top1": 88.0}

    def test_the_remaining_time_follows_the_present_speed(self, house: House) -> None:
        """The points of an attempt on another machine count for nothing."""
        run_id = house.api.launch()
        house.points(run_id, range(1, 11), train_loss=float)
        house.move(run_id, "running", attempt=2, elapsed_seconds=100.0, step=20)
        house.points(run_id, range(21, 24), attempt=2, train_loss=float)
        assert house.api.run(run_id)["progress"]["eta_seconds"] == pytest.approx((33 - 23) * 0.5)

    def test_only_a_running_run_has_a_remaining_time(self, house: House) -> None:
        run_id = house.api.launch()
        house.points(run_id, range(1, 11), train_loss=float)
        assert house.api.run(run_id)["progress"]["eta_seconds"] is None


class TestDeleting:
    def test_takes_everything_along(self, house: House) -> None:
        run_id = house.api.launch()
        house.points(run_id, range(1, 4), train_loss=float)
        house.log(run_id, "a line")
        house.checkpoint(run_id, f"runs/{run_id}/attempt-1/step-5.pt")
        assert house.client.delete(f"/api/v1/runs/{run_id}").status_code == 204
        assert house.client.get(f"/api/v1/runs/{run_id}").status_code == 404
        wait_until(lambda: not (house.settings.files / "runs" / run_id).exists(), what="the files to go")

    def test_a_live_run_is_kept(self, house: House) -> None:
        run_id = house.api.launch()
        house.move(run_id, "running")
        answer = house.client.delete(f"/api/v1/runs/{run_id}")
        assert answer.status_code == 409
        assert "it can be paused or stopped" in answer.json()["detail"]
        assert house.api.run(run_id)["status"] == "running"

    def test_who_heard_the_ring_reads_that_it_is_over(self, house: House, redis_client: redis.Redis) -> None:
        run_id = house.api.launch()
        house.client.delete(f"/api/v1/runs/{run_id}")

        def is_over() -> bool:
            standing = redis_client.get(names.run_key(run_id))
            return standing is not None and RunKey.model_validate_json(str(standing)).desired is Desired.STOP

        wait_until(is_over, what="the last word")

    def test_the_last_run_takes_its_comparison_along(self, house: House) -> None:
        made = house.api.post("/comparisons", {"config": QUICK}, status=201)
        first, second = (run["id"] for run in made["runs"])
        house.client.delete(f"/api/v1/runs/{first}")
        assert [run["id"] for run in house.api.get(f"/comparisons/{made['id']}")["runs"]] == [second]
        house.client.delete(f"/api/v1/runs/{second}")
        assert house.client.get(f"/api/v1/comparisons/{made['id']}").status_code == 404

    def test_a_link_in_place_of_the_folder_is_not_followed(self, house: House, tmp_path: Path) -> None:
        run_id = house.api.launch()
        precious = tmp_path / "precious"
        precious.mkdir()
        (precious / "file").write_text("kept")
        (house.settings.files / "runs").mkdir(parents=True)
        (house.settings.files / "runs" / run_id).symlink_to(precious)
        assert house.client.delete(f"/api/v1/runs/{run_id}").status_code == 204
        assert (precious / "file").read_text() == "kept"


def test_logs_are_read_from_the_end_or_onwards(house: House) -> None:
    run_id = house.api.launch()
    house.log(run_id, *(f"line {n}" for n in range(5)))
    page = house.api.get(f"/runs/{run_id}/logs", limit=2)
    assert [item["line"] for item in page["items"]] == ["line 3", "line 4"]
    assert house.api.get(f"/runs/{run_id}/logs", after=page["next"]) == {"items": [], "next": page["next"]}
    house.log(run_id, "line 5")
    assert [item["line"] for item in house.api.get(f"/runs/{run_id}/logs", after=page["next"])["items"]] == ["line 5"]
    first = house.api.get(f"/runs/{run_id}/logs", after=0, limit=1)
    assert [item["line"] for item in first["items"]] == ["line 0"]
