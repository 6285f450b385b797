"""Parts that die, and the death of those who look after them."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable

import pytest

from tests.cli.running import RunningUp, page

Up = Callable[..., RunningUp]

pytestmark = pytest.mark.fault


def test_a_killed_part_is_started_again_with_a_growing_pause_and_a_clear_line(up: Up) -> None:
    running = up().ready()
    running.parts()["worker"].kill()
    running.wait_for("worker     died (killed by SIGKILL); starting it again in 1 s")
    running.wait_for("worker     started again")
    running.parts()["worker"].kill()
    running.wait_for("worker     died (killed by SIGKILL); starting it again in 2 s")
    assert set(running.parts()) == {"redis", "api", "controller"}
    assert page(running.url) == b"a page"


def test_a_killed_redis_comes_back_with_what_it_held(up: Up) -> None:
    import redis

    running = up().ready()
    url = f"unix://{running.home / 'redis' / 'redis.sock'}?db=0"
    with redis.Redis.from_url(url) as client:
        client.config_set("appendfsync", "always")
        client.set("kept", "yes")
    running.parts()["redis"].kill()
    running.wait_for("redis      started again")
    with redis.Redis.from_url(url, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 50)) as client:
        assert client.get("kept") == b"yes"


def test_when_up_is_killed_its_parts_still_end_in_order_and_the_next_up_starts(up: Up) -> None:
    running = up(WORKER_TAKES="0.5").ready()
    running.signal(signal.SIGKILL)
    running.wait()
    running.wait_until(lambda: not running.parts(), what="the parts to end")
    assert (running.home / "endings").read_text().split() == ["worker", "controller", "api"]
    assert page(up(home=running.home).ready().url) == b"a page"


def test_when_the_supervisor_is_killed_the_parts_end_and_up_says_so(up: Up) -> None:
    running = up(WORKER_TAKES="1").ready()
    running.supervisor().kill()
    assert running.wait() == 1
    assert "The supervisor of the parts has ended (killed by SIGKILL)" in running.output
    assert running.parts() == {}
    assert "worker" in (running.home / "endings").read_text()


def test_when_both_are_killed_the_next_up_first_ends_what_is_left(up: Up) -> None:
    running = up(WORKER_TAKES="3").ready()
    supervisor = running.supervisor()
    running.process.send_signal(signal.SIGSTOP)  # so that it cannot act on the supervisor's death
    supervisor.kill()
    running.signal(signal.SIGKILL)
    running.wait()
    assert "worker" in running.parts()
    following = up(home=running.home).ready()
    assert "ending the worker that an earlier start left behind" in following.output
    assert set(following.parts()) == {"redis", "api", "controller", "worker"}


def test_a_part_that_does_not_end_in_its_time_is_killed(up: Up) -> None:
    running = up(API_TAKES="60").ready()
    running.signal(signal.SIGINT)
    assert running.wait() == 0
    assert re.search(r"api        stopped after \S+ s \(killed by SIGKILL\)", running.output)
    assert running.parts() == {}
