"""A Chromium for the browser tests: the machine's own, else the package manager's, else playwright's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from backend.process.errors import CommandError

NAMES = ("chromium", "chromium-browser", "google-chrome")
_PLAYWRIGHTS_OWN = """
import os
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    raise SystemExit(not os.access(playwright.chromium.executable_path, os.X_OK))
"""


def provide_chromium(python: Path, *, say: Callable[[str], None]) -> None:
    """Raises CommandError, with the remedy, where none of the ways works."""
    if _is_there(python):
        return
    say("The browser tests need Chromium; installing it.")
    tried = []
    for name, commands in _ways(python):
        said = _run(commands)
        if said is None and _is_there(python):
            say(f"Chromium was installed by {name}.")
            return
        tried.append(f"{name}: {said or 'it installed nothing that starts'}")
    raise CommandError(
        "Chromium could not be installed (" + "; ".join(tried) + "). Install the package chromium, "
        "or leave the browser tests out with `resdrop test --quick`."
    )


def _is_there(python: Path) -> bool:
    if any(shutil.which(name) for name in NAMES):
        return True
    return subprocess.run([python, "-c", _PLAYWRIGHTS_OWN], capture_output=True, check=False).returncode == 0


def _ways(python: Path) -> list[tuple[str, list[list[str]]]]:
    playwright = ("playwright", [[str(python), "-m", "playwright", "install", "chromium"]])
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return [playwright]
    install = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]
    return [("apt-get", [["apt-get", "update", "-q"], install]), playwright]


def _run(commands: Sequence[Sequence[str]]) -> str | None:
    """None when all went well, else the last line of what the failing one said."""
    for command in commands:
        surroundings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings, timeout=900)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            return said[-1] if said else f"exit status {done.returncode}"
    return None
