"""The rest of the world, as a proxy that answers nothing and remembers what it was asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Chromium asks it by itself what the fields of any form are for.
BROWSERS_OWN = "CONNECT content-autofill.googleapis.com:443"


class Outside(ThreadingHTTPServer):
    """`asked` are requests as "METHOD ADDRESS", in their order, without those that no page made."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Outside

    def _refuse(self) -> None:
        asked = f"{self.command} {self.path}"
        if asked != BROWSERS_OWN:
            self.server.asked.append(asked)
        self.send_response(502)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"nothing")

    do_GET = do_HEAD = do_POST = do_PUT = do_OPTIONS = do_CONNECT = _refuse

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def outside() -> Iterator[Outside]:
    server = Outside()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
