"""`up` after an `up` that is still ending: it says so, waits and goes on."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.cli.running import RunningUp, command_line, page

Up = Callable[..., RunningUp]

pytestmark = pytest.mark.fault


def assert_follows(following: RunningUp) -> None:
    assert page(following.ready().url) == b"a page"
    assert set(following.parts()) == {"redis", "api", "controller", "worker"}


def test_a_killed_one_is_waited_for(up: Up) -> None:
    running = up(WORKER_TAKES="4").ready()
    running.signal(signal.SIGKILL)
    running.wait()
    following = up(home=running.home)
    following.wait_for(f"an earlier `up` on {running.home} is still ending; waiting for it")
    following.wait_for("the earlier `up` has ended after", 60)
    assert_follows(following)
    assert (running.home / "endings").read_text().split()[:3] == ["worker", "controller", "api"]


def test_a_killed_one_whose_address_was_damaged_too_is_waited_for(up: Up) -> None:
    running = up(WORKER_TAKES="4").ready()
    running.signal(signal.SIGKILL)
    running.wait()
    (running.home / "up.json").write_bytes(b"{")
    following = up(home=running.home)
    following.wait_for("is still ending; waiting for it")
    assert_follows(following)


def test_one_that_was_interrupted_is_waited_for(up: Up) -> None:
    running = up(WORKER_TAKES="4").ready()
    running.signal(signal.SIGINT)
    running.wait_for("worker     stopping")
    following = up(home=running.home)
    following.wait_for("is still ending; waiting for it")
    assert running.wait() == 0
    assert_follows(following)


def test_one_whose_supervisor_was_killed_is_waited_for(up: Up) -> None:
    running = up(WORKER_TAKES="4").ready()
    running.supervisor().kill()
    following = up(home=running.home)
    following.wait_for("is still ending; waiting for it")
    assert running.wait() == 1
    assert_follows(following)


@pytest.mark.parametrize("also_supervisor", [False, True])
def test_the_same_port_is_free_for_the_following_one(up: Up, also_supervisor: bool) -> None:
    running = up(WORKER_TAKES="3").ready()
    supervisor, port = running.supervisor(), running.url.rpartition(":")[2]
    if also_supervisor:
        running.signal(signal.SIGSTOP)  # so that it cannot act on the supervisor's death
        supervisor.kill()
    running.signal(signal.SIGKILL)
    running.wait()
    following = up("--port", port, home=running.home)
    assert_follows(following)
    assert following.url == running.url


def test_down_waits_for_a_killed_one_as_well(up: Up) -> None:
    running = up(WORKER_TAKES="3").ready()
    running.signal(signal.SIGKILL)
    running.wait()
    done = command_line("down", "--home", str(running.home))
    assert (done.returncode, running.parts()) == (0, {})
    assert "everything is stopped" in done.stdout
    assert "Traceback" not in done.stderr


def test_one_that_goes_on_is_not_waited_for(up: Up) -> None:
    running = up().ready()
    second = command_line("up", "--home", str(running.home), "--port", "0", "--no-browser")
    assert second.returncode == 1
    assert f"already running on {running.home} at {running.url}" in second.stderr
