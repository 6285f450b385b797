"""The live stream: everything, once, in order, whatever comes between."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from sqlalchemy import delete

from backend.db.changes import note_change
from backend.db.tables import Change
from backend.live import client as client_module
from backend.live import hub
from backend.live.client import Client
from backend.live.events import Batch, Event
from tests.api.house import QUICK, House, on_both, wait_until
from tests.api.page import Page, open_page
from worker.contract import names


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


@pytest.fixture(scope="module")
def url(shared_house: House) -> Iterator[str]:
    with shared_house.served() as url:
        yield url


def test_begins_with_the_number_and_the_clock_of_the_service(house: House, url: str) -> None:
    house.api.launch()
    with open_page(url) as page:
        beat = page.wait_for("beat")
        assert beat["change"] == house.api.get("/runs")["change"]
        assert beat["time"].endswith("Z")
        assert page.of_kind("run") == []


def test_what_happened_since_the_snapshot_is_told_first(house: House, url: str) -> None:
    house.api.launch()
    since = house.api.get("/runs")["change"]
    run_id = house.api.launch(name="after")
    with open_page(url, since=since) as page:
        run = page.wait_for("run")
        assert (run["id"], page.last_id) == (run_id, str(run["change"]))
        assert run == house.api.run(run_id)
        assert len(page.of_kind("run")) == 1


def test_a_change_elsewhere_is_told_because_redis_wakes_us(
    house: House, url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launch through another process than the one that streams; without the wake it would take a minute."""
    monkeypatch.setattr(hub, "LOOK_SECONDS", 60.0)
    with open_page(url) as page:
        page.wait_for("beat")
        wait_until(lambda: redis_client.pubsub_numsub(names.WAKE_CHANNEL)[0][1] >= 2, what="both to subscribe")
        time.sleep(1.1)  # the look that began before the change of LOOK_SECONDS
        run_id = house.api.launch()
        assert page.wait_for("run")["id"] == run_id


@on_both
def test_points_and_log_lines_go_to_those_who_watch(house: House, url: str) -> None:
    watched, other = house.api.launch(), house.api.launch()
    with open_page(url, runs=watched) as page:
        page.wait_for("beat")
        for run_id in (watched, other):
            house.points(run_id, range(1, 3), train_loss=float, lr=lambda _: 0.1)
            house.log(run_id, "first", "second")
        page.wait_for("run", lambda run: run["id"] == other and run["progress"]["step"] == 2)
        (points,) = page.of_kind("points")
        assert points["run_id"] == watched
        assert [point["step"] for point in points["points"]] == [1, 2]
        assert points["points"][0]["values"] == {"lr": 0.1, "train/loss": 1.0}
        assert set(points["points"][0]) == {"step", "epoch", "elapsed_seconds", "at", "values"}
        (lines,) = page.of_kind("log")
        assert [line["line"] for line in lines["lines"]] == ["first", "second"]


def test_a_star_watches_all_runs(house: House, url: str) -> None:
    with open_page(url, runs="*") as page:
        page.wait_for("beat")
        for run_id in (house.api.launch(), house.api.launch()):
            house.points(run_id, range(1, 2), train_loss=float)
            page.wait_for("points", lambda told, wanted=run_id: told["run_id"] == wanted)


def test_a_beat_comes_after_all_that_it_counts(house: House, url: str) -> None:
    since = house.api.get("/runs")["change"]
    run_id = house.api.launch()
    with open_page(url, since=since) as page:
        beat = page.wait_for("beat")
        assert [(kind, data.get("id")) for kind, data in page.events[:2]] == [("run", run_id), ("beat", None)]
        assert beat["change"] >= page.of_kind("run")[0]["change"]


@on_both
def test_what_is_taken_back_or_deleted_is_told(house: House, url: str) -> None:
    run_id = house.api.launch()
    house.points(run_id, range(1, 10), train_loss=float)
    with open_page(url, runs=run_id) as page:
        page.wait_for("beat")
        house.move(run_id, "queued", attempt=2)
        house.rewind(run_id, attempt=2, step=4)
        assert page.wait_for("rewound") == {"run_id": run_id, "step": 4}
        house.client.delete(f"/api/v1/runs/{run_id}")
        assert page.wait_for("deleted") == {"run_id": run_id}


