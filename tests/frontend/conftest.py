"""The page's modules by themselves, in a real Chromium: a small server gives the files and plays an event stream."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

FRONTEND = Path(__file__).resolve().parents[2] / "frontend"
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}

#: Calls of a module's functions: `run("format", "m => m.duration(61)")`.
Run = Callable[..., Any]


class Streams:
    """What the server was asked for at /live, and what it is to say there."""

    def __init__(self) -> None:
        self.asked: queue.Queue[str] = queue.Queue()
        self._lock = threading.Lock()
        #: Those that are open, the oldest first, and one that nobody has asked for yet.
        self._open: list[queue.Queue[str | None]] = []
        self._next: queue.Queue[str | None] = queue.Queue()

    def opened(self) -> queue.Queue[str | None]:
        """What is to be said on a stream that was asked for; None ends it."""
        with self._lock:
            said, self._next = self._next, queue.Queue()
            self._open.append(said)
            return said

    def say(self, text: str) -> None:
        """On the newest stream, or the next one where none is open."""
        with self._lock:
            (self._open[-1] if self._open else self._next).put(text)

    def break_off(self) -> None:
        """The oldest stream that is open, or the next one."""
        with self._lock:
            (self._open.pop(0) if self._open else self._next).put(None)

    def end(self) -> None:
        while self._open:
            self.break_off()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    streams: Streams


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path.startswith("/live"):
            self._play()
        elif self.path.startswith("/static/"):
            self._file(FRONTEND / self.path.removeprefix("/static/"))
        else:
            self._answer("text/html", b"<!doctype html><title>modules</title><body></body>")

    def log_message(self, *_: object) -> None:
        """Quiet: what is asked for is in the test."""

    def _file(self, path: Path) -> None:
        self._answer(TYPES[path.suffix], path.read_bytes())

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _play(self) -> None:
        streams = self.server.streams
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.flush()
        said = streams.opened()
        streams.asked.put(self.path)
        while (text := said.get()) is not None:
            self.wfile.write(text.encode())
            self.wfile.flush()


@pytest.fixture(scope="module")
def server() -> Iterator[_Server]:
    started = _Server(("127.0.0.1", 0), _Handler)
    started.streams = Streams()
    thread = threading.Thread(target=started.serve_forever, daemon=True)
    thread.start()
    yield started
    started.shutdown()
    started.server_close()
    thread.join()


@pytest.fixture
def streams(server: _Server) -> Iterator[Streams]:
    yield server.streams
    server.streams.end()
    server.streams = Streams()


@pytest.fixture
def page(browser: Browser, server: _Server) -> Iterator[Page]:
    context = browser.new_context(base_url=f"http://127.0.0.1:{server.server_port}")
    opened = context.new_page()
    opened.goto("/")
    yield opened
    context.close()


@pytest.fixture
def run(page: Page) -> Run:
    """Evaluates a function of a module (and one argument) in the page; what it returns comes back as Python."""

    def evaluate(module: str, function: str, argument: object = None) -> Any:
        return page.evaluate(
            f"async (argument) => ({function})(await import('/static/js/{module}.js'), argument)", argument
        )

    return evaluate
