"""A part that lives until it is told to end, which it notes. The api also answers; `<NAME>_BROKEN` lets one fail."""

from __future__ import annotations

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FrameType

NAME = sys.argv[1]
HOME = Path(os.environ["RESDROP_HOME"])


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a page")

    def log_message(self, *_: object) -> None:
        """Quiet."""


def end(_signal: int, _frame: FrameType | None) -> None:
    time.sleep(float(os.environ.get(f"{NAME.upper()}_TAKES", "0")))
    note("endings")
    os._exit(0)


def note(file: str) -> None:
    with (HOME / file).open("a") as notes:
        notes.write(f"{NAME}\n")


def main() -> None:
    signal.signal(signal.SIGTERM, end)
    if os.environ.get(f"{NAME.upper()}_BROKEN"):
        sys.exit(f"the {NAME} cannot work here")
    note("beginnings")
    if NAME == "api":
        HTTPServer((os.environ["RESDROP_HOST"], int(os.environ["RESDROP_PORT"])), Page).serve_forever()
    while True:
        time.sleep(60)


main()