@on_both
def test_a_comparison_is_told_when_one_of_its_runs_changes(house: House, url: str) -> None:
    made = house.api.post("/comparisons", {"config": QUICK}, status=201)
    first = made["runs"][0]["id"]
    with open_page(url) as page:
        page.wait_for("beat")
        house.api.post(f"/runs/{first}/pause")
        told = page.wait_for("comparison")
        assert (told["id"], told["runs"][0]["status"]) == (made["id"], "paused")


def test_that_other_datasets_are_registered_is_told(house: House, url: str) -> None:
    with open_page(url) as page:
        page.wait_for("beat")
        folder = {"name": "told-of", "dataset": "cifar10", "data_dir": "/data/cifar"}
        house.api.post("/datasets", folder, status=201)
        page.wait_for("datasets")
        house.client.delete("/api/v1/datasets/told-of")
        wait_until(lambda: len(page.of_kind("datasets")) == 2, what="the removal to be told")


def test_workers_are_told_of(house: House, url: str) -> None:
    with open_page(url) as page:
        page.wait_for("beat")
        house.worker("w7")
        with house.database.write() as session:
            note_change(session, "workers", "workers")
        assert [worker["id"] for worker in page.wait_for("workers")["items"]] == ["w7"]


class TestReset:
    def assert_reset(self, house: House, page: Page) -> None:
        """Told to load anew, the page hears what comes after."""
        page.wait_for("reset")
        run_id = house.api.launch()
        page.wait_for("run", lambda run: run["id"] == run_id)

    def test_a_number_that_is_yet_to_come(self, house: House, url: str) -> None:
        house.api.launch()
        with open_page(url, since=1_000_000) as page:
            self.assert_reset(house, page)

    @pytest.mark.parametrize("last", [b"1000000", b"abc", b"-1", b"9" * 30, "١".encode()])
    def test_a_last_event_that_is_none(self, house: House, url: str, last: bytes) -> None:
        """Who sends it is a browser, which can only be told to ask anew."""
        house.api.launch()
        with open_page(url, last_id=last) as page:
            self.assert_reset(house, page)

    @on_both
    def test_a_number_whose_changes_are_thrown_away(self, house: House, url: str) -> None:
        for _ in range(3):
            house.api.launch()
        with house.database.write() as session:
            session.execute(delete(Change).where(Change.number <= 2))
        with open_page(url, since=1) as page:
            self.assert_reset(house, page)
        with open_page(url, since=2) as page:
            page.wait_for("run")
            assert page.of_kind("reset") == []

    def test_the_last_event_wins_over_the_address(self, house: House, url: str) -> None:
        house.api.launch()
        current = house.api.get("/runs")["change"]
        with open_page(url, since=1_000_000, last_id=str(current)) as page:
            page.wait_for("beat")
            house.api.launch()
            page.wait_for("run")
            assert page.of_kind("reset") == []

    def test_a_change_that_cannot_be_told_stops_nobody(self, house: House, url: str) -> None:
        with open_page(url) as page:
            page.wait_for("beat")
            with house.database.write() as session:
                note_change(session, "rewound", "r_x", {"no": "step"})
            self.assert_reset(house, page)


