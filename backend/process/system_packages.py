"""What some tests need of the system: a Chromium (else playwright's), and nginx to stand before the service."""

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


def provide_nginx(*, say: Callable[[str], None]) -> None:
    """Where it cannot be installed, the tests behind it are skipped, and say why."""
    if find_nginx() is not None:
        return
    said: str | None = "only the superuser can install it, with apt-get"
    if _has_apt():
        said = _run(_apt_get("nginx-light"))
    installed = said is None and find_nginx() is not None
    say("nginx was installed by apt-get." if installed else f"nginx is not installed ({said}); some tests are skipped.")


def find_nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin")


def _is_there(python: Path) -> bool:
    if any(shutil.which(name) for name in NAMES):
        return True
    return subprocess.run([python, "-c", _PLAYWRIGHTS_OWN], capture_output=True, check=False).returncode == 0


def _ways(python: Path) -> list[tuple[str, list[list[str]]]]:
    playwright = ("playwright", [[str(python), "-m", "playwright", "install", "chromium"]])
    return [("apt-get", _apt_get("chromium")), playwright] if _has_apt() else [playwright]


def _has_apt() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt_get(package: str) -> list[list[str]]:
    # Another installation may be under way, as just after a machine's start.
    options = ["-o", "DPkg::Lock::Timeout=600"]
    return [
        ["apt-get", "update", "-q", *options],
        ["apt-get", "install", "-y", "--no-install-recommends", *options, package],
    ]


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
