"""`up` with small stand-in parts: real processes, signals, locks and ports, without the weight of the real parts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
STAND_IN = Path(__file__).parent / "stand_ins" / "up.py"


def environment(**more: str) -> dict[str, str]:
    """Without what the tester's own shell says of a ResDrop."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RESDROP_")}
    return {**inherited, "PYTHONPATH": str(REPOSITORY), "PYTHONSAFEPATH": "1"} | more


def command_line(*arguments: str, real: bool = False, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs one command to its end."""
    program = ["-m", "backend.cli"] if real else [str(STAND_IN)]
    return subprocess.run(
        [sys.executable, *program, *arguments], capture_output=True, text=True, timeout=60, env=environment(**more)
    )


class RunningUp:
    """An `up` in the background, in a session of its own as in a terminal of its own."""

    def __init__(self, home: Path, *arguments: str, no_browser: bool = True, **more: str) -> None:
        self.home = home
        (home / "beginnings").unlink(missing_ok=True)
        quiet = ["--no-browser"] if no_browser else []
        self._file = home.with_name(home.name + ".out")
        with self._file.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(STAND_IN), "up", "--home", str(home), "--port", "0", *quiet, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(**more),
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._file.read_text()

    @property
    def url(self) -> str:
        found = re.search(r"ResDrop is ready: (\S+)", self.output)
        assert found, self.output
        return found[1]

    def ready(self) -> RunningUp:
        """Returns once the page answers and every part can take a signal."""
        self.wait_for("ResDrop is ready")
        self.wait_until(lambda: {"api", "controller", "worker"} <= self.noted("beginnings"), what="all parts")
        return self

    def noted(self, file: str) -> set[str]:
        path = self.home / file
        return set(path.read_text().split()) if path.exists() else set()

    def wait_for(self, text: str, seconds: float = 20) -> None:
        self.wait_until(lambda: text in self.output, seconds, what=repr(text))

    def wait_until(self, is_true: Callable[[], bool], seconds: float = 20, *, what: str = "it") -> None:
        end = time.monotonic() + seconds
        while not is_true():
            assert time.monotonic() < end, f"waited {seconds} s for {what}\n{self.output}"
            time.sleep(0.02)

    def signal(self, which: signal.Signals) -> None:
        self.process.send_signal(which)

    def wait(self) -> int:
        return self.process.wait(30)

    def parts(self) -> dict[str, psutil.Process]:
        """The running parts by name."""
        found = {}
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if words[-2:-1] == [str(STAND_IN.with_name("part.py"))] and self._is_here(process):
                found[words[-1]] = process
            elif words and words[0].endswith(("redis-server", "valkey-server")) and self._is_here(process):
                found["redis"] = process
        return found

    def supervisor(self) -> psutil.Process:
        (found,) = [one for one in psutil.Process(self.process.pid).children() if "supervisord" in str(one.cmdline())]
        return found

    def _is_here(self, process: psutil.Process) -> bool:
        try:
            return (
                process.cwd() in (str(self.home), str(self.home / "redis")) and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False

    def clean_up(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        for process in self.parts().values():
            process.kill()


def page(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return bytes(answer.read())
