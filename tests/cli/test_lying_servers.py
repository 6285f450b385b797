"""What answers at an address may be anything: commands that go on asking do so with pauses, and end with a sentence."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.client import Retry, Unreachable
from tests.cli.running import command_line

RUN = {"id": "r_x", "name": "a run", "status": "running", "attempt": 1, "config": {}}
#: In the place of an answer: the connection is closed, as by a service that is killed.
GONE = object()
#: What a query of one value is answered with, and how many there were before it of the same path.
Answer = Callable[[dict[str, str], int], Any]


class Liar(ThreadingHTTPServer):
    """Answers at once, with whatever it is told to, and counts."""

    daemon_threads = True

    def __init__(self, answers: dict[str, Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Liar

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/api/v1")
        count = self.server.asked.count(path)
        self.server.asked.append(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        answer = self.server.answers[path](query, count)
        if answer is GONE:
            self.close_connection = True
            return
        body = json.dumps({} if isinstance(answer, HTTPStatus) else answer).encode()
        self.send_response(answer if isinstance(answer, HTTPStatus) else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@contextmanager
def lying(**answers: Answer) -> Iterator[Liar]:
    """By path, with _ in the place of /."""
    named = {f"/{name.replace('_', '/').replace('r/x', 'r_x')}": answer for name, answer in answers.items()}
    server = Liar(named)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def log(*numbers: int, following: Any) -> dict[str, Any]:
    lines = [{"seq": number, "attempt": 1, "at": "", "line": f"line {number}"} for number in numbers]
    return {"items": lines, "next": following}


def refused(server: Liar, *words: str) -> str:
    done = command_line(*words, "--url", server.url, real=True)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert f"What answers at {server.url} makes no sense: " in done.stderr, done.stderr
    return done.stderr


def test_a_log_that_begins_again_and_again_is_no_log() -> None:
    with lying(runs_r_x=lambda *_: RUN, runs_r_x_logs=lambda *_: log(*range(1, 1001), following=1000)) as server:
        assert "after line 1000 of the log" in refused(server, "runs", "logs", "r_x")
    assert server.asked.count("/runs/r_x/logs") == 2


def test_a_page_of_a_log_that_is_not_full_is_the_last_of_it() -> None:
    with lying(runs_r_x_logs=lambda query, _: log(int(query["after"]) + 1, following=1)) as server:
        done = command_line("runs", "logs", "r_x", "--url", server.url, real=True)
    assert (done.returncode, done.stdout) == (0, "line 1\n")


def test_who_follows_such_a_log_asks_once_a_second() -> None:
    def status(_query: dict[str, str], count: int) -> dict[str, Any]:
        return RUN | {"status": "running" if count < 3 else "completed"}

    begun = time.monotonic()
    with lying(runs_r_x=status, runs_r_x_logs=lambda query, _: log(int(query["after"]) + 1, following=None)) as server:
        done = command_line("runs", "logs", "r_x", "--follow", "--url", server.url, real=True)
    assert (done.returncode, done.stdout.split("\n")[:-1]) == (0, [f"line {number}" for number in range(1, 5)])
    assert time.monotonic() - begun >= 3
    assert server.asked.count("/runs/r_x/logs") == 4


@pytest.mark.parametrize(
    "answer", [{"status": "running"}, RUN | {"id": "r_y"}, RUN | {"status": 5}, RUN | {"config": None}]
)
@pytest.mark.parametrize("words", [("runs", "watch", "r_x"), ("runs", "logs", "r_x", "--follow")])
def test_what_is_no_run_is_not_watched(answer: dict[str, Any], words: tuple[str, ...]) -> None:
    with lying(runs_r_x=lambda *_: answer, runs_r_x_logs=lambda *_: log(following=None)) as server:
        assert "what it says of r_x is no run" in refused(server, *words)
    assert server.asked == ["/runs/r_x"]


def test_watching_asks_once_a_second_whatever_changes() -> None:
    def another_each_time(_query: dict[str, str], count: int) -> dict[str, Any]:
        return RUN | {"status": "completed" if count == 3 else "running", "progress": {"epochs": 9, "epoch": count}}

    begun = time.monotonic()
    with lying(runs_r_x=another_each_time) as server:
        done = command_line("runs", "watch", "r_x", "--url", server.url, real=True)
    assert done.returncode == 0, done.stderr
    assert (len(server.asked), time.monotonic() - begun >= 3) == (4, True)


@pytest.mark.parametrize("words", [("runs", "watch", "r_x"), ("runs", "logs", "r_x", "--follow")])
def test_a_service_that_is_away_for_a_moment_is_waited_for(words: tuple[str, ...]) -> None:
    """As while it is started anew, behind a proxy or not."""
    course = [RUN, GONE, HTTPStatus(503), HTTPStatus(502), RUN, GONE, RUN | {"status": "completed"}]
    logs = lambda query, _: log(*range(int(query["after"]) + 1, 4), following=None)  # noqa: E731
    with lying(runs_r_x=lambda _, count: course[count], runs_r_x_logs=logs) as server:
        done = command_line(*words, "--url", server.url, real=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert server.asked.count("/runs/r_x") == len(course)


@pytest.mark.parametrize("words", [("runs", "watch", "r_x"), ("runs", "logs", "r_x", "--follow")])
@pytest.mark.parametrize("course", [[GONE], [HTTPStatus(503)], [RUN, HTTPStatus(404)]])
def test_one_that_was_never_there_or_refuses_is_not(words: tuple[str, ...], course: list[Any]) -> None:
    with lying(runs_r_x=lambda _, count: course[count], runs_r_x_logs=lambda *_: log(following=None)) as server:
        done = command_line(*words, "--url", server.url, real=True)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert server.asked.count("/runs/r_x") == len(course)


def test_retries_end() -> None:
    retry, away = Retry(0.0), Unreachable("nothing answers")
    retry.succeeded()
    with pytest.raises(Unreachable, match="nothing answers"):
        retry.wait_after(away)


@pytest.mark.parametrize("items", [[], [RUN]])
def test_pages_that_have_hardly_anything_and_never_end_are_given_up(items: list[Any]) -> None:
    begun = time.monotonic()
    with lying(runs=lambda _query, count: {"items": items, "next": f"cursor{count}"}) as server:
        assert "the pages of /runs go on and on" in refused(server, "runs", "list", "--limit", "500")
    assert (len(server.asked), time.monotonic() - begun > 10) == (10, True)


def test_pages_that_lead_in_a_circle_are_given_up_at_once() -> None:
    with lying(runs=lambda *_: {"items": [RUN] * 100, "next": "again"}) as server:
        assert "the pages of /runs lead in a circle" in refused(server, "runs", "list", "--limit", "500")
    assert len(server.asked) == 2


@pytest.mark.parametrize("answer", [{}, {"items": None}, {"items": [5]}, {"items": {}}])
def test_what_is_no_list_is_said_to_be_none(answer: Any) -> None:
    with lying(runs=lambda *_: answer, runs_r_x_logs=lambda *_: answer) as server:
        for words in (("runs", "list"), ("runs", "logs", "r_x")):
            assert "a list is asked for, and it sends none" in refused(server, *words)


@pytest.mark.parametrize("answer", [None, [], [1], 5, "text"])
def test_what_is_no_object_is_no_resdrop(answer: Any) -> None:
    with lying(runs_r_x=lambda *_: answer) as server:
        done = command_line("runs", "watch", "r_x", "--url", server.url, real=True)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"What answers at {server.url} is no ResDrop" in done.stderr
