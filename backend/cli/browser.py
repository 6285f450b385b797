"""Opening the page in a browser, with nothing secret in its arguments, which every account of the machine can read."""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import webbrowser
from html import escape
from urllib.parse import urlsplit

from backend.cli.terminal import say_timed
from backend.process.home import Home, write_private

_GOING_ON = """\
<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>ResDrop</title><meta http-equiv="refresh" content="0; url={url}"></head>
  <body><p><a href="{url}">Go on to ResDrop</a></p></body>
</html>
"""


def open_page(home: Home, url: str, *, link: str | None) -> None:
    """`link` lets in once whoever follows it. It is handed over in a file that only its owner can read."""
    if not _has_display():
        say_timed(f"there is no display here to open a browser on; visit {link or url}")
        return
    address = url
    if link is not None:
        file = home.path / "open.html"
        write_private(file, _GOING_ON.format(url=escape(link)))
        address = file.as_uri()
    # In a thread, for some browsers keep the caller.
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _has_display() -> bool:
    """A browser of the terminal would take it from `up`."""
    return bool(sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def one_time_link(url: str, token: str) -> str | None:
    """An address that lets one browser in, once and within some minutes; None where the service makes none."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("POST", f"{parts.path}/login/links", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        content = answer.read()
        return url + str(json.loads(content)["path"]) if answer.status == 201 else None
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return None
    finally:
        connection.close()