@on_both
class TestCompleteness:
    def test_pages_that_come_and_go_miss_and_repeat_nothing(self, house: House, url: str) -> None:
        runs = [house.api.launch(name=f"run {n}") for n in range(3)]
        snapshot = house.api.get("/runs")["change"]
        writers = [threading.Thread(target=write_points, args=(house, run_id)) for run_id in runs]
        steady: list[tuple[str, int]] = []
        broken: list[tuple[str, int]] = []
        with open_page(url, since=snapshot, runs=",".join(runs)) as page:
            for writer in writers:
                writer.start()
            last_id = str(snapshot)
            for pause in (0.05, 0.1, 0.02, 0.15, 0.2):
                with open_page(url, last_id=last_id, runs=",".join(runs)) as short:
                    time.sleep(pause)
                broken += told_points(short)
                last_id = short.last_id or last_id
            for writer in writers:
                writer.join()
            with open_page(url, last_id=last_id, runs=",".join(runs)) as rest:
                end = house.api.launch()
                for done in (page, rest):
                    done.wait_for("run", lambda run: run["id"] == end)
            broken += told_points(rest)
            steady += told_points(page)
        expected = sorted((run_id, step) for run_id in runs for step in range(1, 61))
        assert sorted(steady) == expected
        assert sorted(broken) == expected
        for told in (steady, broken):
            assert all([step for run, step in told if run == run_id] == list(range(1, 61)) for run_id in runs)

    def test_numbers_only_grow(self, house: House, url: str) -> None:
        run_id = house.api.launch()
        since = house.api.get("/health")["change"]
        with open_page(url, since=since, runs=run_id) as page:
            for step in range(1, 20):
                house.points(run_id, range(step, step + 1), train_loss=float)
            page.wait_for("run", lambda run: run["progress"]["step"] == 19)
        numbers = [number for number in page.ids if number is not None]
        assert numbers == sorted(set(numbers))


def write_points(house: House, run_id: str) -> None:
    for step in range(1, 61):
        house.points(run_id, range(step, step + 1), train_loss=float)


def told_points(page: Page) -> list[tuple[str, int]]:
    """Up to the last number that was told as a whole: what follows it is told again."""
    numbered = [index for index, number in enumerate(page.ids) if number is not None]
    end = numbered[-1] + 1 if numbered else 0
    return [
        (data["run_id"], point["step"])
        for kind, data in page.events[:end]
        if kind == "points"
        for point in data["points"]
    ]


class TestSlowPages:
    def test_one_that_takes_nothing_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client_module, "MOST_WAITING", 1000)

        async def read() -> list[str]:
            client = Client(since=None, is_lost=False, runs=frozenset())
            for number in range(100):
                client.tell(Batch(number, [Event(number, "run", "x" * 30)]))
            return [text async for text in client.texts()]

        # Playwright, which other tests use, keeps an event loop in this thread.
        with ThreadPoolExecutor(1) as elsewhere:
            texts = elsewhere.submit(lambda: asyncio.run(read())).result()
        (number,) = (text.partition("id: ")[2].strip() for text in texts[1:])
        assert texts[1] == f"event: reset\ndata: {{}}\nid: {number}\n\n"
        assert 0 < int(number) < 100

    def test_others_are_not_held_up(self, house: House, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client_module, "MOST_WAITING", 100_000)
        run_id = house.api.launch()
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as sleepy, open_page(url) as page:
            sleepy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sleepy.sendall(f"GET /api/v1/live?runs={run_id} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            page.wait_for("beat")
            for start in range(1, 20_000, 1000):
                house.points(run_id, range(start, start + 1000), train_loss=float)
            page.wait_for("run", lambda run: run["progress"]["step"] == 20_000, seconds=20)


def test_without_redis_changes_are_still_told(tmp_path: Path, house: House) -> None:
    alone = House(replace(house.settings, redis_url=f"unix://{tmp_path}/nobody.sock?db=0"))
    with alone.served() as url, open_page(url) as page:
        page.wait_for("beat")
        run_id = house.api.launch()
        assert page.wait_for("run", seconds=5)["id"] == run_id


def test_open_pages_do_not_hold_up_the_end(house: House) -> None:
    with house.served() as url:
        pages = [open_page(url) for _ in range(3)]
        opened = [page.__enter__() for page in pages]
        opened[0].wait_for("beat")
        began = time.monotonic()
    assert time.monotonic() - began < 2.5
    wait_until(lambda: all(page.is_over for page in opened), what="the streams to end")


def test_an_end_right_after_the_start_is_not_held_up(house: House) -> None:
    """redis-py loses a cancellation that comes while it connects."""
    early = House(house.settings)
    with early.client:
        began = time.monotonic()
    assert time.monotonic() - began < hub.CLOSING_SECONDS
