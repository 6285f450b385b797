"""Runs pip and condenses what it says into one line of progress, and its failures into one sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from backend.process.errors import CommandError

#: Without a terminal a line is written so often, in seconds.
_QUIET_INTERVAL = 10.0
_LIVE_INTERVAL = 0.3

#: What pip says, and what a person can do about it.
_REMEDIES = (
    (r"No space left on device|Errno 28", "the disk is full: make room, or name a folder on another in RESDROP_VENV"),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
        "the package index could not be trusted: if a proxy answers for it, name its certificate in PIP_CERT",
    ),
    (
        r"NewConnectionError|NameResolutionError|name resolution|Connection refused|ConnectTimeoutError|"
        r"ReadTimeoutError|ProxyError|No route to host|Network is unreachable|Connection aborted",
        "the package index cannot be reached: check the network (HTTPS_PROXY names a proxy, PIP_INDEX_URL another "
        "index) and start again; what was downloaded is kept",
    ),
    (r"Permission denied|Errno 13", "files there cannot be written: name a folder of your own in RESDROP_VENV"),
    (
        r"\(from versions: none\)[\s\S]*No matching distribution found for (\S+)",
        r"the package index does not answer, or has no \1 for this Python and machine: check the network, "
        "or try Python 3.11",
    ),
    (r"No matching distribution found for (\S+)", r"there is no \1 for this Python and machine: try Python 3.11"),
)


class PipFailed(CommandError):
    """pip gave up; `had_begun` tells whether it was already putting packages in place."""

    def __init__(self, text: str, *, had_begun: bool) -> None:
        super().__init__(text)
        self.had_begun = had_begun


def install(
    python: Path, root: Path, files: Sequence[str], *, log: Path, say: Callable[[str], None], live: bool | None = None
) -> None:
    """Installs `files` below `root` into the environment of `python`. Raises PipFailed in one sentence."""
    lines = [line for name in files for line in (root / name).read_text().splitlines()]
    pins = [line for line in lines if "==" in line and not line.startswith("#")]
    progress = Progress(len(pins), say=say, live=sys.stderr.isatty() if live is None else live)
    arguments = [option for name in files for option in ("-r", str(root / name))]
    with log.open("w") as record:
        pip = [pin for pin in pins if pin.startswith("pip==")]
        if pip:
            # Known to the pip that is pinned, not to each that Python brings along.
            _pip(python, pip, record=record, progress=progress)
            arguments = ["--progress-bar", "raw", *arguments]
        _pip(python, arguments, record=record, progress=progress)
    progress.finish()


def _pip(python: Path, what: Sequence[str], *, record: TextIO, progress: Progress) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--no-input", *what]
    temporary = python.parents[1] / ".resdrop" / "tmp"
    temporary.mkdir(exist_ok=True)
    # Wheels are unpacked on the environment's own disk: /tmp is often small, and in memory.
    surroundings = {**os.environ, "TMPDIR": str(temporary), "PIP_USER": "0", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=surroundings
    )
    assert process.stdout is not None
    with progress.shown(python.parents[1]):
        for line in process.stdout:
            progress.hear(line.strip())
            if not line.startswith("Progress "):
                record.write(line)
    if process.wait() != 0:
        record.flush()
        progress.finish()
        raise PipFailed(_explanation(Path(record.name)), had_begun=progress.installing)


def _explanation(log: Path) -> str:
    said = log.read_text(errors="replace")
    for pattern, remedy in _REMEDIES:
        found = re.search(pattern, said)
        if found:
            return f"Python's packages could not be installed: {found.expand(remedy)} (details: {log})."
    errors = re.findall(r"^ERROR: (.*)$", said, re.MULTILINE) or ["pip ended without a reason"]
    return f"Python's packages could not be installed: {errors[-1].rstrip('.')} (details: {log})."


class Progress:
    """What pip does, as one line that is rewritten on a terminal and repeated now and then elsewhere.

    `hear` is called by the reader of pip's output; a thread of its own does the showing.
    """

    def __init__(self, packages: int, *, say: Callable[[str], None], live: bool) -> None:
        self._expected = packages
        self._say = say
        self._live = live
        self._began = time.monotonic()
        self._doing, self._share = "starting", ""
        self._found, self._packages = 0, packages
        #: Everything is fetched and packages are being put in place.
        self.installing = False

    def hear(self, line: str) -> None:
        if found := re.match(r"Progress (\d+) of (\d+)", line):
            done, total = map(int, found.groups())
            self._share = f" {100 * done // total} %" if total else ""
        elif found := re.match(r"(?:Collecting|Requirement already satisfied:) ([^\s;=<>!~\[(]+)", line):
            self._found += 1
            self._doing, self._share = f"looking for {found[1]}", ""
        elif found := re.match(r"(?:Downloading|Using cached|Processing) \S*?([^\s/]+?)-([\d.]+\d)\S*( \(.+\))?", line):
            self._doing, self._share = f"fetching {found[1]} {found[2]}{found[3] or ''}", ""
        elif line.startswith("Installing collected packages:"):
            self.installing, self._share = True, ""
            self._packages = line.count(",") + 1
        elif "Retrying (" in line:
            self._doing, self._share = "no answer from the package index, trying again", ""

    @contextmanager
    def shown(self, environment: Path) -> Iterator[None]:
        """Shows the progress while pip works on `environment`."""
        self.installing, self._found, self._packages = False, 0, self._expected
        before, ended = _installed(environment), threading.Event()

        def show() -> None:
            while not ended.wait(_LIVE_INTERVAL if self._live else _QUIET_INTERVAL):
                self._show(_installed(environment) - before)

        thread = threading.Thread(target=show, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _show(self, put_in_place: int) -> None:
        line = f"  {_clock(time.monotonic() - self._began)}  {self._what(put_in_place)}"
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            print("\r\033[K" + line[:width], end="", file=sys.stderr, flush=True)
        else:
            self._say(line)

    def _what(self, put_in_place: int) -> str:
        if self.installing:
            return f"putting packages in place: {min(put_in_place, self._packages)} of {self._packages}"
        return f"{self._doing}{self._share} ({self._found} packages so far, about {self._packages} in all)"

    def finish(self) -> None:
        if self._live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _installed(environment: Path) -> int:
    return sum(1 for _ in environment.glob("lib/python*/site-packages/*.dist-info"))


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
